"""Initial weights against the laws that the sources state, or that were chosen where they state none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from eigentrail import networks
from eigentrail.errors import OptionError
from eigentrail.networks import glorot_normal, glorot_uniform, he_normal
from eigentrail.networks.deep_linear import DeepLinear

LAYERS = (nn.Linear, nn.Conv2d)


def law(name: str, layer: nn.Module) -> tuple[float, float, float]:
    """Variance, kurtosis and largest entry of the law of a layer's weights."""
    n_out, n_in = layer.weight.shape[0], layer.weight[0].numel()
    kernel = layer.weight[0, 0].numel() if layer.weight.ndim == 4 else 1
    if name == "torch":
        return 1 / (3 * n_in), 1.8, 1 / math.sqrt(n_in)
    if name == "he-normal":
        return 2 / n_in, 3.0, math.inf
    variance = 2 / (n_in + n_out * kernel)
    return (variance, 3.0, math.inf) if name == "glorot-normal" else (variance, 1.8, math.sqrt(3 * variance))


# Their entries are no independent draws.
ORTHOGONAL = [name for name in networks.names() if networks.entries()[name].initialization == "orthogonal"]


@pytest.mark.parametrize("name", [name for name in networks.names() if name not in ORTHOGONAL])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_layer_has_the_variance_and_shape_of_its_law(name: str, seed: int) -> None:
    if seed and networks.entries()[name].parameters > 2e6:
        pytest.skip("one seed is enough for millions of weights")
    entry = networks.entries()[name]
    model = networks.build(name, entry.input_shape, entry.classes, seed)
    layers = [layer for layer in model.modules() if isinstance(layer, LAYERS)]
    assert len(layers) >= 3
    for layer in layers:
        w = layer.weight.detach().double().numpy().ravel()
        variance, kurtosis, bound = law(entry.initialization, layer)
        # float32 rounds the largest entries of a uniform law.
        assert np.abs(w).max() <= bound * (1 + 1e-6)
        # Of the mean and the variance, five standard errors.
        assert abs(w.mean()) < 5 * math.sqrt(variance / w.size)
        assert abs(w.var() / variance - 1) < 5 * math.sqrt((kurtosis - 1) / w.size)
        sample = w[:100_000] / math.sqrt(variance)
        uniform = stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)).cdf
        assert stats.kstest(sample, "norm" if kurtosis == 3 else uniform).pvalue > 1e-5
        if entry.initialization != "torch" and layer.bias is not None:
            assert not layer.bias.detach().any()
    for norm in model.modules():
        if isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)):
            assert bool((norm.weight == 1).all())
            assert not norm.bias.detach().any()


@pytest.mark.parametrize(("classes", "scale"), [(30, 0.1), (4, 0.5), (50, 2.0)])
@pytest.mark.parametrize("seed", [0, 1])
def test_orthogonal_weights_have_one_singular_value(classes: int, scale: float, seed: int) -> None:
    assert ORTHOGONAL == ["deep-linear"]
    torch.manual_seed(seed)
    model = DeepLinear((5, 6), classes, depth=4, scale=scale)
    layers = [model.get_submodule(f"fc{number}").weight.detach().double() for number in range(1, 5)]
    assert [tuple(w.shape) for w in layers] == [(30, 30)] * 3 + [(classes, 30)]
    for w in layers:
        gram = w @ w.T if len(w) < 30 else w.T @ w
        assert torch.allclose(gram, scale**2 * torch.eye(len(gram)).double(), rtol=0, atol=1e-14 * scale**2)
    # Each layer is drawn by itself, and another seed draws others.
    assert float((layers[0] - layers[1]).abs().max()) > 0.1 * scale
    torch.manual_seed(seed + 1)
    assert not torch.equal(DeepLinear((5, 6), classes, depth=4, scale=scale).fc1.weight, model.fc1.weight)
    x = torch.randn(3, 5, 6, dtype=torch.float64)
    expected = x.flatten(1) @ layers[0].T @ layers[1].T @ layers[2].T @ layers[3].T
    torch.testing.assert_close(model.double()(x), expected)


def test_the_network_of_s3_is_named_with_its_count() -> None:
    entry = networks.entries()["deep-linear"]
    assert (entry.source, entry.parameters) == ("S3", 3 * 30 * 30)
    model = networks.build("deep-linear", (30,), 30)
    assert np.linalg.svd(model.fc2.weight.detach().double(), compute_uv=False) == pytest.approx(
        0.1, abs=1e-15
    )
    for wrong in ({"depth": 0, "scale": 0.1}, {"depth": 2, "scale": 0.0}, {"depth": 2, "scale": math.nan}):
        with pytest.raises(OptionError, match="give positive numbers"):
            DeepLinear((3,), 3, **wrong)


def test_positions_of_the_transformer_begin_small() -> None:
    positions = networks.build("vit", (3, 32, 32), 10).positions.detach().double()
    assert positions.std().item() == pytest.approx(0.02, rel=5 * math.sqrt(0.5 / positions.numel()))


def test_glorot_normal_of_a_convolution_counts_the_kernel() -> None:
    torch.manual_seed(0)
    layer = glorot_normal(nn.Conv2d(8, 32, 5))
    w = layer.weight.detach().double().numpy().ravel()
    variance = 2 / ((8 + 32) * 25)
    assert abs(w.var() / variance - 1) < 5 * np.sqrt(2 / w.size)
    assert stats.kstest(w / np.sqrt(variance), "norm").pvalue > 1e-4
    assert not layer.bias.detach().any()


def test_layers_without_bias_and_other_modules_are_left_alone() -> None:
    for initialize in (glorot_uniform, he_normal):
        norm = nn.BatchNorm1d(3)
        model = initialize(nn.Sequential(nn.Linear(4, 3, bias=False), norm))
        assert model[0].bias is None
        assert torch.equal(norm.weight, torch.ones(3))
