"""The Tracy-Widom law of the largest eigenvalue (beta = 1) and the spike threshold that follows from it.

The distribution function is a Fredholm determinant, evaluated by Gauss-Legendre quadrature (Bornemann 2010)
of the kernel Ai(x + y + s) on the positive half line (Ferrari & Spohn 2005), which is exact to rounding. Its
quantiles come from an embedded Chebyshev expansion, so that a threshold costs microseconds.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float64
from scipy import special

from eigentrail.errors import OptionError

MEAN = -1.2065335745820
VARIANCE = 1.607781034581

_NODES = 64
_LENGTH = 18.0
_LOWEST, _HIGHEST = -40.0, 100.0  # beyond these the tails vanish in float64

# The quantile as a function of z, the normal deviate of the same upper-tail probability (5e-11 from the
# determinant).
_Z_LOW, _Z_HIGH = -5.5, 9.0
_COEFFICIENTS = (
    2.7357460676881424,
    10.976118036262596,
    1.524391170924356,
    0.046570164835662224,
    -0.06410915951472282,
    0.001899276837594208,
    0.008937449303486888,
    -0.0012257389040782156,
    -0.001739610487824487,
    0.00044085293706825273,
    0.00039776655342979675,
    -0.00014894856283334846,
    -0.00010001605152797508,
    5.004678692799206e-05,
    2.6788275867907882e-05,
    -1.691287759971986e-05,
    -7.511090164891324e-06,
    5.758697370774357e-06,
    2.1820688928294956e-06,
    -1.9742377915758148e-06,
    -6.524972428200756e-07,
    6.80614698832351e-07,
    1.998982176507452e-07,
    -2.3566037961124992e-07,
    -6.25094230152616e-08,
    8.186333896209084e-08,
    1.9887835210899732e-08,
    -2.8510155952303345e-08,
    -6.4136422882452925e-09,
    9.944344072947205e-09,
    2.0943274508220824e-09,
    -3.4772315974941917e-09,
    -6.863608918125842e-10,
    1.2147879120721043e-09,
    2.2788800403831652e-10,
    -4.2552645497431827e-10,
    -7.560198224658912e-11,
    1.4747581993648267e-10,
    2.5415405561914105e-11,
    -4.568656190385938e-11,
    -1.1140603983930481e-11,
)


def sf(s: Float64[np.ndarray, "..."] | float) -> Float64[np.ndarray, "..."]:
    """Give the upper-tail probability of the Tracy-Widom law, beta = 1.

    It keeps its relative accuracy far out in the tail.

    Args:
        s: any shape; in the law's own units.

    Returns:
        P(TW1 > s), of the shape of `s`.
    """
    points = np.asarray(s, dtype=np.float64)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    x = (nodes + 1.0) * (_LENGTH / 2.0)
    root = np.sqrt(weights * (_LENGTH / 2.0))
    grid, root2 = x[:, None] + x[None, :], root[:, None] * root[None, :]
    flat = np.clip(points.ravel(), _LOWEST, _HIGHEST)
    out = np.empty_like(flat)
    for i, point in enumerate(flat):
        levels = np.linalg.eigvalsh(root2 * special.airy(grid + point)[0])
        out[i] = -np.expm1(np.sum(np.log1p(-np.minimum(levels, 1.0 - 1e-16))))
    return np.clip(out, 0.0, 1.0).reshape(points.shape)


def cdf(s: Float64[np.ndarray, "..."] | float) -> Float64[np.ndarray, "..."]:
    """Give the distribution function F1 of the Tracy-Widom law, beta = 1.

    Args:
        s: any shape; in the law's own units.

    Returns:
        P(TW1 <= s), of the shape of `s`.
    """
    return 1.0 - sf(s)


@lru_cache(maxsize=4096)
def isf(level: float) -> float:
    """Give the value that the Tracy-Widom law exceeds with probability `level`.

    Args:
        level: upper-tail probability, 1e-18 <= level <= 1 - 2e-8.

    Returns:
        The upper quantile, in the law's own units.

    Raises:
        OptionError: `level` is outside that range.
    """
    z = -float(special.ndtri(level)) if 0.0 < level < 1.0 else np.nan
    if not _Z_LOW <= z <= _Z_HIGH:
        raise OptionError(
            f"A Tracy-Widom level lies between 1e-18 and 1 - 2e-8, not {level}: give one in between."
        )
    t = (2.0 * z - _Z_LOW - _Z_HIGH) / (_Z_HIGH - _Z_LOW)
    return float(np.polynomial.chebyshev.chebval(t, _COEFFICIENTS))


def quantile(p: float) -> float:
    """Give the quantile of the Tracy-Widom law, beta = 1.

    Args:
        p: probability, 2e-8 <= p < 1; for very small upper tails use `isf`, which loses no digits.

    Returns:
        The value s with F1(s) = p.
    """
    return isf(1.0 - p)


def location_scale(rows: int, cols: int) -> tuple[float, float]:
    """Centre and scale the largest eigenvalue of W^T W / rows for i.i.d. entries of unit variance.

    Johnstone (2001) with the half-integer corrections of Ma (2012), whose error is of order cols^(-2/3).

    Args:
        rows: N, the larger dimension.
        cols: M <= N.

    Returns:
        (centre, scale): (largest eigenvalue - centre) / scale follows the Tracy-Widom law.
    """
    root_n, root_m = (rows - 0.5) ** 0.5, (cols - 0.5) ** 0.5
    total = root_n + root_m
    return total**2 / rows, total * (1.0 / root_n + 1.0 / root_m) ** (1.0 / 3.0) / rows


def threshold(rows: int, cols: int, sigma: float = 1.0, level: float = 0.01, matrices: int = 1) -> float:
    """Give the eigenvalue that pure noise exceeds with probability `level`.

    Args:
        rows: N, the larger dimension.
        cols: M <= N.
        sigma: standard deviation of the entries, taken as known.
        level: probability that the largest of all `matrices * cols` eigenvalues of noise lies above.
        matrices: number k of independent matrices pooled; each is given the level 1 - (1 - level)^(1/k).

    Returns:
        The threshold, in units of the eigenvalues of W^T W / rows.

    Raises:
        OptionError: `level` is no probability.
    """
    if not 0.0 < level < 1.0:
        raise OptionError(f"The level of a test lies between 0 and 1, not {level}.")
    each = level if matrices == 1 else float(-np.expm1(np.log1p(-level) / matrices))
    centre, scale = location_scale(rows, cols)
    return sigma**2 * (centre + scale * isf(each))
