"""The exact Hessian or Gauss-Newton matrix of chosen layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float

from eigentrail._numbers import real, whole
from eigentrail._progress import Progress, shown
from eigentrail.curvature.affine_layer import AffineLayer, owner
from eigentrail.curvature.exact_layer import layer_hessian
from eigentrail.curvature.exact_outputs import NUMBERS
from eigentrail.curvature.exact_products import BLOCK, write_products
from eigentrail.curvature.khatri_rao import KhatriRaoSum
from eigentrail.curvature.layer_pass import NotClosedError
from eigentrail.curvature.spot_check import spot_check
from eigentrail.errors import OptionError
from eigentrail.linalg.memory import refuse_above

if TYPE_CHECKING:
    from eigentrail.curvature.operator import Curvature


def exact_matrix(
    curvature: Curvature, *, dtype: torch.dtype | None = None, limit: int | None = None, check: int = 3
) -> Float[torch.Tensor, "n n"]:
    """Compute the whole matrix of an operator, the mean over all samples.

    For one Linear layer or one convolution that the network calls once, only what is behind the layer is
    differentiated: outputs z = W a are linear in W, so the Hessian in W is the mean of Hz (x) a a^T with Hz the Hessian
    of a sample's loss in z, over all pairs of positions of a sample where the layer has several (tokens, patches).
    This holds for any network behind the layer; with `kind="gauss-newton"`, Hz is J^T S J. Where positions outnumber
    the network's outputs, that form is summed from the outputs' derivatives in W, also for the Hessian if the network
    is piecewise linear behind the layer. For anything else (several layers, whole networks, layers used twice, tied
    weights) the operator is applied to the identity. What the network does is found out, not asked: the forward pass
    tells how often the layer is called and whether its parameters are used elsewhere, and a product with Hz whether
    samples or positions meet in the loss and whether the network bends behind the layer.

    In float32 the sums over samples are formed in blocks whose sum is taken in float64 (one position a sample) or in
    micro-batches: the matrix is off by about 2e-7 of its largest entry. In float64, products and sums are in float64,
    of activations and derivatives in the operator's own precision.

    Args:
        curvature: the operator.
        dtype: torch.float32 or torch.float64, in which sums are formed and the matrix is returned; None for the
            operator's own.
        limit: bytes that the matrix and the work on it may take; None for half of the memory available.
        check: how many random products the matrix is compared with; 0 for none.

    Returns:
        The matrix [n, n] in the order of the parameter vector, symmetric to the last bit, with 2 weight_decay on the
        diagonal. The comparison is left in `curvature.check`.

    Raises:
        CurvatureError: it does not fit into memory, or differs from the random products.
        OptionError: the precision or the number of products cannot be.
    """
    dtype = curvature.dtype if dtype is None else dtype
    if dtype not in {torch.float32, torch.float64}:
        raise OptionError(f"an exact matrix is torch.float32 or torch.float64, not {dtype}.")
    check = whole("check", check)
    limit = None if limit is None else int(real("limit", limit))
    layer = owner(curvature.model, list(curvature.problem.chosen.paths.values()))
    n, itemsize = curvature.n, torch.empty(0, dtype=dtype).element_size()
    refuse_above(n * n * itemsize + _workspace(n, layer, itemsize), limit, n, dtype, curvature.device)
    matrix = torch.zeros(n, n, dtype=dtype, device=curvature.device)
    method, note = _fill(curvature, layer, matrix)
    # Sums over rows are finite only where the entries are, and need no second matrix.
    if not bool(torch.isfinite(torch.mv(matrix, matrix.new_ones(n))).all()):
        curvature.problem.explain()
    if method != "products":
        curvature.problem.expect(check)
    curvature.check = spot_check(curvature, matrix, check, method, note)
    return matrix


def _workspace(n: int, layer: AffineLayer | None, itemsize: int) -> int:
    """Give about the bytes that are needed besides the matrix and the graphs of a batch."""
    if layer is None:
        return 4 * BLOCK * n * itemsize
    if layer.axes == 1:
        return KhatriRaoSum.workspace(layer.out, layer.inputs, itemsize)
    return 4 * NUMBERS * itemsize


def _fill(curvature: Curvature, layer: AffineLayer | None, matrix: torch.Tensor) -> tuple[str, str]:
    """Compute the matrix in the cheapest way; say which, and why no cheaper one."""
    note = "the chosen parameters are not those of one Linear layer or convolution"
    if layer is not None:
        with shown("exact matrix") as report:
            method, note = _close(curvature, layer, matrix, report)
        if not note:
            curvature.problem.ranks.add(matrix)
            matrix.diagonal().add_(2 * curvature.weight_decay)
            return method, ""
        matrix.zero_()
    # Products include weight decay, and the samples of all processes, already.
    curvature.problem.expect(curvature.n)
    with shown("exact matrix") as report:
        write_products(curvature, matrix, report)
    return "products", note


def _close(
    curvature: Curvature, layer: AffineLayer, matrix: torch.Tensor, report: Progress
) -> tuple[str, str]:
    """Sum the closed form over the samples of this process; all processes go the same way or none does."""
    method, note = "", ""
    with curvature.problem.ranks.together(), curvature.problem.point.setting():
        try:
            method = layer_hessian(
                curvature.problem.point, curvature.problem.batches, curvature.kind, layer, matrix, report
            )
        except NotClosedError as error:
            note = str(error)
    found = curvature.problem.ranks.gather((method, note))
    return next((one for one, _ in found if one), ""), next((one for _, one in found if one), "")
