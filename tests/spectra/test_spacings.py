from __future__ import annotations

import numpy as np
import pytest
import torch
from known_levels import goe, poisson_levels, wishart
from scipy.integrate import quad
from scipy.stats import kstest

from eigentrail.errors import SpectrumError
from eigentrail.spectra.spacings import (
    GOE_RATIO,
    POISSON_RATIO,
    poisson,
    poisson_cdf,
    ratio_density_goe,
    ratio_density_poisson,
    spacing_ratio,
    spacings,
    wigner_surmise,
    wigner_surmise_cdf,
)

ENSEMBLES = {
    "goe": goe,
    "q=1": lambda n, rng: wishart(n, n, rng),
    "q=.5": lambda n, rng: wishart(2 * n, n, rng),
    "q=.1": lambda n, rng: wishart(10 * n, n, rng),
}


@pytest.mark.parametrize("n", [16, 64, 256])
@pytest.mark.parametrize("name", ENSEMBLES)
def test_p_wigner_is_uniform_for_random_matrices(name, n):
    rng = np.random.default_rng(n)
    p = np.array([spacings(ENSEMBLES[name](n, rng)).p_wigner for _ in range(400)])
    # One test of 400 draws at level .1%: 16 of them together err in 1.6% of seeds; the seed is fixed.
    assert kstest(p, "uniform").pvalue > 1e-3
    assert np.mean(p < 0.05) < 0.05 + 3.3 * (0.05 * 0.95 / 400) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", ENSEMBLES)
def test_p_wigner_is_uniform_for_large_random_matrices(name):
    rng = np.random.default_rng(1024)
    p = [spacings(ENSEMBLES[name](1024, rng)).p_wigner for _ in range(400)]
    assert kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("n", [16, 64, 256, 1024])
def test_p_poisson_is_uniform_for_independent_levels(n):
    rng = np.random.default_rng(n)
    p = [spacings(poisson_levels(n, rng)).p_poisson for _ in range(600)]
    assert kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(("n", "k"), [(16, 9), (64, 9), (32, 100)])
def test_p_wigner_is_uniform_for_groups(n, k):
    # Square matrices, whose eigenvalues crowd at zero: a bias of .01 in the mean ratio would show in groups.
    rng = np.random.default_rng(n + k)
    p = [spacings(np.stack([wishart(n, n, rng) for _ in range(k)])).p_wigner for _ in range(300)]
    assert kstest(p, "uniform").pvalue > 1e-3


def test_power_at_256_levels():
    rng = np.random.default_rng(0)
    independent = [spacings(poisson_levels(256, rng)) for _ in range(200)]
    random = [spacings(wishart(512, 256, rng)) for _ in range(200)]
    assert np.mean([s.p_wigner < 0.01 for s in independent]) > 0.99
    assert np.mean([s.p_poisson < 0.01 for s in random]) > 0.99


def test_evenly_spaced_levels_are_neither():
    found = spacings(np.arange(1.0, 101.0) ** 2)
    assert found.ratio_mean > 0.9
    assert found.p_wigner < 1e-6
    assert found.p_poisson < 1e-6


@pytest.mark.parametrize(
    ("draw", "truth", "width"),
    [
        (lambda rng: goe(1024, rng), GOE_RATIO, 0.2856),
        (lambda rng: poisson_levels(1024, rng), POISSON_RATIO, 1.0),
    ],
    ids=["goe", "poisson"],
)
def test_ratio_and_its_error(draw, truth, width):
    rng = np.random.default_rng(2)
    found = [spacings(draw(rng)) for _ in range(100)]
    mean = np.mean([s.ratio_mean for s in found])
    z = np.array([(s.ratio_mean - truth) / s.ratio_error for s in found])
    assert mean == pytest.approx(truth, abs=4 * 0.32 / 1024**0.5 / 10)
    assert 0.75 < z.std() < 1.3
    assert np.abs(z).max() < 5


def test_ratio_by_hand():
    found = spacings(np.array([1.0, 2.0, 4.0, 5.0]))
    np.testing.assert_allclose(found.ratios, [0.5, 0.5])
    assert found.ratio_mean == 0.5
    assert spacing_ratio(np.array([1.0, 2.0, 4.0, 8.0])) == 0.5


def test_dense_symmetric_matrix_and_torch():
    rng = np.random.default_rng(3)
    a = rng.normal(size=(400, 400))
    levels = np.linalg.eigvalsh(a + a.T)
    found = spacings(torch.from_numpy(rng.permutation(levels)))
    assert found.p_wigner > 0.01
    assert found.p_poisson < 1e-6
    assert found.ratio_mean == spacings(levels).ratio_mean
    assert isinstance(found.ratios, torch.Tensor)
    assert isinstance(found.unfolded, torch.Tensor)
    assert found.ks_wigner == spacings(levels).ks_wigner
    np.testing.assert_array_equal(found.unfolded.numpy(), spacings(levels).unfolded)


def test_scale_does_not_matter():
    levels = goe(128, np.random.default_rng(4))
    a, b = spacings(levels), spacings(1e-12 * levels)
    assert a.p_wigner == pytest.approx(b.p_wigner, rel=1e-9)
    assert a.ratio_mean == pytest.approx(b.ratio_mean, rel=1e-9)


def test_groups_are_never_mixed():
    # Two copies of one spectrum would be all ties if mixed, and two random ones would look independent.
    rng = np.random.default_rng(5)
    one = goe(300, rng)
    alone, twice = spacings(one), spacings(np.stack([one, one * 3.0]))
    assert twice.ratio_mean == pytest.approx(alone.ratio_mean, rel=1e-12)
    assert twice.unfolded.mean() == pytest.approx(1.0, abs=1e-12)
    assert twice.unfolded.size == 598
    mixed = spacings(np.concatenate([goe(150, rng) for _ in range(8)]))
    grouped = spacings(np.stack([goe(150, rng) for _ in range(8)]))
    assert mixed.p_wigner < 1e-6 < grouped.p_wigner
    assert grouped.ratio_mean == pytest.approx(GOE_RATIO, abs=0.04)


def test_groups_with_null_spaces_of_different_size():
    rng = np.random.default_rng(6)
    rows = np.stack([np.concatenate([np.zeros(z), wishart(80, 40 - z, rng)]) for z in (0, 3, 3, 35)])
    found = spacings(rows)
    assert [row.size for row in found.levels] in ([40, 37, 37, 5], [37, 37, 40, 5])
    assert "41 zero eigenvalues" in found.note
    assert "1 of 4 spectra" in found.note
    assert found.unfolded.size == 39 + 36 + 36 + 4
    assert 0.0 <= found.p_wigner <= 1.0
    zero = spacings(np.vstack([rows, np.zeros((1, 40))]))
    assert zero.p_wigner == found.p_wigner


def test_few_levels_and_ties_are_said():
    few = spacings(np.array([1.0, 2.0, 4.5, 5.0, 7.0]))
    assert few.p_wigner is None
    assert few.p_poisson is None
    assert "p-values need 16" in few.note
    assert few.ratio_mean > 0
    assert spacings(np.array([1.0, 2.0])).ratio_mean is None
    single = spacings(np.array([2.0]))
    assert single.unfolded.size == 0
    assert single.ks_wigner is None

    tied = spacings(np.concatenate([np.ones(20), np.arange(2.0, 30.0)]))
    assert "19 spacings are zero" in tied.note
    assert np.isfinite(tied.ratios).all()
    assert np.isfinite(tied.unfolded).all()

    same = spacings(np.full(30, 0.7))
    assert same.ratio_mean is None
    assert same.p_wigner is None
    assert "equal up to rounding" in same.note
    noise = spacings(1.0 + 1e-16 * np.random.default_rng(0).normal(size=30))
    assert noise.p_wigner is None


def test_distances_of_the_unfolded_spacings():
    rng = np.random.default_rng(7)
    random, independent = spacings(wishart(1024, 512, rng)), spacings(poisson_levels(512, rng))
    assert random.ks_wigner < 0.06 < 0.2 < random.ks_poisson
    assert independent.ks_poisson < 0.08 < 0.15 < independent.ks_wigner
    assert random.ks_wigner == pytest.approx(kstest(random.unfolded, wigner_surmise_cdf).statistic, rel=1e-12)


@pytest.mark.parametrize(("pdf", "cdf"), [(wigner_surmise, wigner_surmise_cdf), (poisson, poisson_cdf)])
def test_spacing_laws(pdf, cdf):
    assert quad(pdf, 0, np.inf)[0] == pytest.approx(1.0, abs=1e-9)
    assert quad(lambda s: s * pdf(s), 0, np.inf)[0] == pytest.approx(1.0, abs=1e-9)
    for s in (0.1, 1.0, 2.5):
        assert quad(pdf, 0, s)[0] == pytest.approx(float(cdf(s)), abs=1e-10)
    assert float(pdf(-1.0)) == 0.0
    assert float(cdf(-1.0)) == 0.0


@pytest.mark.parametrize(
    ("density", "mean"), [(ratio_density_goe, 4 - 2 * 3**0.5), (ratio_density_poisson, POISSON_RATIO)]
)
def test_ratio_laws(density, mean):
    assert quad(density, 0, 1)[0] == pytest.approx(1.0, abs=1e-9)
    assert quad(lambda r: r * density(r), 0, 1)[0] == pytest.approx(mean, abs=1e-9)
    assert float(density(1.2)) == float(density(-0.1)) == 0.0


@pytest.mark.parametrize(
    "levels", [np.array([]), np.array([1.0, np.nan]), np.zeros(20), np.ones((2, 2, 2)), np.array([1j, 2.0])]
)
def test_bad_levels(levels):
    with pytest.raises(SpectrumError):
        spacings(levels)
