"""Cut a matrix to a rank; with the inputs' covariance, where it costs the outputs least."""

from __future__ import annotations

from typing import Any

import torch

from eigentrail._arrays import is_tensor, to_float64
from eigentrail.errors import OptionError
from eigentrail.interventions.contract import intervention
from eigentrail.interventions.decomposition import Decomposition, MatrixLike, decompose
from eigentrail.interventions.edited_matrix import EditedMatrix, joined
from eigentrail.interventions.rank_choice import SPIKE_LEVEL, chosen_rank, noise_of


@intervention(
    label="cut to a rank", source="Eckart & Young 1936; whitened: Wang et al. 2024, arXiv 2403.07378"
)
def truncate(
    w: MatrixLike,
    k: int | None = None,
    *,
    energy: float | None = None,
    spikes: bool = False,
    smallest: int | None = None,
    level: float = SPIKE_LEVEL,
    covariance: Any = None,
) -> EditedMatrix:
    """Keep the leading singular values of a matrix.

    Of all matrices of that rank this one is nearest to W. With the covariance C of the inputs it is instead the one
    whose outputs are nearest: U U^T W with the leading left vectors of W C^(1/2), and the error of the outputs is
    known exactly before it is measured.

    Args:
        w: [n, m], or [p, n, m] for a pool, each cut by itself; numpy, torch, or a `FactoredMatrix`.
        k: the rank to keep; exactly one of k, energy, spikes and smallest is given.
        energy: keep the fewest values whose squares make this share of |W|^2.
        spikes: keep what stands out of the noise bulk (Marchenko-Pastur with Tracy-Widom edge).
        smallest: leave out this many of the smallest non-zero values, which may lie outside of the noise as well
            (Staats, Thamm & Rosenow 2024).
        level: chance that a matrix of pure noise shows a spike.
        covariance: [m, m] second moment E[x x^T] of the inputs; None: all input directions count alike.

    Returns:
        The cut matrix with its predicted errors.

    Raises:
        OptionError: the rank is outside of what it may be, or the covariance does not fit.
    """
    pieces, weights = [], []
    for parts in decompose(w):
        if smallest is not None:
            if not 0 < smallest < parts.rank or (k, energy, spikes) != (None, None, False):
                raise OptionError(
                    f"smallest={smallest} alone, from 1 to one less than the rank {parts.rank}."
                )
            keep = parts.rank - smallest
        else:
            keep = chosen_rank(parts, k, energy, spikes, level)
        found = noise_of(parts, level).spikes if spikes else None
        pieces.append(_cut(parts, keep, w, found, covariance))
        weights.append(parts.energy)
    return joined(pieces, weights)


def _cut(parts: Decomposition, k: int, given: Any, spikes: int | None, covariance: Any) -> EditedMatrix:
    values = parts.values.square()
    if covariance is None:
        left, right = parts.left[:, :k] * parts.values[:k], parts.right[:k]
        return EditedMatrix(
            ((left, right),), float((values[k:].sum() / values.sum()).sqrt()), given, spikes=spikes
        )
    # C^(1/2) is never needed: W C W^T has the same left vectors. [r, r] in the basis of W's own.
    met = parts.right @ _moment(covariance, parts.shape[1]) @ parts.right.T
    energies, turns = torch.linalg.eigh(parts.values[:, None] * met * parts.values)
    if energies[0] < -1e-6 * max(float(energies[-1]), 0.0):
        raise OptionError("the covariance of the inputs has negative eigenvalues.")
    turned = turns.flip(1)[:, :k]
    left = parts.left @ turned
    right = (turned.T * parts.values) @ parts.right
    squares = energies.flip(0).clamp(min=0.0)
    total = squares.sum()
    return EditedMatrix(
        ((left, right),),
        float((1.0 - right.square().sum() / values.sum()).clamp(min=0.0).sqrt()),
        given,
        float((squares[k:].sum() / total).sqrt()) if total > 0 else 0.0,
        spikes,
    )


def _moment(covariance: Any, size: int) -> torch.Tensor:
    c = (
        covariance.detach().cpu().double()
        if is_tensor(covariance)
        else torch.from_numpy(to_float64(covariance))
    )
    if tuple(c.shape) != (size, size):
        raise OptionError(f"the covariance of {size} inputs is [{size}, {size}], not {list(c.shape)}.")
    if not bool(torch.isfinite(c).all()):
        raise OptionError("the covariance of the inputs is not finite.")
    return (c + c.T) / 2
