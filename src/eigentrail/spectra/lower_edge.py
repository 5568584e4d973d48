"""The smallest eigenvalue of noise: below its law's level an eigenvalue is too small for noise.

Away from q = 1 the lower edge is soft, and the logarithm of the smallest eigenvalue follows the reflected Tracy-Widom
law (Ma 2012). At q = 1 it is hard, at zero: the law of square matrices, and that of one row more, are Edelman's (1988).
"""

from __future__ import annotations

import numpy as np

from eigentrail.errors import OptionError
from eigentrail.spectra import tracy_widom

# With so many rows more than columns the soft edge's law holds its level.
_SOFT = 8


def lower_threshold(
    rows: int, cols: int, sigma: float = 1.0, level: float = 0.01, matrices: int = 1
) -> float:
    """Give the eigenvalue that the smallest one of pure noise falls below with probability `level`.

    Args:
        rows: N, the larger dimension.
        cols: M <= N.
        sigma: standard deviation of the entries, taken as known.
        level: probability that the smallest of all `matrices * cols` eigenvalues of noise lies below.
        matrices: number k of independent matrices pooled; each is given the level 1 - (1 - level)^(1/k).

    Returns:
        The threshold, in units of the eigenvalues of W^T W / rows. With 2 to 7 rows more than columns it is that of one
        row more, which noise falls below more seldom.

    Raises:
        OptionError: `level` is no probability.
    """
    if not 0.0 < level < 1.0:
        raise OptionError(f"The level of a test lies between 0 and 1, not {level}.")
    each = level if matrices == 1 else float(-np.expm1(np.log1p(-level) / matrices))
    surplus = -float(np.log1p(-each))
    if rows == cols:  # P(N lambda' > x) = exp(-x / 2 - sqrt x), lambda' an eigenvalue of W^T W
        return float(sigma**2 * ((1.0 + 2.0 * surplus) ** 0.5 - 1.0) ** 2 / (rows * cols))
    if rows - cols < _SOFT:  # P(M lambda' > x) = exp(-x / 2)
        return sigma**2 * 2.0 * surplus / (rows * cols)
    root_n, root_m = (rows - 0.5) ** 0.5, (cols - 0.5) ** 0.5
    centre = (root_n - root_m) ** 2
    scale = (root_n - root_m) * (1.0 / root_m - 1.0 / root_n) ** (1.0 / 3.0) / centre
    return float(sigma**2 * np.exp(scale**2 / 8.0 - scale * tracy_widom.isf(each)) * centre / rows)
