"""Runs that earlier versions recorded open as before, and recording goes on in them."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from old_run import FORMAT_1, Old, set_at, value_at

from eigentrail.runs import Recorder, Run, open_run

SCHEDULES = {"fc": 1, "fc.bias": 4, "conv": "epoch", "*": 3}
STEPS = {
    "fc.weight": list(range(11)),
    "fc.bias": [0, 4, 8, 10],
    "conv.weight": [0, 5, 10],
    "half.weight": [0, 3, 6, 9, 10],
    "a/b.weight": [0, 3, 6, 9, 10],
    "scale": [0, 3, 6, 9, 10],
}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with zipfile.ZipFile(FORMAT_1) as packed:
        packed.extractall(tmp_path)
    return tmp_path / "run"


def check(run: Run) -> None:
    shapes = {name: tuple(p.shape) for name, p in Old().named_parameters()}
    assert set(run.layers) == set(shapes)
    for name, steps in STEPS.items():
        assert run[name].step.values.tolist() == steps
        assert np.array_equal(run[name].values, np.stack([value_at(shapes[name], s) for s in steps]))
    assert run["half"].dtype == "float32"
    assert run.store(6).read("half.weight").dtype == torch.bfloat16


def test_a_run_of_format_1(old: Path) -> None:
    run = open_run(old)
    check(run)
    assert run.status == "finished"
    assert run["conv.weight"].epoch.values.tolist() == [0, 1, 2]
    assert np.array_equal(run.metrics["loss"].values[1:], 1 / np.arange(1, 11))
    assert run.metrics["accuracy"].dropna("step").values.tolist() == [0.5, 1.0]
    assert run["twin"].identical(run["fc"])
    assert run.checkpoints == (0, 6)
    assert run.manifest is not None
    assert run.manifest.seed == 7
    assert run.manifest.notes == {"why": "kept"}
    model = run.model(10, into=Old())
    assert torch.equal(model.state_dict()["half.weight"], torch.from_numpy(value_at((2, 2), 10)).bfloat16())
    norms = run.analyses.get("norms")
    assert norms is not None
    assert norms["norm"].tolist() == [2.0]
    with xr.open_datatree(old / "trajectory.zarr", engine="zarr") as tree:
        assert np.array_equal(tree["fc.weight"]["weights"].values, run["fc"].values)


def test_recording_goes_on_in_a_run_of_format_1(old: Path, tmp_path: Path) -> None:
    model = Old()
    for resume in (True, 6):
        folder = tmp_path / f"copy_{resume}"
        shutil.copytree(old, folder)
        at = 10 if resume is True else 6
        set_at(model, at)
        with Recorder(model, folder, SCHEDULES, resume=resume, report=None) as recorder:
            for step in range(at + 1, 14):
                set_at(model, step)
                recorder.step(loss=1 / step)
        run = open_run(folder)
        assert run.steps.tolist() == list(range(14))
        for name, shape in (("fc.weight", (3, 4)), ("half.weight", (2, 2)), ("scale", ())):
            steps = run[name].step.values.tolist()
            assert steps[-1] == 13
            assert np.array_equal(run[name].values, np.stack([value_at(shape, s) for s in steps]))
        with xr.open_datatree(folder / "trajectory.zarr", engine="zarr") as tree:
            assert np.array_equal(tree["fc.weight"]["weights"].values, run["fc"].values)
