from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, hessian

from eigentrail.curvature.weight_decay_shift import weight_decay_shift
from eigentrail.errors import OptionError, SpectrumError

LAMBDA = 5e-4


def network_hessian(decay: float) -> np.ndarray:
    """Hessian of a small ReLU network's loss + decay ||w||^2; half of its inputs are always zero."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    x = torch.randn(50, 12, dtype=torch.float64)
    x[:, 6:] = 0.0
    y = torch.randint(3, (50,))
    named = {k: v.detach() for k, v in model.named_parameters()}

    def loss(flat: torch.Tensor) -> torch.Tensor:
        parts = flat.split([v.numel() for v in named.values()])
        given = {k: part.reshape(v.shape) for part, (k, v) in zip(parts, named.items(), strict=True)}
        plain = nn.functional.cross_entropy(functional_call(model, given, (x,)), y)
        return plain + decay * (flat**2).sum()

    return hessian(loss)(torch.cat([v.flatten() for v in named.values()])).numpy()


@pytest.fixture(scope="module")
def spectra() -> tuple[np.ndarray, np.ndarray]:
    return np.linalg.eigvalsh(network_hessian(LAMBDA)), np.linalg.eigvalsh(network_hessian(0.0))


def test_all_eigenvalues_of_a_network_shift_by_two_lambda(spectra: tuple[np.ndarray, np.ndarray]) -> None:
    found = weight_decay_shift(*spectra)
    assert found.method == "pairs"
    assert found.shift == pytest.approx(2 * LAMBDA, rel=1e-9)
    assert found.weight_decay == pytest.approx(LAMBDA, rel=1e-9)
    assert found.spread < 1e-12
    assert found.count == 12 * 8 + 8 + 8 * 3 + 3


def test_the_null_space_alone_shows_the_shift(spectra: tuple[np.ndarray, np.ndarray]) -> None:
    found = weight_decay_shift(spectra[0])
    assert found.method == "null space"
    assert found.shift == pytest.approx(2 * LAMBDA, rel=1e-9)
    assert found.note is None
    plain = weight_decay_shift(spectra[1])
    assert abs(plain.shift) < 1e-12


def test_a_spectrum_without_a_null_space_says_so() -> None:
    found = weight_decay_shift(np.linspace(0.5, 2.0, 100))
    assert "no exact null space" in found.note
    assert found.spread == pytest.approx(1.5 / 99 * 9 / 2)


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(SpectrumError, match="at least 10"):
        weight_decay_shift([1.0, 2.0])
    with pytest.raises(OptionError, match="20 and 30"):
        weight_decay_shift(np.arange(20.0), np.arange(30.0))
    with pytest.raises(OptionError, match="share"):
        weight_decay_shift(np.arange(20.0), share=0.0)
