"""What bends, and what grows with the rate."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from error_rates.row import NULL, Row


def _bends(curved: float, seed: int) -> bool:
    from eigentrail.chance import LEVEL, compare
    from eigentrail.trajectories.bending import bend

    rng = np.random.default_rng([seed, 22])
    t = np.arange(60.0)
    walk = np.cumsum(rng.standard_normal(60))
    y = 60.0 * np.expm1(-curved * t / 60.0) / np.expm1(-curved) if curved else t
    found = bend(t, y + walk, null=NULL, seed=seed)
    return compare(found.gain, found.null).p <= LEVEL


def _rate_exponent(drifting: float, seed: int) -> bool:
    """Tell whether three seeds at four rates say that the drift is proportional to the rate."""
    from eigentrail.findings import Claim, equals
    from eigentrail.recipes.experiments.drift_claims import power_of
    from eigentrail.trajectories import drift

    found = []
    for one in range(3):
        rng = np.random.default_rng([seed, one, 23])
        rates = np.array([0.5, 1.0, 2.0, 4.0])
        away = rng.standard_normal(96)
        beyond = []
        for rate in rates:
            steps = rate * (0.1 * rng.standard_normal((39, 96)) + drifting * away)
            x = rng.standard_normal(96) + np.concatenate([np.zeros((1, 96)), np.cumsum(steps, axis=0)])
            beyond.append(drift(x, null=0, seed=seed).walk.beyond)
        known = np.array(beyond) > 0.0
        exponent = power_of(rates[known], np.array(beyond)[known])[0] if known.sum() >= 3 else np.nan
        found.append(exponent)
    claim = Claim(
        "rate", "", "The displacement by the drift is proportional to eta.", "exponent", equals(1.0, 0.2)
    )
    return str(claim.decide(found).verdict) == "yes"


def rows() -> Iterator[Row]:
    """List the rows of this subject."""
    says = "a drift goes over to an exponential, more than a walk around a line"
    yield Row("bends", says, "straight line with a walk on top", 0.05, functools.partial(_bends, 0.0))
    for curved, least in ((1.0, 0.2), (3.0, 0.8)):
        yield Row(
            "bends",
            says,
            f"exponential over {curved:g} of its times, a walk on top",
            least,
            functools.partial(_bends, curved),
            power=True,
        )
    says = "the drift is proportional to the rate (three seeds, four rates)"
    yield Row("rates", says, "walks without drift", 0.05, functools.partial(_rate_exponent, 0.0))
    yield Row(
        "rates",
        says,
        "drift as fast as the walk in each direction",
        0.9,
        functools.partial(_rate_exponent, 0.1),
        power=True,
        draws=20,
    )
