from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from eigentrail.errors import OptionError, SpectrumError
from eigentrail.spectra.vectors import concentration, participation, porter_thomas, porter_thomas_cdf


@pytest.mark.parametrize("n", [8, 16, 64, 256, 1024, 4096])
def test_p_values_are_uniform_for_random_directions(n):
    rng = np.random.default_rng(n)
    p = porter_thomas(rng.normal(size=(1000, n)))
    assert kstest(p, "uniform").pvalue > 1e-3
    for level in (0.01, 0.05, 0.5):
        assert np.mean(p < level) == pytest.approx(level, abs=3.5 * (level * (1 - level) / 1000) ** 0.5)


def test_textbook_p_values_would_not_be():
    rng = np.random.default_rng(1)
    v = rng.normal(size=(1000, 64))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    textbook = [kstest(8.0 * row, "norm").pvalue for row in v]
    assert kstest(textbook, "uniform").pvalue < 1e-6
    assert np.mean(np.array(textbook) < 0.05) < 0.04


def test_singular_vectors_of_a_random_matrix_pass_and_a_planted_one_fails():
    rng = np.random.default_rng(2)
    planted = np.zeros(400)
    planted[:40] = rng.normal(size=40)
    planted /= np.linalg.norm(planted)
    w = rng.normal(size=(800, 400)) / 800**0.5
    u = rng.normal(size=800)
    w += 8.0 * np.outer(u / np.linalg.norm(u), planted)
    p = porter_thomas(np.linalg.svd(w, full_matrices=False)[2])
    assert p[0] < 1e-6
    assert kstest(p[1:], "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    "v", [np.eye(64)[3], np.ones(64), np.sign(np.random.default_rng(0).normal(size=64)), np.arange(64.0)]
)
def test_structured_vectors_are_rejected(v):
    assert porter_thomas(v)[0] < 1e-3


def test_sign_scale_and_order_do_not_matter():
    rng = np.random.default_rng(3)
    v = rng.normal(size=(5, 100))
    p = porter_thomas(v)
    np.testing.assert_allclose(porter_thomas(-v), p, rtol=1e-9)
    for scale in (1e-200, 1e200):
        np.testing.assert_allclose(porter_thomas(scale * v), p, rtol=1e-9)
    np.testing.assert_allclose(porter_thomas(rng.permutation(v, axis=1)), p, rtol=1e-9)


def test_distance_is_that_of_scipy():
    rng = np.random.default_rng(4)
    v = rng.normal(size=(1, 50))
    unit = v[0] / np.linalg.norm(v)
    from eigentrail.spectra import vectors

    d = kstest(unit * 50**0.5, norm.cdf).statistic
    k = d * (50**0.5 + 0.12 + 0.11 / 50**0.5)
    np.testing.assert_allclose(porter_thomas(v), vectors._survival(np.array([k])), rtol=1e-9)


def test_tail_continues_the_table():
    from eigentrail.spectra.vectors import _survival

    k = np.linspace(0.0, 6.0, 2000)
    p = _survival(k)
    assert (np.diff(p) <= 0.0).all()
    assert p[0] == pytest.approx(1.0, abs=1e-4)
    assert 0.0 < p[-1] < 1e-29


def test_average_over_neighbours():
    rng = np.random.default_rng(5)
    v = rng.normal(size=(40, 64))
    p = porter_thomas(v)
    smooth = porter_thomas(v, neighbours=3)
    assert smooth[0] == pytest.approx(p[:4].mean())
    assert smooth[20] == pytest.approx(p[17:24].mean())
    assert smooth[39] == pytest.approx(p[36:].mean())


def test_corrected_parenthesis_of_the_law():
    v = np.linspace(-0.4, 0.4, 9)
    np.testing.assert_allclose(porter_thomas_cdf(v, 100), norm.cdf(v, scale=0.1), atol=1e-14)
    assert isinstance(porter_thomas_cdf(torch.zeros(2), 10), torch.Tensor)


def test_participation_of_known_vectors():
    half = np.concatenate([np.ones(50), np.zeros(50)])
    found = participation(np.stack([np.eye(100)[0], 3.0 * np.ones(100), half]))
    np.testing.assert_allclose(found.inverse, [1.0, 0.01, 0.02])
    np.testing.assert_allclose(found.count, [1.0, 100.0, 50.0])
    np.testing.assert_allclose(found.share, [0.01, 1.0, 0.5])


@pytest.mark.parametrize("n", [4, 50, 1000])
def test_participation_of_random_vectors(n):
    found = participation(np.random.default_rng(n).normal(size=(4000, n)))
    assert found.inverse.mean() == pytest.approx(found.chance, abs=4 * found.inverse.std() / 4000**0.5)
    assert found.chance == pytest.approx(3 / (n + 2))
    assert found.chance_share * found.chance * n == pytest.approx(1.0)


def test_concentration_and_its_chance():
    rng = np.random.default_rng(6)
    v = rng.normal(size=(3000, 60))
    v[0, 10:] = 0.0
    found = concentration(v, {"a": slice(0, 10), "b": slice(10, 60)})
    assert found.names == ("a", "b")
    np.testing.assert_allclose(found.shares.sum(axis=1), 1.0)
    np.testing.assert_allclose(found.shares[0], [1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(found.chance, [10 / 60, 50 / 60])
    np.testing.assert_allclose(
        found.shares[1:].mean(axis=0), found.chance, atol=4 * found.chance_error[0] / 3000**0.5
    )
    np.testing.assert_allclose(found.shares[1:].std(axis=0), found.chance_error, rtol=0.06)
    assert concentration(v[:2], [slice(0, 5)]).names == ("0",)


def test_torch_in_torch_out_and_half_precision():
    v = torch.randn(3, 128, generator=torch.Generator().manual_seed(0))
    assert isinstance(porter_thomas(v), torch.Tensor)
    assert porter_thomas(v.bfloat16()).dtype == torch.float64
    assert isinstance(participation(v).inverse, torch.Tensor)
    assert isinstance(concentration(v, [slice(0, 3)]).shares, torch.Tensor)
    np.testing.assert_allclose(porter_thomas(v).numpy(), porter_thomas(v.numpy()))


def test_the_callers_array_is_left_alone():
    v = np.random.default_rng(7).normal(size=(3, 32))
    before = v.copy()
    porter_thomas(v), participation(v), concentration(v, [slice(0, 3)])
    np.testing.assert_array_equal(v, before)


@pytest.mark.parametrize(
    ("v", "words"),
    [
        (np.ones((2, 5)), "at least 8"),
        (np.vstack([np.ones(20), np.zeros(20)]), "vector 1 is zero"),
        (np.array([np.nan] * 20), "NaN"),
        (np.array([np.inf] + [1.0] * 20), "infinity"),
        (np.ones((2, 20, 2)), "shape"),
        (np.empty((0, 20)), "shape"),
    ],
)
def test_bad_vectors(v, words):
    with pytest.raises(SpectrumError, match=words):
        porter_thomas(v)


def test_bad_options():
    v = np.ones((1, 20))
    with pytest.raises(OptionError, match="neighbours"):
        porter_thomas(v, neighbours=-1)
    with pytest.raises(OptionError, match="slice 'x'"):
        concentration(v, {"x": slice(30, 40)})
    with pytest.raises(OptionError, match="at least one"):
        concentration(v, {})
