"""Classes that are swapped in mid-training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from eigentrail import open_run
from eigentrail.data import Data
from eigentrail.errors import DataError, OptionError
from eigentrail.training import ClassPhase, TrainingSettings, train
from eigentrail.training.calendar import Calendar

SWAP = (ClassPhase(start=1, classes=range(3)), ClassPhase(start=3, classes=(3, 4, 5, 6, 7, 8, 9)))


def test_every_epoch_sees_its_phases_samples_once() -> None:
    targets = torch.arange(103) % 10
    calendar = Calendar(TrainingSettings(epochs=5, batch_size=10, phases=SWAP), targets)
    # 103 samples; 33 of three classes; 70 of the seven others.
    assert [calendar.steps_in(epoch) for epoch in range(5)] == [11, 4, 4, 7, 7]
    assert calendar.steps == 33
    assert [calendar.start_of(epoch) for epoch in range(5)] == [0, 11, 15, 19, 26]
    for epoch, classes in (
        (0, range(10)),
        (1, range(3)),
        (2, range(3)),
        (3, range(3, 10)),
        (4, range(3, 10)),
    ):
        wanted = [i for i in range(103) if int(targets[i]) in classes]
        assert sorted(calendar.order(epoch).tolist()) == wanted
    assert calendar.order(1).tolist() != calendar.order(2).tolist()


def test_steps_and_epochs_belong_together() -> None:
    calendar = Calendar(TrainingSettings(epochs=5, batch_size=10, phases=SWAP), torch.arange(103) % 10)
    assert [calendar.epoch_of(step) for step in (0, 10, 11, 14, 15, 32, 33)] == [0, 0, 1, 1, 2, 4, 5]
    assert [calendar.time(step) for step in (0, 11, 13, 15, 33)] == [0, 1, 1.5, 2, 5]
    times = [calendar.time(step) for step in range(34)]
    assert times == sorted(set(times))


def test_a_swap_is_learned_and_forgets(digits: Data, tmp_path: Path) -> None:
    phases = (ClassPhase(start=0, classes=range(5)), ClassPhase(start=6, classes=range(5, 10)))
    run = train("mlp50", digits, tmp_path / "run", epochs=12, lr=0.1, phases=phases, layers=["fc2.weight"])
    metrics = run.metrics.dropna("step", subset=["test_accuracy_phase1"])
    first, second = metrics.test_accuracy_phase1.values, metrics.test_accuracy_phase2.values
    epochs = metrics.epoch.values
    assert epochs.tolist() == list(range(13))
    assert first[6] > 0.95
    assert second[:7].max() < 0.1
    assert second[12] > 0.9
    assert first[12] < 0.5
    parts = [
        (digits.test_targets < 5).double().mean().item(),
        (digits.test_targets >= 5).double().mean().item(),
    ]
    assert metrics.test_accuracy.values == pytest.approx(parts[0] * first + parts[1] * second)
    # The run keeps what was swapped when.
    assert run.manifest.notes["training"]["phases"][1] == {"start": 6, "classes": [5, 6, 7, 8, 9]}


def test_a_swap_goes_on_after_an_interruption_to_the_same_bits(few: Data, tmp_path: Path) -> None:
    phases = (ClassPhase(start=0, classes=range(4)), ClassPhase(start=2, classes=range(4, 10)))
    settings = TrainingSettings(batch_size=20, lr=0.1, momentum=0.5, phases=phases)
    train("mlp50", few, tmp_path / "parts", settings, epochs=2)
    parts = train("mlp50", few, tmp_path / "parts", settings, epochs=4, resume=True)
    whole = train("mlp50", few, tmp_path / "whole", settings, epochs=4)
    assert (parts["fc2.weight"].values == whole["fc2.weight"].values).all()
    assert parts.metrics.epoch.values.tolist() == whole.metrics.epoch.values.tolist()
    assert open_run(tmp_path / "parts").status == "finished"


def test_what_no_phase_can_be(few: Data, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"phases begin at epochs .3, 3.: each must begin later"):
        TrainingSettings(phases=(ClassPhase(start=3, classes=[0]), ClassPhase(start=3, classes=[1])))
    with pytest.raises(
        DataError, match="no training sample has class 10, which is to be trained from epoch 2 on"
    ):
        train("mlp50", few, tmp_path / "run", phases=(ClassPhase(start=2, classes=(1, 10)),))
    assert not (tmp_path / "run").exists()
