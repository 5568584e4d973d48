"""The trace: unbiased, errors that cover, Hutch++ where a few eigenvalues dominate, exact where that costs no more."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eigentrail.curvature.basis import CurvatureBasis
from eigentrail.curvature.trace import stochastic_trace
from eigentrail.errors import CurvatureError, OptionError
from eigentrail.linalg.lanczos import lanczos
from prescribed import Prescribed, hessian_like

N = 300
SPECTRA = {
    "bulk": np.random.default_rng(0).standard_normal(N) ** 2,
    "outliers": hessian_like(N, 0),
    "both signs": np.random.default_rng(1).standard_normal(N),
}


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize(("method", "products"), [("hutchinson", 12), ("hutchinson", 60), ("hutch++", 60)])
def test_intervals_cover_at_their_level(spectrum, method, products):
    """100 seeds, 95 % intervals: at least 88 cover; the mean of the estimates is the trace within 4 errors."""
    operator = Prescribed(SPECTRA[spectrum], 0)
    truth = operator.values.sum()
    covered, values, errors = 0, [], []
    for seed in range(100):
        operator.count = 0
        found = stochastic_trace(operator, N, products=products, method=method, seed=seed)
        assert found.products == operator.count == products
        low, high = found.interval(0.95)
        covered += low <= truth <= high
        values.append(found.value)
        errors.append(found.error)
    assert covered >= 88
    assert abs(np.mean(values) - truth) < 4 * np.std(values) / 10
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(values), rel=0.3)


def test_hutch_pp_is_better_where_few_eigenvalues_dominate():
    operator = Prescribed(SPECTRA["outliers"], 0)
    truth = operator.values.sum()
    away = {
        method: np.std(
            [
                stochastic_trace(operator, N, products=90, method=method, seed=s).value - truth
                for s in range(30)
            ]
        )
        for method in ("hutchinson", "hutch++")
    }
    assert away["hutch++"] < away["hutchinson"] / 5
    assert stochastic_trace(operator, N).method == "hutch++"
    assert stochastic_trace(operator, N, products=10).method == "hutchinson"


def test_known_eigenvectors_take_the_spread_away():
    operator = Prescribed(SPECTRA["outliers"], 0)
    top = CurvatureBasis.of_pairs(lanczos(operator, N, 10, tol=1e-6))
    plain = stochastic_trace(operator, N, products=12)
    deflated = stochastic_trace(operator, N, products=12, deflate=top)
    assert deflated.error < plain.error / 2
    assert abs(deflated.value - operator.values.sum()) < 5 * deflated.error


def test_exact_where_that_costs_no_more():
    operator = Prescribed(np.arange(20.0), 0)
    found = stochastic_trace(operator, 20, products=25)
    assert (found.value, found.error, found.method) == (pytest.approx(190.0), 0.0, "exact")
    assert found.products == operator.count == 20
    assert found.interval() == (found.value, found.value)
    top = CurvatureBasis.of_pairs(lanczos(operator, 20, 5, tol=1e-8))
    assert stochastic_trace(operator, 20, products=15, deflate=top).value == pytest.approx(190.0)


@pytest.mark.parametrize("values", [np.zeros(100), np.r_[4.0, np.zeros(99)]])
def test_low_rank_is_found_exactly(values):
    found = stochastic_trace(Prescribed(values, 0), 100, products=30)
    assert found.value == pytest.approx(values.sum(), abs=1e-12)
    assert found.error < 1e-12


def test_float32_and_seeds():
    operator = Prescribed(SPECTRA["bulk"], 0, torch.float32)
    one, two, other = (stochastic_trace(operator, N, seed=s, dtype=torch.float32) for s in (1, 1, 2))
    assert one == two != other
    exact = stochastic_trace(Prescribed(SPECTRA["bulk"], 0), N, seed=1)
    assert one.value == pytest.approx(exact.value, rel=1e-3)


def test_arguments_that_do_not_fit():
    operator = Prescribed(np.arange(50.0), 0)
    with pytest.raises(OptionError, match="too few"):
        stochastic_trace(operator, 50, products=1)
    with pytest.raises(OptionError, match="too few"):
        stochastic_trace(operator, 50, products=4, method="hutch++")
    with pytest.raises(OptionError, match="method is"):
        stochastic_trace(operator, 50, method="exact")
    with pytest.raises(CurvatureError, match="NaN or infinity"):
        stochastic_trace(lambda v: v * torch.nan, 500)
