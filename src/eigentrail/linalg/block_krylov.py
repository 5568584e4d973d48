"""Leading eigenpairs of a positive operator by block Krylov iteration from random vectors, with the error it reached.

Musco & Musco (2015) describe it and bound its error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

_MOST_BLOCKS = 8
# Eigenvalues below this share of the largest are zero: fewer directions than were asked for.
_ZERO = 1e-13


@dataclass(frozen=True)
class LeadingPairs:
    """Leading eigenpairs with what they lack of being exact.

    Attributes:
        values: [k] eigenvalues, largest first.
        vectors: [t, k] their unit vectors.
        errors: [k] residuals ||G a - l a|| / l, which bound how far each value is from an eigenvalue.
        unfinished: [k] which of them are above the tolerance and not zero.
    """

    values: Float64[np.ndarray, " k"]
    vectors: Float64[np.ndarray, "t k"]
    errors: Float64[np.ndarray, " k"]
    unfinished: Bool[np.ndarray, " k"]


def block_krylov(
    apply: Callable[[Float64[np.ndarray, "t l"]], Float64[np.ndarray, "t l"]],
    start: Float64[np.ndarray, "t l"],
    k: int,
    tolerance: float,
    dimension: int | None = None,
) -> LeadingPairs:
    """Find the k largest eigenpairs of a symmetric positive operator; one application to a block a round.

    Rayleigh-Ritz on all blocks gives the eigenpairs and their residuals.

    Args:
        apply: the operator, [t, l] -> [t, l].
        start: [t, l] random columns in its range, l >= k.
        k: how many.
        tolerance: the relative residual at which to stop.
        dimension: of its range; None for t.

    Returns:
        The pairs.
    """
    t = len(start)
    dimension = t if dimension is None else dimension
    block = _orthonormal(start, None)
    q, images = np.zeros((t, 0)), np.zeros((t, 0))
    for _ in range(_MOST_BLOCKS):
        product = apply(block)
        q, images = np.hstack([q, block]), np.hstack([images, product])
        small = q.T @ images
        found, turn = np.linalg.eigh((small + small.T) / 2.0)
        values, turn = found[::-1][:k].copy(), turn[:, ::-1][:, :k]
        vectors = q @ turn
        left = np.linalg.norm(images @ turn - vectors * values, axis=0)
        errors = left / np.maximum(values, np.finfo(np.float64).tiny)
        unfinished = (errors > tolerance) & (values > _ZERO * values[0])
        if not unfinished.any() or q.shape[1] >= dimension:
            break
        block = _orthonormal(product, q)
        if not block.shape[1]:
            break
    return LeadingPairs(values, vectors, errors, unfinished)


def _orthonormal(
    y: Float64[np.ndarray, "t l"], against: Float64[np.ndarray, "t m"] | None
) -> Float64[np.ndarray, "t r"]:
    y = y / np.maximum(np.linalg.norm(y, axis=0), np.finfo(np.float64).tiny)
    for _ in range(2):
        if against is not None:
            y = y - against @ (against.T @ y)
        u, s, _ = np.linalg.svd(y, full_matrices=False)
        y = u[:, s > 1e-12 * max(1.0, s[0])]
    return np.asarray(y)
