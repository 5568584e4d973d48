"""Spikes and phases of a single matrix."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from error_rates.noise import noise_of
from error_rates.row import Row


def _spikes(kind: str, shape: tuple[int, int], seed: int) -> int:
    from eigentrail.spectra import Spectrum

    return Spectrum.from_matrix(noise_of(kind, shape, seed)).marchenko_pastur().spikes


def _planted_spike(strength: float, seed: int) -> bool:
    from eigentrail.spectra import Spectrum

    rng = np.random.default_rng([seed, 1])
    n, m = 256, 128
    u, v = rng.standard_normal(n), rng.standard_normal(m)
    theta = strength * (m / n) ** 0.25 * np.sqrt(n)
    w = rng.standard_normal((n, m)) + theta * np.outer(u / np.linalg.norm(u), v / np.linalg.norm(v))
    return bool(Spectrum.from_matrix(w).marchenko_pastur().spikes)


def _beyond_shuffle(kind: str, shape: tuple[int, int], seed: int) -> bool:
    from eigentrail.spectra import Spectrum

    spectrum = Spectrum.from_matrix(noise_of(kind, shape, seed), null=True, seed=seed)
    assert spectrum.null is not None
    return spectrum.marchenko_pastur().spikes > spectrum.null.marchenko_pastur().spikes + 2


def _told_of_equal_values(kind: str, shape: tuple[int, int], seed: int) -> bool:
    from eigentrail.errors import SpectrumError
    from eigentrail.spectra import Spectrum

    spectrum = Spectrum.from_matrix(noise_of(kind, shape, seed))
    for ask in (spectrum.phase, spectrum.power_law, spectrum.require_width):
        try:
            ask()
        except SpectrumError:
            continue
        return True
    return False


def _beyond_signs(kind: str, seed: int) -> bool:
    from eigentrail.chance.entries import signed
    from eigentrail.spectra import Spectrum

    w = noise_of(kind, (256, 128), seed)
    kept = Spectrum.from_matrix(signed(w, seed)).marchenko_pastur().spikes
    return Spectrum.from_matrix(w).marchenko_pastur().spikes > kept + 2


def _phase(kind: str, shape: tuple[int, int], seed: int) -> bool:
    from eigentrail.spectra import Spectrum

    return Spectrum.from_matrix(noise_of(kind, shape, seed)).phase().label != "random-like"


def rows() -> Iterator[Row]:
    """List the rows of this subject."""
    for shape in ((256, 128), (400, 100), (128, 128)):
        yield Row(
            "spikes",
            "a spike",
            f"Gaussian, {shape[0]} x {shape[1]}",
            0.01,
            functools.partial(lambda shape, seed: _spikes("Gaussian", shape, seed) > 0, shape),
            draws=400,
        )
    yield Row(
        "spikes",
        "a spike",
        "uniform, 256 x 128",
        0.01,
        lambda seed: _spikes("uniform", (256, 128), seed) > 0,
        draws=400,
    )
    for side in ("rows", "columns"):
        yield Row(
            "spikes",
            "more than two spikes beyond those of random signs",
            f"{side} of lognormal(.15) size, 256 x 128",
            0.03,
            functools.partial(_beyond_signs, f"{side} of lognormal(.15) size"),
        )
    for kind in ("rows of .5 to 1.5 times the size", "a tenth of the rows zero"):
        yield Row(
            "noise",
            "more than two spikes beyond those of random signs",
            f"{kind}, 256 x 128",
            0.03,
            functools.partial(_beyond_signs, kind),
        )
    for columns in (13, 64, 256):
        yield Row(
            "noise",
            "a spike",
            f"Gaussian, 256 x {columns}",
            0.01,
            functools.partial(lambda shape, seed: _spikes("Gaussian", shape, seed) > 0, (256, columns)),
        )
    for kind in ("Laplace", "Student t, 5 degrees of freedom", "nine tenths zero"):
        yield Row(
            "noise",
            "more than two spikes beyond those of a shuffle",
            f"{kind}, 256 x 128",
            0.03,
            functools.partial(_beyond_shuffle, kind, (256, 128)),
        )
    for shape in ((256, 128), (128, 128)):
        yield Row(
            "noise",
            "a phase, a power law or a bulk",
            f"random orthogonal columns, {shape[0]} x {shape[1]}",
            0.01,
            functools.partial(_told_of_equal_values, "random orthogonal columns", shape),
        )
    for strength, least in ((1.2, 0.3), (1.5, 0.9), (2.0, 0.99)):
        yield Row(
            "spikes",
            "a spike",
            f"one direction at {strength:g} times the BBP threshold, 256 x 128",
            least,
            functools.partial(_planted_spike, strength),
            power=True,
        )
    stated: dict[str, float | None] = {
        "Gaussian": 0.03,
        "uniform": 0.03,
        "a tenth of each column zero (sparse_)": 0.05,
        "Laplace": 0.1,
        # Entries of fewer moments than the laws of the bulk and of its edge ask for: the phase tells nothing there.
        "nine tenths zero": None,
        "Student t, 5 degrees of freedom": None,
    }
    for kind, rate in stated.items():
        yield Row(
            "phases",
            "a phase other than random-like",
            f"{kind}, 256 x 128",
            rate,
            functools.partial(_phase, kind, (256, 128)),
        )
