"""Spectra that are narrower than any noise: most eigenvalues nearly equal, as an orthogonal matrix's are."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from eigentrail.spectra.marchenko_pastur_law import quantile

# Of the width that the law gives. Five or more eigenvalues of noise, of any shape, come so close in fewer than one of
# 10,000 matrices; those of heavier entries never do.
_NARROW = 0.1
_FEWEST = 5


def relative_width(eigenvalues: Float64[np.ndarray, " n"], rows: int, cols: int, matrices: int = 1) -> float:
    """Measure the middle half of a spectrum beside that of pure noise.

    Quartiles do not feel what stands out on either side: the eigenvalues that learning has moved leave the width of
    the others as it is, as long as they are fewer than half.

    Args:
        eigenvalues: of W^T W / rows, ascending; those that are zero to rounding do not count.
        rows: N, the larger dimension of each matrix.
        cols: M <= N.
        matrices: number of pooled matrices.

    Returns:
        Interquartile range over the median, divided by that of the Marchenko-Pastur law: about 1 for noise, 0 where
        the middle half is equal, infinity with fewer than five eigenvalues, which tell nothing.
    """
    top = float(eigenvalues[-1])
    live = eigenvalues[eigenvalues > top * rows * np.finfo(np.float64).eps]
    if live.size < _FEWEST:
        return float("inf")
    low, middle, high = np.quantile(live, (0.25, 0.5, 0.75))
    law = quantile(np.array([0.25, 0.5, 0.75]), live.size / matrices / rows)
    return float((high - low) / middle / ((law[2] - law[0]) / law[1]))


def why_narrow(eigenvalues: Float64[np.ndarray, " n"], rows: int, cols: int, matrices: int = 1) -> str:
    """Say why no law of noise or of a tail describes a spectrum whose eigenvalues are nearly equal.

    Args:
        eigenvalues: of W^T W / rows, ascending.
        rows: N, the larger dimension of each matrix.
        cols: M <= N.
        matrices: number of pooled matrices.

    Returns:
        The reason; empty where the spectrum is as wide as noise or wider.
    """
    width = relative_width(eigenvalues, rows, cols, matrices)
    if width >= _NARROW:
        return ""
    return (
        "most singular values are nearly equal, as an orthogonal matrix's are: the spectrum is narrower than noise, so "
        "that no noise law, tail, phase or spacings apply"
    )
