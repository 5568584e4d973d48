from __future__ import annotations

import numpy as np
import pytest
import torch

from eigentrail.bases import Basis, overlap, random, singular
from eigentrail.curvature.singular_overlaps import singular_overlaps
from eigentrail.errors import OptionError


def orthonormal(n: int, k: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, k)))[0].T


def spiked(rows: int, cols: int, spikes: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((rows, cols)) / np.sqrt(rows)
    for j in range(spikes):
        u, v = rng.standard_normal(rows), rng.standard_normal(cols)
        w += (9.0 - j) * np.outer(u, v) / np.linalg.norm(u) / np.linalg.norm(v)
    return w


def test_overlaps_of_a_matrix_are_those_of_the_bases() -> None:
    w = np.random.default_rng(0).standard_normal((9, 6))
    basis = Basis(orthonormal(54, 10, 1), np.arange(10.0)[::-1])
    found = singular_overlaps(basis, w)
    np.testing.assert_allclose(found.overlap, overlap(basis, singular(w)), atol=1e-14)
    np.testing.assert_allclose(found.share, 1.0, atol=1e-12)
    assert found.attrs["overlap_chance"] == pytest.approx(np.sqrt(2 / (np.pi * 54)))


@pytest.mark.parametrize("conv", ["flatten", "spatial"])
def test_a_planted_singular_matrix_of_a_convolution_is_met(conv: str) -> None:
    kernel = np.random.default_rng(2).standard_normal((5, 4, 3, 2))
    matrix = kernel.reshape(5, -1) if conv == "flatten" else kernel.transpose(2, 3, 1, 0).reshape(6, 20)
    u, _, vt = np.linalg.svd(matrix, full_matrices=False)
    direction = np.outer(u[:, 1], vt[1])
    back = (
        direction.reshape(kernel.shape)
        if conv == "flatten"
        else direction.reshape(3, 2, 4, 5).transpose(3, 2, 0, 1)
    )
    basis = Basis(np.stack([back.ravel(), orthonormal(120, 1, 3)[0]]), [2.0, 1.0])
    found = singular_overlaps(basis, torch.from_numpy(kernel), conv=conv)
    np.testing.assert_allclose(found.overlap[0], np.eye(min(matrix.shape))[1], atol=1e-12)
    np.testing.assert_allclose(
        found.overlap[1],
        np.abs(np.einsum("rj,rc,jc->j", u, as_matrix(basis, conv, matrix.shape), vt)),
        atol=1e-12,
    )


def as_matrix(basis: Basis, conv: str, shape: tuple[int, int]) -> np.ndarray:
    kernel = basis.directions()[1].reshape(5, 4, 3, 2)
    return (kernel if conv == "flatten" else kernel.transpose(2, 3, 1, 0)).reshape(shape)


def test_outlying_singular_matrices_in_the_leading_eigenvectors() -> None:
    w = spiked(60, 40, 3, 0)
    planted = singular(w, 3)
    rest = np.random.default_rng(1).standard_normal((47, 2400))
    rows = np.linalg.qr(np.concatenate([planted.directions(), rest]).T)[0].T
    found = singular_overlaps(Basis(rows, np.arange(50.0)[::-1]), w, leading=5)
    assert found.attrs["spikes"] == 3
    assert found.outlier.values.tolist() == [True] * 3 + [False] * 37
    np.testing.assert_allclose(found.outlying[:3], 1.0, atol=1e-10)
    np.testing.assert_allclose(found.outlying[3:], 0.0, atol=1e-10)
    np.testing.assert_allclose(found.in_leading[:3], 1.0, atol=1e-10)
    np.testing.assert_allclose(found.centre[:3], [0, 1, 2], atol=1e-8)
    assert float(found.outlying_chance[0]) == pytest.approx(3 / 2400)


@pytest.mark.parametrize("seed", range(3))
def test_random_directions_are_at_chance(seed: int) -> None:
    w = spiked(50, 30, 2, seed)
    found = singular_overlaps(random(1500, 400, seed=seed), w)
    # 12,000 overlaps: means agree to 5 standard errors.
    assert float(found.overlap.mean()) == pytest.approx(
        found.attrs["overlap_chance"], rel=5 * 0.76 / 12000**0.5
    )
    assert float((found.bulk / found.bulk_chance).mean()) == pytest.approx(1.0, abs=0.07)
    assert float(found.in_leading.mean()) == pytest.approx(found.attrs["in_leading_chance"], rel=0.25)
    assert float(found.centre.mean()) == pytest.approx(found.attrs["centre_chance"], rel=0.05)


def test_a_layer_within_the_whole_network() -> None:
    w = np.random.default_rng(4).standard_normal((7, 6))
    whole = orthonormal(100, 12, 5)
    part = slice(20, 62)
    found = singular_overlaps(Basis(whole), w, part=part, k=3)
    wanted = np.abs(whole[:, part] @ singular(w, 3).directions().T)
    np.testing.assert_allclose(found.overlap, wanted, atol=1e-14)
    np.testing.assert_allclose(found.share, (whole[:, part] ** 2).sum(axis=1), atol=1e-14)


def test_a_layer_too_small_for_a_bulk_says_so() -> None:
    found = singular_overlaps(Basis(np.eye(6)[:2]), np.arange(6.0).reshape(2, 3) ** 2)
    if found.attrs["spikes"] is None:
        assert "Marchenko-Pastur" in found.attrs["note"]


def test_bad_input_is_one_sentence() -> None:
    basis = random(24, 2, seed=0)
    with pytest.raises(OptionError, match="slices"):
        singular_overlaps(basis, np.ones((2, 3, 2, 2)), conv="slices")
    with pytest.raises(OptionError, match="24 entries there and the weight 25"):
        singular_overlaps(basis, np.ones((5, 5)))
    with pytest.raises(OptionError, match=r"\[out, in"):
        singular_overlaps(basis, np.ones(24))
    with pytest.raises(OptionError, match="leading"):
        singular_overlaps(basis, np.arange(24.0).reshape(4, 6), leading=3)
