"""Levels, vectors and bulks of noise."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from error_rates.row import Row


def _levels(law: str, seed: int) -> bool:
    from eigentrail.spectra import Spectrum

    w = np.random.default_rng([seed, 20]).standard_normal((300, 150))
    found = Spectrum.from_matrix(w).spacings()
    p = found.p_wigner if law == "Wigner" else found.p_poisson
    return p is not None and p <= 0.05


def _not_random(seed: int) -> bool:
    from eigentrail.bases import random

    return bool(random(400, 1, seed=seed).porter_thomas()[0] <= 0.05)


def _far_bulk(seed: int) -> bool:
    from eigentrail.spectra import Spectrum
    from eigentrail.trajectories.noise_bulk import noise_bulk

    limit = noise_bulk(96, 64)
    w = np.random.default_rng([seed, 21]).standard_normal((96, 64))
    return limit is not None and Spectrum.from_matrix(w).marchenko_pastur().ks_distance > limit.high


def rows() -> Iterator[Row]:
    """List the rows of this subject."""
    yield Row(
        "levels",
        "levels are not spaced as a random matrix's (p at most .05)",
        "Gaussian, 300 x 150",
        0.05,
        functools.partial(_levels, "Wigner"),
    )
    yield Row(
        "levels",
        "levels are not independent (p at most .05)",
        "Gaussian, 300 x 150",
        0.9,
        functools.partial(_levels, "Poisson"),
        power=True,
    )
    yield Row(
        "vectors",
        "a vector's entries are not random (p at most .05)",
        "random unit vector, 400",
        0.05,
        _not_random,
    )
    yield Row(
        "bulks", "the bulk is further from its law than 95% of noise", "Gaussian, 96 x 64", 0.05, _far_bulk
    )
