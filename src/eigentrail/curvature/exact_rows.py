"""A layer's Hessian where every sample has one position: Khatri-Rao products of triangles."""

from __future__ import annotations

import torch

from eigentrail.curvature.arrangement import Arrangement
from eigentrail.curvature.khatri_rao import KhatriRaoSum
from eigentrail.curvature.layer_pass import LayerPass

# Numbers in the second derivatives that are held at a time.
_NUMBERS = 2**23


def add_rows(total: KhatriRaoSum, passed: LayerPass, arrangement: Arrangement) -> None:
    """Add a batch whose groups have one position each.

    Args:
        total: what it is added to.
        passed: the batch at the layer.
        arrangement: sees each row, or each sample's only row, as a group.
    """
    out, groups = passed.layer.out, arrangement.groups(passed.axes, passed.samples)
    dtype = total.dtype
    triangles = torch.empty(out * (out + 1) // 2, groups, dtype=dtype, device=total.device)
    size = max(1, _NUMBERS // (groups * out))
    start = 0
    for low in range(0, out, size):
        chosen = range(low, min(low + size, out))
        tangents = passed.vectors.new_zeros(len(chosen), *passed.axes, out)
        for place, o in enumerate(chosen):
            tangents[place, ..., o] = 1
        found = arrangement.split(passed.product(tangents), len(passed.axes), groups)
        for place, o in enumerate(chosen):
            triangles[start : start + out - o] = found[place, :, 0, o:].T
            start += out - o
    vectors = arrangement.split(passed.vectors, len(passed.axes), groups)
    total.add(triangles, vectors[:, 0].T.contiguous())
