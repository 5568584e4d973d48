"""Recording many networks at once leaves the runs that recording each by itself leaves."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eigentrail.errors import RunError
from eigentrail.runs import Recorder, together
from eigentrail.runs.opening import open_run

LAYERS = {"weight": 1, "bias": "epoch", "scale": [3, 150, 151]}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 2))
        self.bias = nn.Parameter(torch.zeros(2))
        self.scale = nn.Parameter(torch.zeros(()))


def record(folder: Path, at_once: bool, steps: int = 200) -> None:
    values = {
        name: torch.zeros(4, *shape) for name, shape in (("weight", (3, 2)), ("bias", (2,)), ("scale", ()))
    }
    nets = [Net() for _ in range(4)]
    for k, net in enumerate(nets):
        for name, parameter in net.named_parameters():
            parameter.data = values[name][k]
    recorders = [Recorder(net, folder / str(k), LAYERS, report=None) for k, net in enumerate(nets)]
    generator = torch.Generator().manual_seed(1)
    with ExitStack() as stack:
        for recorder in recorders:
            stack.enter_context(recorder)
        group = together.Together(recorders, values.get)
        for step in range(1, steps + 1):
            for value in values.values():
                value.add_(torch.randn(value.shape, generator=generator))
            metrics = [{"loss": step + k / 10} | ({"rare": 1.0} if step == 130 else {}) for k in range(4)]
            if at_once:
                group.step(step, step / 40, metrics)
            else:
                for recorder, numbers in zip(recorders, metrics, strict=True):
                    recorder.step(step, epoch=step / 40, **numbers)
            if step % 40 == 0:
                group.flush()
                for recorder in recorders:
                    recorder.epoch(step / 40, score=step)
                    recorder.checkpoint()
        group.flush()


def compare(one: Path, other: Path) -> None:
    for k in range(4):
        a, b = open_run(one / str(k)), open_run(other / str(k))
        assert a.status == b.status == "finished"
        assert a.steps.tolist() == b.steps.tolist()
        assert a.checkpoints == b.checkpoints
        xr_a, xr_b = (run.metrics.load() for run in (a, b))
        assert xr_a.identical(xr_b)
        for layer in LAYERS:
            assert a[layer].load().identical(b[layer].load()), layer
        assert a["bias"].step.values.tolist() == [0, 40, 80, 120, 160, 200]
        assert a["scale"].step.values.tolist() == [0, 3, 150, 151, 200]
        assert a.manifest.overhead.steps == 200


def test_the_same_runs(tmp_path: Path) -> None:
    record(tmp_path / "one", at_once=False)
    record(tmp_path / "many", at_once=True)
    compare(tmp_path / "one", tmp_path / "many")


def test_what_takes_too_much_memory_is_told_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path / "one", at_once=False)
    monkeypatch.setattr(together, "_MEMORY", 1000)
    record(tmp_path / "many", at_once=True)
    compare(tmp_path / "one", tmp_path / "many")


def test_steps_only_go_forward(tmp_path: Path) -> None:
    net = Net()
    values = {name: p.detach()[None] for name, p in net.named_parameters()}
    with Recorder(net, tmp_path / "run", report=None) as recorder:
        group = together.Together([recorder], values.get)
        group.step(1, 0.5, [{}])
        with pytest.raises(RunError, match="step 1 was told after step 1"):
            group.step(1, 0.6, [{}])
        with pytest.raises(RunError, match="only go forward"):
            group.step(2, 0.4, [{}])
        group.flush()
    assert np.array_equal(open_run(tmp_path / "run").steps, [0, 1])
