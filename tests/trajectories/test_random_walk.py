"""Walks as an optimizer with momentum or weight decay makes them: levels and powers of the walk test."""

import numpy as np
import pytest
from scipy.stats import kstest

import eigentrail as et
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.trajectories.random_walk import walk_test

#: Negative controls are wrong nearly every time: a few trajectories show it.
CONTROLS = 12


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
    "memory", [Memory(0.9), pytest.param(Memory(0.9, nesterov=True), marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("thin", [1, 5])
def test_walks_with_momentum_are_told_from_walks_by_chance_only(memory: Memory, thin: int) -> None:
    percentiles, blind = [], []
    for seed in range(40):
        x = np.cumsum(updates_of(memory, 60 * thin, 40, seed), axis=0)[::thin]
        times = thin * np.arange(60.0)
        found = walk_test(x @ x.T, times, 50, seed, memory)
        percentiles.append((found.percentile, found.share_percentile, found.others_percentile))
        if seed < CONTROLS:
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
    for seed in range(40):
        x = np.cumsum(updates_of(memory, 40, 30, seed), axis=0)
        times = np.arange(40.0)
        known.append(walk_test(x @ x.T, times, 60, seed, memory).persistence_percentile)
        if seed < CONTROLS:
            found = walk_test(x @ x.T, times, 60, seed)
            unknown.append(found.persistence_percentile)
            assert found.persistence == pytest.approx(0.5, abs=0.15)  # the correlation of neighbours
        y = np.cumsum(np.random.default_rng(seed).standard_normal((40, 30)) + 1.0, axis=0)
        independent.append(walk_test(y @ y.T, times, 60, seed).persistence_percentile)
    assert min(unknown) > 97.5
    assert kstest(np.array(known) / 100, "uniform").pvalue > 1e-3
    # A constant drift is in every order of the updates.
    assert kstest(np.array(independent) / 100, "uniform").pvalue > 1e-3


def decayed_noise(count: int, n: int, seed: int, decay: float) -> np.ndarray:
    """Weights that start as noise, decay, and are pushed by noise."""
    rng = np.random.default_rng(seed)
    w = 3.0 * rng.standard_normal(n)
    out = [w]
    for _ in range(count - 1):
        w = (1.0 - decay) * w + 0.1 * rng.standard_normal(n)
        out.append(w)
    return np.array(out)


def test_noise_that_decays_is_a_drift_by_chance_only() -> None:
    decay, times = 0.01, np.arange(80.0)
    known, blind = [], []
    for seed in range(40):
        x = decayed_noise(80, 40, seed, decay)
        found = walk_test(x @ x.T, times, 60, seed, Memory(weight_decay=decay))
        known.append(
            (found.percentile, found.share_percentile, found.others_percentile, found.persistence_percentile)
        )
        if seed < CONTROLS:
            blind.append(walk_test(x @ x.T, times, 60, seed).percentile)
    for column in np.array(known).T:
        assert kstest(column / 100, "uniform").pvalue > 1e-3
    # The negative control: without the weight decay every one of them is called a drift.
    assert np.mean(np.array(blind) > 97.5) > 0.9


def test_a_drift_under_weight_decay_is_found_and_told_from_the_decay() -> None:
    decay, rng = 0.01, np.random.default_rng(1)
    w, out, push = rng.standard_normal(40), [], 0.05 * rng.standard_normal(40)
    for _ in range(100):
        out.append(w)
        w = (1.0 - decay) * w + push + 0.05 * rng.standard_normal(40)
    found = et.trajectories.drift(np.array(out), weight_decay=decay)
    assert found.walk.compared is not None and found.walk.compared.beyond and found.walk.times > 2.0


def test_a_schedule_of_the_rate_is_no_persistence() -> None:
    """Independent updates whose sizes follow half a cosine."""
    sizes = 0.5 * (1.0 + np.cos(np.pi * np.arange(60) / 60))
    found = []
    for seed in range(40):
        x = np.cumsum(sizes[:, None] * np.random.default_rng(seed).standard_normal((60, 30)), axis=0)
        found.append(walk_test(x @ x.T, np.arange(60.0), 60, seed).persistence_percentile)
    assert kstest(np.array(found) / 100, "uniform").pvalue > 1e-3
