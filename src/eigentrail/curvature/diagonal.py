"""The diagonal of a curvature: in closed form for one Linear layer, else from products with random signs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float

from eigentrail._numbers import seed_of, whole
from eigentrail.curvature.affine_layer import owner
from eigentrail.curvature.arrangement import CANDIDATES, Arrangement
from eigentrail.curvature.layer_pass import LayerPass, NotClosedError, layer_pass
from eigentrail.curvature.probes import draw
from eigentrail.linalg.finite import finite_products
from eigentrail.linalg.krylov_space import Apply

if TYPE_CHECKING:
    from eigentrail.curvature.operator import Curvature

_TOGETHER = 16  # vectors multiplied at once
_NUMBERS = 2**23  # numbers in the second derivatives that are held at a time


@dataclass(frozen=True)
class Diagonal:
    """The diagonal of a symmetric operator.

    Attributes:
        values: [n].
        errors: [n], the standard error of each entry, from the spread over the probes; 0 where it is exact.
        products: applications of the operator.
        method: "closed" (from the second derivatives in a layer's outputs), "exact" (a product for each parameter) or
            "estimated".
    """

    values: Float[torch.Tensor, " n"]
    errors: Float[torch.Tensor, " n"]
    products: int
    method: str


def curvature_diagonal(curvature: Curvature, products: int = 100, seed: int = 0) -> Diagonal:
    """Compute the diagonal of a curvature; see `Curvature.diagonal`.

    Args:
        curvature: the operator.
        products: how many products may be taken.
        seed: of the probes.

    Returns:
        The diagonal, with 2 weight_decay.
    """
    products, seed = whole("products", products, 2), seed_of(seed)
    closed = _closed(curvature)
    if closed is not None:
        values = closed + 2 * curvature.weight_decay
        return Diagonal(values, torch.zeros_like(values), 0, "closed")
    curvature.problem.expect(min(products, curvature.n))
    return estimated_diagonal(
        curvature.apply, curvature.n, products, seed, dtype=curvature.dtype, device=curvature.device
    )


def estimated_diagonal(
    apply: Apply,
    n: int,
    products: int,
    seed: int = 0,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Diagonal:
    """Estimate a diagonal as the mean of z * (H z) over vectors z of random signs (Bekas, Kokiopoulou & Saad 2007).

    The variance of an entry is the sum of the squares of the others in its row. With n products or more each entry is
    computed exactly.

    Args:
        apply: the operator, [j, n] -> [j, n], symmetric.
        n: its dimension.
        products: how many products may be taken, at least 2.
        seed: of the probes.
        dtype: of the vectors.
        device: where they live.

    Returns:
        The diagonal with its errors.
    """
    if n <= products:
        rows = torch.eye(n, dtype=dtype, device=device)
        found = torch.cat([finite_products(apply(part)) for part in torch.split(rows, _TOGETHER)])
        exact = found.diagonal().clone()
        return Diagonal(exact, torch.zeros_like(exact), n, "exact")
    generator = torch.Generator().manual_seed(seed)
    mean = torch.zeros(n, dtype=torch.float64, device=device)
    spread = torch.zeros_like(mean)
    done = 0
    while done < products:
        signs = draw(min(_TOGETHER, products - done), n, "rademacher", generator, dtype, device)
        entries = (signs * finite_products(apply(signs))).double()
        # The means and squares of both parts are put together: no cancellation for entries of small spread.
        count, part = len(signs), entries.mean(dim=0)
        gap = part - mean
        total = done + count
        spread += (entries - part).square().sum(dim=0) + gap.square() * (done * count / total)
        mean += gap * (count / total)
        done = total
    errors = (spread / (products - 1) / products).sqrt()
    return Diagonal(mean.to(dtype), errors.to(dtype), products, "estimated")


def _closed(curvature: Curvature) -> torch.Tensor | None:
    """Sum Hz[o, o] a_i^2 over all samples; None where the parameters are not one layer's with one position a sample."""
    layer = owner(curvature.model, list(curvature.problem.chosen.paths.values()))
    if layer is None or layer.axes != 1:
        return None
    curvature.problem.ready()
    total = torch.zeros(layer.out, layer.inputs, dtype=torch.float64, device=curvature.device)
    fits = True
    with curvature.problem.ranks.together(), curvature.problem.point.setting():
        try:
            for number, batch in enumerate(curvature.problem.batches()):
                leaves = None if number else curvature.problem.point.leaves()
                passed = layer_pass(curvature.problem.point, curvature.kind, layer, batch, leaves=leaves)
                arrangement = _single(passed, number)
                if arrangement is None:
                    fits = False
                    break
                for o, bent in _second_derivatives(passed, arrangement):
                    squares = (
                        arrangement.split(passed.vectors, len(passed.axes), len(bent))[:, 0].double() ** 2
                    )
                    total[o] += bent.double() @ squares
        except NotClosedError:
            fits = False
    # All processes go the same way or none does.
    if not all(curvature.problem.ranks.gather(fits)):
        return None
    total = curvature.problem.ranks.add(total)
    parts = [total[:, : layer.columns].reshape(-1)] if layer.weight else []
    parts += [total[:, -1]] if layer.bias else []
    return torch.cat(parts).to(curvature.dtype)


def _single(passed: LayerPass, seed: int) -> Arrangement | None:
    """Find an arrangement with one position a group, whose groups do not meet in the loss."""
    rows = passed.vectors[..., 0].numel()
    for arrangement in CANDIDATES:
        groups = arrangement.groups(passed.axes, passed.samples)
        if groups and groups == rows and passed.separate(arrangement, seed):
            return arrangement
    return None


def _second_derivatives(
    passed: LayerPass, arrangement: Arrangement
) -> Iterator[tuple[int, Float[torch.Tensor, " groups"]]]:
    """Give, for each output o, the second derivative of the loss in it, for every group."""
    out, axes = passed.layer.out, passed.axes
    groups = arrangement.groups(axes, passed.samples)
    size = max(1, _NUMBERS // (groups * out))
    for low in range(0, out, size):
        chosen = range(low, min(low + size, out))
        tangents = passed.vectors.new_zeros(len(chosen), *axes, out)
        for place, o in enumerate(chosen):
            tangents[place, ..., o] = 1
        found = arrangement.split(passed.product(tangents), len(axes), groups)
        for place, o in enumerate(chosen):
            yield o, found[place, :, 0, o]
