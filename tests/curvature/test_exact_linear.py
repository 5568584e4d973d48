"""The exact matrix of a Linear layer with one position a sample."""

from __future__ import annotations

import pytest
import torch
from exact_cases import ACTIVATIONS, by_autograd, compare, samples, seeded
from torch import nn
from torch.nn import functional as F

from eigentrail.curvature.operator import Curvature


def network(activation: str) -> nn.Module:
    make = ACTIVATIONS[activation]
    return seeded(lambda: nn.Sequential(nn.Linear(4, 6), make(), nn.Linear(6, 5), make(), nn.Linear(5, 3)))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layers", ["0.*", "2.weight", "2.bias", "2.*", "4.*"])
def test_it_is_the_hessian_of_autograd(activation: str, layers: str) -> None:
    # Ten samples in batches of four: the last one is short.
    found = compare(network(activation), layers, samples(10, 4))
    assert found.check.method == "khatri-rao"
    assert not found.check.note


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gauss_newton_form(activation: str) -> None:
    found = compare(network(activation), "2.*", samples(10, 4), kind="gauss-newton")
    assert found.check.method == "khatri-rao"


@pytest.mark.parametrize(("activation", "equal"), [("relu", True), ("tanh", False), ("gelu", False)])
def test_gauss_newton_is_the_hessian_for_piecewise_linear_tails_only(activation: str, equal: bool) -> None:
    data = samples(10, 4)
    model = network(activation)
    full, form = (Curvature(model, F.cross_entropy, data, "2.*", kind).matrix() for kind in KINDS)
    difference = float((full - form).norm() / full.norm())
    assert difference < 1e-14 if equal else difference > 0.05


KINDS = ("hessian", "gauss-newton")


@pytest.mark.parametrize("loss", ["mse", "own"])
def test_other_losses(loss: str) -> None:
    inputs, _ = samples(9, 4)
    targets = torch.randn(9, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    functions = {
        "mse": F.mse_loss,
        "own": lambda outputs, wanted: (outputs - wanted).pow(4).sum(dim=1).sqrt().mean(),
    }
    compare(network("tanh"), "2.*", (inputs, targets), loss=functions[loss])


def test_logistic_regression_has_its_closed_form() -> None:
    inputs, targets = samples(50, 3, classes=2)
    model = seeded(lambda: nn.Linear(3, 2, bias=False))
    matrix = Curvature(nn.Sequential(model), F.cross_entropy, (inputs, targets), "0.weight").matrix()
    share = torch.softmax(inputs @ model.weight.detach().T, dim=1)
    curved = torch.diag_embed(share) - share[:, :, None] * share[:, None, :]
    expected = torch.einsum("nop,ni,nj->oipj", curved, inputs, inputs).reshape(6, 6) / 50
    torch.testing.assert_close(matrix, expected, rtol=1e-13, atol=1e-15)


def test_weight_decay_is_twice_lambda_on_the_diagonal() -> None:
    data, model = samples(8, 4), network("gelu")
    plain = Curvature(model, F.cross_entropy, data, "2.*").matrix()
    shifted = Curvature(model, F.cross_entropy, data, "2.*", weight_decay=0.3).matrix()
    torch.testing.assert_close(
        shifted, plain + 0.6 * torch.eye(len(plain), dtype=torch.float64), rtol=0, atol=1e-15
    )


def test_float32_keeps_seven_digits_and_float64_sums_are_kept_wide() -> None:
    inputs, targets = samples(3000, 4)
    model = network("tanh").float()
    narrow = Curvature(model, F.cross_entropy, (inputs.float(), targets), "2.*", batch_size=250)
    expected = by_autograd(network("tanh"), F.cross_entropy, inputs, targets, narrow.names)
    scale = expected.abs().max()
    matrix = narrow.matrix()
    assert matrix.dtype == torch.float32
    assert torch.equal(matrix, matrix.T)
    assert (matrix - expected).abs().max() < 1e-6 * scale
    wide = narrow.matrix(dtype=torch.float64)
    assert wide.dtype == torch.float64
    assert (wide - expected).abs().max() < 1e-6 * scale


def test_it_is_the_same_every_time_and_in_any_batches() -> None:
    data, model = samples(30, 4), network("gelu")
    once, again = (Curvature(model, F.cross_entropy, data, "2.*").matrix() for _ in range(2))
    assert torch.equal(once, again)
    parts = Curvature(model, F.cross_entropy, data, "2.*", batch_size=7).matrix()
    torch.testing.assert_close(parts, once, rtol=1e-12, atol=1e-16)


def test_samples_beyond_one_block_are_all_counted() -> None:
    # More samples than are multiplied at once, in batches that are no divisor of that.
    inputs, targets = samples(5001, 4)
    compare(network("tanh"), "2.*", (inputs, targets), batch_size=1500)


def test_residual_blocks_and_batch_norm_in_eval_mode() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.norm = nn.Linear(4, 5), nn.BatchNorm1d(5)
            self.inner, self.head = nn.Linear(5, 5), nn.Linear(5, 3)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            hidden = torch.tanh(self.norm(self.enter(inputs)))
            return self.head(hidden + F.gelu(self.norm(self.inner(hidden))))

    model = seeded(Block)
    model.train()
    model(samples(20, 4)[0])
    kept = model.norm.running_mean.clone()
    for layers in ("enter.*", "inner.*", "head.*"):
        found = compare(model, layers, samples(10, 4))
        assert found.check.method == "khatri-rao"
    assert model.training
    assert model.norm.training
    assert torch.equal(model.norm.running_mean, kept)


def test_a_hook_of_the_users_behind_the_layer_belongs_to_the_tail() -> None:
    model = network("tanh")
    handle = model[2].register_forward_hook(lambda module, args, output: output.sin())
    found = compare(model, "2.*", samples(10, 4))
    handle.remove()
    assert found.check.method == "khatri-rao"


def test_models_are_left_as_they_were() -> None:
    model = network("relu")
    model[0].weight.requires_grad_(False)
    model[2].weight.grad = torch.ones_like(model[2].weight)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    Curvature(model, F.cross_entropy, samples(6, 4), "2.weight").matrix()
    assert not model[0].weight.requires_grad
    assert model[2].weight.requires_grad
    assert torch.equal(model[2].weight.grad, torch.ones_like(model[2].weight))
    assert not model[2]._forward_hooks
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
