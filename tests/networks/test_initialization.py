"""Initial weights against the laws that the thesis states."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from eigentrail import networks
from eigentrail.networks import glorot_normal, glorot_uniform


@pytest.mark.parametrize("name", networks.names())
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_layer_is_glorot_uniform_with_zero_biases(name: str, seed: int) -> None:
    entry = networks.ENTRIES[name]
    model = networks.build(name, entry.input_shape, entry.classes, seed)
    for layer in model.children():
        n_out, n_in = layer.weight.shape
        bound = np.sqrt(6 / (n_in + n_out))
        w = layer.weight.detach().double().numpy().ravel()
        assert np.abs(w).max() <= bound
        # Of the mean and the variance of a uniform law, five standard errors.
        variance = 2 / (n_in + n_out)
        assert abs(w.mean()) < 5 * np.sqrt(variance / w.size)
        assert abs(w.var() / variance - 1) < 5 * np.sqrt(0.8 / w.size)
        assert stats.kstest(w, stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-4
        assert not layer.bias.detach().any()


def test_glorot_normal_of_a_convolution_counts_the_kernel() -> None:
    torch.manual_seed(0)
    layer = glorot_normal(nn.Conv2d(8, 32, 5))
    w = layer.weight.detach().double().numpy().ravel()
    variance = 2 / ((8 + 32) * 25)
    assert abs(w.var() / variance - 1) < 5 * np.sqrt(2 / w.size)
    assert stats.kstest(w / np.sqrt(variance), "norm").pvalue > 1e-4
    assert not layer.bias.detach().any()


def test_layers_without_bias_and_other_modules_are_left_alone() -> None:
    norm = nn.BatchNorm1d(3)
    model = glorot_uniform(nn.Sequential(nn.Linear(4, 3, bias=False), norm))
    assert model[0].bias is None
    assert torch.equal(norm.weight, torch.ones(3))
