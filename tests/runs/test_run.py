"""Runs opened again: weights, models and names, and what cannot be opened."""

from __future__ import annotations

import functools
import json
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eigentrail.errors import RunError, SourceError
from eigentrail.runs import BuildSpec, Recorder, Run, open_run
from eigentrail.weights import open_weights


class Small(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.one = nn.Linear(6, width)
        self.two = nn.Linear(width, 3)


def build_small(width: int) -> nn.Module:
    return Small(width)


def build_nothing() -> str:
    return "no network"


def recorded(path: Path, model: nn.Module, steps: int = 5, **how: object) -> Run:
    with Recorder(model, path, report=None, **how) as recorder:
        for step in range(1, steps + 1):
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.copy_(
                        torch.randn(parameter.shape, generator=torch.Generator().manual_seed(step))
                    )
            recorder.step(loss=1 / step)
    return open_run(path)


def test_a_step_is_a_source_of_weights(tmp_path: Path) -> None:
    model = Small()
    run = recorded(tmp_path / "run", model, layers={"one": 1, "two": 2, "*.bias": 5})
    weights = run.weights(5)
    assert torch.equal(weights["one.weight"], model.one.weight)
    assert "at step 5" in weights.source
    early = run.weights(3)
    assert list(early) == ["one.weight"]
    assert {skip.name: skip.reason for skip in early.skipped}["two.weight"] == (
        "not recorded at step 3; step 2 is the nearest that has it"
    )
    assert list(run.weights(4)) == ["one.weight", "two.weight"]
    assert list(run.weights(4, layers="two")) == ["two.weight"]
    with pytest.raises(SourceError):
        run.weights(3, layers="two")
    store = run.store(5)
    assert torch.equal(store.read("one.bias"), model.one.bias)
    assert torch.equal(store.read_rows("one.weight", 1, 3), model.one.weight[1:3])
    assert open_weights(store).fingerprint == run.store(5).fingerprint != run.store(4).fingerprint
    assert store.modules["one.weight"].class_name == "Linear"
    with pytest.raises(KeyError):
        store.read("three")
    with pytest.raises(RunError, match="has no step 6: the nearest are 5"):
        run.weights(6)


def test_steps_by_place_and_the_last_complete_one(tmp_path: Path) -> None:
    model = Small()
    run = recorded(tmp_path / "run", model, layers={"one": 1, "*": 2}, steps=5)
    assert run.last_complete == 5
    assert torch.equal(run.weights(-1)["two.weight"], model.two.weight)
    assert set(run.weights(-2)) == {"one.weight", "two.weight"}
    fresh = Small()
    fresh.load_state_dict(run.state_dict("last"))
    assert all(torch.equal(p, q) for p, q in zip(fresh.parameters(), model.parameters(), strict=True))
    assert torch.equal(run.model("last", into=Small()).one.weight, model.one.weight)
    with pytest.raises(RunError, match=r"at step 3: one\.bias, two\.weight, .*choose step 2"):
        run.state_dict(3)
    with pytest.raises(RunError, match='"first" is no step'):
        run.weights("first")  # type: ignore[arg-type]
    with pytest.raises(RunError, match="has no step -7"):
        run.weights(-7)


def test_layers_as_numpy_and_torch_take_them(tmp_path: Path) -> None:
    model = Small()
    run = recorded(tmp_path / "run", model)
    last = torch.as_tensor(run["one"][-1])
    assert last.dtype == torch.float32
    assert torch.equal(last, model.one.weight.detach())
    last.zero_()
    assert torch.equal(torch.as_tensor(run["one"][-1]), model.one.weight.detach())
    assert isinstance(run["one"].numpy(), np.ndarray)
    assert (run["two.bias"] - run["two.bias"][0]).to_pandas().shape == (6, 3)
    assert run.keys() == run.layers.keys()
    assert list(run.arrays(["*.bias"])) == ["one.bias", "two.bias"]
    assert run["o*.bias"].name == "one.bias"
    with pytest.raises(RunError, match=r'"\*\.bias" fits 2 layers .*take them all with arrays'):
        run["*.bias"]
    page = run._repr_html_()
    assert "<td>two.bias</td><td>3</td>" in page
    assert "metrics: loss" in page


def test_a_zipped_run_opens(tmp_path: Path) -> None:
    model = Small()
    recorded(tmp_path / "runs/first", model)
    whole = shutil.make_archive(str(tmp_path / "whole"), "zip", tmp_path / "runs")
    inside = shutil.make_archive(str(tmp_path / "inside"), "zip", tmp_path / "runs/first")
    for path in (whole, inside):
        run = open_run(path)
        assert run.status == "finished"
        assert torch.equal(run.weights(5)["one.weight"], model.one.weight)
        assert open_run(path).path == run.path
    (tmp_path / "torn.zip").write_bytes(Path(whole).read_bytes()[:-300] + b"PK" + bytes(20))
    with pytest.raises(RunError, match=r"is no folder|cannot be unpacked"):
        open_run(tmp_path / "torn.zip")


def test_lazy_selection_reads_right(tmp_path: Path) -> None:
    run = recorded(tmp_path / "run", Small(), steps=30)
    lazy, full = run["one"], run["one"].values
    assert full.shape == (31, 4, 6)
    for key in (3, -1, slice(None, None, 7), slice(20, 3, -4), [5, 1, 1], np.arange(31) % 3 == 0):
        assert np.array_equal(lazy[key].values, full[key])
        assert np.array_equal(lazy[key, 2].values, full[key][..., 2, :])
        assert np.array_equal(lazy[key, [3, 0], 1:4].values, full[key][..., [3, 0], :][..., 1:4])
    assert np.array_equal(lazy.sel(step=[4, 9]).values, full[[4, 9]])
    again = pickle.loads(pickle.dumps(lazy))
    assert np.array_equal(again.values, full)


def test_models_are_built_again(tmp_path: Path) -> None:
    model = Small(5)
    run = recorded(tmp_path / "a", model, rebuild=functools.partial(Small, width=5))
    assert torch.equal(run.model(5).two.weight, model.two.weight)
    assert not torch.equal(run.model(4).two.weight, model.two.weight)
    run = recorded(tmp_path / "b", model, rebuild=functools.partial(build_small, 5))
    with pytest.raises(RunError, match=r"names the function .*build_small .* open the run with trust=True"):
        run.model(5)
    assert torch.equal(run.model(5, trust=True).two.weight, model.two.weight)
    run = recorded(tmp_path / "c", model)
    with pytest.raises(
        RunError, match=r"does not say how to build its network \(.*:Small\): pass one with into="
    ):
        run.model(5)
    assert torch.equal(run.model(5, into=Small(5)).one.weight, model.one.weight)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (BuildSpec(target="no.such.module:Net"), "cannot be imported"),
        (BuildSpec(target="torch.nn:NoSuchLayer"), "cannot be imported"),
        (BuildSpec(target="torch.nn:Linear", args=[1]), "does not build the network"),
        (BuildSpec(target="os:system", args=["false"]), "trust=True"),
        (
            BuildSpec(target="this:s"),
            "open the run with trust=True .eigentrail analyze --trust. or import this first",
        ),
        (BuildSpec(target="eigentrail.networks.registry:build", args=["os:system", [1], 2]), "trust=True"),
        (f"{build_nothing.__module__}:build_nothing", "gives a str, not a network"),
    ],
)
def test_builds_that_fail(tmp_path: Path, build: BuildSpec | str, sentence: str) -> None:
    run = recorded(tmp_path / "run", Small(), rebuild=build)
    with pytest.raises(RunError, match=sentence):
        run.model(5, trust="trust=True" not in sentence)
    assert "this" not in sys.modules  # a module that nobody trusts is not even imported


def test_models_that_do_not_fit(tmp_path: Path) -> None:
    run = recorded(
        tmp_path / "run", Small(), layers={"one": 1, "one.bias": 1, "two": 2, "two.bias": 3}, steps=8
    )
    with pytest.raises(RunError, match=r"at step 2: two\.bias is not recorded then; choose step 3"):
        run.model(2, into=Small())
    with pytest.raises(
        RunError, match=r"at step 5: two\.weight, two\.bias are not recorded then; choose step 6"
    ):
        run.model(5, into=Small())
    with pytest.raises(
        RunError, match=r"one\.weight has shape \(4, 6\) at step 6 and \(9, 6\) in the network"
    ):
        run.model(6, into=Small(9))
    with pytest.raises(RunError, match=r"run of another network: it has no 0.weight"):
        run.model(6, into=nn.Sequential(nn.Linear(2, 2)))
    normed = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    run = recorded(tmp_path / "normed", normed)
    with pytest.raises(
        RunError, match=r"1\.running_mean, 1\.running_var are not recorded then; choose step 5, or record"
    ):
        run.model(3, into=normed)
    run = recorded(tmp_path / "buffers", normed, layers=["*", "*.running_*"])
    assert torch.equal(
        run.model(5, into=nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))[0].weight, normed[0].weight
    )


def test_names(tmp_path: Path) -> None:
    run = recorded(tmp_path / "run", Small())
    assert list(run) == list(run.layers)
    assert len(run) == 4
    assert "one.weight" in run
    assert "one" not in run
    assert run.select() == list(run.layers)
    assert run.select(["two", "one.*"]) == ["one.weight", "one.bias", "two.weight"]
    with pytest.raises(RunError, match=r'no layer is named "on": there are one'):
        run["on"]
    with pytest.raises(RunError, match="no layer is named"):
        run.select("three*")
    assert "finished, 4 layers, 6 steps, 0 to 5" in repr(run)
    assert repr(run.layers["two.bias"]) == "<two.bias: (3,) float32, 6 steps, 0 to 5>"


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not there"):
        open_run(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is no folder"):
        open_run(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"is no run: it has no run\.json, and no numbered checkpoints"):
        open_run(tmp_path / "empty")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda p: (p / "run.json").write_text("{"), "is no manifest of a run"),
        (lambda p: (p / "run.json").write_text('{"format": 1}'), "is no manifest of a run"),
        (lambda p: (p / "run.json").write_bytes(b"\xff\xfe"), "cannot be read"),
        (lambda p: (p / "run.json").unlink(), "damaged"),
        (lambda p: (p / "trajectory.zarr/zarr.json").unlink(), "holds no step yet"),
        (lambda p: (p / "trajectory.zarr/zarr.json").write_text("]"), "cannot be read"),
        (lambda p: (p / "trajectory.zarr/zarr.json").write_text("{}"), "was not written by a recorder"),
        (lambda p: (p / "trajectory.zarr/one.weight/step/c.0").unlink(), "damaged"),
    ],
)
def test_damaged_runs(tmp_path: Path, damage: object, sentence: str) -> None:
    recorded(tmp_path / "run", Small())
    damage(tmp_path / "run")  # type: ignore[operator]
    with pytest.raises(RunError, match=sentence):
        open_run(tmp_path / "run")


def test_runs_of_a_newer_version(tmp_path: Path) -> None:
    recorded(tmp_path / "run", Small())
    manifest = json.loads((tmp_path / "run/run.json").read_text())
    (tmp_path / "run/run.json").write_text(json.dumps(manifest | {"format": 3}))
    with pytest.raises(RunError, match="format 3, newer than 2: install a newer eigentrail"):
        open_run(tmp_path / "run")
