from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from eigentrail.errors import SpectrumError
from eigentrail.spectra.subspaces import chance_overlap, principal_angles


def basis(k: int, n: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, k)))[0].T


@pytest.mark.parametrize(("j", "k"), [(1, 1), (3, 3), (2, 5), (5, 2)])
def test_agrees_with_scipy(j: int, k: int) -> None:
    a, b = basis(j, 30, 0), basis(k, 30, 1)
    truth = np.sort(scipy.linalg.subspace_angles(a.T, b.T))
    np.testing.assert_allclose(principal_angles(a, b), truth, atol=1e-12)


@pytest.mark.parametrize("angle", [1e-12, 1e-9, 1e-4, 0.3, 1.0, 1.57])
def test_planted_angle_to_full_precision(angle: float) -> None:
    e = np.eye(4)
    turned = np.cos(angle) * e[0] + np.sin(angle) * e[1]
    assert principal_angles(e[:1], turned[None])[0] == pytest.approx(angle, rel=1e-9)
    two = principal_angles(e[[0, 3]], np.stack([turned, e[3]]))
    np.testing.assert_allclose(two, [0, angle], rtol=1e-9, atol=1e-15)


def test_chance_is_what_random_subspaces_have() -> None:
    overlaps = [
        np.mean(np.cos(principal_angles(basis(4, 50, s), basis(4, 50, s + 999))) ** 2) for s in range(200)
    ]
    # The mean of 200 draws scatters by less than 3% here.
    assert np.mean(overlaps) == pytest.approx(chance_overlap(4, 4, 50), rel=0.08)


def test_tensors_in_tensors_out_and_bad_input() -> None:
    a = torch.from_numpy(basis(2, 10, 0))
    assert isinstance(principal_angles(a, a), torch.Tensor)
    with pytest.raises(SpectrumError, match="orthonormal"):
        principal_angles(2 * a, a)
    with pytest.raises(SpectrumError, match="one space"):
        principal_angles(a, a[:, :9])
