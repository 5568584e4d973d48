"""What is said before a training begins, so that nothing is written that could not go on."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import eigentrail as et
from eigentrail import data
from eigentrail.data import Augmentation, Data
from eigentrail.errors import DataError, OptionError, RunWarning
from eigentrail.training import ClassPhase, Cosine, Exponential, Step, TrainingSettings, train
from eigentrail.training.ensemble_members import plan_members


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Augmentation(rotation="random"),
            r"Augmentation\(rotation='random'\) cannot be used: input should",
        ),
        (lambda: Augmentation(crop=-1), r"Augmentation\(crop=-1\) cannot be used: input should be greater"),
        (lambda: Augmentation(rotate="range"), 'no setting of Augmentation "rotate": did you mean rotation'),
        (lambda: Exponential(gamma=-1), r"the schedule Exponential\(gamma=-1\) cannot be used"),
        (lambda: Exponential(gamma=float("nan")), r"the schedule Exponential\(gamma=nan\) cannot be used"),
        (Exponential, r"the schedule Exponential needs gamma: give gamma="),
        (
            lambda: Step(at=(0,)),
            r"the schedule Step\(at=\(0,\)\) cannot be used: epochs in which the rate changes",
        ),
        (lambda: Step(at=5), r"the schedule Step\(at=5\) cannot be used: input should be a valid tuple"),
        (lambda: Cosine(final=2), r"the schedule Cosine\(final=2\) cannot be used"),
        (lambda: ClassPhase(start=-1, classes=[1]), r"ClassPhase\(start=-1\) cannot be used"),
        (lambda: ClassPhase(start=0, classes=[]), r"ClassPhase\(classes=\[\]\) cannot be used"),
        (lambda: ClassPhase(start=0, classes=["a"]), r"ClassPhase\(classes.0='a'\) cannot be used"),
        (
            lambda: TrainingSettings(schedule={"kind": "step", "at": [0]}),
            r"the schedule Step\(at=\[0\]\) cannot",
        ),
        (
            lambda: TrainingSettings(phases=[{"start": -1, "classes": [1]}]),
            r"ClassPhase\(start=-1\) cannot be",
        ),
    ],
)
def test_wrong_settings_of_every_kind_are_one_clear_sentence(make, said: str) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        make()
    assert "\n" not in str(caught.value)
    assert "http" not in str(caught.value)


@pytest.mark.parametrize("batch_size", [32, 1])
@pytest.mark.parametrize("arguments", [{}, {"seeds": [0, 1]}, {"seeds": [0, 1], "how": "processes"}])
def test_batch_norm_gets_no_batch_of_one_sample(
    tmp_path: Path, digits: Data, batch_size: int, arguments: dict[str, object]
) -> None:
    some = data.take(digits, 33)
    mend = ", or drop_last=True" if batch_size > 1 else ""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with pytest.raises(
        DataError,
        match=rf"BatchNormMLP cannot be trained on a batch of one sample.* than {batch_size}{mend}$",
    ) as caught:
        train(
            "mlp-bn-2-40",
            some,
            tmp_path / "run",
            epochs=1,
            batch_size=batch_size,
            progress=False,
            **arguments,
        )
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    assert torch.equal(torch.get_rng_state(), before)


def test_what_takes_a_single_sample_is_trained_on_it(tmp_path: Path, digits: Data) -> None:
    some = data.take(digits, 33)
    assert len(train("mlp50", some, tmp_path / "a", epochs=1, progress=False).steps) == 3
    assert (
        len(train("mlp-bn-2-40", some, tmp_path / "b", epochs=1, drop_last=True, progress=False).steps) == 2
    )
    # One sample is left over in the epoch of a phase.
    one = int(some.train_targets[0])
    count = int((some.train_targets == one).sum())
    phases = (ClassPhase(start=1, classes=[one]),)
    with pytest.raises(DataError, match="batch of one sample"):
        train("mlp-bn-2-40", some, tmp_path / "c", epochs=2, phases=phases, batch_size=max(count - 1, 1))


def test_batch_norm_without_running_statistics_is_trained(tmp_path: Path, digits: Data) -> None:
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64, track_running_stats=False), nn.Linear(64, 10))
    run = train(model, data.take(digits, 64, 10), tmp_path / "run", epochs=1, progress=False)
    assert len(run.steps) == 3


@pytest.mark.parametrize("arguments", [{}, {"seeds": [0, 1]}])
def test_samples_that_are_no_images_are_refused_before_anything_is_written(
    tmp_path: Path, arguments: dict[str, object]
) -> None:
    own = (torch.randn(40, 12), torch.arange(40) % 4)
    model = nn.Linear(12, 4)
    with pytest.raises(DataError, match=r"samples of shape \(12,\) cannot be cropped"):
        train(
            model, own, tmp_path / "run", epochs=1, augmentation=Augmentation(), progress=False, **arguments
        )
    assert not (tmp_path / "run").exists()
    train(model, own, tmp_path / "run", epochs=1, progress=False, **arguments)


def test_bfloat16_samples_are_trained_on(tmp_path: Path) -> None:
    own = (torch.randn(40, 12).bfloat16(), torch.arange(40) % 4)
    assert len(train(nn.Linear(12, 4), own, tmp_path / "run", epochs=1, progress=False).steps) == 3


def test_phases_and_changes_of_the_rate_that_never_come_are_said(tmp_path: Path, few: Data) -> None:
    never = r"begins at epoch 5 of the training, which its epochs 0 to 1 do not reach"
    with pytest.warns(RunWarning, match=never):
        train(
            "mlp50", few, tmp_path / "a", epochs=2, phases=[ClassPhase(start=5, classes=[1])], progress=False
        )
    with pytest.warns(
        RunWarning, match=r"the rate changes at epoch 3 of the training, which its epochs 0 to 2 "
    ):
        train("mlp50", few, tmp_path / "b", epochs=3, schedule=Step(at=(2, 3)), progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RunWarning)
        train("mlp50", few, tmp_path / "c", epochs=3, schedule=Step(at=(1, 2)), progress=False)
        et.recipes.train_recipe(
            "resnet20-projection", tmp_path / "d", data.take(few, 20, 5), epochs=1, progress=False
        )


def test_grids_are_named_as_they_are_meant() -> None:
    with pytest.raises(OptionError, match=r"seeds=5: give several values, such as seeds=range\(5\)$"):
        plan_members(TrainingSettings(), seeds=5)
    for grid in (torch.tensor([0.1, 0.001]), np.array([0.1, 0.001], np.float32), [0.1, 0.001]):
        members = plan_members(TrainingSettings(), weight_decay=grid)
        assert [one.name for one in members] == ["decay0.1-seed0", "decay0.001-seed0"]
        assert [one.settings.weight_decay for one in members] == [0.1, 0.001]


def test_a_preset_is_trained_on_anybodys_data(tmp_path: Path, digits: Data) -> None:
    noisy = data.label_noise(data.take(digits, 64, 10), 0.5)
    run = et.recipes.train_recipe("mlp50", tmp_path / "a", noisy, epochs=1, progress=False)
    assert run.manifest.data["fingerprint"] == noisy.fingerprint
    assert len(run.steps) == 3
    pair = (noisy.train_inputs, noisy.train_targets)
    for number, given in enumerate((pair, torch.utils.data.TensorDataset(*pair), "training_data:noisy")):
        run = et.recipes.train_recipe("mlp50", tmp_path / str(number), given, epochs=1, progress=False)
        assert run.manifest.data["train_samples"] == 64
        assert run.manifest.notes["study"] == "mlp50"
        assert "instead of mnist" in run.manifest.notes["chosen"][-1]
    assert "training_data:noisy instead of mnist" in run.manifest.notes["chosen"][-1]
    with pytest.raises(DataError, match="is a int: give a pair"):
        et.recipes.train_recipe("mlp50", tmp_path / "b", 5)


def test_members_trained_in_processes_say_how_their_data_were_made(tmp_path: Path, digits: Data) -> None:
    some = data.take(digits, 64, 10)
    found = train("mlp50", some, tmp_path / "run", seeds=[0, 1], how="processes", epochs=1, progress=False)
    assert all(data.rebuild(run.manifest.data).fingerprint == some.fingerprint for run in found)
