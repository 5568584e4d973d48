from __future__ import annotations

import numpy as np
import pytest

from eigentrail.trajectories import pca
from eigentrail.trajectories.scree import flipped_shares, noise_shares, walk_shares


def test_the_law_of_a_walk_tends_to_six_over_pi_squared_j_squared() -> None:
    j = np.arange(1, 21)
    np.testing.assert_allclose(walk_shares(100_000, 20), 6 / (np.pi * j) ** 2, rtol=1e-6)
    for count in (3, 10, 57):
        assert walk_shares(count, count - 1).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(3))
def test_a_walk_in_high_dimension_has_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.standard_normal((60, 20_000)), axis=0)
    np.testing.assert_allclose(pca(x, 8).shares, walk_shares(60, 8), rtol=0.06)


@pytest.mark.parametrize("count, n", [(40, 900), (900, 40), (200, 200)])
def test_independent_updates_have_the_shares_of_marchenko_and_pastur(count: int, n: int) -> None:
    updates = np.random.default_rng(0).standard_normal((count, n))
    x = np.concatenate([np.zeros((1, n)), np.cumsum(updates, axis=0)])
    k = 10
    np.testing.assert_allclose(pca(x, k, "updates").shares, noise_shares(count, n, k), rtol=0.06)
    assert noise_shares(5, 3, 6)[3:].tolist() == [0.0, 0.0, 0.0]


def test_walks_that_prefer_a_direction_lie_inside_their_own_null_and_a_drift_above_it() -> None:
    rng = np.random.default_rng(1)
    size = 1.0 / np.arange(1, 201)  # noise with a few strong directions: its first share is far above .61
    inside = 0
    for _ in range(20):
        walk = np.cumsum(rng.standard_normal((50, 200)) * size, axis=0)
        observed, null = flipped_shares(walk @ walk.T, 3, 100, 0)
        inside += bool(np.quantile(null[:, 0], 0.025) <= observed[0] <= np.quantile(null[:, 0], 0.975))
    assert inside >= 16  # 95% of 20; fewer than 16 has probability 0.3%
    drift = np.cumsum(0.05 * rng.standard_normal((50, 200)) + 0.05, axis=0)
    observed, null = flipped_shares(drift @ drift.T, 3, 100, 0)
    assert observed[0] > null[:, 0].max()
    np.testing.assert_allclose(observed, pca(drift, 3).shares, rtol=1e-9)
