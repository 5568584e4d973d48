from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eigentrail.errors import OptionError, SpectrumError
from eigentrail.spectra.ranks import ranks

spectra = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=40)


def of_matrix(w, **options):
    n, m = max(w.shape), min(w.shape)
    return ranks(np.linalg.svd(w, compute_uv=False) ** 2 / n, n, m, **options)


def test_prescribed_spectrum():
    # sigma = 4, 2, 1, .004: squares 16, 4, 1, 1.6e-5.
    sigma = np.array([4.0, 2.0, 1.0, 0.004])
    found = ranks(sigma**2 / 10, 10, 4, edge_high=0.8)
    total = np.sum(sigma**2)
    p = sigma**2 / total
    assert found.stable == pytest.approx(total / 16)
    assert found.participation == pytest.approx(total**2 / np.sum(sigma**4))
    assert found.effective == pytest.approx(np.exp(-np.sum(p * np.log(p))))
    assert found.mp_soft == pytest.approx(0.5)
    # .004 / ||W||_F = 8.7e-4 is below 1e-3, .004 / 4 = 1e-3 is not above it.
    assert found.numerical == 3
    assert ranks(sigma**2, 10, 4, norm="spectral", eps=0.99e-3).numerical == 4
    assert ranks(sigma**2, 10, 4, norm="frobenius", eps=0.99e-3).numerical == 3


@pytest.mark.parametrize("k", [1, 7, 30])
def test_k_equal_singular_values_have_rank_k(k):
    rng = np.random.default_rng(k)
    u, v = np.linalg.qr(rng.normal(size=(50, 30)))[0], np.linalg.qr(rng.normal(size=(30, 30)))[0]
    found = of_matrix(u[:, :k] @ v[:, :k].T)
    assert found.numerical == k
    assert found.stable == pytest.approx(k)
    assert found.effective == pytest.approx(k)
    assert found.participation == pytest.approx(k)
    assert found.mp_soft is None


def test_scale_and_orientation_do_not_matter():
    w = np.random.default_rng(0).normal(size=(60, 20))
    a = of_matrix(w)
    for other in (of_matrix(w.T), of_matrix(1e-6 * w), of_matrix(1e100 * w), of_matrix(1e-120 * w)):
        assert other.numerical == a.numerical
        np.testing.assert_allclose(
            [other.stable, other.effective, other.participation], [a.stable, a.effective, a.participation]
        )


def test_pooled_matrices_are_the_blocks_of_one():
    rng = np.random.default_rng(1)
    blocks = rng.normal(size=(3, 12, 5))
    sigma = np.linalg.svd(blocks, compute_uv=False)
    found = ranks(sigma**2 / 12, 12, 5, 3)
    assert found.stable == pytest.approx(sum(np.linalg.norm(b) ** 2 for b in blocks) / sigma.max() ** 2)
    whole = np.zeros((36, 15))
    for i, block in enumerate(blocks):
        whole[12 * i : 12 * i + 12, 5 * i : 5 * i + 5] = block
    assert found.effective == pytest.approx(of_matrix(whole).effective)
    assert found.numerical == of_matrix(whole).numerical == 15


@given(spectra)
def test_renyi_order(values):
    found = ranks(np.array(values), len(values) + 3, len(values))
    slack = 1 + 1e-9
    assert 1.0 <= found.stable <= found.participation * slack
    assert found.participation <= found.effective * slack
    assert found.effective <= len(values) * slack
    assert 1 <= found.numerical <= len(values)


@given(spectra, st.integers(1, 10))
def test_zeros_change_nothing(values, zeros):
    n = len(values)
    a, b = ranks(np.array(values), 99, n), ranks(np.array(values + [0.0] * zeros), 99, n + zeros)
    assert b.numerical == a.numerical
    np.testing.assert_allclose(
        [b.stable, b.effective, b.participation], [a.stable, a.effective, a.participation], rtol=1e-12
    )


@given(spectra, st.floats(1e-8, 0.5))
def test_frobenius_counts_no_more_than_spectral(values, eps):
    n = len(values)
    by = {
        norm: ranks(np.array(values), 99, n, eps=eps, norm=norm).numerical
        for norm in ("frobenius", "spectral")
    }
    assert by["frobenius"] <= by["spectral"]


def test_rounding_below_zero_is_zero_and_torch_is_taken():
    values = torch.tensor([-1e-14, 1.0, 1.0])
    assert ranks(values, 5, 3).numerical == 2


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros(3), "zero matrix"),
        (np.array([1.0, np.nan, 1.0]), "NaN"),
        (np.array([-1.0, 2.0, 3.0]), "below zero"),
        (np.array([-1.0, -2.0, -3.0]), "below zero"),
        (np.array([]), "no eigenvalues"),
        (np.ones(2), "have 3"),
    ],
)
def test_bad_spectra(values, words):
    with pytest.raises(SpectrumError, match=words):
        ranks(values, 5, 3)


def test_bad_options():
    with pytest.raises(OptionError, match="frobenius"):
        ranks(np.ones(3), 5, 3, norm="nuclear")
    with pytest.raises(OptionError, match="eps"):
        ranks(np.ones(3), 5, 3, eps=1.0)
