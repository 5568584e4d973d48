from __future__ import annotations

import numpy as np
import pytest

from eigentrail.bases import overlap, singular
from eigentrail.trajectories import pca
from eigentrail.trajectories.overlap_nulls import singular_null, updates_null


def test_the_share_in_updates_is_that_of_the_components_themselves() -> None:
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.standard_normal((30, 80)) * np.linspace(2, 0.1, 80), axis=0)
    expected = float((overlap(pca(x, 1).basis, pca(x, 5, "updates").basis) ** 2).sum())
    assert updates_null(x @ x.T, 5, 0, 0).observed == pytest.approx(expected, rel=1e-9)
    assert updates_null(x @ x.T, 5, 0, 0).percentile is None


def test_walks_of_noise_that_prefers_directions_are_no_finding() -> None:
    size = 1.0 / np.arange(1, 101)
    percentiles = []
    for seed in range(20):
        x = np.cumsum(np.random.default_rng(seed).standard_normal((40, 100)) * size, axis=0)
        found = updates_null(x @ x.T, 3, 60, seed)
        assert found.observed > 0.3  # ten times what a random direction would have
        percentiles.append(found.percentile)
    assert sum(2.5 <= p <= 97.5 for p in percentiles) >= 16
    # A drift across the directions of the noise has less in common with them than a walk.
    x = np.cumsum(np.random.default_rng(0).standard_normal((40, 100)) * size, axis=0)
    x[:, -1] += 2.0 * np.arange(40)
    assert updates_null(x @ x.T, 3, 60, 0).percentile < 2.5


def test_the_first_component_of_a_walk_meets_the_last_weights_without_any_training() -> None:
    percentiles = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x = np.cumsum(rng.standard_normal((20, 24, 16)), axis=0)
        found = singular_null(x, 40, seed)
        first = pca(x, 1).basis
        assert found.observed == pytest.approx(float(overlap(first, singular(x[-1])).max()), rel=1e-9)
        assert found.observed > 3 * np.sqrt(
            2 / np.pi / x[0].size
        )  # far above a random direction all the same
        percentiles.append(found.percentile)
    assert sum(p <= 97.5 for p in percentiles) >= 10
    # Growth along one singular matrix is more than a walk gives.
    rng = np.random.default_rng(0)
    u, v = rng.standard_normal(24), rng.standard_normal(16)
    grown = np.cumsum(0.1 * rng.standard_normal((20, 24, 16)), axis=0) + np.einsum(
        "t,i,j->tij", np.arange(20.0), u, v
    )
    assert singular_null(grown, 40, 0).percentile == 100.0
