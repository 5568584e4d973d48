"""Bounds on random walks, against walks that were drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eigentrail.chance.walk_bounds import growth_p, share_of_level, spectral_bound
from eigentrail.errors import OptionError


def test_shares_add_up_to_the_level() -> None:
    total = sum(share_of_level(0.05, look, 7) * 7 for look in range(1, 200_000))
    assert total == pytest.approx(0.05, rel=1e-5)
    for bad in ((0.0, 1, 1), (0.05, 0, 1), (0.05, 1, 0)):
        with pytest.raises(OptionError, match="level between 0 and 1"):
            share_of_level(*bad)


def test_no_singular_value_of_a_walk_moves_beyond_the_bound() -> None:
    # 400 walks at a level of 0.1: more than 62 beyond has a chance below 1e-4, were the level exhausted.
    generator = np.random.default_rng(0)
    beyond, largest = 0, 0.0
    start = generator.normal(size=(30, 20))
    first = np.linalg.svd(start, compute_uv=False)
    for _ in range(400):
        steps = generator.normal(size=(4, 30, 20)) * np.array([0.1, 0.2, 0.3, 0.4])[:, None, None]
        moved = float((steps**2).sum())
        end = np.linalg.svd(start + steps.sum(0), compute_uv=False)
        share = float((end - first).max()) / spectral_bound(moved, 30, 20, 0.1)
        largest, beyond = max(largest, share), beyond + (share > 1)
    assert beyond <= 62
    assert largest > 0.2
    assert spectral_bound(1.0, 2, 2, 1e-4) == math.inf


def test_growth_of_walks_is_uniform_in_p() -> None:
    generator = np.random.default_rng(1)
    ps = []
    for _ in range(2000):
        w = generator.normal(size=200)
        excess = variance = 0.0
        for size in (0.1, 0.5, 0.2):
            step = size * generator.normal(size=200)
            excess += 2 * float(w @ step)
            variance += 4 * float(w @ w) * float(step @ step) / 200
            w = w + step
        ps.append(growth_p(excess, variance))
    # Kolmogorov's 1e-4 quantile for 2,000 draws.
    distance = np.abs(np.sort(ps) - (np.arange(2000) + 0.5) / 2000).max()
    assert distance < 2.23 / math.sqrt(2000)
    assert growth_p(1.0, 0.0) == 1.0
