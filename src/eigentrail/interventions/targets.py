"""Directions that James-Stein may shrink towards."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail.errors import OptionError
from eigentrail.trajectories.great_circle import align_signs, fit_great_circles


def random_target(size: int, seed: int = 0) -> Float64[np.ndarray, " p"]:
    """Draw a direction at random: the low end of the scale of targets.

    Args:
        size: the long side p.
        seed: of the draw.

    Returns:
        [p] a unit vector.
    """
    drawn = np.random.default_rng(seed).normal(size=size)
    return np.asarray(drawn / np.linalg.norm(drawn))


def leading_target(w: Any, k: int = 1) -> Float64[np.ndarray, "p k"]:
    """Take the leading vectors of another matrix: the initial weights, or, for the other end of the scale, later ones.

    Args:
        w: [n, m].
        k: how many.

    Returns:
        [p, k] the leading singular vectors of the long side.

    Raises:
        OptionError: it is no matrix of finite numbers.
    """
    a = to_float64(w)
    if a.ndim != 2 or not np.isfinite(a).all():
        raise OptionError(f"a target comes from a matrix of finite numbers, not from shape {a.shape}.")
    u, _, _ = np.linalg.svd(a if a.shape[0] >= a.shape[1] else a.T, full_matrices=False)
    return np.asarray(u[:, :k])


def geodesic_target(path: Any, dims: int = 1) -> Float64[np.ndarray, " p"]:
    """Take the point of the fitted great circle (or 2-sphere) that is nearest to the end of a path.

    Args:
        path: [T, p] unit vectors over steps, such as the leading singular vectors of the long side; without the step
            that is to be shrunk.
        dims: 1 for a great circle, 2 for a great 2-sphere.

    Returns:
        [p] a unit vector.

    Raises:
        OptionError: there are fewer than dims + 2 vectors.
    """
    x = to_float64(path)
    if x.ndim != 2 or len(x) < dims + 2:
        raise OptionError(
            f"a geodesic through vectors needs [T, p] with T of {dims + 2} or more, not {x.shape}."
        )
    x, _ = align_signs(x)
    plane = fit_great_circles(x[None], dims).planes[0]
    point = plane.T @ (plane @ x[-1])
    return np.asarray(point / np.linalg.norm(point))
