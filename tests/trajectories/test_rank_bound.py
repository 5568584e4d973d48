from __future__ import annotations

import math

import numpy as np
import pytest

from eigentrail.errors import OptionError
from eigentrail.trajectories.average_rank import rank_counts
from eigentrail.trajectories.rank_bound import rank_bound, rank_within, theorem_bound


def test_lemma_3_2_by_its_own_recursion() -> None:
    """Weights that decay and get a random matrix of rank 2 each step keep to the bound."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(40, 30))
    kept = [w]
    for _ in range(12):
        w = 0.9 * w + rng.normal(size=(40, 2)) @ rng.normal(size=(2, 30)) * 0.01
        kept.append(w)
    values = np.linalg.svd(w, compute_uv=False)
    found = rank_bound(
        np.arange(13), np.array([np.linalg.norm(k) for k in kept]), values, np.arange(13) * math.log(0.9), 2
    )
    assert found.back.tolist() == list(range(1, 13)) and found.rank.tolist() == list(range(2, 25, 2))
    assert (found.distance <= found.bound).all()
    by_hand = [np.linalg.norm(values[r:]) / np.linalg.norm(values) for r in found.rank]
    np.testing.assert_allclose(found.distance, by_hand, rtol=1e-12)
    assert found.bound[0] == pytest.approx(0.9 * np.linalg.norm(kept[-2]) / np.linalg.norm(w))
    assert found.norm_ratio == pytest.approx(np.linalg.norm(kept[-2]) / np.linalg.norm(w))


def test_theorem_3_3() -> None:
    # S4's figure 18 at eps = 0.3: B = 6, mu = 0.1, lambda = 8e-3, so 2 mu lambda = 1.6e-3.
    assert theorem_bound(0.1, 2 * 8e-3, 6, 0.3) == pytest.approx(6 * math.log(2 / 0.3) / 1.6e-3)
    assert theorem_bound(0.1, 2 * 8e-3, 6, 0.3) < 10_000
    assert theorem_bound(0.1, 0.0, 6, 0.3) == math.inf
    for bad in ({"eps": 0.0}, {"eps": 2.0}, {"rate": 1.0, "weight_decay": 1.0}):
        with pytest.raises(OptionError):
            theorem_bound(**({"rate": 0.1, "weight_decay": 0.1, "batch_size": 1, "eps": 0.1} | bad))  # type: ignore[arg-type]


def test_rank_within_a_distance_and_above_a_share() -> None:
    values = np.array([3.0, 2.0, 1.0, 0.1, 0.0])
    norm = np.linalg.norm(values)
    assert [rank_within(values, eps) for eps in (0.0, 0.11 / norm, 1.01 / norm, 0.99)] == [4, 3, 2, 1]
    found = rank_counts(values[None], 0.05)
    assert found.tolist() == [3.0] and rank_counts(values[None], 0.5, "spectral").tolist() == [2.0]
    assert np.isnan(rank_counts(np.full((1, 3), np.nan))).all() and rank_counts(
        np.zeros((1, 3))
    ).tolist() == [0.0]
    for bad in ({"eps": 0.0}, {"eps": 1.0}, {"norm": "nuclear"}):
        with pytest.raises(OptionError):
            rank_counts(values[None], **bad)  # type: ignore[arg-type]
