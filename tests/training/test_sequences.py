"""Trainings on sequences of tokens: losses and accuracies over positions, AdamW, and what looks at such runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import eigentrail as et
from eigentrail import data, networks
from eigentrail.data import Data
from eigentrail.errors import DataError, OptionError
from eigentrail.evaluation.candidates import Candidates
from eigentrail.training import TrainingSettings
from eigentrail.training.ensemble_fitness import why_not_stacked
from eigentrail.training.losses import losses_of
from eigentrail.training.optimizers import make_optimizer

SETTINGS = TrainingSettings(optimizer="adamw", lr=0.01, batch_size=8, epochs=2)


@pytest.fixture(scope="module")
def letters() -> Data:
    # Every letter is decided by the one before it.
    return data.characters("abcde" * 60 + "edcba" * 6, context=6)


@pytest.fixture(scope="module")
def run(letters: Data, tmp_path_factory: pytest.TempPathFactory) -> et.runs.Run:
    return et.train("gpt-1-2-8", letters, tmp_path_factory.mktemp("gpt") / "run", SETTINGS, progress=False)


def test_metrics_are_means_over_positions(run: et.runs.Run, letters: Data) -> None:
    model = run.model(-1)
    logits = model(letters.train_inputs).detach()
    told = {name: float(run.metrics[name].dropna("step")[-1]) for name in ("train_loss", "train_accuracy")}
    flat = logits.transpose(1, 2).reshape(-1, letters.classes), letters.train_targets.flatten()
    assert told["train_loss"] == pytest.approx(float(nn.functional.cross_entropy(*flat)), rel=1e-5)
    assert told["train_accuracy"] == pytest.approx(float((flat[0].argmax(1) == flat[1]).double().mean()))
    assert float(run.metrics["train_loss"][0]) > told["train_loss"]


def test_the_steps_are_torchs_adamw(letters: Data, tmp_path: Path) -> None:
    settings = SETTINGS.changed(epochs=1, batch_size=1000, weight_decay=0.1)
    made = et.train("gpt-1-2-8", letters, tmp_path / "one", settings, progress=False)
    model = networks.build("gpt-1-2-8", letters.input_shape, letters.classes, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    nn.functional.cross_entropy(model(letters.train_inputs), letters.train_targets).backward()
    optimizer.step()
    for name, value in model.named_parameters():
        # AdamW's first step is the gradient's sign; a key's bias has none but rounding.
        if name.endswith("qkv.bias"):
            continue
        far = (made[name][-1].values - value.detach().numpy()) / 0.01
        assert np.mean(np.abs(far) < 1e-2) > 0.95


def test_momentum_belongs_to_sgd_and_stacks_too(letters: Data) -> None:
    with pytest.raises(OptionError, match="momentum"):
        TrainingSettings(optimizer="adamw", momentum=0.9)
    models = [networks.build("gpt-1-2-8", letters.input_shape, letters.classes, seed=seed) for seed in (0, 1)]
    assert "adamw" in str(why_not_stacked(models, letters, SETTINGS))
    assert isinstance(make_optimizer(models[0], SETTINGS), torch.optim.AdamW)


def test_squared_errors_are_of_each_position() -> None:
    outputs, targets = torch.randn(2, 5, 3), torch.randint(5, (2, 3))
    found = losses_of("squared-error")(outputs, targets)
    assert found.shape == (2, 3)
    wanted = torch.eye(5)[targets[1, 2]]
    torch.testing.assert_close(found[1, 2], ((outputs[1, :, 2] - wanted) ** 2).sum() / 2)


def test_phases_of_classes_are_refused(letters: Data, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one class each"):
        et.train("gpt-1-2-8", letters, tmp_path / "x", phases=[{"start": 0, "classes": [0]}], progress=False)


def test_features_are_of_next_tokens(run: et.runs.Run, letters: Data) -> None:
    model = run.model(-1)
    found = et.Features(model, letters)
    assert found.head is not None
    assert found.head.name == "head"
    told = float(run.metrics["train_accuracy"].dropna("step")[-1])
    assert found.accuracy("train") == pytest.approx(told)
    table = found.collapse()
    assert table["nc4"].notna().any()
    # The classes are the five letters, and the samples all positions.
    assert set(table.loc[table["part"] == "train", "classes"]) == {5}


def test_curvature_is_that_of_the_mean_over_positions(run: et.runs.Run, letters: Data) -> None:
    model = run.model(-1).double()
    samples = (letters.train_inputs[:7], letters.train_targets[:7])
    found = et.Curvature(model, None, samples, layers="blocks.0.attn.proj.bias").matrix()
    bias = model.blocks[0].attn.proj.bias

    def loss(value: torch.Tensor) -> torch.Tensor:
        outputs = torch.func.functional_call(model, {"blocks.0.attn.proj.bias": value}, samples[0])
        return nn.functional.cross_entropy(outputs, samples[1])

    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        exact = torch.autograd.functional.hessian(loss, bias.detach())
    np.testing.assert_allclose(np.asarray(found), exact.numpy(), rtol=1e-9, atol=1e-12)


def test_candidates_are_judged_by_position(run: et.runs.Run, letters: Data) -> None:
    model = run.model(-1)
    pair = (letters.test_inputs, letters.test_targets)
    tried = Candidates(model, pair, ["blocks.0.fc1.weight"])
    right = tried.correct([tried.weights])
    wanted = model(pair[0]).argmax(1) == pair[1]
    assert np.array_equal(right[0], wanted.numpy().ravel())
    losses, shares = tried.evaluate([tried.weights])
    assert shares[0] == pytest.approx(float(wanted.double().mean()))
    assert losses[0] == pytest.approx(
        float(nn.functional.cross_entropy(model(pair[0]), pair[1]).detach()), rel=1e-5
    )
