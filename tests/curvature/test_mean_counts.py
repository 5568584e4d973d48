"""Losses that are means over tokens, weights or masks: the same curvature for every division into batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import eigentrail as et
from eigentrail.errors import CurvatureError, DataError, OptionError

N, T, VOCABULARY = 12, 6, 5


class Tagger(nn.Module):
    """A class for each of T tokens of a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Embedding(VOCABULARY, 3), nn.Linear(3, 4)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.embed(tokens)))


def tagged() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    model = Tagger().double()
    tokens, targets = torch.randint(0, VOCABULARY, (N, T)), torch.randint(0, 4, (N, T))
    lengths = torch.tensor([6, 1, 2, 6, 3, 1, 4, 5, 2, 0, 6, 1])
    targets[torch.arange(T) >= lengths[:, None]] = -100
    return model, tokens, targets


def by_token(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(outputs.flatten(0, 1), targets.flatten())


def behind_the_first(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return by_token(outputs[:, :-1], targets[:, 1:])


def by_sample(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    each = F.cross_entropy(outputs.transpose(1, 2), targets, reduction="none").sum(dim=1)
    return (each / (targets != -100).sum(dim=1).clamp(min=1)).mean()


def hessian(model: nn.Module, loss: Callable[..., torch.Tensor], data: Any, **options: Any) -> torch.Tensor:
    curvature = et.Curvature(model, loss, data, **options)
    return curvature.apply(torch.eye(curvature.n, dtype=torch.float64))


def whole(
    model: nn.Module, loss: Callable[..., torch.Tensor], x: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    """The Hessian of the loss of all samples at once, by torch alone."""
    names, values = zip(*model.named_parameters(), strict=True)
    sizes = [value.numel() for value in values]

    def at(flat: torch.Tensor) -> torch.Tensor:
        parts = [part.view_as(v) for part, v in zip(flat.split(sizes), values, strict=True)]
        return loss(torch.func.functional_call(model, dict(zip(names, parts, strict=True)), (x,)), y)

    return torch.autograd.functional.hessian(at, torch.cat([v.detach().flatten() for v in values]))


@pytest.mark.parametrize("loss", [by_token, behind_the_first, by_sample])
def test_every_division_gives_the_hessian_of_the_whole(loss: Callable[..., torch.Tensor]) -> None:
    model, tokens, targets = tagged()
    expected = whole(model, loss, tokens, targets)
    divided = [(tokens[i:j], targets[i:j]) for i, j in ((0, 5), (5, 7), (7, 12))]
    given = {
        "at once": hessian(model, loss, (tokens, targets)),
        "batches of 5": hessian(model, loss, (tokens, targets), batch_size=5),
        "one by one": hessian(model, loss, (tokens, targets), batch_size=1),
        "as a loader gives them": hessian(model, loss, divided),
    }
    for name, found in given.items():
        torch.testing.assert_close(
            found, expected, rtol=0, atol=1e-12, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_memory_changes_nothing() -> None:
    model, tokens, targets = tagged()
    free = et.Curvature(model, by_token, (tokens, targets))
    tight = et.Curvature(
        model, by_token, (tokens, targets), memory_limit=free.plan.held // 2 + 4 * 8 * free.n
    )
    eye = torch.eye(free.n, dtype=torch.float64)
    torch.testing.assert_close(tight.apply(eye), free.apply(eye), rtol=0, atol=1e-12)
    assert tight.plan.batches > free.plan.batches
    torch.testing.assert_close(tight.gradient(), free.gradient(), rtol=0, atol=1e-12)
    assert tight.loss_value() == pytest.approx(free.loss_value(), rel=1e-12)


def test_the_usual_loss_and_modules_with_their_ignored_index() -> None:
    model, tokens, targets = tagged()
    expected = whole(model, by_token, tokens, targets)
    torch.testing.assert_close(
        hessian(model, None, (tokens, targets), batch_size=2), expected, rtol=0, atol=1e-12
    )
    flat = nn.Sequential(nn.Linear(3, 4)).double()
    x, y = torch.randn(30, 3, dtype=torch.float64), torch.randint(0, 4, (30,))
    for loss in (
        nn.CrossEntropyLoss(ignore_index=2),
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.2, 2.0], dtype=torch.float64)),
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.2, 2.0], dtype=torch.float64), ignore_index=0),
    ):
        truth = whole(flat, loss, x, y)
        for size in (30, 7, 1):
            found = hessian(flat, loss, (x, y), batch_size=size)
            torch.testing.assert_close(found, truth, rtol=0, atol=1e-12)


def test_a_mask_beside_the_targets() -> None:
    model, tokens, targets = tagged()
    mask = targets != -100
    clean = targets.clamp(min=0)

    def masked(outputs: torch.Tensor, given: dict[str, torch.Tensor]) -> torch.Tensor:
        each = F.cross_entropy(outputs.transpose(1, 2), given["labels"], reduction="none")
        return (each * given["mask"]).sum() / given["mask"].sum()

    data = [
        {"tokens": tokens[i:j], "labels": clean[i:j], "mask": mask[i:j]} for i, j in ((0, 3), (3, 4), (4, 12))
    ]

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, tokens: torch.Tensor, **_: Any) -> torch.Tensor:
            return self.inner(tokens)

    found = hessian(Named(), masked, data)
    torch.testing.assert_close(found, whole(model, by_token, tokens, targets), rtol=0, atol=1e-12)


def test_weights_that_are_told() -> None:
    flat = nn.Sequential(nn.Linear(3, 1)).double()
    x, y = torch.randn(20, 3, dtype=torch.float64), torch.randn(20, 1, dtype=torch.float64)
    importance = torch.rand(20, 1, dtype=torch.float64)

    def weighted(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return ((outputs - targets[:, :1]) ** 2 * targets[:, 1:] ** 2).sum() / (targets[:, 1:] ** 2).sum()

    both = torch.cat([y, importance], dim=1)
    expected = whole(flat, weighted, x, both)
    found = hessian(flat, weighted, (x, both), batch_size=3, weights=lambda t: t[:, 1] ** 2)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    with pytest.raises(CurvatureError, match=r"no mean over samples.*weights="):
        hessian(flat, weighted, (x, both), batch_size=3)
    with pytest.raises(CurvatureError, match="no mean over samples"):
        hessian(flat, weighted, (x, both), batch_size=3, weights=lambda t: t[:, 1])
    with pytest.raises(CurvatureError, match=r"weights= gives \[20, 1\]"):
        hessian(flat, weighted, (x, both), weights=lambda t: t[:, 1:])
    with pytest.raises(OptionError, match="weights is"):
        et.Curvature(flat, weighted, (x, both), weights="tokens")


def test_batches_of_other_lengths_count_their_tokens() -> None:
    model, tokens, targets = tagged()
    full = targets.clamp(min=0)
    data = [(tokens[:7], full[:7]), (tokens[7:, :5], full[7:, :5])]
    longer = torch.cat([full[7:, :5], torch.full((5, 1), -100)], dim=1)
    expected = whole(model, by_token, tokens, torch.cat([full[:7], longer]))
    torch.testing.assert_close(hessian(model, by_token, data), expected, rtol=0, atol=1e-12)
    by_samples = hessian(
        model, lambda o, t: F.cross_entropy(o.transpose(1, 2), t, reduction="none").mean(1).mean(), data
    )
    assert not torch.allclose(by_samples, expected, atol=1e-6)


def test_a_transformers_language_model_with_padding() -> None:
    transformers = pytest.importorskip("transformers", reason="the extra `transformers` is not installed")
    config = transformers.GPT2Config(
        vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    torch.manual_seed(1)
    model = transformers.GPT2LMHeadModel(config).double().eval()
    tokens = torch.randint(1, 11, (6, 8))
    attention = (torch.arange(8) < torch.tensor([8, 3, 5, 2, 7, 4])[:, None]).long()
    batch = {
        "input_ids": tokens * attention,
        "attention_mask": attention,
        "labels": tokens.where(attention.bool(), -100),
    }

    def part(places: slice) -> dict[str, torch.Tensor]:
        return {key: value[places] for key, value in batch.items()}

    layers = "transformer.h.0.attn.c_attn.weight"
    weight = model.get_parameter(layers)

    def own(outputs: Any, given: dict[str, torch.Tensor]) -> torch.Tensor:
        return behind_the_first(outputs.logits, given["labels"])

    def at(flat: torch.Tensor) -> torch.Tensor:
        return own(torch.func.functional_call(model, {layers: flat.view_as(weight)}, (), batch), batch)

    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        expected = torch.autograd.functional.hessian(at, weight.detach().flatten())
    for data, options in (
        (batch, {}),
        (batch, {"batch_size": 1}),
        (batch, {"batch_size": 4}),
        ([part(slice(0, 2)), part(slice(2, 3)), part(slice(3, 6))], {}),
        ([part(slice(i, i + 1)) for i in range(6)], {}),
    ):
        found = hessian(model, own, data, layers=layers, **options)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10 * float(expected.abs().max()))
    # The model's own loss rounds its logits to single precision.
    for size in (1, 4, 6):
        found = hessian(model, None, batch, layers=layers, batch_size=size)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 * float(expected.abs().max()))


def test_nothing_but_ignored_targets() -> None:
    model, tokens, targets = tagged()
    with pytest.raises((DataError, CurvatureError)):
        hessian(model, None, (tokens, torch.full_like(targets, -100)))
