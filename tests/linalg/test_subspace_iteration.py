"""Leading eigenvectors followed from step to step: right also for matrices of low rank and of wide spread."""

from __future__ import annotations

import numpy as np
import pytest

from eigentrail.linalg.subspace_iteration import SubspaceIteration

K, M = 4, 60


def grams(values: np.ndarray, step: int) -> np.ndarray:
    """[2, M, M]: two matrices of these eigenvalues, whose eigenvectors turn a little from step to step."""
    made = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        base = rng.standard_normal((M, M)) + 0.002 * step * rng.standard_normal((M, M))
        q = np.linalg.qr(base)[0]
        made.append((q * values) @ q.T)
    return np.stack(made).astype(np.float32)


@pytest.mark.parametrize(
    ("values", "known"),
    [
        (np.r_[50.0, 30.0, 20.0, 12.0, np.linspace(4, 0.5, M - 4)], K),
        (np.r_[1e6, 30.0, 20.0, 12.0, np.linspace(4, 0.5, M - 4)], 1),
        (np.r_[50.0, 20.0, np.zeros(M - 2)], 2),
        (np.r_[1.0, np.full(M - 1, 1e-12)], 1),
    ],
    ids=["spikes", "one far above", "rank two", "rank one and rounding"],
)
def test_vectors_are_those_of_the_decomposition(values: np.ndarray, known: int) -> None:
    follow = SubspaceIteration()
    for step in range(6):
        now = grams(values, step)
        with np.errstate(all="raise", under="ignore"):
            found = follow(now, K)
        assert np.isfinite(found).all()
        for gram, vectors in zip(now, found, strict=True):
            wanted = np.linalg.eigh(gram.astype(np.float64))[1][:, ::-1][:, :known].T
            # float32 and a residual of 1e-4 of the largest eigenvalue.
            assert np.abs((wanted * vectors[:known]).sum(axis=1)).min() > 1 - 1e-5
