"""What the samples may come in, weighted by sample whatever batches they come in."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from curvature_cases import build, vectors
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import eigentrail as et

KINDS = ("hessian", "gauss-newton")


class Pairs(Dataset[Any]):
    """A data set of its own."""

    def __init__(self, inputs: torch.Tensor, targets: torch.Tensor) -> None:
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, place: int) -> Any:
        return self.inputs[place], self.targets[place]


class Stream(IterableDataset[Any]):
    """Samples one after the other."""

    def __init__(self, inputs: torch.Tensor, targets: torch.Tensor, shuffle: bool = False) -> None:
        self.inputs, self.targets, self.shuffle = inputs, targets, shuffle

    def __iter__(self) -> Iterator[Any]:
        order = torch.randperm(len(self.inputs)) if self.shuffle else range(len(self.inputs))
        for place in order:
            yield self.inputs[place], self.targets[place]


@pytest.mark.parametrize("kind", KINDS)
def test_a_short_last_batch_counts_by_its_samples(kind: str) -> None:
    case = build("tanh")
    x, y = case.inputs[:10], case.targets[:10]
    x = torch.cat([x[:8], 4 * x[8:]])  # the mean over batches would be far off
    v = vectors(case.n, 2)
    whole = et.Curvature(case.model, case.loss, (x, y), kind=kind) @ v.T
    for data in (
        DataLoader(TensorDataset(x, y), batch_size=8),
        DataLoader(Pairs(x, y), batch_size=8),
        [(x[:8], y[:8]), (x[8:], y[8:])],
    ):
        operator = et.Curvature(case.model, case.loss, data, kind=kind)
        assert [batch.count for batch in operator.problem.batches()] == [8, 2]
        np.testing.assert_allclose(operator @ v.T, whole, atol=1e-13)
    parts = [
        et.Curvature(case.model, case.loss, (x[s], y[s]), kind=kind) @ v.T for s in (slice(8), slice(8, 10))
    ]
    np.testing.assert_allclose(whole, 0.8 * parts[0] + 0.2 * parts[1], atol=1e-13)
    assert np.abs(whole - (parts[0] + parts[1]) / 2).max() > 0.05 * np.abs(whole).max()


def forms(x: torch.Tensor, y: torch.Tensor) -> dict[str, Any]:
    return {
        "numpy": (x.numpy(), y.numpy()),
        "list": [x, y],
        "tensor data set": TensorDataset(x, y),
        "data set": Pairs(x, y),
        "shuffled loader": DataLoader(Pairs(x, y), batch_size=5, shuffle=True),
        "loader without batches": DataLoader(
            [(x[i : i + 3], y[i : i + 3]) for i in (0, 3, 6, 9)], batch_size=None
        )
        if len(x) == 12
        else None,
        "stream": Stream(x, y),
        "shuffled stream": DataLoader(Stream(x, y, shuffle=True), batch_size=5),
        "batches": [(x[:7], y[:7]), (x[7:], y[7:])],
        "generator": ((x[s], y[s]) for s in (slice(7), slice(7, None))),
    }


@pytest.mark.parametrize("form", forms(torch.zeros(12, 1), torch.zeros(12)))
def test_every_form_of_data_gives_the_same(form: str) -> None:
    case = build("gelu")
    x, y = case.inputs[:12], case.targets[:12]
    data = forms(x, y)[form]
    v = vectors(case.n, 1)[0]
    expected = et.Curvature(case.model, case.loss, (x, y)) @ v
    np.testing.assert_allclose(et.Curvature(case.model, case.loss, data) @ v, expected, atol=1e-13)


def test_the_training_part_of_a_data_set_by_name() -> None:
    digits = et.data.load("digits")
    torch.manual_seed(0)
    model = nn.Linear(int(np.prod(digits.train_inputs.shape[1:])), 10)
    net = nn.Sequential(nn.Flatten(), model)
    v = vectors(sum(p.numel() for p in net.parameters()), 1)[0]
    found = et.Curvature(net, None, digits) @ v
    expected = et.Curvature(net, None, (digits.train_inputs, digits.train_targets)) @ v
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32


def test_a_shuffling_loader_is_read_once_and_leaves_chance_alone() -> None:
    case = build("relu")
    generator = torch.Generator().manual_seed(5)
    loader = DataLoader(
        Pairs(case.inputs, case.targets), batch_size=8, shuffle=True, generator=generator, drop_last=True
    )
    before = (
        torch.get_rng_state(),
        generator.get_state(),
        np.random.get_state()[1].copy(),  # noqa: NPY002
        random.getstate(),
    )
    operator = et.Curvature(case.model, case.loss, loader)
    v = vectors(operator.n, 1)[0]
    one = operator @ v
    np.testing.assert_array_equal(one, operator @ v)
    again = et.Curvature(case.model, case.loss, loader)
    np.testing.assert_array_equal(one, again @ v)
    assert [batch.count for batch in operator.problem.batches()] == [8, 8]
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.equal(generator.get_state(), before[1])
    assert (np.random.get_state()[1] == before[2]).all()  # noqa: NPY002
    assert random.getstate() == before[3]


# --- dict batches -----------------------------------------------------------------------------------------------------


class Named(nn.Module):
    """Takes its arguments by name and gives several outputs, as the models of transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 5)
        self.head = nn.Linear(5, 3)

    def forward(
        self, tokens: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        x = torch.tanh(self.embedding(tokens)) * mask[..., None]
        return {"logits": self.head(x.sum(1) / mask.sum(1, keepdim=True)), "length": mask.sum(1)}


@pytest.mark.parametrize("kind", KINDS)
def test_dict_batches_go_to_the_network_by_name(kind: str) -> None:
    torch.manual_seed(1)
    model = Named().double()
    tokens, labels = torch.randint(11, (10, 4)), torch.randint(3, (10,))
    mask = (torch.arange(4) < torch.randint(1, 5, (10, 1))).double()
    samples = [{"tokens": t, "mask": m, "labels": y} for t, m, y in zip(tokens, mask, labels, strict=True)]

    def loss(outputs: dict[str, torch.Tensor], batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return F.cross_entropy(outputs["logits"], batch["labels"])

    loader = DataLoader(samples, batch_size=8)
    operator = et.Curvature(model, loss, loader, kind=kind)
    whole = et.Curvature(model, loss, {"tokens": tokens, "mask": mask, "labels": labels}, kind=kind)
    found = operator @ np.eye(operator.n)
    np.testing.assert_allclose(found, whole @ np.eye(operator.n), atol=1e-14)
    parameters = {name: p.detach() for name, p in model.named_parameters()}

    def flat_loss(head: torch.Tensor) -> torch.Tensor:
        out = torch.func.functional_call(model, parameters | {"head.weight": head}, (tokens, mask))
        return F.cross_entropy(out["logits"], labels)

    place = operator.slices["head.weight"]
    expected = torch.autograd.functional.hessian(flat_loss, parameters["head.weight"]).reshape(15, 15)
    np.testing.assert_allclose(found[place, place], expected, atol=1e-13)


def test_models_of_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=13, n_positions=8, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    model = transformers.GPT2LMHeadModel(config).double()
    assert model.training
    tokens = torch.randint(13, (6, 5))
    data = [{"input_ids": tokens[s], "labels": tokens[s]} for s in (slice(4), slice(4, 6))]
    operator = et.Curvature(model, None, data, "transformer.h.0.attn.c_attn.weight")
    assert "lm_head.weight" not in et.Curvature(model, None, data).names  # tied to the embedding

    def shifted(outputs: Any, batch: Any) -> torch.Tensor:
        logits = outputs.logits[:, :-1].flatten(0, 1)
        return F.cross_entropy(logits, batch["labels"][:, 1:].flatten())

    own = et.Curvature(model, shifted, data, "transformer.h.0.attn.c_attn.weight")
    v = vectors(operator.n, 1)[0]
    np.testing.assert_allclose(operator @ v, own @ v, atol=1e-7)  # its own loss is float32
    frozen = {name: p.detach() for name, p in model.named_parameters()}
    model.eval()

    def loss(w: torch.Tensor) -> torch.Tensor:
        values = frozen | {"transformer.h.0.attn.c_attn.weight": w}
        return torch.func.functional_call(model, values, (), {"input_ids": tokens, "labels": tokens}).loss

    from torch.nn.attention import SDPBackend, sdpa_kernel

    w = frozen["transformer.h.0.attn.c_attn.weight"]
    with sdpa_kernel(SDPBackend.MATH):
        _, expected = torch.autograd.functional.hvp(loss, w, torch.from_numpy(v).view_as(w))
    np.testing.assert_allclose(operator @ v, expected.flatten(), atol=1e-7)
    newton = et.Curvature(model, shifted, data, "transformer.h.0.attn.c_attn.weight", kind="gauss-newton")
    assert v @ (newton @ v) > 0
    with pytest.raises(et.errors.CurvatureError, match="computes its own loss"):
        et.Curvature(model, None, data, "transformer.h.0.attn.c_attn.weight", kind="gauss-newton") @ v


# --- augmentation -----------------------------------------------------------------------------------------------------


class Augmented(Pairs):
    """Noise from the three generators that transforms draw from."""

    def __getitem__(self, place: int) -> Any:
        x, y = super().__getitem__(place)
        drawn = torch.randn(x.shape) + float(np.random.standard_normal()) + random.gauss(0, 1)  # noqa: NPY002
        return x + 0.1 * drawn, y


@pytest.mark.parametrize("shuffle", [False, True])
def test_random_augmentation_is_frozen_into_k_draws(shuffle: bool) -> None:
    case = build("tanh")
    data = Augmented(case.inputs, case.targets)
    before = torch.get_rng_state()
    sources = {
        "set": data,
        "loader": DataLoader(data, batch_size=8, shuffle=shuffle),
        "stream": DataLoader(data, batch_size=5),
    }
    found = {}
    for name, source in sources.items():
        operator = et.Curvature(case.model, case.loss, source, augmentations=3, seed=4)
        v = vectors(operator.n, 1)[0]
        found[name] = operator @ v
        batches = list(operator.problem.batches())
        assert sum(batch.count for batch in batches) == 3 * 22
        assert sum(batch.weight for batch in batches) == pytest.approx(1.0)
        inputs = torch.cat([batch.inputs for batch in batches])
        assert len(torch.unique(inputs, dim=0)) == 3 * 22
        np.testing.assert_array_equal(found[name], operator @ v)
        again = et.Curvature(case.model, case.loss, source, augmentations=3, seed=4)
        np.testing.assert_array_equal(found[name], again @ v)
        targets = torch.cat([batch.targets for batch in batches])
        mean = et.Curvature(case.model, case.loss, (inputs, targets)) @ v
        np.testing.assert_allclose(found[name], mean, atol=1e-13)
    # A sample's draws do not depend on the batches it comes in.
    np.testing.assert_allclose(found["set"], found["stream"], atol=1e-13)
    other = et.Curvature(case.model, case.loss, data, augmentations=3, seed=5) @ v
    assert np.abs(other - found["set"]).max() > 1e-6
    assert torch.equal(before, torch.get_rng_state())
