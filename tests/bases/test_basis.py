"""Bases of known structure: what every verb has to give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest

import eigentrail as et
from eigentrail.bases import Basis, FactoredBasis
from eigentrail.errors import BasisError, OptionError


def matrix(seed: int = 0, shape: tuple[int, int] = (9, 6)) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_values_are_sorted_and_take_their_directions_along() -> None:
    basis = Basis(np.eye(4)[:3], [1.0, 5.0, -7.0])
    assert basis.values.tolist() == [5.0, 1.0, -7.0]
    assert basis.directions().argmax(axis=1).tolist() == [1, 0, 2]
    assert basis.order("magnitude").tolist() == [2, 0, 1]
    assert basis.leading(1).values.tolist() == [5.0]


@pytest.mark.parametrize("shape", [(9, 6), (6, 9), (5, 5), (1, 7), (7, 1)])
def test_singular_matrices_are_those_of_the_svd(shape: tuple[int, int]) -> None:
    w = matrix(1, shape)
    basis = et.bases.singular(w)
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    np.testing.assert_allclose(basis.values, s, rtol=1e-13)
    flat = (u.T[:, :, None] * vt[:, None, :]).reshape(len(s), -1)
    np.testing.assert_allclose(basis.directions(), flat, atol=1e-13)
    np.testing.assert_allclose(basis.coordinates(w), s, rtol=1e-12)
    np.testing.assert_allclose(basis.partial_sum(w), w, atol=1e-13)


@pytest.mark.parametrize("shape", [(60, 40), (40, 60)])
def test_few_singular_matrices_of_a_large_matrix_are_the_leading_ones(shape: tuple[int, int]) -> None:
    w = matrix(2, shape) + 3e5 * np.outer(matrix(3, (shape[0], 1)), matrix(4, (shape[1], 1)))
    few, all_of_them = et.bases.singular(w, 4), et.bases.singular(w)
    np.testing.assert_allclose(few.values, all_of_them.values[:4], rtol=1e-10)
    assert np.diag(et.bases.overlap(few, all_of_them.leading(4))).min() > 1 - 1e-9


def test_partial_sums_run_from_zeros_to_the_weights() -> None:
    w = matrix(5)
    basis = et.bases.singular(w)
    assert not basis.partial_sum(w, 0).any()
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    for k in range(1, 7):
        np.testing.assert_allclose(basis.partial_sum(w, k), (u[:, :k] * s[:k]) @ vt[:k], atol=1e-13)
    complete = et.bases.random(54, 54, seed=1)
    np.testing.assert_allclose(complete.partial_sum(w, 54), w, atol=1e-12)
    by_size = Basis(np.eye(3), [1.0, 0.0, -2.0]).partial_sum(np.array([4.0, 5.0, 6.0]), 1, by="magnitude")
    assert by_size.tolist() == [0.0, 0.0, 6.0]
    by_product = Basis(np.eye(3), [1.0, 0.0, -2.0]).partial_sum(np.array([4.0, -5.0, 3.0]), 1, by="product")
    assert by_product.tolist() == [0.0, -5.0, 0.0]
    with pytest.raises(et.EigentrailError, match="needs w"):
        basis.order("product")


def test_coordinates_of_a_path_and_the_weight_product() -> None:
    w = np.stack([matrix(i) for i in range(4)])
    basis = et.bases.singular(w[0], 3)
    dense = Basis(basis.directions(), basis.values)
    np.testing.assert_allclose(basis.coordinates(w), w.reshape(4, -1) @ dense.directions().T, atol=1e-13)
    np.testing.assert_allclose(basis.coordinates(w), dense.coordinates(w), atol=1e-13)
    np.testing.assert_allclose(
        basis.weight_product(w[1]), dense.coordinates(w[1]) / np.linalg.norm(w[1]), atol=1e-14
    )


def test_factored_statistics_are_those_of_the_flat_directions() -> None:
    basis = et.bases.singular(matrix(6))
    flat = Basis(basis.directions(), basis.values)
    np.testing.assert_allclose(basis.participation().inverse, flat.participation().inverse, rtol=1e-12)
    parts = {"first row": slice(0, 6), "odd": slice(1, 54, 2), "rest": slice(6, None)}
    ours, theirs = basis.concentration(parts), flat.concentration(parts)
    np.testing.assert_allclose(ours.shares, theirs.shares, atol=1e-14)
    np.testing.assert_allclose(ours.chance_error, theirs.chance_error)
    assert ours.names == theirs.names


def test_participation_of_random_factors_is_the_stated_chance() -> None:
    rng = np.random.default_rng(0)
    u, v = rng.standard_normal((4000, 20)), rng.standard_normal((4000, 12))
    basis = FactoredBasis(*(x / np.linalg.norm(x, axis=1, keepdims=True) for x in (u, v)))
    found = basis.participation()
    assert found.inverse.mean() == pytest.approx(found.chance, rel=0.02)


@pytest.mark.parametrize("side", ["both", "left", "right"])
def test_porter_thomas_of_random_factors_is_uniform(side: str) -> None:
    p = [et.bases.singular(matrix(seed, (120, 60))).porter_thomas(side=side)[::8] for seed in range(8)]
    assert kstest(np.concatenate(p), "uniform").pvalue > 1e-3
    planted = FactoredBasis(np.eye(1, 120), np.eye(1, 60))
    assert planted.porter_thomas(side=side)[0] < 1e-6


def test_random_directions_are_orthonormal_uniform_and_repeatable() -> None:
    basis = et.bases.random(300, 20, seed=3)
    rows = basis.directions()
    np.testing.assert_allclose(rows @ rows.T, np.eye(20), atol=1e-14)
    assert (rows == et.bases.random(300, 20, seed=3).directions()).all()
    assert not (rows == et.bases.random(300, 20, seed=4).directions()).any()
    p = np.concatenate([et.bases.random(300, 20, seed=s).porter_thomas() for s in range(5)])
    assert kstest(p, "uniform").pvalue > 1e-3
    assert abs(basis.values - 1).max() == 0


def test_torch_in_torch_out() -> None:
    w = torch.from_numpy(matrix(7)).float()
    basis = et.bases.singular(w, 2)
    assert isinstance(basis.values, torch.Tensor) and isinstance(basis.directions(), torch.Tensor)
    assert isinstance(basis.coordinates(w), torch.Tensor) and basis.coordinates(w.numpy()).shape == (2,)
    assert basis.partial_sum(w, 1).shape == w.shape
    assert isinstance(basis.leading(1).values, torch.Tensor)
    assert isinstance(Basis(torch.eye(3)).directions(), torch.Tensor)


def test_large_factored_directions_are_not_written_out() -> None:
    basis = et.bases.singular(matrix(8, (64, 48)))
    with pytest.raises(BasisError, match="work with the factors"):
        basis.directions(limit=1000)
    assert basis.leading(2).directions(limit=2 * 8 * 64 * 48).shape == (2, 64 * 48)


@pytest.mark.parametrize(
    ("directions", "values", "words"),
    [
        (np.ones((2, 3)), None, "unit length"),
        (np.full((1, 2), np.nan), None, "unit length"),
        (np.eye(3), [1.0, 2.0], "3 finite values"),
        (np.eye(3), [1.0, 2.0, np.nan], "3 finite values"),
        (np.ones(3), None, r"\[k, n\]"),
    ],
)
def test_what_is_no_basis_is_refused(directions: np.ndarray, values: object, words: str) -> None:
    with pytest.raises(BasisError, match=words):
        Basis(directions, values)


def test_what_does_not_fit_is_refused() -> None:
    basis = et.bases.random(6, 2)
    for call, words in [
        (lambda: basis.coordinates(np.ones(5)), "6 dimensions"),
        (lambda: basis.coordinates(np.full(6, np.nan)), "NaN"),
        (lambda: basis.weight_product(np.zeros(6)), "not all zero"),
        (lambda: basis.partial_sum(np.ones((2, 6))), "one vector"),
        (lambda: et.bases.singular(np.zeros((3, 2))), "zero"),
        (lambda: et.bases.singular(np.ones((2, 3, 4))), "one matrix"),
        (lambda: et.bases.singular(np.full((2, 2), np.inf)), "NaN or infinity"),
        (lambda: FactoredBasis(np.eye(2), np.eye(3)), "factors"),
    ]:
        with pytest.raises(BasisError, match=words):
            call()
    for call in (
        lambda: basis.leading(3),
        lambda: basis.partial_sum(np.ones(6), -1),
        lambda: basis.order("size"),
        lambda: et.bases.random(3, 4),
        lambda: et.bases.random(0, 1),
        lambda: et.bases.random(3.5, 2),
        lambda: et.bases.random("a", 2),
        lambda: et.bases.random(5, 2, -1),
        lambda: et.bases.singular(np.eye(3), 0),
        lambda: et.bases.singular(np.eye(3)).concentration({}),
        lambda: et.bases.singular(np.eye(3)).porter_thomas(side="top"),
    ):
        with pytest.raises(OptionError):
            call()


def test_a_notebook_shows_the_first_values() -> None:
    basis = et.bases.random(20, 12)
    shown = basis._repr_html_()
    assert "12 directions in 20 dimensions" in shown
    assert "the first 10 of 12" in shown
    assert shown.count("<tr>") == 11
    few = et.bases.singular(np.diag([3.0, 2.0]))._repr_html_()
    assert "<td>3</td>" in few and "<td>2</td>" in few


@pytest.mark.parametrize("factored", [False, True])
def test_combinations_are_sums_of_directions_and_refuse_what_does_not_fit(factored: bool) -> None:
    w = np.random.default_rng(3).standard_normal((5, 4))
    basis = et.bases.singular(w)
    basis = basis if factored else et.bases.Basis(basis.directions(), basis.values)
    rows, weights = np.asarray(basis.directions()), np.array([2.0, -1.0, 0.5, 3.0])
    np.testing.assert_allclose(
        basis.combine(weights[:2], np.array([3, 1])), 2 * rows[3] - rows[1], atol=1e-14
    )
    order = np.array([2, 0, 3, 1])
    np.testing.assert_allclose(basis.combine(weights, order), weights @ rows[order], atol=1e-14)
    assert not basis.combine(np.zeros(0), np.zeros(0, dtype=np.int64)).any()
    for wrong, places in (
        (weights, [0, 1]),
        (weights[:2], [0, 4]),
        (weights[:2], [1, 1]),
        (weights[:1], [-1]),
    ):
        with pytest.raises(BasisError):
            basis.combine(wrong, np.array(places))
