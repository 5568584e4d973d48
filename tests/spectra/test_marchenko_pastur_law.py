"""The Marchenko-Pastur law: closed forms against quadrature, moments and draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from eigentrail.errors import OptionError
from eigentrail.spectra import marchenko_pastur as mp
from eigentrail.spectra.ensembles import gaussian

RATIOS = [1e-6, 1e-3, 0.05, 0.25, 0.5, 0.99, 1.0]


@pytest.mark.parametrize("q", RATIOS)
def test_density_integrates_to_the_distribution_function(q):
    low, high = mp.edges(q, 1.5)
    for share in (0.2, 0.5, 0.9, 1.0):
        x = low + share * (high - low)
        # x = low + u^2 takes the square-root singularities away
        area, _ = integrate.quad(
            lambda u: 2 * u * float(mp.density(np.array(low + u * u), q, 1.5)),
            0,
            np.sqrt(x - low),
            epsabs=1e-10,
        )
        assert float(mp.cdf(np.array(x), q, 1.5)) == pytest.approx(area, abs=1e-7)


@pytest.mark.parametrize("q", [0.1, 0.5, 1.0])
def test_moments(q):
    p = (np.arange(200_000) + 0.5) / 200_000
    x = mp.quantile(p, q, 2.0) / 4.0
    assert x.mean() == pytest.approx(1.0, abs=1e-6)
    assert (x**2).mean() == pytest.approx(1.0 + q, abs=1e-5)


@pytest.mark.parametrize("q", [1e-6, 1e-4, 0.01, 0.3, 0.9, 0.999, 1.0])
def test_the_fits_expansion_of_the_quantiles_is_exact(q):
    _, law = mp._law_quantiles(q**0.5)
    assert np.allclose(law, mp.quantile(mp._PROBABILITIES, q), rtol=1e-11, atol=0)


@given(st.floats(1e-7, 1.0), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_quantile_inverts_the_distribution_function(q, p):
    p = np.array(p)
    x = mp.quantile(p, q)
    assert np.all(np.isfinite(x))
    assert np.allclose(mp.cdf(x, q), p, rtol=0, atol=1e-10)


def test_edges_and_ends():
    assert mp.edges(0.25, 2.0) == (1.0, 9.0)
    assert mp.edges(1.0) == (0.0, 4.0)
    x = np.array([[-1.0, 0.0], [0.2, 100.0]])
    assert mp.density(x, 0.25).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert mp.cdf(x, 0.25).tolist() == [[0.0, 0.0], [0.0, 1.0]]
    assert np.isfinite(mp.density(np.array([0.0, 1e-300, 4.0]), 1.0)).all()


@pytest.mark.parametrize(("rows", "cols"), [(400, 400), (900, 300)])
def test_gaussian_draws_follow_the_law(rows, cols):
    w = gaussian(rows, cols, 0.3, seed=1)
    values = np.linalg.eigvalsh(w.T @ w / rows)
    p = mp.cdf(values, cols / rows, 0.3)
    assert np.abs(p - (np.arange(cols) + 0.5) / cols).max() < 3.0 / cols  # rigidity: of order log(M) / M


@pytest.mark.parametrize("q", [0.0, -1.0, 1.5, float("nan")])
def test_a_ratio_above_one_is_refused(q):
    with pytest.raises(OptionError, match="larger dimension"):
        mp.edges(q)


def test_bad_arguments_are_refused():
    with pytest.raises(OptionError, match="sigma"):
        mp.density(np.array([1.0]), 0.5, 0.0)
    with pytest.raises(OptionError, match="between 0 and 1"):
        mp.quantile(np.array([1.5]), 0.5)
