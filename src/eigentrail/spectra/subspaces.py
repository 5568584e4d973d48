"""Angles between subspaces."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64

from eigentrail._arrays import like, to_float64
from eigentrail.errors import SpectrumError


def principal_angles(a: Any, b: Any) -> Any:
    """Principal angles between two subspaces, from sines where they are small and cosines where they are large.

    arccos alone loses half of the digits of small angles: arccos(1 - 1e-16) is already 1e-8.

    Args:
        a: [j, n] orthonormal rows that span the first subspace.
        b: [k, n] orthonormal rows that span the second one.

    Returns:
        [min(j, k)] angles in radians, ascending, 0 to pi / 2; an array of the kind of `a`.

    Raises:
        SpectrumError: when the two live in spaces of different dimension or the rows are not orthonormal.
    """
    x, y = to_float64(a), to_float64(b)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise SpectrumError(
            f"two bases [j, n] and [k, n] of one space are needed, got shapes {x.shape} and {y.shape}"
        )
    for basis in (x, y):
        if np.abs(basis @ basis.T - np.eye(len(basis))).max(initial=0.0) > 1e-6:
            raise SpectrumError(
                "the rows of a basis must be orthonormal: take them from a QR or singular value decomposition"
            )
    return like(_angles(x, y), a)


def _angles(x: Float64[np.ndarray, "j n"], y: Float64[np.ndarray, "k n"]) -> Float64[np.ndarray, " r"]:
    if len(x) < len(y):
        x, y = y, x
    inner = x @ y.T
    cosines = np.clip(np.linalg.svd(inner, compute_uv=False), 0.0, 1.0)
    # What is left of y outside the span of x: its singular values are the sines, ascending with the angles.
    sines = np.clip(np.sort(np.linalg.svd(y - inner.T @ x, compute_uv=False)), 0.0, 1.0)
    sines = (
        np.concatenate([np.zeros(len(cosines) - len(sines)), sines]) if len(sines) < len(cosines) else sines
    )
    return np.asarray(np.where(cosines > np.sqrt(0.5), np.arcsin(sines), np.arccos(cosines)))


def chance_overlap(j: int, k: int, n: int) -> float:
    """Mean squared cosine that two random subspaces have by chance.

    Args:
        j: dimension of the first subspace.
        k: dimension of the second one.
        n: dimension of the space they live in.

    Returns:
        E[(1 / min(j, k)) sum cos^2] = max(j, k) / n.
    """
    return min(1.0, max(j, k) / n)
