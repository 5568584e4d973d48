"""Paths whose structure is planted."""

from __future__ import annotations

import numpy as np


def frame(n: int, k: int, seed: int) -> np.ndarray:
    """Give k orthonormal rows of n entries."""
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, k)))[0].T


def on_circle(plane: np.ndarray, angles: np.ndarray) -> np.ndarray:
    return np.cos(angles)[:, None] * plane[0] + np.sin(angles)[:, None] * plane[1]


def spiked(v: np.ndarray, rows: int, noise: float, seed: int, strength: float = 10.0) -> np.ndarray:
    """Give matrices [T, rows, n] whose leading right singular vector is v(t), under independent noise."""
    u = frame(rows, 1, seed)[0]
    rng = np.random.default_rng([seed, 1])
    return strength * u[None, :, None] * v[:, None, :] + noise * rng.standard_normal(
        (len(v), rows, v.shape[1])
    )


def weight_walk(shape: tuple[int, int], steps: int, size: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 2])
    w = rng.standard_normal((steps, *shape))
    w[1:] *= size
    return np.cumsum(w, axis=0)


def plane_error(found: np.ndarray, planted: np.ndarray) -> float:
    """Largest angle in degrees between the planted plane and the found one."""
    outside = planted - (planted @ found.T) @ found
    return float(np.degrees(np.arcsin(min(1.0, np.linalg.norm(outside, 2)))))
