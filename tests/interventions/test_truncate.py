"""Cutting a matrix: nearest of its rank, or nearest in its outputs, with the error known before."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import eigentrail as et
from eigentrail.errors import LayerError, OptionError
from eigentrail.interventions import truncate
from eigentrail.weights import FactoredMatrix


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def planted(rows: int, cols: int, strengths: list[float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit noise and a signal whose singular values are these times sqrt(rows); (sum, signal)."""
    rng = np.random.default_rng(seed)
    u, _ = np.linalg.qr(rng.normal(size=(rows, len(strengths))))
    v, _ = np.linalg.qr(rng.normal(size=(cols, len(strengths))))
    signal = (u * (np.array(strengths) * rows**0.5)) @ v.T
    return signal + rng.normal(size=(rows, cols)), signal


@pytest.mark.parametrize(("rows", "cols"), [(30, 12), (12, 30)])
@pytest.mark.parametrize("k", [1, 5, 12])
def test_predicted_error_is_the_measured_one(rows, cols, k) -> None:
    w = noise(rows, cols)
    cut = truncate(w, k)
    assert np.linalg.matrix_rank(cut.matrix) == k == cut.rank
    measured = np.linalg.norm(w - cut.matrix) / np.linalg.norm(w)
    np.testing.assert_allclose(cut.relative_error, measured, atol=1e-12)
    assert cut.parameters == (rows * cols, min(rows * cols, k * (rows + cols)))


def test_arrays_come_back_as_they_were_given() -> None:
    assert truncate(noise(6, 4).astype("f4"), 2).matrix.dtype == np.float32
    half = truncate(torch.from_numpy(noise(6, 4)).bfloat16(), 2).matrix
    assert half.dtype == torch.bfloat16
    pool = truncate(noise(3, 6, 4), 2)
    assert pool.matrix.shape == (3, 6, 4)
    measured = np.linalg.norm(pool.matrix - noise(3, 6, 4)) / np.linalg.norm(noise(3, 6, 4))
    np.testing.assert_allclose(pool.relative_error, measured)


def test_factors_are_cut_without_their_product() -> None:
    update = FactoredMatrix(torch.from_numpy(noise(20, 4)), torch.from_numpy(noise(4, 15, seed=1)), 0.5)
    cut = truncate(update, 2)
    dense = truncate(update.dense(), 2)
    torch.testing.assert_close(cut.matrix.dense(), dense.matrix)
    assert cut.relative_error == pytest.approx(dense.relative_error)


def test_energy_keeps_the_fewest_values_that_make_the_share() -> None:
    w = np.diag([4.0, 3.0, 2.0, 1.0])  # squares 16, 9, 4, 1 of 30
    assert [truncate(w, energy=share).rank for share in (0.5, 25 / 30, 26 / 30, 1.0)] == [1, 2, 3, 4]


def test_smallest_leaves_out_that_many() -> None:
    assert truncate(np.diag([4.0, 3.0, 2.0, 1.0]), smallest=1).rank == 3


@pytest.mark.parametrize(("rows", "cols"), [(300, 150), (120, 200)])
def test_spikes_are_the_planted_ones(rows, cols) -> None:
    q = min(rows, cols) / max(rows, cols)
    strengths = [4 * q**0.25, 3 * q**0.25, 2 * q**0.25]
    found = []
    for seed in range(20):
        w, _ = planted(max(rows, cols), min(rows, cols), strengths, seed)
        found.append(truncate(w if rows > cols else w.T, spikes=True).spikes)
    assert found.count(3) >= 19


def test_nothing_is_kept_of_noise() -> None:
    with pytest.raises(LayerError, match="nothing stands out"):
        truncate(noise(200, 100), spikes=True)


@pytest.mark.parametrize("inputs", [7, 400])  # fewer inputs than columns: a singular covariance
@pytest.mark.parametrize("k", [1, 6])
def test_whitened_cut_has_exactly_the_predicted_output_error(inputs, k) -> None:
    w = noise(20, 15)
    x = noise(inputs, 15, seed=1) * np.arange(1, 16) ** -1.0 + 0.3
    covariance = x.T @ x / inputs
    cut, plain = truncate(w, k, covariance=covariance), truncate(w, k)

    def output_error(matrix: np.ndarray) -> float:
        return np.linalg.norm(x @ (w - matrix).T) / np.linalg.norm(x @ w.T)

    np.testing.assert_allclose(cut.output_error, output_error(cut.matrix), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(
        cut.relative_error, np.linalg.norm(w - cut.matrix) / np.linalg.norm(w), rtol=1e-9
    )
    assert output_error(cut.matrix) < output_error(plain.matrix)
    assert cut.relative_error > plain.relative_error


def test_equal_inputs_make_the_plain_cut() -> None:
    w = noise(9, 7)
    np.testing.assert_allclose(truncate(w, 3, covariance=np.eye(7)).matrix, truncate(w, 3).matrix, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"k": 0}, "k"),
        ({"k": 5}, "beyond the rank 4"),
        ({}, "exactly one"),
        ({"k": 1, "energy": 0.5}, "exactly one"),
        ({"energy": 0.0}, "share"),
        ({"smallest": 4}, "smallest"),
        ({"k": 1, "covariance": np.eye(3)}, r"is \[4, 4\]"),
        ({"k": 1, "covariance": -np.eye(4)}, "negative"),
    ],
)
def test_what_cannot_be_is_refused(options, said) -> None:
    with pytest.raises(OptionError, match=said):
        truncate(noise(6, 4), **options)


@pytest.mark.parametrize(("w", "said"), [(np.zeros((4, 3)), "zero"), (np.full((4, 3), np.nan), "NaN")])
def test_matrices_that_cannot_be_edited(w, said) -> None:
    with pytest.raises(LayerError, match=said):
        et.interventions.truncate(w, 1)
