from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from eigentrail.bases import overlap, singular
from eigentrail.trajectories import drift, pca
from eigentrail.trajectories.overlap_nulls import end_null, singular_null, updates_null


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
    percentiles, low_percentiles = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x = np.cumsum(rng.standard_normal((20, 24, 16)), axis=0)
        found, low = singular_null(x, 40, seed)
        five = overlap(pca(x, 5).basis, singular(x[-1], 5)).values
        assert low.observed == pytest.approx(float((five**2).sum() / 5), rel=1e-9)
        low_percentiles.append(low.percentile)
        first = pca(x, 1).basis
        assert found.observed == pytest.approx(float(overlap(first, singular(x[-1])).max()), rel=1e-9)
        assert found.observed > 3 * np.sqrt(
            2 / np.pi / x[0].size
        )  # far above a random direction all the same
        percentiles.append(found.percentile)
    assert sum(p <= 97.5 for p in percentiles) >= 10 and sum(p <= 97.5 for p in low_percentiles) >= 10
    # Growth along one singular matrix is more than a walk gives.
    rng = np.random.default_rng(0)
    u, v = rng.standard_normal(24), rng.standard_normal(16)
    grown = np.cumsum(0.1 * rng.standard_normal((20, 24, 16)), axis=0) + np.einsum(
        "t,i,j->tij", np.arange(20.0), u, v
    )
    assert singular_null(grown, 40, 0)[0].percentile == 100.0
    # Five singular matrices that grow one after the other hold the first five components.
    left, right = (np.linalg.qr(rng.standard_normal((size, 5)))[0] for size in (24, 16))
    begun = np.clip(np.arange(20.0)[:, None] - 4.0 * np.arange(5), 0.0, 4.0) * np.arange(6.0, 1.0, -1.0)
    grown = 0.05 * grown + 4.0 * np.einsum("tk,ik,jk->tij", begun, left, right)
    low = singular_null(grown, 40, 0)[1]
    # Walks of such updates lie in the same five, in less steady proportions.
    assert low.observed > 0.95 and low.percentile > 90.0 and np.median(low.null) < 0.9


def test_the_first_component_of_a_walk_lies_along_its_end_as_that_of_walks() -> None:
    p = []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(80) + np.cumsum(0.1 * rng.standard_normal((30, 80)), axis=0)
        found = end_null(x @ x.T, 40, seed)
        assert found.observed == pytest.approx(drift(x, null=0).weight_overlap, abs=1e-9)
        assert found.compared is not None
        p.append(found.compared.p)
    # Far above a random direction's .09, and no finding: one in twenty.
    assert sum(one <= 0.05 for one in p) <= binom.ppf(0.999, 24, 0.05)
    # A drift across the weights and back to their length points along them less than walks do, growth more.
    rng = np.random.default_rng(1)
    start = rng.standard_normal(80)
    x = start * (1.0 + 0.05 * np.arange(30))[:, None] + np.cumsum(
        0.02 * rng.standard_normal((30, 80)), axis=0
    )
    grown = drift(x, null=99).end_overlap
    assert grown.observed > 0.95 and grown.compared is not None and grown.compared.beyond


@pytest.mark.parametrize("length", [0.1, 1.0])
def test_the_overlap_of_walks_is_what_their_first_cosine_has_of_the_way(length: float) -> None:
    """In high dimension: sqrt(8) / pi of the way lies along p_1, and nothing of the first weights does."""
    rng = np.random.default_rng(7)
    walk = np.cumsum(rng.standard_normal((60, 3000)), axis=0)
    walk *= length / np.linalg.norm(walk[-1] - walk[0])
    start = rng.standard_normal(3000)
    x = walk - walk[0] + start / np.linalg.norm(start)
    found = end_null(x @ x.T, 20, 0)
    expected = np.sqrt(8.0) / np.pi * length / np.linalg.norm(x[-1])
    # 60 steps are coarser than a Brownian motion, and the first weights have 1/sqrt(3000) of anything.
    assert np.median(found.null) == pytest.approx(expected, abs=0.02)
    assert found.observed == pytest.approx(expected, abs=0.04)


def test_walks_grow_too_and_growth_is_beside_theirs() -> None:
    rng = np.random.default_rng(5)
    said = []
    for _ in range(40):
        walk = rng.standard_normal(60) + np.cumsum(0.2 * rng.standard_normal((30, 60)), axis=0)
        found = drift(walk, null=99)
        # The norm of a walk rises by itself, and that is no growth.
        assert found.norm_walks.compared.median > 0.0
        said.append(found.norm_walks.compared.beyond)
    assert binom.sf(sum(said) - 1, 40, 0.05) > 1e-3
    outwards = walk + 0.5 * np.arange(30)[:, None] * walk[0] / np.linalg.norm(walk[0])
    assert drift(outwards, null=99).norm_walks.compared.beyond


def test_what_is_beyond_a_walk_scales_with_the_drift_alone() -> None:
    rng = np.random.default_rng(6)
    steps = rng.standard_normal((40, 50))
    line = np.arange(40)[:, None] * rng.standard_normal(50)
    for rate in (0.1, 0.3):
        alone = drift(rate * line, null=0).walk
        assert alone.beyond == pytest.approx(alone.displacement, rel=0.02)
    both = drift(0.3 * line + 0.3 * np.cumsum(steps, axis=0), null=99).walk
    assert both.beyond == pytest.approx(0.3 * np.linalg.norm(line[-1]), rel=0.2)
    assert both.variance > np.quantile(both.variance_null, 0.99)
    walks = [drift(np.cumsum(rng.standard_normal((40, 50)), axis=0), null=0).walk for _ in range(30)]
    # A walk has nothing beyond walks, of either sign.
    assert 5 <= sum(one.beyond > 0 for one in walks) <= 25
