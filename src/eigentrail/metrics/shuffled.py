"""The same entries in random places: what large single entries make, and how far the spectrum is from that."""

from __future__ import annotations

from typing import Any

import numpy as np

from eigentrail.metrics.framework.contract import Column, DiagnosisOptions, metric_group
from eigentrail.metrics.framework.phrases import LAMBDA, NO_SHUFFLE
from eigentrail.spectra.spectrum import Spectrum

_GROUP = "Bulk and spikes"
_SOURCE = "element-wise permutation"


@metric_group(
    Column(
        "null_spikes",
        label="Spikes, shuffled",
        meaning="Spikes that survive when the entries are put in random places (seeded): single large entries make "
        "them, not structure. WeightWatcher calls these correlation traps. From order 1024 on, entries with light "
        "tails are not shuffled: by theorem nothing survives.",
        group=_GROUP,
        units="count above the same threshold",
        source=_SOURCE,
        chance="0 for entries with light tails.",
        absent=NO_SHUFFLE,
        sort="count",
        over_time=True,
        of_update=True,
        shown=True,
    ),
    Column(
        "null_lambda_max",
        label="λ max, shuffled",
        meaning="Largest eigenvalue after the entries were put in random places (from order 1024 on and with light "
        "tails, the median that the Tracy-Widom law gives).",
        group=_GROUP,
        units=LAMBDA,
        source=_SOURCE,
        chance="The upper edge for entries with light tails.",
        absent=NO_SHUFFLE,
    ),
    Column(
        "null_distance",
        label="Distance to shuffled",
        meaning="Kolmogorov-Smirnov distance between the spectrum and that of the matrix with shuffled entries (from "
        "order 1024 on, with the law that their spectrum follows).",
        group=_GROUP,
        units="0 (same) to 1",
        source=_SOURCE,
        chance="Noise: a few times 1/M.",
        absent=NO_SHUFFLE,
    ),
    order=50,
    version=3,
    of_noise=True,
)
def shuffled(spectrum: Spectrum, options: DiagnosisOptions) -> dict[str, Any]:
    """Read the spectrum of the shuffled matrix.

    Args:
        spectrum: of the matrix; with its `null`.
        options: its `level` is the chance that noise shows a spike.

    Returns:
        Spikes that survive, the largest eigenvalue and the distance; nothing where no shuffle was asked for.
    """
    null = spectrum.null
    if null is None:
        return {}
    values = np.asarray(spectrum.eigenvalues)
    return {
        "null_spikes": null.spikes(options.level),
        "null_lambda_max": null.lambda_max,
        "null_distance": null.distance(values, options.level),
    }
