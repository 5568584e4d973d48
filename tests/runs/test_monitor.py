"""Weights watched without being kept: the numbers of a recorded run, alarms for what was planted, none for walks."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from eigentrail.errors import OptionError, RunWarning
from eigentrail.findings import Finding
from eigentrail.runs import Monitor, Recorder, open_run, show_run
from eigentrail.runs.layer_numbers import NUMBERS
from eigentrail.spectra import Spectrum
from eigentrail.spectra.phases import PHASES


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(40, 60), nn.ReLU(), nn.Linear(60, 30), nn.Conv2d(3, 8, 3))


def walk(model: nn.Module, size: float, generator: torch.Generator) -> None:
    with torch.no_grad():
        for p in model.parameters():
            p.add_(size * torch.randn(p.shape, generator=generator))


def kinds(alarms: list[Finding]) -> set[tuple[str, str]]:
    return {(alarm.subject, alarm.data["kind"]) for alarm in alarms}


def test_the_numbers_are_those_of_the_matrices() -> None:
    model = network()
    monitor = Monitor(model, every=10, alarms=False)
    assert set(monitor.latest) == {"0.weight", "2.weight", "3.weight"}
    generator = torch.Generator().manual_seed(1)
    before = model[0].weight.detach().clone()
    looked = []
    for _ in range(25):
        walk(model, 0.01, generator)
        looked.append(monitor.step())
        if len(looked) == 10:
            middle = model[0].weight.detach().clone()
    assert [i + 1 for i, look in enumerate(looked) if look] == [10, 20]
    table = monitor.table
    assert table["step"].tolist() == [0] * 3 + [10] * 3 + [20] * 3
    row = table[(table.step == 10) & (table.layer == "0.weight")].iloc[0]
    assert row["update_norm"] == pytest.approx(float((middle - before).norm()), rel=1e-5)
    spectrum = Spectrum.from_matrix(middle)
    assert row["frobenius_norm"] == pytest.approx(float(middle.norm()), rel=1e-5)
    assert row["spectral_norm"] == pytest.approx(float(torch.linalg.matrix_norm(middle, 2)), rel=1e-5)
    assert row["stable_rank"] == pytest.approx(spectrum.ranks().stable, rel=1e-4)
    assert row["effective_rank"] == pytest.approx(spectrum.ranks().effective, rel=1e-4)
    assert row["spikes"] == spectrum.marchenko_pastur(0.05).spikes
    assert PHASES[int(row["phase"])] == Spectrum(spectrum.eigenvalues, 60, 40).phase().label


def test_memory_is_constant() -> None:
    model = nn.Linear(4, 4)
    monitor = Monitor(model, every=1, alarms=False)
    for step in range(1, 1201):
        monitor.step(step)
    assert len(monitor.table) == 1000
    assert monitor.table["step"].iloc[-1] == 1200


@pytest.mark.parametrize("size", [pytest.param(0.001, marks=pytest.mark.slow), 0.05])
def test_walks_raise_no_alarm_more_often_than_stated(size: float) -> None:
    # 12 trainings of 12 looks at 3 layers, at a level of 0.2: the chance of more than 7 with a false alarm is below
    # 1e-3 (binomial), were the stated rate exhausted.
    alarmed = 0
    for seed in range(12):
        model, generator = network(seed), torch.Generator().manual_seed(seed)
        seen: list[Finding] = []
        monitor = Monitor(model, every=1, alarms=seen.append, false_alarms=0.2)
        for _ in range(12):
            walk(model, size, generator)
            monitor.step()
        alarmed += bool(seen)
    assert alarmed <= 7


def test_a_planted_spike_and_a_collapse_are_told() -> None:
    model, generator = network(), torch.Generator().manual_seed(2)
    seen: list[Finding] = []
    monitor = Monitor(model, every=2, alarms=seen.append)
    u, v = torch.ones(60, 1) / math.sqrt(60), torch.ones(1, 40) / math.sqrt(40)
    for _ in range(10):
        walk(model, 0.001, generator)
        with torch.no_grad():
            model[0].weight.add_(0.6 * u @ v)
        monitor.step()
    assert ("0.weight", "spike birth") in kinds(seen)
    first = next(alarm for alarm in seen if alarm.data["kind"] == "spike birth")
    assert first.needs_look
    assert first.p is not None
    assert first.p < 0.05
    assert {layer for layer, _ in kinds(seen)} == {"0.weight"}
    for _ in range(40):
        with torch.no_grad():
            model[0].weight.add_(0.6 * u @ v)
        walk(model, 0.001, generator)
        monitor.step()
    assert {("0.weight", "rank collapse"), ("0.weight", "exploding norm")} <= kinds(seen)
    assert monitor.alarms == seen
    # Each is said once.
    assert len([a for a in seen if a.data["kind"] == "rank collapse"]) == 1


@pytest.mark.parametrize("how", ["cut to one direction", "all rows alike"])
def test_a_collapse_without_a_grown_direction_is_told(how: str) -> None:
    model, generator, seen = network(), torch.Generator().manual_seed(4), []
    monitor = Monitor(model, every=1, alarms=seen.append)
    for _ in range(3):
        walk(model, 0.01, generator)
        monitor.step()
    assert not seen
    with torch.no_grad():
        weight = model[0].weight
        u, s, v = torch.linalg.svd(weight, full_matrices=False)
        cut = s[0] * u[:, :1] @ v[:1]
        weight.copy_(cut if how.startswith("cut") else weight[:1].expand_as(weight).clone())
    monitor.step()
    assert ("0.weight", "rank collapse") in kinds(seen)


def test_weights_that_are_not_finite_and_layers_that_stop() -> None:
    model, generator = network(), torch.Generator().manual_seed(3)
    monitor = Monitor(model, every=1, alarms=True)
    still = model[2].weight.detach().clone()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        walk(model, 0.01, generator)
        still = model[2].weight.detach().clone()
        monitor.step()
    with pytest.warns(RunWarning, match=r"2\.weight: norm of the update 0, stopped moving at step 2\."):
        walk(model, 0.01, generator)
        with torch.no_grad():
            model[2].weight.copy_(still)
        monitor.step()
    with pytest.warns(RunWarning, match=r"0\.weight: not finite at step 3\."):
        walk(model, 0.01, generator)
        with torch.no_grad():
            model[0].weight[3, 4] = math.nan
        monitor.step()
    assert kinds(monitor.alarms) == {("2.weight", "stopped moving"), ("0.weight", "not finite")}
    assert math.isnan(monitor.latest["0.weight"]["spectral_norm"])
    assert math.isfinite(monitor.latest["2.weight"]["spectral_norm"])


def test_what_cannot_be_watched() -> None:
    with pytest.raises(OptionError, match="has no weight matrix"):
        Monitor(nn.LayerNorm(4))
    with pytest.raises(OptionError, match="every=0"):
        Monitor(network(), every=0)
    with pytest.raises(OptionError, match=r"takes an nn\.Module first"):
        Monitor("net")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="int objects show no numbers"):
        Monitor(network(), log_to=3)
    with pytest.raises(OptionError, match="level between 0 and 1"):
        Monitor(network(), false_alarms=1.5)


class Kept:
    """A logger that keeps what it is shown."""

    def __init__(self) -> None:
        self.told: dict[int, dict[str, float]] = {}

    def log(self, numbers: dict[str, float], step: int) -> None:
        self.told.setdefault(step, {}).update(numbers)


def test_a_finished_run_shows_what_the_training_showed(tmp_path: Path) -> None:
    model, live, later = network(), Kept(), Kept()
    generator = torch.Generator().manual_seed(4)
    with Recorder(model, tmp_path / "run", every=5, report=None) as recorder:
        recorder.log_to(live, every=5)
        for step in range(1, 11):
            walk(model, 0.05, generator)
            recorder.step(loss=1 / step)
    steps = show_run(open_run(tmp_path / "run"), later)
    assert steps.tolist() == list(range(11))
    assert later.told[3] == {"loss": 1 / 3}
    assert set(live.told) == {0, 5, 10}
    for step in live.told:
        for name in ("0.weight", "3.weight"):
            # What cannot be told of so small a matrix is shown by neither.
            told = {key: value for key, value in live.told[step].items() if key.startswith(name)}
            del told[f"{name}/update_norm"]
            shown = {key: value for key, value in later.told[step].items() if key.startswith(name)}
            assert shown == pytest.approx(told, rel=1e-6)


def test_tensorboard_reads_them_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    model, generator = network(), torch.Generator().manual_seed(5)
    with SummaryWriter(str(tmp_path / "board")) as writer:
        monitor = Monitor(model, every=2, alarms=False, log_to=writer)
        for _ in range(6):
            walk(model, 0.05, generator)
            monitor.step()
    board = EventAccumulator(str(tmp_path / "board"))
    board.Reload()
    for number in NUMBERS:
        told = board.Scalars(f"0.weight/{number}")
        assert [event.step for event in told] == [0, 2, 4, 6]
    last = board.Scalars("0.weight/frobenius_norm")[-1].value
    assert last == pytest.approx(float(model[0].weight.detach().norm()), rel=1e-6)
