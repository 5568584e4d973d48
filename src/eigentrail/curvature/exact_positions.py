"""A layer's Hessian where samples have several positions, from products with unit tangents or with columns."""

from __future__ import annotations

from eigentrail.curvature.arrangement import Arrangement
from eigentrail.curvature.layer_blocks import LayerBlocks
from eigentrail.curvature.layer_pass import LayerPass

# Numbers in the second derivatives that are held at a time.
_NUMBERS = 2**23


def add_output(
    blocks: LayerBlocks, passed: LayerPass, arrangement: Arrangement, o: int, *, columns: bool
) -> None:
    """Add one output's blocks with itself and with the outputs behind it, half of the diagonal block.

    Two ways lead to sum_{p, q} Hz[(p, o), (q, o')] a_p a_q^T. With a unit tangent for every position p, a product of
    the tail gives a row of Hz, which the patches a_q and then a_p are multiplied with. With the tangent a[:, i], it
    gives the sum over p at once, for one column of the result; that is cheaper where positions outnumber the entries
    of a.

    Args:
        blocks: what is added to; its mirror image is to be added when all is summed.
        passed: the batch at the layer.
        arrangement: how the rows make groups that do not meet in the loss; one group of all for columns.
        o: the output.
        columns: whether tangents are columns of the result.
    """
    layer, axes = passed.layer, passed.axes
    out = layer.out
    dtype, inputs = blocks.matrix.dtype, layer.inputs
    groups = arrangement.groups(axes, passed.samples)
    vectors = arrangement.split(passed.vectors, len(axes), groups)
    positions, share = vectors.shape[1], out // layer.groups
    vectors = vectors.reshape(groups, positions, layer.groups, inputs)
    mine = vectors[:, :, o // share]
    probes = inputs if columns else positions
    size = max(1, _NUMBERS // (groups * positions * out))
    for low in range(0, probes, size):
        part = slice(low, min(low + size, probes))
        count = part.stop - part.start
        tangents = vectors.new_zeros(count, groups, positions, out)
        if columns:
            tangents[..., o] = mine[..., part].movedim(-1, 0)
        else:
            for place in range(count):
                tangents[place, :, low + place, o] = 1
        found = arrangement.split(passed.product(arrangement.join(tangents, axes)), len(axes), groups).to(
            dtype
        )
        # Outputs of one group of channels share their vectors.
        for group in range(o // share, layer.groups):
            first, stop = max(o, group * share), (group + 1) * share
            theirs = vectors[:, :, group].to(dtype)
            bent = found[..., first:stop]
            if not columns:
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
