"""Training in the invariant subspace only: factorisation, and completion with a discrepant rate (S3, part 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse.linalg

from eigentrail._numbers import real, whole
from eigentrail.errors import CompletionError, OptionError
from eigentrail.parsimony.initial import Matrix, as_matrix, random_orthogonal, stream
from eigentrail.parsimony.invariant import InvariantSubspace, invariant_subspace
from eigentrail.parsimony.losses import Factorization, product
from eigentrail.parsimony.observations import Observations

# Up to here all singular values of the observed matrix are computed; above, the leading ones only.
_SMALL = 600


@dataclass(frozen=True)
class CompressedFactorization:
    """A deep factorisation that trains L (2 rank)^2 numbers in place of L d^2.

    Attributes:
        subspace: the invariant subspace of the full network.
        start: the initial weights Wt_1, ..., Wt_L, each eps times the identity, [2 rank, 2 rank].
        loss: of the compressed network: that of the full one, but for what the unlearned directions add.
    """

    subspace: InvariantSubspace
    start: list[Matrix]
    loss: Factorization

    def expand(self, weights: Sequence[Matrix], rho: float = 0.0) -> Matrix:
        """Give the full network's product.

        Args:
            weights: Wt_1, ..., Wt_L at a step.
            rho: of that step (`rho_recursion`), to add what the unlearned directions give; 0 to leave it out, which
                is exactly rho^L sqrt(d - 2 rank) away from the full product.

        Returns:
            W_L ... W_1, [d, d].
        """
        k, u, v = self.subspace.width, self.subspace.left[-1], self.subspace.right[0]
        found: Matrix = u[:, :k] @ product(weights) @ v[:, :k].T
        if rho:
            found += rho ** len(weights) * (u[:, k:] @ v[:, k:].T)
        return found


def compress(weights: Sequence[Any], target: Any, rank: int | None = None) -> CompressedFactorization:
    """Compress a deep factorisation of a square matrix to its invariant subspace.

    Args:
        weights: W_1(0), ..., W_L(0), square and orthogonal at one scale.
        target: Phi, [d, d] of rank r.
        rank: an estimate of r, which may be too large; None for the rank of Phi.

    Returns:
        The compressed network; descend on its `loss` from its `start`.

    Raises:
        OptionError: the theorem does not hold for these sizes or weights, or 2 rank is not below d.
    """
    phi = as_matrix("the target", target)
    if phi.shape[0] != phi.shape[1]:
        raise OptionError(
            f"the target has shape {phi.shape}: a square one is needed to compress a factorisation."
        )
    subspace = invariant_subspace(weights, phi, rank)
    k = subspace.width
    inner = subspace.left[-1][:, :k].T @ phi @ subspace.right[0][:, :k]
    start = [subspace.scale * np.eye(k) for _ in weights]
    return CompressedFactorization(subspace, start, Factorization(inner))


def completion_start(
    observed: Observations, rank: int, depth: int, scale: float, seed: int = 0
) -> list[Matrix]:
    """Initial factors of the compressed network W = U Wt_L ... Wt_1 V^T of a completion.

    U and V are those of the factorisation with the observed entries, zero elsewhere, in place of Phi, for a network
    whose orthogonal initial product takes the leading right directions to random ones, and random ones to the leading
    left directions: U = [random, leading], V = [leading, random]. There is no exact null space, so U and V have to
    move.

    Args:
        observed: the known entries.
        rank: an estimate of the rank; the network is 2 rank wide.
        depth: L, the number of inner layers.
        scale: epsilon of the inner layers.
        seed: of the random directions.

    Returns:
        L + 2 layers: V^T [2 rank, columns], L times epsilon I, U [rows, 2 rank].

    Raises:
        CompletionError: 2 rank is larger than a side.
        OptionError: the scale is not positive.
    """
    rank, depth = whole("rank", rank, 1), whole("depth", depth, 1)
    if 2 * rank > min(observed.shape):
        raise CompletionError(
            f"a compressed network for rank {rank} is {2 * rank} wide, more than a side of {observed.shape}: take a "
            f"rank of at most {min(observed.shape) // 2}."
        )
    if not real("scale", scale) > 0.0:
        raise OptionError(f"scale is positive, not {scale:g}.")
    rng = stream("directions", seed)
    left, _, right = leading_directions(observed, rank, seed)
    u = np.hstack([_beside(left, rank, rng), left])
    v = np.hstack([right, _beside(right, rank, rng)])
    return [v.T.copy(), *(scale * np.eye(2 * rank) for _ in range(depth)), u]


def discrepant_rates(depth: int, gamma: float) -> tuple[float, ...]:
    """Factors on the rate of the layers of a compressed network.

    Args:
        depth: L, the number of inner layers.
        gamma: of U and V; 0 holds them fast.

    Returns:
        gamma, 1, ..., 1, gamma.
    """
    return (gamma, *(1.0,) * depth, gamma)


def leading_directions(observed: Observations, count: int, seed: int = 0) -> tuple[Matrix, Matrix, Matrix]:
    """Leading singular directions of the observed entries, with zeros elsewhere.

    Args:
        observed: the known entries.
        count: how many.
        seed: of the iteration's start, for large matrices.

    Returns:
        Left directions [rows, count], singular values [count] from largest to smallest, right directions
        [columns, count].
    """
    sparse = observed.sparse()
    if min(observed.shape) <= _SMALL or count >= min(observed.shape) // 4:
        u, s, vt = np.linalg.svd(sparse.toarray(), full_matrices=False)
    else:
        start = stream("iteration", seed).standard_normal(min(observed.shape))
        u, s, vt = scipy.sparse.linalg.svds(sparse, k=count, v0=start)
        u, s, vt = u[:, ::-1], s[::-1], vt[::-1]
    return u[:, :count], s[:count], np.ascontiguousarray(vt[:count].T)


def _beside(directions: Matrix, count: int, rng: np.random.Generator) -> Matrix:
    """Draw random orthonormal columns orthogonal to given ones."""
    drawn = random_orthogonal(rng, directions.shape[0], count)
    for _ in range(2):
        drawn -= directions @ (directions.T @ drawn)
    q: Matrix = np.linalg.qr(drawn)[0]
    return q
