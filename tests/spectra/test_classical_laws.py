"""Distances to the semicircle and to Marchenko-Pastur, on matrices that have these laws and on others."""

from __future__ import annotations

import numpy as np
import pytest

from eigentrail.errors import SpectrumError
from eigentrail.spectra import ensembles
from eigentrail.spectra.classical_laws import classical_laws, semicircle_cdf


def test_random_matrices_have_their_laws() -> None:
    x = 3.0 + np.linalg.eigvalsh(ensembles.wigner(300, 2.0, seed=4))
    found = classical_laws(x)
    # Eigenvalues repel: they lie nearer to their law than 300 independent ones, whose distance is about .05.
    assert found.semicircle < 0.02 and found.nearest <= 1.5 * found.chance
    assert (found.centre, found.radius) == (pytest.approx(3.0, abs=0.1), pytest.approx(4.0, rel=0.03))
    y = np.linalg.eigvalsh(ensembles.wishart(600, 300, 0.7, seed=5))
    found = classical_laws(y)
    assert found.marchenko_pastur < 0.02 < 3 * found.chance < found.semicircle
    assert (found.q, found.sigma) == (pytest.approx(0.5, abs=0.05), pytest.approx(0.7, rel=0.03))


@pytest.mark.parametrize("kind", ["heavy tail", "two lumps"])
def test_other_spectra_have_neither(kind: str) -> None:
    rng = np.random.default_rng(1)
    x = np.exp(3.0 * rng.standard_normal(400))
    if kind == "two lumps":
        x = np.concatenate([rng.uniform(1, 2, 200), rng.uniform(50, 60, 200)])
    found = classical_laws(x)
    assert found.nearest > 5 * found.chance and found.nearest > 0.1
    again = classical_laws(1e-9 * x)
    assert again.nearest == pytest.approx(found.nearest, rel=0.05)


def test_the_semicircle_s_shares() -> None:
    assert semicircle_cdf(np.array([-9.0, 1.0, 3.0, 9.0]), 1.0, 2.0).tolist() == pytest.approx([0, 0.5, 1, 1])
    x = np.linspace(-1, 1, 2001)
    area = np.cumsum(2 / np.pi * np.sqrt(1 - x**2)) * (x[1] - x[0])
    np.testing.assert_allclose(semicircle_cdf(x, 0.0, 1.0), area, atol=1e-3)


def test_few_or_equal_levels_are_refused_and_negative_ones_have_no_marchenko_pastur() -> None:
    for odd in (np.arange(10.0), np.ones(40), np.full(40, np.nan)):
        with pytest.raises(SpectrumError, match="16 finite levels"):
            classical_laws(odd)
    assert classical_laws(np.linspace(-1, 1, 60)).marchenko_pastur == 1.0
