"""How many eigenvalues a statement about the shape of a spectrum needs."""

from __future__ import annotations

from eigentrail._text import counted
from eigentrail.errors import SpectrumError

#: Fewer have no tail, no phase and no statistic of spacings worth telling: at 8 the rules of the phases are right in
#: 42% of held-out draws, and an exponent of the upper few of ten values has any size (20 in a layer of ten outputs).
FEWEST_VALUES = 16


def too_few(count: int) -> SpectrumError | None:
    """Refuse a spectrum of too few values, in one sentence for all that need more.

    Args:
        count: positive eigenvalues of a matrix.

    Returns:
        The error to raise; None where there are enough.
    """
    if count >= FEWEST_VALUES:
        return None
    return SpectrumError(
        f"{counted(count, 'positive eigenvalue')}: an exponent, a phase and spacings need {FEWEST_VALUES}; take a "
        "larger matrix or pool several"
    )
