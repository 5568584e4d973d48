"""Walks that remember each other as an optimizer's momentum makes them: closed form, levels and powers."""

import itertools

import numpy as np
import pytest
from scipy.stats import kstest

import eigentrail as et
from eigentrail.errors import OptionError
from eigentrail.trajectories import nulls
from eigentrail.trajectories.memory import Memory, whitened
from eigentrail.trajectories.random_walk import walk_test


def updates_of(memory: Memory, count: int, n: int, seed: int, warm: int = 200) -> np.ndarray:
    """Updates that the optimizer makes of white noise, from its own recursion."""
    rng = np.random.default_rng(seed)
    velocity, out = np.zeros(n), []
    for step in range(count + warm):
        gradient = rng.standard_normal(n)
        velocity = memory.momentum * velocity + gradient
        if step >= warm:
            out.append(gradient + memory.momentum * velocity if memory.nesterov else velocity)
    return np.array(out)


@pytest.mark.parametrize(
    "memory", [Memory(0.9), Memory(0.5), Memory(0.9, nesterov=True), Memory(0.99, nesterov=True)]
)
@pytest.mark.parametrize("times", [np.arange(8.0), np.array([0.0, 1, 2, 5, 9, 10, 40])])
def test_the_covariance_is_that_of_the_recursion(memory: Memory, times: np.ndarray) -> None:
    beta, count = memory.momentum, int(times[-1])
    reach = 3000
    kernel = beta ** np.arange(reach)
    if memory.nesterov:
        kernel = np.r_[1 + beta, beta ** np.arange(2, reach + 1)]
    correlation = np.array([kernel[: reach - lag] @ kernel[lag:] for lag in range(count)]) / (kernel @ kernel)
    every = correlation[np.abs(np.subtract.outer(np.arange(count), np.arange(count)))]
    inside = np.array(
        [(np.arange(count) >= a) & (np.arange(count) < b) for a, b in itertools.pairwise(times)]
    )
    colour = memory.colour(times)
    assert colour is not None
    np.testing.assert_allclose(colour @ colour.T, inside @ every @ inside.T, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(whitened(colour @ colour.T, colour), np.eye(len(times) - 1), atol=1e-9)


def test_no_momentum_is_no_memory() -> None:
    assert Memory().colour(np.arange(5.0)) is None
    with pytest.raises(OptionError, match=r"from 0 to below 1, not 1\.0"):
        Memory(1.0)
    with pytest.raises(OptionError, match="momentum"):
        et.trajectories.drift(np.random.default_rng(0).standard_normal((20, 5)), momentum="0.9")  # type: ignore[arg-type]


@pytest.mark.parametrize("memory", [Memory(0.9), Memory(0.9, nesterov=True)])
@pytest.mark.parametrize("thin", [1, 5])
def test_walks_with_momentum_are_told_from_walks_by_chance_only(memory: Memory, thin: int) -> None:
    percentiles, blind = [], []
    for seed in range(40):
        x = np.cumsum(updates_of(memory, 60 * thin, 40, seed), axis=0)[::thin]
        times = thin * np.arange(60.0)
        found = walk_test(x @ x.T, times, 50, seed, memory)
        percentiles.append((found.percentile, found.share_percentile, found.others_percentile))
        blind.append(walk_test(x @ x.T, times, 50, seed).percentile)
    for column in np.array(percentiles).T:
        assert kstest(column / 100, "uniform").pvalue > 1e-3
    # The negative control: without the memory nearly each of them is called a drift.
    assert np.mean(np.array(blind) > 97.5) > 0.8


def test_a_drift_under_momentum_is_found() -> None:
    memory = Memory(0.9)
    steps = updates_of(memory, 400, 30, 0)
    pure, drifting = np.cumsum(steps, axis=0), np.cumsum(steps + 2.0, axis=0)
    found = et.trajectories.drift(drifting, momentum=0.9)
    assert found.walk.percentile == 100.0 and "The weights drift" in found.verdict
    assert 1 < et.trajectories.drift(pure, momentum=0.9).walk.percentile < 99
    assert found.walk.times == pytest.approx(found.walk.straightness / found.walk.expected)


def test_the_expected_displacement_is_the_mean_over_signs() -> None:
    memory, rng = Memory(0.8), np.random.default_rng(0)
    u = rng.standard_normal((12, 6))
    colour = memory.colour(np.arange(13.0))
    drawn = nulls.flipped_displacements(u @ u.T, 20_000, 0, colour)
    assert nulls.expected_displacement(u @ u.T, colour) == pytest.approx(drawn.mean(), rel=0.03)
    assert nulls.expected_displacement(u @ u.T) == pytest.approx(np.trace(u @ u.T))
    # The walks' last squared norms are the displacements of the same signs.
    grams = [walk[-1, -1] for walk in nulls.flipped_grams(u @ u.T, 3, 0, colour)]
    assert np.isfinite(grams).all() and len(grams) == 3


@pytest.mark.parametrize("count", [3, 4])
def test_few_steps_have_few_signs_and_no_verdict(count: int) -> None:
    """Of two or three updates no pattern of signs is rare, and equal ones are equal in spite of rounding."""
    for seed in range(40):
        x = np.cumsum(np.random.default_rng(seed).standard_normal((count, 7)), axis=0)
        found = walk_test(x @ x.T, np.arange(float(count)), 200, seed)
        assert found.percentile is not None and found.share_percentile is not None
        assert 2.5 <= found.percentile <= 97.5
        assert 2.5 <= found.share_percentile <= 97.5


def test_persistence_is_what_updates_remember_beyond_the_momentum() -> None:
    memory, known, unknown, independent = Memory(0.5), [], [], []
    for seed in range(60):
        x = np.cumsum(updates_of(memory, 40, 30, seed), axis=0)
        times = np.arange(40.0)
        known.append(walk_test(x @ x.T, times, 100, seed, memory).persistence_percentile)
        found = walk_test(x @ x.T, times, 100, seed)
        unknown.append(found.persistence_percentile)
        assert found.persistence == pytest.approx(0.5, abs=0.15)  # the correlation of neighbours
        y = np.cumsum(np.random.default_rng(seed).standard_normal((40, 30)) + 1.0, axis=0)
        independent.append(walk_test(y @ y.T, times, 100, seed).persistence_percentile)
    assert min(unknown) > 97.5
    assert kstest(np.array(known) / 100, "uniform").pvalue > 1e-3
    # A constant drift is in every order of the updates.
    assert kstest(np.array(independent) / 100, "uniform").pvalue > 1e-3
