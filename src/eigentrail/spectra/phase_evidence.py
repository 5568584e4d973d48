"""The few numbers of a spectrum that its phase is told from, each with a scale of its own under pure noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from eigentrail.spectra import tracy_widom
from eigentrail.spectra.marchenko_pastur import MarchenkoPastur
from eigentrail.spectra.spiked import bbp_threshold

_BEYOND = 1.2  # eigenvalues beyond the edges count in the spread, but no further than this
_LEADERS = 3
_LAST_STEPS = 3  # a single false spike between the bulk and the true ones must not hide their gap


@dataclass(frozen=True)
class SpectrumEvidence:
    """Evidence from the eigenvalues alone; nothing in it has a scale or an orientation.

    Attributes:
        zero_share: share of the eigenvalues that are zero to rounding.
        zero_gap: log10 of the smallest other eigenvalue over the largest of those (at most 16), 0 without
            any.
        spike_share: share of the others that lie above the noise threshold.
        strongest: strength of the largest spike in multiples of the BBP threshold; 1 without spikes.
        noise_share: share of the squared Frobenius norm that the bulk holds.
        gap: log10 of the last spike over the largest eigenvalue of the bulk, 0 without spikes; of many spikes
            the widest of the last three steps.
        spread: sum over the bulk of the second Chebyshev polynomial between the edges, beyond its
            expectation. For Gaussian noise its mean is 0 and its standard deviation 1 whatever the shape;
            tails grow it.
        misfit: Kolmogorov-Smirnov distance of the bulk to the law.
        leader: the largest eigenvalue in Tracy-Widom units, from the edge of the whole matrix.
        followers: mean of the three largest eigenvalues of the bulk in Tracy-Widom units, from the edge of
            what the spikes leave; about -3.2 +- 0.8 for noise.
    """

    zero_share: float
    zero_gap: float
    spike_share: float
    strongest: float
    noise_share: float
    gap: float
    spread: float
    misfit: float
    leader: float
    followers: float


def spectrum_evidence(
    eigenvalues: Float64[np.ndarray, "n"], rows: int, fit: MarchenkoPastur
) -> SpectrumEvidence:
    """Measure the evidence.

    Args:
        eigenvalues: of W^T W / rows, any order, all of them.
        rows: N, the larger dimension.
        fit: the Marchenko-Pastur fit of the same eigenvalues.

    Returns:
        The evidence.
    """
    values = np.sort(eigenvalues)
    largest_zero = max(float(values[fit.zeros - 1]), 1e-16 * float(values[fit.zeros])) if fit.zeros else 0.0
    values = values[fit.zeros :]
    n, pools = values.size, fit.matrices
    spikes = min(fit.spikes, n - 2)
    bulk = values[: n - spikes]
    live, each = n / pools, spikes / pools
    q, share = (live - each) / (rows - each), (rows - each) / rows
    s2 = fit.sigma**2
    place = np.minimum((bulk / (s2 * share) - 1.0 - q) / (2.0 * q**0.5), _BEYOND)
    # The law's mean is -(1 - q) / 2, and real noise adds one half (its second order).
    spread = float((2.0 * place * place - 1.0).sum()) + bulk.size * (1.0 - q) / 2.0 - pools / 2.0
    looked = _LAST_STEPS if spikes >= 2 * _LAST_STEPS else 1
    steps = np.log10(values[n - spikes :][:looked] / values[n - spikes - 1 :][:looked])
    centre, scale = tracy_widom.location_scale(rows, max(round(live), 1))
    edge, unit = tracy_widom.location_scale(max(round(rows - each), 1), max(round(live - each), 1))
    followers = float(bulk[-_LEADERS * pools :].mean()) / (s2 * share)
    return SpectrumEvidence(
        zero_share=fit.zeros / eigenvalues.size,
        zero_gap=float(np.log10(values[0] / largest_zero)) if fit.zeros else 0.0,
        spike_share=spikes / n,
        strongest=float(fit.spike_strengths[0]) / bbp_threshold(fit.q) if fit.spikes else 1.0,
        noise_share=float(bulk.sum() / values.sum()),
        gap=float(steps.max()) if spikes else 0.0,
        spread=spread / pools**0.5,
        misfit=fit.ks_distance,
        leader=(float(values[-1]) / s2 - centre) / scale,
        followers=(followers - edge) / unit,
    )
