"""How many singular values to keep: a number, a share of the energy, or what stands out of the noise."""

from __future__ import annotations

import torch

from eigentrail._numbers import whole
from eigentrail.errors import LayerError, OptionError
from eigentrail.interventions.decomposition import Decomposition
from eigentrail.spectra.marchenko_pastur import MarchenkoPastur, fit_marchenko_pastur

#: The chance that a matrix of pure noise shows a spike at all.
SPIKE_LEVEL = 0.01


def noise_of(parts: Decomposition, level: float = SPIKE_LEVEL) -> MarchenkoPastur:
    """Fit the noise of a matrix.

    Args:
        parts: the decomposed matrix, with all its singular values.
        level: chance that pure noise of this shape shows a spike.

    Returns:
        The Marchenko-Pastur law of W^T W / N, N the longer side, and what stands out of it.

    Raises:
        LayerError: the matrix is a product of thin factors, of which a noise law of the full shape says nothing.
    """
    rows, cols = max(parts.shape), min(parts.shape)
    if len(parts.values) < cols:
        raise LayerError(
            f"a product of thin factors, [{parts.shape[0]}, {parts.shape[1]}] of rank {len(parts.values)}, has no "
            "noise bulk of its shape; choose a rank or a share of the energy."
        )
    return fit_marchenko_pastur((parts.values.square() / rows).numpy(), rows, cols, level=level)


def chosen_rank(
    parts: Decomposition,
    k: int | None = None,
    energy: float | None = None,
    spikes: bool = False,
    level: float = SPIKE_LEVEL,
) -> int:
    """Tell how many singular values an edit keeps.

    Args:
        parts: the decomposed matrix.
        k: this many.
        energy: the fewest whose squares make at least this share of |W|^2, 0 < energy <= 1.
        spikes: those above the Marchenko-Pastur edge (Tracy-Widom threshold).
        level: of that threshold.

    Returns:
        The number, at least 1.

    Raises:
        OptionError: not exactly one of the three is given, or it is outside of what it may be.
        LayerError: nothing stands out of the noise.
    """
    if sum((k is not None, energy is not None, bool(spikes))) != 1:
        raise OptionError("give exactly one of k (a rank), energy (a share) and spikes.")
    rank = parts.rank
    if k is not None:
        whole("k", k, 1)
        if k > rank:
            raise OptionError(
                f"k={k} is beyond the rank {rank} of the matrix [{parts.shape[0]}, {parts.shape[1]}]."
            )
        return int(k)
    if energy is not None:
        if not 0.0 < energy <= 1.0:
            raise OptionError(f"energy is a share of the squared norm, 0 < energy <= 1, not {energy}.")
        shares = torch.cumsum(parts.values.square(), 0) / parts.energy
        return min(int((shares < energy - 1e-12).sum()) + 1, rank)
    found = noise_of(parts, level).spikes
    if not found:
        raise LayerError(
            "nothing stands out of the noise: no rank is justified, and the matrix is left as it is."
        )
    return found
