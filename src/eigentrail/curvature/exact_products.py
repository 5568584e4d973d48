"""The exact matrix as the operator applied to the identity, in blocks: for any network of few parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eigentrail._progress import Progress
from eigentrail.curvature.layer_blocks import mirror

if TYPE_CHECKING:
    from eigentrail.curvature.operator import Curvature

# Numbers in one block of unit vectors, and the most vectors in it.
_NUMBERS = 2**22
BLOCK = 64


def write_products(curvature: Curvature, matrix: torch.Tensor, report: Progress) -> None:
    """Write the operator's matrix, the mean of its rows and its columns.

    Args:
        curvature: the operator; applied n times.
        matrix: [n, n], overwritten; symmetric to the last bit afterwards.
        report: told how many rows are done.
    """
    n = curvature.n
    size = max(1, min(BLOCK, _NUMBERS // n))
    for low in range(0, n, size):
        report("product", low, n)
        high = min(low + size, n)
        block = torch.zeros(high - low, n, dtype=curvature.dtype, device=curvature.device)
        block[:, low:high].fill_diagonal_(1)
        # Halves are exact, so the sum with the mirror image is the mean.
        matrix[low:high] = curvature.apply(block)
        matrix[low:high] *= 0.5
    report("done", n, n)
    mirror(matrix)
