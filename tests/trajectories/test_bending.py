"""Lines that bend, beside lines with random walks on top."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, kstest

from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.trajectories.bending import bend


def noisy_line(seed: int, slope: float, count: int = 60, beta: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    steps, last = [], 0.0
    for _ in range(100 + count - 1):
        last = beta * last + rng.standard_normal()
        steps.append(last)
    return slope * np.arange(count) + np.concatenate([[0.0], np.cumsum(steps[100:])])


@pytest.mark.parametrize(
    ("slope", "beta"),
    [
        (0.0, 0.0),
        pytest.param(5.0, 0.0, marks=pytest.mark.slow),
        pytest.param(5.0, 0.9, marks=pytest.mark.slow),
    ],
)
def test_walks_around_a_line_do_not_bend(slope: float, beta: float) -> None:
    count, t = 80, np.arange(60.0)
    found = [bend(t, noisy_line(seed, slope, beta=beta), seed=seed, momentum=beta) for seed in range(count)]
    percentiles = np.array([one.percentile for one in found], dtype=float)
    assert kstest(percentiles / 100, "uniform").pvalue > 1e-3
    # Looks at shorter parts come only where the whole bends: 5% of the walks; 12 of 80 have probability 1e-3.
    assert np.sum([one.until < 59 for one in found]) <= 12
    assert 0.1 < np.median([one.gain for one in found]) < 0.6


@pytest.mark.slow
def test_without_its_memory_a_walk_with_momentum_seems_to_bend() -> None:
    count, t = 60, np.arange(20.0)
    bent = [bend(t, noisy_line(s, 0.0, 20, 0.9), seed=s).percentile for s in range(count)]
    told = [bend(t, noisy_line(s, 0.0, 20, 0.9), seed=s, momentum=0.9).percentile for s in range(count)]
    assert binom.sf(int((np.array(bent) > 95).sum()) - 1, count, 0.05) < 1e-3
    assert kstest(np.array(told) / 100, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rate", [0.04, -0.04])
def test_planted_exponentials_are_found_with_their_rate(seed: int, rate: float) -> None:
    t = np.arange(80.0)
    noise = 0.05 * np.cumsum(np.random.default_rng(seed).standard_normal(80))
    found = bend(t, 30 * np.exp(-rate * t) / max(1.0, np.exp(-rate * 79)) + noise, seed=seed)
    assert found.percentile is not None and found.percentile > 99 and found.gain > 0.9
    assert found.exponential.rate == pytest.approx(rate, rel=0.2)
    # A line does for a while, not to the end.
    assert found.until < 79 and found.percentiles.sizes["duration"] == 10


def test_a_line_is_a_line() -> None:
    found = bend(np.arange(10.0), 3 * np.arange(10.0) + 1)
    assert found.gain == 0.0 and found.linear.slope == pytest.approx(3.0) and found.until == 9.0
    bare = bend(np.arange(10.0), np.arange(10.0) ** 2, null=0)
    assert bare.percentile is None and bare.p_value is None and not len(bare.null)


@pytest.mark.parametrize(
    ("t", "y", "words"),
    [
        (np.arange(5.0), np.arange(5.0), "8 points"),
        (np.arange(9.0), np.arange(8.0), "8 points"),
        (np.arange(9.0)[::-1], np.arange(9.0), "ascending"),
        (np.arange(9.0), np.full(9, np.nan), "finite"),
        (np.arange(9.0), np.ones(9), "does not move"),
        ({}, np.ones(9), "numbers, not"),
    ],
)
def test_bad_input_is_one_sentence(t: np.ndarray, y: np.ndarray, words: str) -> None:
    with pytest.raises(TrajectoryError, match=words) as error:
        bend(t, y)
    assert str(error.value).count(". ") == 0
    with pytest.raises(OptionError):
        bend(np.arange(9.0), np.arange(9.0) ** 2, null=-1)
