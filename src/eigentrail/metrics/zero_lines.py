"""Rows and columns without weights: units that are dead, or inputs that are never used."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from eigentrail.metrics.framework.contract import Column, metric_group

# A row whose norm is below this share of the root mean square of all is zero: weight decay never gets to 0 itself.
_ZERO = 1e-6
_BLOCK = 256


@metric_group(
    Column(
        "zero_rows",
        label="Zero rows",
        meaning="Rows of the N x M matrix whose norm is below a millionth of the others'; of a pool, of all its "
        "matrices together.",
        group="Entries",
        units="count, 0 to N",
        chance="Noise: 0.",
        absent="the entries of the matrix are not there",
        sort="count",
    ),
    Column(
        "zero_cols",
        label="Zero columns",
        meaning="Columns of the N x M matrix whose norm is below a millionth of the others'; of a pool, of all its "
        "matrices together.",
        group="Entries",
        units="count, 0 to M",
        chance="Noise: 0.",
        absent="the entries of the matrix are not there",
        sort="count",
    ),
    Column(
        "zero_lines_inside",
        label="Zero lines inside",
        meaning="Of the zero rows and columns, those with others on both sides: an embedding is padded at its ends.",
        group="Entries",
        units="count, 0 to N + M",
        chance="Noise: 0.",
        absent="the entries of the matrix are not there",
        sort="count",
    ),
    version=2,
    order=170,
)
def zero_lines(matrix: Any) -> dict[str, int]:
    """Count them.

    Args:
        matrix: [k, N, M] the entries.

    Returns:
        The counts.
    """
    rows = cols = inside = 0
    for one in matrix:
        scale = max(float(one.max()), -float(one.min())) or 1.0
        along_cols = np.zeros(one.shape[1])
        along_rows = np.empty(one.shape[0])
        for start in range(0, len(one), _BLOCK):
            # Products with ones sum three times as fast as `sum`. The squares of what counts as zero are far above the
            # smallest number of float32.
            squares = np.square(one[start : start + _BLOCK] / one.dtype.type(scale))
            along_cols += np.ones(len(squares), squares.dtype) @ squares
            along_rows[start : start + _BLOCK] = squares @ np.ones(squares.shape[1], squares.dtype)
        for zero in (_zeros(along_rows), _zeros(along_cols)):
            used = np.flatnonzero(~zero)
            inside += int(zero[used[0] : used[-1]].sum()) if len(used) else 0
        rows += int(_zeros(along_rows).sum())
        cols += int(_zeros(along_cols).sum())
    return {"zero_rows": rows, "zero_cols": cols, "zero_lines_inside": inside}


def _zeros(squares: Float64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    return np.asarray(squares <= _ZERO**2 * squares.mean())
