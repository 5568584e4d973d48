"""Block Lanczos with full reorthogonalisation: both ends of a spectrum, and a Gauss quadrature of all of it, at once.

From p random vectors the Krylov space of a block holds p times as many eigenvalues of either end as that of one vector,
for the same number of passes through the matrix (Golub & Underwood 1977). The same projection gives a quadrature rule
of each vector's own spectral measure, whose mean estimates the density (Golub & Meurant 1994; Ubaru, Chen & Saad 2017).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

# What is below this share of the operator's size is rounding in float32: no new direction, and no distance of values.
_ROUNDING = 1e-6
# Columns of a block that are longer than this share are safe from what rounding puts into them.
_DEPENDENT = 1e-3


@dataclass(frozen=True, eq=False)
class BlockRule:
    """The projection of a symmetric operator on the Krylov space of a block.

    Attributes:
        values: [d] Ritz values, ascending: the nodes of the rules.
        residuals: [d] ||A y - l y||: an eigenvalue lies so near.
        weights: [p, d] of the nodes in the rule of each start vector, which sum to its squared length.
        vectors: [n, k] unit Ritz vectors of the k largest values, the largest first.
        low: how many of the smallest are eigenvalues that are told apart from their neighbours.
        high: how many of the largest are.
    """

    values: Float64[np.ndarray, " d"]
    residuals: Float64[np.ndarray, " d"]
    weights: Float64[np.ndarray, "p d"]
    vectors: Float32[np.ndarray, "n k"]
    low: int
    high: int


def block_lanczos(
    apply: Callable[[Float32[np.ndarray, "n b"]], Float32[np.ndarray, "n b"]],
    start: Float32[np.ndarray, "n p"],
    depth: int,
    keep: int = 0,
) -> BlockRule:
    """Project an operator on the space of a block and its images.

    Args:
        apply: the operator, [n, b] -> [n, b] for any b up to p.
        start: [n, p] independent random vectors.
        depth: applications to a block.
        keep: how many leading Ritz vectors to give.

    Returns:
        The rule; with fewer than p * depth nodes where the space is invariant.
    """
    n, p = start.shape
    basis = np.empty((n, p * depth), dtype=np.float32)
    projected = np.zeros((p * depth, p * depth))
    block, mixing = np.linalg.qr(start)
    size, scale = 0, 0.0
    while True:
        width = block.shape[1]
        basis[:, size : size + width] = block
        known = basis[:, : size + width]
        rest = apply(block)
        within = np.zeros((width, width))
        for _ in range(2):
            inner = known.T @ rest
            within += inner[size:]
            rest = rest - known @ inner
        projected[size : size + width, size : size + width] = (within + within.T) / 2.0
        scale = max(scale, float(np.abs(within).max()))
        before, size = slice(size, size + width), size + width
        fresh, beside = _fresh(rest, known, scale)
        if not fresh.shape[1] or size + fresh.shape[1] > p * depth:
            break
        after = slice(size, size + fresh.shape[1])
        projected[after, before], projected[before, after] = beside, beside.T
        block = fresh
    values, mixes = np.linalg.eigh(projected[:size, :size])
    residuals = np.linalg.norm(beside @ mixes[before], axis=0)
    weights = (mixing.T.astype(np.float64) @ mixes[:p]) ** 2
    vectors = basis[:, :size] @ mixes[:, ::-1][:, :keep].astype(np.float32)
    return BlockRule(values, residuals, weights, vectors, *_told_apart(values, residuals))


def _fresh(
    rest: Float32[np.ndarray, "n b"], known: Float32[np.ndarray, "n m"], scale: float
) -> tuple[Float32[np.ndarray, "n r"], Float64[np.ndarray, "r b"]]:
    """Split what is left into orthonormal directions, orthogonal to what is known, and the coefficients on them."""
    q, r = np.linalg.qr(rest)
    if np.abs(np.diagonal(r)).min() > _DEPENDENT * scale:
        return q, r.astype(np.float64)
    # Some columns depend on others, or are next to nothing: what is no more than rounding goes.
    u, s, _ = np.linalg.svd(rest, full_matrices=False)
    kept = u[:, s > 10 * _ROUNDING * scale]
    if kept.shape[1]:
        kept = np.linalg.qr(kept - known @ (known.T @ kept))[0]
    return kept, (kept.T @ rest).astype(np.float64)


def _told_apart(values: Float64[np.ndarray, " d"], residuals: Float64[np.ndarray, " d"]) -> tuple[int, int]:
    """Count from either end the values whose error is below half of the distance to their neighbours."""
    if len(values) < 2:
        return 0, 0
    steps = np.diff(values)
    distance = np.minimum(np.append(steps, np.inf), np.insert(steps, 0, np.inf))
    fine = residuals + _ROUNDING * float(np.abs(values).max()) < 0.5 * distance
    low = int(np.argmin(fine)) if not fine.all() else len(values)
    high = int(np.argmin(fine[::-1])) if not fine.all() else 0
    return low, high
