"""Candidates one by one against all at once; landscapes and scalings with a closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import eigentrail as et
from eigentrail.bases import Basis
from eigentrail.errors import BasisError, DataError, OptionError
from eigentrail.evaluation import Candidates, add_back, loss_scaling


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))


def samples(count: int = 70, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 6, generator=generator)
    return x, x[:, :3].argmax(dim=1)


@torch.no_grad()
def plainly(model: nn.Module, data: tuple[torch.Tensor, torch.Tensor]) -> tuple[float, float]:
    model.eval()
    out = model(data[0])
    return float(F.cross_entropy(out, data[1])), float((out.argmax(1) == data[1]).float().mean())


@pytest.mark.parametrize("layers", [None, "0", ["*.weight"], "4.bias"])
def test_batched_candidates_are_those_of_one_by_one(layers: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eigentrail.evaluation.candidates._NUMBERS", 300)
    monkeypatch.setattr("eigentrail.evaluation.candidates._SAMPLES", 32)
    model, data = network(), samples()
    candidates = Candidates(model, data, layers)
    rng = np.random.default_rng(0)
    tried = [candidates.weights + 0.3 * rng.standard_normal(candidates.n) for _ in range(7)]
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    losses, accuracies = candidates.evaluate(iter(tried))
    assert model.training and all((value == before[name]).all() for name, value in model.state_dict().items())
    for vector, loss, accuracy in zip(tried, losses, accuracies, strict=True):
        other, start = network(), 0
        for name, value in other.named_parameters():
            if name in candidates.names:
                part = torch.from_numpy(vector[start : start + value.numel()]).float()
                value.data.copy_(part.reshape(value.shape))
                start += value.numel()
        assert (loss, accuracy) == pytest.approx(plainly(other, data), rel=1e-5)


def test_batches_keep_the_largest_activation_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eigentrail.evaluation.candidates._CPU_ACTIVATION", 8 * 64 * 3)
    model, data = network(), samples()
    sizes: list[int] = []
    model[0].register_forward_hook(lambda module, inputs, output: sizes.append(output.numel()))
    candidates = Candidates(model, data)
    losses, accuracies = candidates.evaluate([candidates.weights] * 7)
    # Within vmap a hook sees the samples of one candidate; the layer gives 8 numbers for a sample.
    assert sizes == [8] + [8 * 64, 8 * 6] * 3
    assert losses == pytest.approx(plainly(model, data)[0], rel=1e-5)
    assert accuracies == pytest.approx(plainly(model, data)[1])


def test_singular_matrices_add_back_to_the_truncated_layer() -> None:
    model, data = network(1), samples()
    w = model[0].weight.detach().double().numpy()
    curve = add_back(model, data, et.bases.singular(w), "0.weight")
    assert curve["k"].values.tolist() == list(range(7))
    full = plainly(network(1), data)
    assert (curve.attrs["loss_full"], curve.attrs["accuracy_full"]) == pytest.approx(full, rel=1e-5)
    assert float(curve["loss"][-1]) == pytest.approx(full[0], rel=1e-5)
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    for k in (0, 2, 5):
        other = network(1)
        other[0].weight.data.copy_(torch.from_numpy((u[:, :k] * s[:k]) @ vt[:k]))
        assert float(curve["loss"][k]) == pytest.approx(plainly(other, data)[0], rel=1e-5)
    np.testing.assert_allclose(curve["norm"][-1], 1.0, rtol=1e-6)
    dense = Basis(et.bases.singular(w).directions(), s)
    np.testing.assert_allclose(add_back(model, data, dense, "0.weight")["loss"], curve["loss"], rtol=1e-5)


def test_a_complete_random_basis_of_the_whole_network_brings_it_back() -> None:
    model, data = network(2), samples()
    n = sum(p.numel() for p in model.parameters())
    curve = add_back(model, data, et.bases.random(n, n), counts=[0, n // 2, n])
    assert float(curve["loss"][-1]) == pytest.approx(plainly(network(2), data)[0], rel=1e-4)
    assert float(curve["norm"][0]) == 0.0 and float(curve["norm"][1]) < 1.0


def test_the_landscape_of_a_quadratic_loss_is_its_prediction() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 1, bias=False).double()
    x = torch.randn(50, 4, dtype=torch.float64)
    y = torch.randn(50, 1, dtype=torch.float64)

    def mse(out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return ((out - target) ** 2).mean()

    h = (2 / 50 * x.T @ x).numpy()
    values, vectors = np.linalg.eigh(h)
    residual = (x @ model.weight.T - y).detach().numpy()
    slopes = vectors.T @ (2 / 50 * x.numpy().T @ residual)[:, 0]
    offsets = np.linspace(-2, 2, 9)
    line = et.landscape(
        model, mse, (x, y), 3 * vectors[:, -1], offsets=offsets, curvatures=values[-1], slopes=slopes[-1]
    )
    np.testing.assert_allclose(line["loss"], line["quadratic"], rtol=1e-10)
    assert np.isnan(line["accuracy"]).all()
    assert line.attrs["coordinates"][0] == pytest.approx(
        float(model.weight.detach().numpy()[0] @ vectors[:, -1])
    )
    plane = et.landscape(
        model,
        mse,
        (x, y),
        Basis(vectors.T[[3, 0]]),
        offsets=offsets,
        curvatures=values[[3, 0]],
        slopes=slopes[[3, 0]],
    )
    assert plane["loss"].dims == ("x", "y")
    np.testing.assert_allclose(plane["loss"], plane["quadratic"], rtol=1e-10)


def test_loss_scaling_tells_exponential_from_quadratic() -> None:
    # One weight, one class pair, logits (a, 0): the loss is log(1 + exp(-a)), an exponential for large a.
    model = nn.Linear(1, 2, bias=False).double()
    model.weight.data = torch.tensor([[6.0], [0.0]], dtype=torch.float64)
    data = (torch.ones(5, 1, dtype=torch.float64), torch.zeros(5, dtype=torch.long))
    found = loss_scaling(model, data)
    assert found.form == "exponential" and found.rate == pytest.approx(6.0, rel=0.01)
    assert found.exponential_r2 > 0.9999 and (found.curve["accuracy"] == 1).all()
    square = loss_scaling(model, data, loss=lambda out, target: (out**2).mean())
    assert square.form == "quadratic" and square.quadratic_r2 == pytest.approx(1.0)
    assert square.curvature == pytest.approx(18.0)


def test_bad_input_is_one_sentence() -> None:
    model, data = network(), samples()
    with pytest.raises(DataError, match="data set"):
        Candidates(model, (data[0], data[1][:5]))
    with pytest.raises(OptionError, match="fc9"):
        Candidates(model, data, "fc9")
    with pytest.raises(OptionError, match="numbers here"):
        Candidates(model, data, "0").evaluate([np.zeros(3)])
    with pytest.raises(BasisError, match="48 parameters"):
        add_back(model, data, et.bases.random(5, 2), "0.weight")
    with pytest.raises(OptionError, match="counts"):
        add_back(model, data, et.bases.random(48, 2), "0.weight", counts=[3])
    for directions in (np.zeros(48), np.eye(48)[:3], np.ones(5)):
        with pytest.raises(BasisError):
            et.landscape(model, None, data, directions, "0.weight")
    with pytest.raises(OptionError):
        et.landscape(model, None, data, np.eye(48)[0], "0.weight", curvatures=[1.0, 2.0], offsets=[0.1])
    with pytest.raises(OptionError):
        loss_scaling(model, data, factors=[1.0, 1.0, 2.0])
