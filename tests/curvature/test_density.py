"""The density of eigenvalues: mass, errors with a stated coverage, agreement with the exact one, deflation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eigentrail.curvature.basis import CurvatureBasis
from eigentrail.curvature.density import exact_density, stochastic_density
from eigentrail.errors import BasisError, CurvatureError, OptionError, SpectrumError
from eigentrail.linalg.lanczos import lanczos
from prescribed import Prescribed

N = 400
_random = np.random.default_rng(8)
VALUES = np.r_[[40, 30, 22, 15, -3], _random.standard_normal(N - 5) ** 2]


@pytest.fixture(scope="module")
def operator():
    return Prescribed(VALUES, 0)


def test_exact_density_is_a_sum_of_gaussians():
    found = exact_density([1.0, 4.0], width=1.0)
    expected = (np.exp(-0.5 * (found.grid - 1) ** 2) + np.exp(-0.5 * (found.grid - 4) ** 2)) / (
        2 * np.sqrt(2 * np.pi)
    )
    np.testing.assert_allclose(found.density, expected, rtol=1e-12)
    assert abs(found.mass - 1) < 1e-6
    assert not found.error.any()


def test_density_of_many_equals_that_of_a_normal_sample():
    """The kernel's standard deviation is the width: variances add."""
    values = np.random.default_rng(0).standard_normal(20000)
    found = exact_density(values, width=0.75)
    moment = np.trapezoid(found.density * found.grid**2, found.grid)
    assert moment == pytest.approx(np.mean(values**2) + 0.75**2, rel=1e-4)


@pytest.mark.parametrize("probe", ["rademacher", "gaussian"])
def test_error_bars_cover_at_the_stated_rate(operator, probe):
    """20 probes: 95 % intervals (+-2 errors) cover the exact density at 80 % or more of the bulk's points."""
    inside, ratios = [], []
    for seed in range(12):
        operator.count = 0
        found = stochastic_density(operator, N, probes=20, depth=40, width=0.5, probe=probe, seed=seed)
        assert found.products == operator.count == 20 * 40
        assert abs(found.mass - 1) < 1e-6
        exact = exact_density(VALUES, width=0.5, grid=found.grid)
        bulk = (found.grid > -1) & (found.grid < 8)
        away = np.abs(found.density - exact.density)[bulk]
        inside.append(np.mean(away <= 2 * found.error[bulk]))
        ratios.append(away.max() / exact.density.max())
    assert np.mean(inside) > 0.8
    assert np.median(ratios) < 0.08


def test_the_error_falls_with_the_square_root_of_the_probes(operator):
    few, many = (
        stochastic_density(operator, N, probes=p, depth=30, width=1.0, grid=np.linspace(-1, 6, 50))
        for p in (8, 128)
    )
    assert np.median(few.error / many.error) == pytest.approx(4.0, rel=0.4)


def test_a_shallow_run_says_that_it_is_shallow(operator):
    grid = np.linspace(-5, 45, 600)
    exact = exact_density(VALUES, width=0.3, grid=grid)
    shallow = stochastic_density(operator, N, probes=20, depth=8, width=0.3, grid=grid)
    deep = stochastic_density(operator, N, probes=20, depth=80, width=0.3, grid=grid)
    assert shallow.truncation.max() > 20 * deep.truncation.max()
    away = np.abs(shallow.density - exact.density)
    assert np.mean(away <= 3 * shallow.error) > 0.8


def test_known_outliers_enter_exactly(operator):
    top = CurvatureBasis.of_pairs(lanczos(operator, N, 4, tol=1e-8))
    grid = np.linspace(18, 45, 500)  # the three largest only
    exact = exact_density(VALUES, width=0.5, grid=grid)
    plain = stochastic_density(operator, N, width=0.5, grid=grid, depth=40)
    deflated = stochastic_density(operator, N, width=0.5, grid=grid, depth=40, deflate=top)
    np.testing.assert_allclose(deflated.density, exact.density, atol=1e-9)
    assert np.abs(plain.density - exact.density).max() > 1e-4
    assert deflated.deflated == 4
    whole = stochastic_density(operator, N, width=0.5, depth=40, deflate=top)
    assert abs(whole.mass - 1) < 1e-6


def test_known_eigenpairs_that_are_all_of_them():
    operator = Prescribed([1.0, 2.0, 5.0], 0)
    basis = CurvatureBasis.of_pairs(lanczos(operator, 3, 3))
    operator.count = 0
    found = stochastic_density(operator, 3, width=0.5, deflate=basis)
    np.testing.assert_allclose(
        found.density, exact_density([1, 2, 5], width=0.5, grid=found.grid).density, atol=1e-12
    )
    assert operator.count == 0


@pytest.mark.parametrize("values", [np.zeros(20), np.full(20, 3.0), np.r_[5.0, np.zeros(30)]])
def test_degenerate_spectra(values):
    """Runs end in an invariant subspace; the rule is then exact for the start vector."""
    found = stochastic_density(Prescribed(values, 1), len(values), probes=200, depth=10, width=0.5)
    exact = exact_density(values, width=0.5, grid=found.grid)
    assert np.abs(found.density - exact.density).max() <= 0.1 * exact.density.max()
    assert abs(found.mass - 1) < 1e-5
    assert found.products <= 200 * 2


def test_float32_and_memory_in_groups(operator):
    single = Prescribed(VALUES, 0, torch.float32)
    options = {"width": 0.5, "depth": 30, "grid": np.linspace(-4, 45, 400)}
    one = stochastic_density(single, N, dtype=torch.float32, **options)
    other = stochastic_density(operator, N, memory_limit=3 * 30 * N * 8, **options)
    whole = stochastic_density(operator, N, **options)
    np.testing.assert_allclose(one.density, whole.density, atol=1e-4)
    np.testing.assert_allclose(other.density, whole.density, atol=1e-9)


def test_labelled_data_and_axes(operator):
    found = stochastic_density(operator, N, depth=20, width=1.0, seed=4)
    data = found.to_dataset()
    assert list(data.data_vars) == ["density", "error", "truncation"]
    np.testing.assert_array_equal(data["density"], found.density)
    assert data.attrs["width"] == 1.0
    assert data.attrs["products"] == found.products
    again = stochastic_density(operator, N, depth=20, width=1.0, seed=4)
    assert np.array_equal(again.density, found.density)
    assert np.isfinite(found.log10()).all()
    # One eigenvalue alone stands a factor of 100 above the floor.
    assert 10 ** found.log10().min() == pytest.approx(0.01 / (N * np.sqrt(2 * np.pi)))


def test_default_width_is_a_hundredth_of_the_range():
    assert exact_density([0.0, 50.0]).width == 0.5
    assert exact_density([7.0, 7.0]).width == 0.07
    assert exact_density([0.0]).width == 0.01


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"probes": 1}, OptionError, "probes is a whole number, at least 2, not 1"),
        ({"depth": 0}, OptionError, "depth is a whole number, at least 1, not 0"),
        ({"width": -1.0}, OptionError, "positive number"),
        ({"width": 1e-9}, OptionError, "larger width"),
        ({"grid": [3.0, 1.0]}, OptionError, "ascending"),
        ({"probe": "uniform"}, OptionError, "rademacher"),
        ({"memory_limit": 10}, CurvatureError, "lower depth or raise memory_limit"),
    ],
)
def test_arguments_that_do_not_fit(operator, options, error, text):
    with pytest.raises(error, match=text):
        stochastic_density(operator, N, **options)


def test_other_bad_input(operator):
    with pytest.raises(SpectrumError, match="finite"):
        exact_density([1.0, np.nan])
    with pytest.raises(CurvatureError, match="NaN or infinity"):
        stochastic_density(lambda v: v * np.inf, 30)
    from eigentrail.bases import random

    with pytest.raises(BasisError, match="lives in 7 dimensions"):
        stochastic_density(operator, N, deflate=random(7, 2))
