"""What an isotropic random walk of weights may do, in closed form: for alarms during a training.

The null model: a matrix moves by independent Gaussian steps of given norms and no direction. Of such a walk the sum of
all steps is a Gaussian matrix, whose spectral norm has a known tail (Davidson & Szarek 2001, theorem II.13):
P(||G|| > sd (sqrt N + sqrt M + t)) <= exp(-t^2 / 2) for N x M entries of standard deviation sd.
"""

from __future__ import annotations

import math

from scipy.special import ndtr

from eigentrail.errors import OptionError


def share_of_level(level: float, look: int, tests: int) -> float:
    """Spend a level on a training of unknown length.

    Args:
        level: the chance of any false alarm in the whole training.
        look: the number of the look, from 1.
        tests: how many tests are made at each look.

    Returns:
        The level of each test at this look, 6 / (pi^2 look^2) of `level` over their number; all add up to `level`.

    Raises:
        OptionError: the level is no probability, or the numbers are not positive.
    """
    if not 0.0 < level < 1.0 or look < 1 or tests < 1:
        raise OptionError(
            f"a level between 0 and 1, and looks and tests from 1, are needed, not {level}, {look} and {tests}"
        )
    return level * 6.0 / (math.pi * look) ** 2 / tests


def spectral_bound(moved: float, rows: int, cols: int, level: float) -> float:
    """Bound how far a walk moves any singular value.

    Args:
        moved: the sum of the squared norms of its steps.
        rows: N.
        cols: M.
        level: the chance of exceeding the bound.

    Returns:
        By Weyl's inequality no singular value moves by more; infinite for matrices of so few entries that the norm of a
        step tells nothing about its entries.
    """
    entries = rows * cols
    # The steps' norms are given, not the standard deviation of their entries: half of the level each.
    lacking = math.sqrt(2.0 * math.log(2.0 / level) / entries)
    if lacking >= 1.0:
        return math.inf
    reach = math.sqrt(rows) + math.sqrt(cols) + math.sqrt(2.0 * math.log(2.0 / level))
    return math.sqrt(moved / entries) * reach / (1.0 - lacking)


def growth_p(excess: float, variance: float) -> float:
    """Compare the growth of a norm with that of a walk.

    Args:
        excess: the sum of 2 <W, step> over the steps: what the squared norm has grown beyond the steps' own.
        variance: the sum of 4 ||W||^2 ||step||^2 / n over the steps, its variance for steps without direction.

    Returns:
        The chance of growing at least so much.
    """
    return 1.0 if variance <= 0.0 else float(ndtr(-excess / math.sqrt(variance)))
