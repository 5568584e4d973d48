"""The loss of matrix completion, 1/2 ||Omega o (W_L ... W_1 - Phi)||_F^2, for masks of any density."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eigentrail.parsimony.initial import Matrix
from eigentrail.parsimony.losses import chain_gradients, prefixes
from eigentrail.parsimony.observations import Observations

# Per entry a product at all places takes less time than one at chosen places; below this share that no longer counts.
_DENSE_SHARE = 0.08
_DENSE_ENTRIES = 2**24
_CHUNK = 2**16


class MaskedError:
    """1/2 ||Omega o (W_L ... W_1 - Phi)||_F^2 of a linear network.

    Where few entries are observed, or the matrix is large and the network has a narrow layer, the product is computed
    at the observed places only and its gradient is sparse: memory is then proportional to the observations.

    Args:
        observed: the known entries of Phi.
        dense: whether to work on all places; None to choose.
    """

    def __init__(self, observed: Observations, dense: bool | None = None) -> None:
        self.observed = observed
        entries = observed.shape[0] * observed.shape[1]
        self.dense = observed.share >= _DENSE_SHARE and entries <= _DENSE_ENTRIES if dense is None else dense
        if self.dense:
            self._target = np.zeros(observed.shape)
            self._target[observed.rows, observed.columns] = observed.values
            self._mask = np.zeros(observed.shape)
            self._mask[observed.rows, observed.columns] = 1.0
        else:
            self._pattern = observed.sparse()

    def __call__(self, weights: Sequence[Matrix]) -> tuple[float, list[Matrix]]:
        """Give the loss and its gradients.

        Args:
            weights: W_1, ..., W_L.

        Returns:
            The loss, and the gradient by each layer.
        """
        before = prefixes(weights[:-1]) if len(weights) > 1 else []
        slope: Any
        if self.dense:
            slope = weights[-1] @ before[-1] if before else weights[0].copy()
            slope -= self._target
            slope *= self._mask
            loss = 0.5 * float(np.vdot(slope, slope))
        else:
            left, right = two_factors(weights)
            gap = entries_at(left, right, self.observed) - self.observed.values
            loss = 0.5 * float(gap @ gap)
            self._pattern.data = gap
            slope = self._pattern
        return loss, chain_gradients(weights, before, slope)


def two_factors(weights: Sequence[Matrix]) -> tuple[Matrix, Matrix]:
    """Multiply a network's layers on both sides of its narrowest place.

    Args:
        weights: W_1, ..., W_L.

    Returns:
        [d_L, k] and [k, d_0], whose product is W_L ... W_1; for a single layer that and the identity.
    """
    if len(weights) == 1:
        return weights[0], np.eye(weights[0].shape[1])
    cut = min(range(1, len(weights)), key=lambda layer: weights[layer].shape[1])
    left = weights[-1]
    for w in reversed(weights[cut:-1]):
        left = left @ w
    return left, prefixes(weights[:cut])[-1]


def entries_at(left: Matrix, right: Matrix, observed: Observations) -> Matrix:
    """Compute a product at some places only.

    Args:
        left: [rows, k].
        right: [k, columns].
        observed: the places.

    Returns:
        [n] entries of left @ right.
    """
    across = np.ascontiguousarray(right.T)
    found = np.empty(len(observed))
    for begin in range(0, len(observed), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        np.einsum("ij,ij->i", left[observed.rows[part]], across[observed.columns[part]], out=found[part])
    return found
