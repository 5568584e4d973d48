from __future__ import annotations

import numpy as np
import pytest
import torch
from known_levels import goe, poisson_levels, wishart
from scipy.special import ndtr

from eigentrail.errors import OptionError, SpectrumError
from eigentrail.spectra.unfolding import drop_null_space, unfold, unfold_groups


@pytest.mark.parametrize("method", ["local", "polynomial"])
def test_mean_spacing_is_one_and_order_is_kept(method):
    levels = wishart(400, 200, np.random.default_rng(0))
    unfolded = unfold(np.random.default_rng(1).permutation(levels), method)
    assert np.diff(unfolded).mean() == pytest.approx(1.0, abs=1e-12)
    assert (np.diff(unfolded) >= 0.0).all()


@pytest.mark.parametrize("method", ["local", "polynomial"])
def test_evenly_spaced_levels_stay_evenly_spaced(method):
    inner = np.diff(unfold(np.linspace(3.0, 5.0, 300), method))[45:-45]
    np.testing.assert_allclose(inner, inner.mean(), rtol=2e-3)


@pytest.mark.parametrize("method", ["local", "polynomial"])
def test_flattens_a_density_that_varies(method):
    # Semicircle levels without noise: the density falls to zero at the ends, the unfolded spacing must not.
    angles = np.linspace(0.0, np.pi, 2001)
    share = (angles - 0.5 * np.sin(2 * angles)) / np.pi
    levels = -np.cos(np.interp((np.arange(400) + 0.5) / 400, share, angles))
    spacing = np.diff(unfold(levels, method))
    assert np.abs(spacing[40:-40] - 1.0).max() < 0.06
    raw = np.diff(levels)
    assert raw.max() / raw[40:-40].min() > 3


@pytest.mark.parametrize(
    ("draw", "variance"),
    [
        (lambda rng: goe(512, rng), 0.286),
        (lambda rng: wishart(512, 512, rng), 0.286),
        (lambda rng: wishart(2048, 512, rng), 0.286),
        (lambda rng: poisson_levels(512, rng), 0.9),
    ],
    ids=["goe", "wishart q=1", "wishart q=1/4", "poisson"],
)
def test_variance_of_spacings_is_the_ensembles(draw, variance):
    # GOE's exact variance is 0.286 (Wigner's surmise: 0.273), Poisson's 1 of which the window takes about a tenth.
    rng = np.random.default_rng(5)
    found = np.mean([np.diff(unfold(draw(rng))).var() for _ in range(20)])
    assert found == pytest.approx(variance, rel=0.06)


def test_local_is_the_definition_written_out():
    rng = np.random.default_rng(3)
    levels = wishart(300, 150, rng)
    a = 10
    low, high = np.maximum(np.arange(150) - a, 0), np.minimum(np.arange(150) + a, 149)
    width = a * (levels[high] - levels[low]) / (high - low)
    staircase = ndtr((levels[:, None] - levels[None, :]) / width[None, :]).sum(axis=1)
    expected = (staircase - staircase[0]) / (staircase[-1] - staircase[0]) * 149
    # Gaussians end at four standard deviations.
    np.testing.assert_allclose(unfold(levels), expected, atol=5e-3)


def test_banded_and_dense_paths_agree():
    rng = np.random.default_rng(4)
    for levels in (wishart(190, 95, rng), np.sort(rng.pareto(0.8, size=90))):
        from eigentrail.spectra import unfolding

        widths = unfolding._local_widths(levels[None], 10)
        dense, banded = unfolding._dense(levels[None], widths)[0], unfolding._banded(levels, widths[0])
        np.testing.assert_allclose(banded, dense, atol=1e-10)


def test_banded_path_in_blocks(monkeypatch):
    from eigentrail.spectra import unfolding

    levels = goe(300, np.random.default_rng(8))
    whole = unfold(levels)
    monkeypatch.setattr(unfolding, "_BLOCK", 1000)
    np.testing.assert_allclose(unfold(levels), whole, atol=1e-10)


def test_affine_invariance():
    levels = goe(200, np.random.default_rng(6))
    np.testing.assert_allclose(unfold(1e-9 * levels), unfold(levels), atol=1e-7)
    np.testing.assert_allclose(unfold(levels + 70.0), unfold(levels), atol=1e-7)


def test_null_space_is_dropped_relative_to_the_largest():
    levels = np.arange(1.0, 41.0)
    padded = np.concatenate([np.zeros(7), 1e-17 * np.ones(3), levels])
    for scale in (1.0, 1e-30, 1e30):
        assert drop_null_space(scale * padded).size == 40
        np.testing.assert_allclose(unfold(scale * padded), unfold(levels))
    assert drop_null_space(padded, tolerance=0.26).size == 30


def test_groups_are_unfolded_one_by_one():
    rng = np.random.default_rng(7)
    for n in (30, 150):
        rows = np.stack([wishart(2 * n, n, rng) * scale for scale in (1.0, 50.0, 1e-3)])
        expected = np.stack([unfold(row) for row in rows])
        np.testing.assert_allclose(unfold_groups(rows), expected, atol=1e-9)


def test_ties_give_zero_spacings_not_nan():
    for n in (30, 300):
        levels = np.concatenate([np.ones(n), np.arange(2.0, 2.0 + n)])
        unfolded = unfold(levels)
        assert np.isfinite(unfolded).all()
        np.testing.assert_allclose(np.diff(unfolded)[: n - 1], 0.0, atol=1e-12)
    assert (unfold(np.ones(20)) == 0.0).all()
    assert (unfold(np.ones(20), "polynomial") == 0.0).all()
    assert unfold(np.array([3.0])).tolist() == [0.0]


def test_torch_in_torch_out():
    levels = goe(64, np.random.default_rng(9))
    found = unfold(torch.from_numpy(levels))
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.float64
    np.testing.assert_array_equal(found.numpy(), unfold(levels))


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        (np.array([]), "no eigenvalues"),
        (np.array([1.0, np.nan]), "NaN"),
        (np.array([1.0, np.inf]), "infinity"),
        (np.zeros(5), "zero"),
        (np.ones((2, 5)), "vector"),
        (np.array([1.0 + 1j, 2.0]), "symmetric"),
    ],
)
def test_bad_levels(levels, words):
    with pytest.raises(SpectrumError, match=words):
        unfold(levels)


def test_bad_options():
    with pytest.raises(OptionError, match="local"):
        unfold(np.arange(9.0), "spline")
    with pytest.raises(OptionError, match="window"):
        unfold(np.arange(9.0), window=0)
