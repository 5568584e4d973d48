"""The exact Hessian of one Linear layer or convolution, from the second derivatives in its outputs alone.

With z = W a the Hessian in W is the sum over samples and over pairs of positions p, q of
Hz[(p, o), (q, o')] a_p a_q^T, where Hz is the Hessian of the sample's loss in z: the network in front of the layer is
only run forward, and what is differentiated begins behind the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import torch

from eigentrail._progress import Progress
from eigentrail.curvature.affine_layer import AffineLayer
from eigentrail.curvature.arrangement import CANDIDATES, WHOLE, Arrangement
from eigentrail.curvature.exact_outputs import add_outputs, straight
from eigentrail.curvature.exact_positions import add_output
from eigentrail.curvature.exact_rows import add_rows
from eigentrail.curvature.khatri_rao import KhatriRaoSum
from eigentrail.curvature.layer_blocks import LayerBlocks, mirror, reflect
from eigentrail.curvature.layer_pass import LayerPass, NotClosedError, layer_pass
from eigentrail.curvature.point import Point
from eigentrail.data.samples import Batch

Batches: TypeAlias = Callable[[], Iterable[Batch]]
# Products that must find groups separate in a first batch of few: a single one may draw a half that happens to be.
_FEW, _TRIALS = 16, 4


@dataclass(frozen=True)
class Way:
    """How a layer's Hessian is summed, chosen at the first batch.

    Attributes:
        method: "khatri-rao" (one position a group), "outputs" (the Gauss-Newton form of few outputs), "positions" (a
            product for every output and position, then the patches) or "columns" (a product for every column of the
            result).
        arrangement: how the rows of z make groups.
    """

    method: str
    arrangement: Arrangement


def layer_hessian(
    point: Point,
    batches: Batches,
    kind: str,
    layer: AffineLayer,
    matrix: torch.Tensor,
    report: Progress,
) -> str:
    """Add the mean Hessian of one layer over the samples of this process to a matrix of zeros.

    Args:
        point: the network and the loss, within `point.setting()`; its chosen parameters are the layer's.
        batches: gives the same batches at every call.
        kind: "hessian" or "gauss-newton".
        layer: the layer.
        matrix: [n, n] zeros in the precision in which products are formed and summed; symmetric to the last bit
            afterwards.
        report: told what is summed.

    Returns:
        The method: see `Way`; empty where there are no samples.

    Raises:
        NotClosedError: the layer is used more than once, or its parameters elsewhere, or its input is of an unusual
            shape, or no way fits.
    """
    first = next(iter(batches()), None)
    if first is None:
        return ""
    passed = layer_pass(point, kind, layer, first, leaves=point.leaves())
    seeds = range(_TRIALS if passed.samples < _FEW else 1)
    for way in _ways(passed):
        if _fits(passed, way, kind, seeds) and _sum(point, batches, kind, way, matrix, passed, report):
            return way.method
        matrix.zero_()
    raise NotClosedError("no way to sum the layer's Hessian fits the network")


def _ways(passed: LayerPass) -> Iterator[Way]:
    """Give the ways from the cheapest on, as far as shapes tell."""
    layer, rows = passed.layer, passed.vectors[..., 0].numel()
    for arrangement in CANDIDATES:
        groups = arrangement.groups(passed.axes, passed.samples)
        if not groups:
            continue
        positions = rows // groups
        if positions == 1 and layer.groups == 1:
            yield Way("khatri-rao", arrangement)
            continue
        # Multiplications a sample: width n^2 here, positions n^2 / 2 and many products below.
        if groups == passed.samples and 0 < 2 * passed.width <= positions:
            yield Way("outputs", arrangement)
        # A product for each position costs more than one for each column of a patch where there are more of them.
        if positions < max(layer.inputs, 2):
            yield Way("positions", arrangement)
    yield Way("columns", WHOLE)


def _fits(passed: LayerPass, way: Way, kind: str, seeds: Iterable[int]) -> bool:
    """Tell whether what a way takes for granted holds for a batch, as far as a few products show."""
    for seed in seeds:
        if way.arrangement != WHOLE and not passed.separate(way.arrangement, seed):
            return False
        if way.method == "outputs" and kind == "hessian" and not straight(passed, seed):
            return False
    return True


def _sum(
    point: Point,
    batches: Batches,
    kind: str,
    way: Way,
    matrix: torch.Tensor,
    first: LayerPass,
    report: Progress,
) -> bool:
    """Sum over all batches in a chosen way; False when it turns out not to fit one of them."""
    layer = first.layer
    blocks = LayerBlocks(matrix, layer.out, layer.columns, layer.bias)
    total = None
    if way.method == "khatri-rao":
        total = KhatriRaoSum(layer.out, layer.inputs, matrix.dtype, matrix.device)
    for number, batch in enumerate(batches()):
        # The first batch was asked when the way was chosen.
        passed = layer_pass(point, kind, layer, batch) if number else first
        if number and not _fits(passed, way, kind, [number]):
            return False
        if total is not None:
            report(f"batch {number + 1}", 0, 0)
            add_rows(total, passed, way.arrangement)
        elif way.method == "outputs":
            report(f"batch {number + 1}", 0, 0)
            add_outputs(matrix, passed, way.arrangement)
        else:
            for o in range(layer.out):
                report(f"batch {number + 1}, output {o + 1}", o, layer.out)
                add_output(blocks, passed, way.arrangement, o, columns=way.method == "columns")
    if total is not None:
        for o, rows in enumerate(total.blocks()):
            blocks.put(o, rows)
    elif way.method == "outputs":
        reflect(matrix)
    else:
        mirror(matrix)
    return True
