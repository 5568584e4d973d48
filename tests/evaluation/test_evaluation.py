"""Candidates one by one against all at once; landscapes and scalings with a closed form."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import eigentrail as et
from eigentrail.bases import Basis
from eigentrail.errors import BasisError, DataError, OptionError
from eigentrail.evaluation import Candidates, add_back, alike, loss_scaling


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
    np.testing.assert_allclose(candidates.correct(tried).mean(axis=1), accuracies)
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
    with pytest.raises(OptionError, match="finite numbers, one for each"):
        et.landscape(model, None, data, np.eye(48)[0], "0.weight", curvatures=np.nan, offsets=[0.1])
    for counts in ([0.5, 1.7], [], 2, ["a"]):
        with pytest.raises(OptionError, match="counts are whole numbers of directions from 0 to 2"):
            add_back(model, data, et.bases.random(48, 2), "0.weight", counts=counts)


def test_data_that_do_not_fit_the_network_are_one_sentence() -> None:
    model, (x, y) = network(), samples()
    basis = et.bases.random(48, 2)
    for data, words in (
        (None, r"data are a pair \(inputs, targets\).*not None"),
        ((x, y, y), "data are a pair"),
        ((x, 3), "data are a pair"),
        ((x[:, :5], y), r"does not take inputs of shape \(70, 5\) and type float32"),
        ((x.double(), y), "does not take inputs of shape .* and type float64"),
        ((x.long(), y), "does not take inputs"),
        ((x, y + 1), "a target is class 3 and the network has outputs for 3 classes, 0 to 2"),
        ((x, y - 1), "a target is class -1"),
        ((x, y[:, None]), "the loss does not take outputs"),
        ((x, torch.randn(70, 2)), "the loss does not take outputs"),
    ):
        for call in (
            lambda data=data: add_back(model, data, basis, "0.weight"),
            lambda data=data: et.landscape(model, None, data, basis, "0.weight", offsets=[0.1]),
            lambda data=data: loss_scaling(model, data),
        ):
            with pytest.raises(DataError, match=words) as caught:
                call()
            assert "\n" not in str(caught.value)
    # What the cross-entropy leaves out is no wrong class, and another loss has no classes.
    y = y.clone()
    y[3] = -100
    assert np.isfinite(add_back(model, (x, y), basis, "0.weight")["loss"]).all()
    found = add_back(
        model, (x, y + 7), basis, "0.weight", loss=lambda out, of: (out.mean() - of.float().mean()) ** 2
    )
    assert np.isfinite(found["loss"]).all()
    with pytest.raises(DataError, match="the loss does not take outputs"):
        add_back(model, (x, y), basis, "0.weight", loss=lambda out, of: out)
    with pytest.raises(BasisError, match="what is added back is a basis, not ndarray"):
        add_back(model, (x, y), np.eye(48)[:2], "0.weight")


def test_each_module_keeps_its_own_mode() -> None:
    model, data = network(), samples()
    basis = et.bases.random(48, 2)
    for whole, norm, drop in ((True, False, True), (True, True, False), (False, True, False)):
        model.train(whole)
        model[1].train(norm)
        model[3].train(drop)
        before = [module.training for module in model.modules()]
        add_back(model, data, basis, "0.weight")
        et.landscape(model, None, data, basis, "0.weight", offsets=[0.1])
        loss_scaling(model, data)
        with pytest.raises(DataError):
            add_back(model, (data[0], data[1] + 9), basis, "0.weight")
        assert [module.training for module in model.modules()] == before
    with pytest.raises(OptionError):
        loss_scaling(model, data, factors=[1.0, 1.0, 2.0])


class Numbered(Dataset[tuple[np.ndarray, int]]):
    """Samples as numpy arrays and numbers, which is how many a Dataset gives them."""

    def __init__(self, data: tuple[torch.Tensor, torch.Tensor]) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data[0])

    def __getitem__(self, place: int) -> tuple[np.ndarray, int]:
        return self.data[0][place].numpy(), int(self.data[1][place])


class Streamed(IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    def __init__(self, data: tuple[torch.Tensor, torch.Tensor]) -> None:
        self.data = data

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return iter(zip(*self.data, strict=True))


def test_data_may_be_a_dataset_or_a_loader() -> None:
    model, data = network(), samples()
    basis = et.bases.random(48, 2)

    def measured(given: object) -> list[np.ndarray]:
        return [
            add_back(model, given, basis, "0.weight")["loss"].values,
            et.landscape(model, None, given, basis.leading(1), "0.weight", offsets=[-0.1, 0.2])[
                "loss"
            ].values,
            loss_scaling(model, given).curve["accuracy"].values,
        ]

    wanted = measured(data)
    assert np.isfinite(wanted[0]).all()
    numbered, generator = Numbered(data), torch.Generator().manual_seed(5)
    loader = DataLoader(numbered, batch_size=16, shuffle=True, generator=generator)
    state, world = generator.get_state(), torch.get_rng_state()
    for given in (
        TensorDataset(*data),
        TensorDataset(data[0][:2], data[1][:2]),
        numbered,
        Streamed(data),
        loader,
        DataLoader(numbered, batch_size=32, shuffle=True),
        DataLoader(Streamed(data), batch_size=7),
        DataLoader(TensorDataset(*data), batch_size=None),
        et.data.from_tensors(data),
    ):
        few = isinstance(given, TensorDataset) and len(given) == 2
        expected = measured((data[0][:2], data[1][:2])) if few else wanted
        for one, other in zip(measured(given), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)
    # Random numbers drawn while it was read are put back.
    assert torch.equal(generator.get_state(), state) and torch.equal(torch.get_rng_state(), world)


def test_datasets_and_loaders_that_are_no_pairs_are_one_sentence() -> None:
    model, (x, y) = network(), samples()
    for data, words in (
        (TensorDataset(x), r"a batch .* is a list of 1"),
        (DataLoader(TensorDataset(x, y, y)), r"a batch .* is a list of 3"),
        (DataLoader(x), r"a batch .* is a Tensor"),
        (TensorDataset(x[:0], y[:0]), "no samples"),
        (DataLoader(TensorDataset(x[:0], y[:0])), "no samples"),
        (DataLoader([(x[0], 0), (x[1, :3], 1)], batch_size=1), "do not go into one tensor"),
    ):
        for call in (
            lambda data=data: add_back(model, data, et.bases.random(48, 2), "0.weight"),
            lambda data=data: et.landscape(model, None, data, np.eye(48)[0], "0.weight", offsets=[0.1]),
            lambda data=data: loss_scaling(model, data),
        ):
            with pytest.raises(DataError, match=words) as caught:
                call()
            assert "\n" not in str(caught.value)


def test_layers_before_the_changed_one_are_computed_for_many_samples_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("eigentrail.evaluation.candidates._CPU_ACTIVATION", 64 * 64)
    torch.manual_seed(0)
    # 64 numbers a sample before the last layer, 3 behind it.
    model, data = nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Linear(64, 3)), samples()
    calls: list[int] = []
    model[0].register_forward_hook(lambda module, inputs, output: calls.append(len(output)))
    for layers, expected in (("2.weight", [1] + [64, 6] * 2), ("0.weight", [1] + [64, 6] * 32)):
        candidates = Candidates(model, data, layers)
        calls.clear()
        losses, _ = candidates.evaluate([candidates.weights] * 32)
        # One sample to look at; then 21 candidates of the late layer at once, and one by one of the early one.
        assert calls == expected
        assert losses == pytest.approx(plainly(model, data)[0], rel=1e-5)


def test_a_parameter_used_outside_its_module_counts_as_used_from_the_start() -> None:
    class Borrowed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.held = nn.Linear(6, 64), nn.Linear(64, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.linear(torch.tanh(self.first(x)), self.held.weight, self.held.bias)

    torch.manual_seed(0)
    candidates = Candidates(Borrowed(), samples(), "held.weight")
    _, before, behind = candidates._first_call()
    assert (before, behind) == (64, 64)


def test_a_direction_along_the_weights_is_alike_to_the_weights_and_one_beside_them_to_zeros() -> None:
    model, data = network(1), samples()
    w = model[0].weight.detach().double().numpy().ravel()
    curve = add_back(model, data, et.bases.singular(w.reshape(model[0].weight.shape)), "0.weight", counts=[0])
    along = w / np.linalg.norm(w)
    assert alike(model, data, along, "0.weight", draws=3) == pytest.approx([curve.attrs["accuracy_full"]] * 3)
    beside = np.random.default_rng(0).standard_normal(len(w))
    beside -= (beside @ along) * along
    beside /= np.linalg.norm(beside)
    assert alike(model, data, beside, "0.weight", draws=3) == pytest.approx([float(curve["accuracy"][0])] * 3)
    with pytest.raises(BasisError, match="entries"):
        alike(model, data, along[1:], "0.weight")
