"""Matrices of independent entries."""

from __future__ import annotations

import numpy as np


def noise_of(kind: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Draw independent entries.

    Args:
        kind: of which law, in words.
        shape: rows and columns.
        seed: of the draws.

    Returns:
        The matrix.

    Raises:
        ValueError: there is no such law.
    """
    rng = np.random.default_rng([seed, *shape])
    if kind == "Gaussian":
        return rng.standard_normal(shape)
    if kind == "uniform":
        return rng.uniform(-1.0, 1.0, shape)
    if kind == "a tenth of each column zero (sparse_)":
        return rng.standard_normal(shape) * (
            shape[0] // 10 <= rng.permuted(np.tile(np.arange(shape[0]), (shape[1], 1)), axis=1).T
        )
    if kind == "nine tenths zero":
        return rng.standard_normal(shape) * (rng.random(shape) < 0.1)
    if kind == "Laplace":
        return rng.laplace(size=shape)
    if kind == "Student t, 5 degrees of freedom":
        return rng.standard_t(5, size=shape)
    if kind == "a tenth of the rows zero":
        return rng.standard_normal(shape) * (rng.permutation(shape[0]) >= shape[0] // 10)[:, None]
    if kind == "rows of .5 to 1.5 times the size":
        return rng.standard_normal(shape) * rng.uniform(0.5, 1.5, (shape[0], 1))
    if kind == "random orthogonal columns":
        return np.linalg.qr(rng.standard_normal(shape))[0]
    if kind == "columns of lognormal(.15) size":
        return rng.standard_normal(shape) * np.exp(0.15 * rng.standard_normal(shape[1]))
    if kind == "rows of lognormal(.15) size":
        return rng.standard_normal(shape) * np.exp(0.15 * rng.standard_normal((shape[0], 1)))
    raise ValueError(kind)
