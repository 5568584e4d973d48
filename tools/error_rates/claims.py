"""Claims of sources that a few seeds decide."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from error_rates.row import Row


def _claim(effect: float, seeds: int, seed: int) -> str:
    from eigentrail.findings import Claim, greater_than_chance

    values = np.random.default_rng([seed, 24]).standard_normal(seeds) + effect
    claim = Claim("none", "", "It is more than chance.", "value", greater_than_chance())
    return str(claim.decide(values, [0.0]).verdict)


def _any_stays(seed: int) -> bool:
    """Tell whether any of sixteen claims about nothing stays decided once corrected for all of them."""
    from eigentrail.findings import Claim, greater_than_chance
    from eigentrail.findings.claim import adjusted_p

    rng = np.random.default_rng([seed, 25])
    claim = Claim("none", "", "It is more than chance.", "value", greater_than_chance())
    found = adjusted_p([claim.decide(rng.standard_normal(6), [0.0]) for _ in range(16)])
    return min(p for p in found if p is not None) <= 0.05


def rows() -> Iterator[Row]:
    """List the rows of this subject."""
    for seeds in (3, 6):
        yield Row(
            "claims",
            f"a claim holds, {seeds} seeds",
            "seeds that differ by chance alone",
            0.05,
            functools.partial(lambda seeds, seed: _claim(0.0, seeds, seed) == "yes", seeds),
            draws=400,
        )
    yield Row(
        "claims",
        "any of sixteen claims stays decided once corrected",
        "seeds that differ by chance alone",
        0.05,
        _any_stays,
        draws=400,
    )
    for effect, least in ((1.0, 0.2), (2.0, 0.7), (4.0, 0.95)):
        yield Row(
            "claims",
            "a claim holds, 3 seeds",
            f"an effect of {effect:g} times the spread of the seeds",
            least,
            functools.partial(lambda effect, seed: _claim(effect, 3, seed) == "yes", effect),
            power=True,
            draws=200,
        )
