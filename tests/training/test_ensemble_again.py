"""Ensembles that go on after a crash or a divergence, and convolutions of a stack."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from eigentrail.data import Data
from eigentrail.errors import DataError, OptionError, RunError, RunWarning
from eigentrail.recipes import train_recipe
from eigentrail.runs import Run
from eigentrail.training import TrainingSettings, open_ensemble, train
from eigentrail.training.schedule import Exponential


def same_bits(one: Run, other: Run) -> bool:
    return list(one) == list(other) and all(
        np.array_equal(one[layer].values, other[layer].values) for layer in one
    )


@pytest.mark.parametrize(
    ("network", "settings"),
    [
        pytest.param("lenet", {"lr": 0.05, "momentum": 0.9}, marks=pytest.mark.slow),
        ("lenet", {"lr": 0.1, "weight_decay": 1e-3}),
        pytest.param("resnet20", {"lr": 0.02, "momentum": 0.9}, marks=pytest.mark.slow),
    ],
)
def test_stacked_convolutions_have_the_bits_of_single_ones(
    tmp_path: Path, few: Data, network: str, settings: dict[str, Any]
) -> None:
    shared = TrainingSettings(batch_size=20, epochs=5 if network == "lenet" else 1, **settings)
    found = train(network, few, tmp_path / "many", shared, seeds=range(4), how="stack", every="epoch")
    for run, own in zip(found, found.settings, strict=True):
        assert same_bits(run, train(network, few, tmp_path / f"one{own.seed}", own, every="epoch"))


@pytest.mark.parametrize("how", ["stack", "processes"])
def test_a_member_killed_before_its_initial_weights_is_begun_anew(
    tmp_path: Path, few: Data, how: Any
) -> None:
    shared: dict[str, Any] = {"seeds": range(2), "epochs": 2, "batch_size": 20, "how": how, "progress": False}
    whole = train("mlp50", few, tmp_path / "whole", **shared)
    train("mlp50", few, tmp_path / "parts", **shared)
    # As kill -9 leaves it between the first file and the first commit.
    (tmp_path / "parts" / "seed1" / "trajectory.zarr" / "zarr.json").unlink()
    shutil.rmtree(tmp_path / "parts" / "seed1" / "checkpoints")
    with pytest.warns(RunWarning, match="seed1 holds no step yet.*it is left out"):
        assert [one.seed for one in open_ensemble(tmp_path / "parts").settings] == [0]
    parts = train("mlp50", few, tmp_path / "parts", resume=True, **shared)
    assert all(same_bits(ours, theirs) for ours, theirs in zip(parts, whole, strict=True))


@pytest.mark.parametrize("how", ["stack", "processes"])
@pytest.mark.filterwarnings("ignore:.*the others go on")
def test_diverged_members_are_left_as_they_are_and_those_of_another_training_refused(
    tmp_path: Path, few: Data, how: Any
) -> None:
    shared: dict[str, Any] = {"seeds": [0, 1], "epochs": 2, "batch_size": 20, "how": how, "progress": False}
    before = train("mlp50", few, tmp_path / "runs", lr=1e5, **shared)
    assert before.statuses == ("diverged", "diverged")
    again = train("mlp50", few, tmp_path / "runs", lr=1e5, resume=True, **shared)
    assert again.statuses == ("diverged", "diverged")
    assert [run.steps.tolist() for run in again] == [run.steps.tolist() for run in before]
    for network, other in (("mlp50", {"lr": 0.1}), ("mlp-bn-2-40", {"lr": 1e5})):
        with pytest.raises(
            RunError, match=r"seed0 (was trained with lr=100000.0|is the run of another network)"
        ):
            train(network, few, tmp_path / "runs", resume=True, **(shared | other))


def test_a_training_that_is_prolonged_tells_its_new_length(tmp_path: Path, few: Data) -> None:
    shared: dict[str, Any] = {"seeds": [0], "batch_size": 20, "progress": False}
    train("mlp50", few, tmp_path / "runs", epochs=1, notes={"by": "me", "first": 1}, **shared)
    train("mlp50", few, tmp_path / "runs", epochs=3, notes={"by": "you"}, resume=True, **shared)
    found = open_ensemble(tmp_path / "runs")
    assert found.settings[0].epochs == 3 and len(found.select(epochs=3)) == 1
    assert found[0].manifest.notes["by"] == "you" and found[0].manifest.notes["first"] == 1
    train_recipe("mlp50", tmp_path / "preset", few, epochs=1, progress=False)
    run = train_recipe("mlp50", tmp_path / "preset", few, epochs=2, resume=True, progress=False)
    assert "epochs 2 instead of 200" in run.manifest.notes["chosen"][-1]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"schedule": "cosine"}, "another schedule"),
        ({"schedule": Exponential(gamma=0.5)}, "another schedule"),
        ({"loss": "squared-error"}, "loss squared-error instead of cross-entropy"),
        ({"dtype": "float64"}, "precision float64 instead of float32"),
        ({"decay_on": "dense"}, "decay on dense instead of all"),
        ({"frozen": ["fc1*"]}, "frozen layers fc1* instead of none"),
        ({"drop_last": True}, "a short last batch dropped: yes instead of no"),
        ({"phases": [{"start": 0, "classes": [0, 1]}]}, "from epochs 0 (0, 1) instead of none"),
    ],
)
def test_what_a_single_training_has_other_than_its_preset_is_among_its_choices(
    tmp_path: Path, few: Data, changes: dict[str, Any], told: str
) -> None:
    run = train_recipe("mlp50", tmp_path / "run", few, epochs=1, progress=False, **changes)
    assert told in run.manifest.notes["chosen"][-1]


def test_seed_and_seeds_are_not_both_given_to_a_preset(tmp_path: Path, few: Data) -> None:
    with pytest.raises(OptionError, match="seed and seeds are both given"):
        train_recipe("mlp50", tmp_path / "run", few, epochs=1, seed=1, seeds=[0, 1])


@pytest.mark.parametrize("settings", [{"lr": 1e39}, {"schedule": Exponential(gamma=1e300)}])
def test_rates_that_the_precision_does_not_hold_are_refused_first(
    tmp_path: Path, few: Data, settings: dict[str, Any]
) -> None:
    with pytest.raises(
        OptionError, match=r"the rate of epoch \d+ is .*, which float32 does not hold: choose a"
    ):
        train("mlp50", few, tmp_path / "run", epochs=3, **settings)
    assert not (tmp_path / "run").exists()
    assert TrainingSettings(lr=1e39, dtype="float64").lr == 1e39


class Odd(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 10)
        self.kind = kind

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs = self.fc(inputs.flatten(1))
        if self.kind == "bare":
            raise AssertionError
        if self.kind == "key":
            return {}["logits"]
        if self.kind == "silent":
            raise RuntimeError
        if not self.training:
            return outputs
        if self.kind == "rows":
            return outputs[:1]
        if self.kind == "detached":
            return outputs.detach()
        if self.kind == "train":
            raise AttributeError("no head to train")
        return outputs


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("bare", "does not take the samples of few digits, which have shape .1, 8, 8.: AssertionError"),
        ("key", "does not take the samples .*: 'logits'"),
        ("silent", "does not take the samples .*: RuntimeError"),
        ("rows", "gives .1, 10. for 2 samples of few digits while it trains"),
        ("detached", "takes the samples of few digits and cannot be trained on them: element 0 of tensors"),
        ("train", "takes the samples of few digits and cannot be trained on them: no head to train"),
    ],
)
@pytest.mark.parametrize("seeds", [None, [0, 1]])
def test_networks_that_cannot_be_trained_are_refused_before_anything_is_written(
    tmp_path: Path, few: Data, kind: str, said: str, seeds: list[int] | None
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        train(Odd(kind), few, tmp_path / "run", epochs=1, seeds=seeds, progress=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


class Particular(nn.Module):
    """Trains alone, and says nothing about why it cannot be mapped."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 10)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if type(self.fc.weight) is not nn.Parameter:
            raise AssertionError
        return self.fc(inputs.flatten(1))


def test_a_network_that_refuses_to_be_mapped_without_a_word_is_trained_apart(
    tmp_path: Path, few: Data
) -> None:
    found = train(Particular(), few, tmp_path / "runs", epochs=1, seeds=[0, 1], progress=False)
    assert "torch.func cannot map it (AssertionError)" in found.how


def test_a_setting_that_is_not_there_is_told_with_the_nearest(tmp_path: Path, few: Data) -> None:
    found = train("mlp50", few, tmp_path / "runs", epochs=1, seeds=[0], progress=False)
    with pytest.raises(OptionError, match='no training setting "learning_rate": did you mean lr'):
        found.select(learning_rate=0.1)
