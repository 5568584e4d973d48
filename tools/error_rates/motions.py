"""Motions of a matrix: walks, straight lines, and paths along great circles."""

from __future__ import annotations

import numpy as np


def _steps(kind: str, count: int, shape: tuple[int, int], seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 3])
    noise = rng.standard_normal((count, *shape))
    if kind == "isotropic":
        return noise
    if kind == "anisotropic":
        rows, cols = (np.arange(1, n + 1) ** -1.5 for n in shape)
        return (
            noise * rows[:, None] * cols * float(np.sqrt(np.prod(shape) / (rows**2).sum() / (cols**2).sum()))
        )
    if kind == "cosine rates":
        return noise * (0.5 + 0.5 * np.cos(np.pi * np.arange(count) / count) + 0.01)[:, None, None]
    raise ValueError(kind)


def walk(
    kind: str,
    seed: int,
    count: int = 40,
    shape: tuple[int, int] = (12, 8),
    size: float = 0.1,
    decay: float = 0.0,
) -> np.ndarray:
    """Draw a random walk.

    Args:
        kind: of its steps, in words.
        seed: of the draws.
        count: how many points.
        shape: rows and columns.
        size: root mean square of a step's entries.
        decay: weight decay of a step.

    Returns:
        [count, *shape].
    """
    start = np.random.default_rng([seed, 4]).standard_normal(shape)
    out = [start]
    for step in _steps(kind, count - 1, shape, seed):
        out.append((1.0 - decay) * out[-1] + size * step)
    return np.array(out)


def line(seed: int, walked: float, count: int = 40, shape: tuple[int, int] = (12, 8)) -> np.ndarray:
    """Draw a straight line in a random direction.

    Args:
        seed: of the draws.
        walked: root mean square of the steps of a walk on top.
        count: how many points.
        shape: rows and columns.

    Returns:
        [count, *shape].
    """
    rng = np.random.default_rng([seed, 5])
    start, away = rng.standard_normal((2, *shape))
    straight = start + 1.2 * np.linspace(0, 1, count)[:, None, None] * away
    return straight + walked * np.cumsum(_steps("isotropic", count, shape, seed), axis=0)


def turning(seed: int, noise: float, legs: int = 1, count: int = 60) -> np.ndarray:
    """Draw a leading right vector that follows circles one after the other, under noise that walks.

    Args:
        seed: of the draws.
        noise: root mean square of the walk's steps.
        legs: how many circles.
        count: how many steps.

    Returns:
        [count + 1 or so, 16, 24].
    """
    rng = np.random.default_rng([seed, 7])
    axes = np.linalg.qr(rng.standard_normal((24, legs + 1)))[0].T
    u = np.linalg.qr(rng.standard_normal((16, 1)))[0][:, 0]
    point, path = axes[0], []
    for axis in axes[1:]:
        heading = axis - (axis @ point) * point
        heading /= np.linalg.norm(heading)
        angles = 0.03 * np.arange(count // legs + 1)
        leg = np.cos(angles)[:, None] * point + np.sin(angles)[:, None] * heading
        path.append(leg[:-1])
        point = leg[-1]
    v = np.concatenate([*path, point[None]])
    walk = np.cumsum(rng.standard_normal((len(v), 16, 24)), axis=0)
    return 10.0 * u[None, :, None] * v[:, None, :] + noise * walk
