"""Spectra of mostly equal values: no law of noise, tail, phase or spacings is told of them, on any surface."""

from __future__ import annotations

import numpy as np
import pytest

from eigentrail.errors import SpectrumError
from eigentrail.figures.density import law_of
from eigentrail.metrics import DiagnosisOptions, diagnose
from eigentrail.spectra import Spectrum, ensembles
from eigentrail.spectra.narrow import relative_width
from eigentrail.spectra.phases import PHASES

OF_NOISE_OR_TAIL = (
    "mp_sigma", "mp_edge_high", "mp_ks_distance", "mp_soft_rank", "spikes", "spike_threshold", "alpha",
    "weighted_alpha", "spacing_ratio", "spacing_p_wigner", "phase",
)  # fmt: skip


def learned(d: int = 30, moved: int = 3) -> np.ndarray:
    """An orthogonal matrix of which a few singular values have grown, and as many shrunk: S3's network at the end."""
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0]
    values = np.full(d, 0.1)
    values[:moved], values[d - moved :] = 1.468, 0.08
    return (q * values) @ np.linalg.qr(np.random.default_rng(1).standard_normal((d, d)))[0]


@pytest.mark.parametrize("moved", [0, 3])
def test_what_says_nothing_of_equal_values_is_withheld_with_the_reason(moved: int) -> None:
    w = learned(moved=moved)
    row = diagnose(w, DiagnosisOptions()).row
    assert {name: row[name] for name in OF_NOISE_OR_TAIL} == dict.fromkeys(OF_NOISE_OR_TAIL)
    assert sum("nearly equal" in said for said in row["warnings"]) == 1
    assert row["stable_rank"] is not None and row["spread_ratio"] is not None
    spectrum = Spectrum.from_matrix(w)
    law, why = law_of(spectrum)
    assert law is None and "nearly equal" in why
    for ask in (spectrum.phase, spectrum.power_law):
        with pytest.raises(SpectrumError, match="nearly equal"):
            ask()


def test_the_width_is_that_of_the_law_for_noise_and_zero_for_equal_values() -> None:
    values = np.sort(np.linalg.eigvalsh(ensembles.wishart(600, 300, seed=0)))
    assert relative_width(values, 600, 300) == pytest.approx(1.0, abs=0.05)
    assert relative_width(np.ones(20), 20, 20) == 0.0
    # The scale does not matter.
    five = np.array([0.5, 1.0, 2.0, 3.0, 4.0])
    assert relative_width(five, 5, 5) == pytest.approx(relative_width(7.0 * five, 5, 5))
    # Four values tell nothing, and zeros are no values.
    assert relative_width(np.array([0.0, 0.0, 1.0, 1.0, 1.0, 1.0]), 6, 6) == np.inf


def test_neither_noise_nor_any_phase_is_called_narrow() -> None:
    """0 of 2000 matrices of noise of the smallest shapes (95%: below 1 in 600), and none of any phase."""
    rng = np.random.default_rng(0)
    draws = [rng.standard_normal((n, 5)) for n in (5, 50) for _ in range(1000)]
    draws += [ensembles.phase(name, 60, 30, seed=seed) for name in PHASES for seed in range(5)]
    for w in draws:
        Spectrum.from_matrix(w, leading=0).require_width()
