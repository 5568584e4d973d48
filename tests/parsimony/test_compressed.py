"""Compressed factorisation is the full one: exactly but for rho, and to rounding with it."""

from __future__ import annotations

import numpy as np
import pytest

from eigentrail.errors import CompletionError, OptionError
from eigentrail.parsimony import (
    Descent,
    Factorization,
    completion_start,
    compress,
    descend,
    discrepant_rates,
    initial_weights,
    low_rank,
    observe,
    product,
    rho_recursion,
)


def same(d: int, depth: int, rank: int, estimate: int, seed: int, decay: float = 0.0) -> None:
    eps = 0.1 if depth < 4 else 0.3
    target = low_rank(d, d, rank, seed=seed, decay=0.8)
    start = initial_weights([d] * (depth + 1), eps, seed=seed)
    small = compress(start, target, estimate)
    settings, steps = Descent(0.1, decay), 400
    rho = rho_recursion(eps, depth, 0.1, steps, decay)
    pairs = zip(
        descend(start, Factorization(target), settings, steps),
        descend(small.start, small.loss, settings, steps),
        strict=True,
    )
    norm = np.linalg.norm(target)
    for full, inner in pairs:
        if full.step % 100 == 0:
            w = product(full.weights)
            rest = rho[full.step] ** depth * np.sqrt(d - 2 * estimate)
            assert np.linalg.norm(w - small.expand(inner.weights)) == pytest.approx(rest, rel=1e-6, abs=1e-12)
            assert np.linalg.norm(w - small.expand(inner.weights, rho[full.step])) < 1e-12 * norm
    assert sum(w.size for w in small.start) == depth * (2 * estimate) ** 2


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("estimate", [3, 6])
def test_the_compressed_trajectory_is_the_full_one(depth: int, estimate: int) -> None:
    same(30, depth, 3, estimate, seed=depth, decay=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("d", [100, 300])
@pytest.mark.parametrize("depth", [2, 3, 4, 5])
def test_the_compressed_trajectory_at_all_sizes(d: int, depth: int) -> None:
    for seed in range(2 if d == 100 else 1):
        same(d, depth, 5, 5, seed)


def test_what_cannot_be_compressed_is_refused() -> None:
    with pytest.raises(OptionError, match="square one"):
        compress(initial_weights([8, 8, 3], 0.1), low_rank(3, 8, 3))
    with pytest.raises(OptionError, match="fills the 8"):
        compress(initial_weights([8, 8, 8], 0.1), low_rank(8, 8, 2), 4)
    seen = observe(np.ones((6, 9)), np.arange(54).reshape(6, 9) % 2)
    with pytest.raises(CompletionError, match="take a rank of at most 3"):
        completion_start(seen, 4, 2, 0.1)
    with pytest.raises(OptionError, match="scale is positive"):
        completion_start(seen, 1, 2, 0.0)
    assert discrepant_rates(2, 0.5) == (0.5, 1.0, 1.0, 0.5)
