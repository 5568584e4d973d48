"""The exact Hessian of one Linear layer or convolution, from the second derivatives in its outputs alone.

With z = W a the Hessian in W is the sum over samples and over pairs of positions p, q of
Hz[(p, o), (q, o')] a_p a_q^T, where Hz is the Hessian of the sample's loss in z: the network in front of the layer is
only run forward, and what is differentiated begins behind the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch.utils._pytree import tree_leaves

from eigentrail.curvature.affine_layer import AffineLayer
from eigentrail.curvature.arrangement import CANDIDATES, WHOLE, Arrangement, separates
from eigentrail.curvature.graphs import Outputs
from eigentrail.curvature.khatri_rao import KhatriRaoSum
from eigentrail.curvature.layer_blocks import LayerBlocks, mirror
from eigentrail.curvature.point import Point
from eigentrail.curvature.samples import Batch
from eigentrail.curvature.tail import Cut, GaussNewtonTail, Tail, cut

Batches: TypeAlias = Callable[[], Iterable[Batch]]

# Numbers in the second derivatives that are held at a time.
_NUMBERS = 2**23
# Products that must find groups separate in a first batch of few: a single one may draw a half that happens to be.
_FEW, _TRIALS = 16, 4


@dataclass(frozen=True)
class _Work:
    """What is summed over which samples."""

    point: Point
    batches: Batches
    kind: str
    layer: AffineLayer


class NotClosedError(Exception):
    """The layer's Hessian is not given by what is behind the layer; the text says why."""


class _MixedError(Exception):
    """Groups of rows that were separate in the first batch meet in a later one."""


@dataclass(frozen=True)
class _Way:
    """How a layer's Hessian is summed, chosen at the first batch.

    Attributes:
        method: "khatri-rao" (one position a group), "positions" (a product for every output and position, then the
            patches) or "columns" (a product for every column of the result).
        arrangement: how the rows of z make groups.
    """

    method: str
    arrangement: Arrangement


@dataclass(frozen=True)
class _Passed:
    """One batch at the layer.

    Attributes:
        tail: second derivatives of the batch's share of the mean loss in z.
        vectors: a, [*axes, groups of channels * inputs].
        axes: shape of the rows of z.
        samples: how many samples the batch has.
    """

    tail: Tail | GaussNewtonTail
    vectors: torch.Tensor
    axes: tuple[int, ...]
    samples: int


def layer_hessian(point: Point, batches: Batches, kind: str, layer: AffineLayer, matrix: torch.Tensor) -> str:
    """Add the mean Hessian of one layer over the samples of this process to a matrix of zeros.

    Args:
        point: the network and the loss, within `point.setting()`; its chosen parameters are the layer's.
        batches: gives the same batches at every call.
        kind: "hessian" or "gauss-newton".
        layer: the layer.
        matrix: [n, n] zeros in the precision in which products are formed and summed; symmetric to the last bit
            afterwards.

    Returns:
        The method: "khatri-rao", "positions" or "columns"; empty where there are no samples.

    Raises:
        NotClosedError: the layer is used more than once, or its parameters elsewhere, or its input is of an unusual
            shape.
    """
    work = _Work(point, batches, kind, layer)
    first = next(iter(batches()), None)
    if first is None:
        return ""
    passed = _pass(work, first, leaves=point.leaves())
    candidates = list(CANDIDATES)
    while True:
        way = _choose(layer, passed, candidates)
        try:
            _sum(work, way, matrix, passed)
        except _MixedError:
            matrix.zero_()
            candidates.remove(way.arrangement)
        else:
            return way.method


def _sum(work: _Work, way: _Way, matrix: torch.Tensor, first: _Passed) -> None:
    """Sum over all batches in a chosen way; the first one has passed already."""
    layer = work.layer
    blocks = LayerBlocks(matrix, layer.out, layer.columns, layer.bias)
    total = None
    if way.method == "khatri-rao":
        total = KhatriRaoSum(layer.out, layer.inputs, matrix.dtype, matrix.device)
    for number, batch in enumerate(work.batches()):
        passed = _pass(work, batch) if number else first
        # The first batch was asked when the way was chosen.
        if number and way.arrangement != WHOLE and not _separate(layer, passed, way.arrangement, seed=number):
            raise _MixedError
        if total is not None:
            _add_rows(total, layer, passed, way.arrangement)
        else:
            for o in range(layer.out):
                _add_output(blocks, layer, passed, way, o)
    if total is not None:
        for o, rows in enumerate(total.blocks()):
            blocks.put(o, rows)
    else:
        mirror(matrix)


def _pass(work: _Work, batch: Batch, leaves: tuple[torch.Tensor, ...] | None = None) -> _Passed:
    """Run one batch with the graph cut behind the layer; with leaves, look for other uses of the layer's parameters."""
    point, layer = work.point, work.layer
    outputs, at = cut(layer.module, lambda: point.outputs(leaves or point.values, batch))
    leaf, inputs = _through(layer, at)
    if leaves is not None:
        _refuse_other_uses(outputs, leaves, point.chosen.names)
    tail: Tail | GaussNewtonTail
    if work.kind == "hessian":
        tail = Tail(leaf, batch.weight * point.loss_of(outputs, batch))
    else:
        found = Outputs(outputs, point, batch)
        ends = found.leaves()
        tail = GaussNewtonTail(leaf, found.tensors, ends, batch.weight * found.loss(ends))
    return _Passed(
        tail=tail,
        vectors=layer.patches(inputs).flatten(-2),
        axes=tuple(layer.rows(leaf).shape[:-1]),
        samples=batch.count,
    )


def _through(layer: AffineLayer, at: Cut) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the layer's outputs and inputs, or say why they do not carry all of the Hessian."""
    if at.inputs is None or at.outputs is None:
        raise NotClosedError("the network uses the layer's parameters without calling the layer")
    if at.calls > 1:
        raise NotClosedError(f"the network calls the layer {at.calls} times in one forward pass")
    if at.inputs.ndim < layer.axes + 1:
        raise NotClosedError(f"the layer's input has {at.inputs.ndim} axes, without one for the samples")
    return at.outputs, at.inputs


def _refuse_other_uses(outputs: Any, leaves: tuple[torch.Tensor, ...], names: Sequence[str]) -> None:
    """Look for ways from the layer's parameters to the outputs that do not lead through the layer."""
    tensors = [one for one in tree_leaves(outputs) if isinstance(one, torch.Tensor) and one.requires_grad]
    if not tensors:
        return
    found = torch.autograd.grad(
        tensors,
        leaves,
        [torch.ones_like(one) for one in tensors],
        allow_unused=True,
        retain_graph=True,
    )
    used = [name for name, one in zip(names, found, strict=True) if one is not None]
    if used:
        raise NotClosedError(f"the network uses {used[0]} outside its layer too")


def _rows_product(layer: AffineLayer, passed: _Passed, tangents: torch.Tensor) -> torch.Tensor:
    """Multiply tangents [k, *axes, out] with the Hessian in z."""
    return layer.rows(passed.tail.apply(layer.outputs(tangents).contiguous()))


def _separate(layer: AffineLayer, passed: _Passed, arrangement: Arrangement, seed: int) -> bool:
    return separates(
        arrangement,
        lambda tangent: _rows_product(layer, passed, tangent[None])[0],
        passed.axes,
        layer.out,
        passed.samples,
        passed.tail.leaf,
        seed,
    )


def _choose(layer: AffineLayer, passed: _Passed, candidates: Sequence[Arrangement]) -> _Way:
    """Choose the cheapest way that the first batch allows."""
    rows = passed.vectors[..., 0].numel()
    for candidate in candidates:
        groups = candidate.groups(passed.axes, passed.samples)
        positions = rows // groups if groups else rows
        # A product for each position costs more than one for each column of a patch where there are more of them.
        trials = range(_TRIALS if groups < _FEW else 1)
        if positions < max(layer.inputs, 2) and all(
            _separate(layer, passed, candidate, seed) for seed in trials
        ):
            method = "khatri-rao" if positions == 1 and layer.groups == 1 else "positions"
            return _Way(method, candidate)
    return _Way("columns", WHOLE)


def _add_rows(total: KhatriRaoSum, layer: AffineLayer, passed: _Passed, arrangement: Arrangement) -> None:
    """Add a batch whose groups have one position each."""
    out, groups = layer.out, arrangement.groups(passed.axes, passed.samples)
    dtype = total.dtype
    triangles = torch.empty(out * (out + 1) // 2, groups, dtype=dtype, device=total.device)
    size = max(1, _NUMBERS // (groups * out))
    start = 0
    for low in range(0, out, size):
        chosen = range(low, min(low + size, out))
        tangents = passed.vectors.new_zeros(len(chosen), *passed.axes, out)
        for place, o in enumerate(chosen):
            tangents[place, ..., o] = 1
        found = arrangement.split(_rows_product(layer, passed, tangents), len(passed.axes), groups)
        for place, o in enumerate(chosen):
            triangles[start : start + out - o] = found[place, :, 0, o:].T
            start += out - o
    vectors = arrangement.split(passed.vectors, len(passed.axes), groups)
    total.add(triangles, vectors[:, 0].T.contiguous())


def _add_output(blocks: LayerBlocks, layer: AffineLayer, passed: _Passed, way: _Way, o: int) -> None:
    """Add one output's blocks with itself and the outputs behind it."""
    arrangement, axes, out = way.arrangement, passed.axes, layer.out
    dtype, inputs = blocks.matrix.dtype, layer.inputs
    groups = arrangement.groups(axes, passed.samples)
    vectors = arrangement.split(passed.vectors, len(axes), groups)
    positions, share = vectors.shape[1], out // layer.groups
    vectors = vectors.reshape(groups, positions, layer.groups, inputs)
    mine = vectors[:, :, o // share]
    probes = positions if way.method == "positions" else inputs
    size = max(1, _NUMBERS // (groups * positions * out))
    for low in range(0, probes, size):
        part = slice(low, min(low + size, probes))
        count = part.stop - part.start
        tangents = vectors.new_zeros(count, groups, positions, out)
        if way.method == "positions":
            for place in range(count):
                tangents[place, :, low + place, o] = 1
        else:
            tangents[..., o] = mine[..., part].movedim(-1, 0)
        found = arrangement.split(
            _rows_product(layer, passed, arrangement.join(tangents, axes)), len(axes), groups
        ).to(dtype)
        # Outputs of one group of channels share their vectors.
        for group in range(o // share, layer.groups):
            first, stop = max(o, group * share), (group + 1) * share
            theirs = vectors[:, :, group].to(dtype)
            bent = found[..., first:stop]
            if way.method == "positions":
                # [groups, count * outs, positions] @ [groups, positions, inputs], then over groups and positions.
                spread = bent.permute(1, 0, 3, 2).flatten(1, 2) @ theirs
                left = mine[:, part].to(dtype).flatten(0, 1).T
                rows = left @ spread.reshape(groups * count, -1)
                where = slice(0, inputs)
            else:
                rows = bent.permute(0, 3, 1, 2).flatten(0, 1).flatten(1) @ theirs.flatten(0, 1)
                where = part
            rows = rows.reshape(-1, stop - first, inputs)
            if first == o:
                # The mirror image is added at the end, which would count the diagonal block twice.
                rows[:, 0] *= 0.5
            blocks.add(o, where, rows, first, stop)
