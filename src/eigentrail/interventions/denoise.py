"""Take the noise bulk out of a matrix and the noise's share off what stands out of it."""

from __future__ import annotations

from typing import Literal

import torch

from eigentrail._numbers import whole
from eigentrail.errors import LayerError, OptionError
from eigentrail.interventions.contract import intervention
from eigentrail.interventions.decomposition import MatrixLike, decompose
from eigentrail.interventions.edited_matrix import EditedMatrix, joined
from eigentrail.interventions.rank_choice import SPIKE_LEVEL, noise_of
from eigentrail.spectra import spiked


@intervention(
    label="remove the noise bulk, shrink what stands out",
    source="Staats, Thamm & Rosenow 2023, arXiv 2206.03927; Gavish & Donoho 2017",
)
def denoise(
    w: MatrixLike,
    how: Literal["inverse-bbp", "gavish-donoho"] = "inverse-bbp",
    *,
    level: float = SPIKE_LEVEL,
    most: int | None = None,
) -> EditedMatrix:
    """Keep only the singular values that stand out of the noise, shrunk to what they were without it.

    Noise makes a planted singular value theta larger and turns its vectors. "inverse-bbp" puts the value back to
    theta (the inverse of the BBP map). "gavish-donoho" goes on to theta times the cosines between found and planted
    vectors, which makes |W' - signal| smallest (Frobenius).

    Args:
        w: [n, m], or [p, n, m] for a pool, each by itself; numpy or torch.
        how: see above.
        level: chance that a matrix of pure noise shows a spike.
        most: keep at most so many of what stands out, the largest; None for all.

    Returns:
        The denoised matrix with its predicted distance from W.

    Raises:
        LayerError: nothing stands out of the noise.
        OptionError: there is no such way, or `most` is no positive number.
    """
    if most is not None:
        whole("most", most, 1)
    if how not in {"inverse-bbp", "gavish-donoho"}:
        raise OptionError(f'how is "inverse-bbp" or "gavish-donoho", not {how!r}.')
    pieces, weights = [], []
    for parts in decompose(w):
        noise = noise_of(parts, level)
        spikes = noise.spikes
        if not spikes:
            raise LayerError("nothing stands out of the noise: denoising would leave nothing of the matrix.")
        k = spikes if most is None else min(most, spikes)
        strengths = noise.spike_strengths[:k]
        shrunk = strengths * noise.sigma * noise.rows**0.5
        if how == "gavish-donoho":
            left_cosine, right_cosine = spiked.overlap(strengths, noise.q)
            shrunk = shrunk * left_cosine * right_cosine
        values = torch.from_numpy(shrunk)
        lost = (parts.values[:k] - values).square().sum() + parts.values[k:].square().sum()
        pieces.append(
            EditedMatrix(
                ((parts.left[:, :k] * values, parts.right[:k]),),
                float((lost / parts.energy) ** 0.5),
                w,
                spikes=spikes,
            )
        )
        weights.append(parts.energy)
    return joined(pieces, weights)
