from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_sweeps import TINY, assert_alike, checkpoint_of_three

import eigentrail as et
from eigentrail.errors import DataError, EigentrailError, OptionError, RunError
from eigentrail.evaluation.of_run import samples_of
from eigentrail.sweeps import SweepFolder, carry_out, plan
from eigentrail.sweeps.folder import rows_of, table_of
from eigentrail.sweeps.measures import check_measures, measure
from eigentrail.sweeps.work import do_unit

#: Each run a unit of its own.
APART = TINY | {"stack": 1, "epochs": 6}


def _in_child(call: Callable[[], Any]) -> int:
    """Run a call in a forked process, which has imported everything already."""
    child = os.fork()
    if child == 0:
        try:
            call()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return child


def test_every_point_is_a_run_and_a_row(carried_out: SweepFolder) -> None:
    table = table_of(carried_out.rows())
    assert len(table) == 8 and table["status"].eq("finished").all()
    assert table["run"].map(lambda name: et.open_run(carried_out.path / name).status).eq("finished").all()
    assert table["steps"].tolist() == [6, 6, 4, 4] * 2
    assert not table[["weight_decay", "batch_size", "seed"]].duplicated().any()
    pd.testing.assert_frame_equal(
        table, pd.read_parquet(carried_out.path / "table.parquet"), check_dtype=False
    )


def test_measures_are_those_of_the_run(carried_out: SweepFolder) -> None:
    row = carried_out.rows()[0]
    run = et.open_run(carried_out.path / "runs" / row["unit"] / row["name"])
    names = [
        "rank",
        "rank_1e-2",
        "rank_0.1_spectral",
        "effective_rank",
        "numerical_rank",
        "rank@fc1",
        "test_loss",
        "gap",
    ]
    found = measure(run, names)
    weights = [run[name].values for name in run.layers if run[name].ndim == 3]
    sigma = [np.linalg.svd(w[-1], compute_uv=False) for w in weights]
    norm = [np.linalg.norm(s) for s in sigma]
    rank = [
        float(np.mean([(s > eps * n).sum() for s, n in zip(sigma, norm, strict=True)]))
        for eps in (1e-3, 1e-2)
    ]
    assert [found.values["rank"], found.values["rank_1e-2"]] == rank
    assert found.values["numerical_rank"] == rank[0]
    assert found.values["rank_0.1_spectral"] == np.mean([(s > 0.1 * s[0]).sum() for s in sigma])
    entropy = [np.exp(-np.sum(p * np.log(p))) for p in (s**2 / (s**2).sum() for s in sigma)]
    assert found.values["effective_rank"] == pytest.approx(np.mean(entropy))
    epochs, values = found.curves["rank"]
    assert epochs == [0.0, 1.0, 2.0] and values[-1] == rank[0]
    assert found.values["gap"] == pytest.approx(
        float(
            run.metrics["train_accuracy"].dropna("step")[-1] - run.metrics["test_accuracy"].dropna("step")[-1]
        )
    )


def _not_asked(*_: Any, **__: Any) -> None:
    raise AssertionError("a number without a null needs no random walks")


def test_numbers_of_analyses_and_of_the_hessian_are_measures(
    carried_out: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = carried_out.rows()[0]
    run = et.open_run(carried_out.path / "runs" / row["unit"] / row["name"])
    with monkeypatch.context() as patched:
        patched.setattr(sys.modules["eigentrail.trajectories.crossings"], "walk_crossings", _not_asked)
        counted = measure(run, ["crossings.crossings@fc2"]).values["crossings.crossings@fc2"]
    found = measure(run, ["hessian_top", "hessian_top@fc3", "crossings.crossings@fc2", "crossings.shape@fc2"])
    assert found.values["crossings.crossings@fc2"] == counted
    # The first samples of the digits, which the sweep took, are those of the run.
    x, y = (torch.as_tensor(one) for one in samples_of(run))
    model = run.model(int(run.steps[-1])).double().eval()
    whole = et.Curvature(model, None, (x.double(), y)).top(1).values[0]
    assert found.values["hessian_top"] == pytest.approx(float(whole), rel=1e-2)
    assert 0 < (found.values["hessian_top@fc3"] or 0) <= 1.01 * float(whole)
    crossings = et.analyze(run, ["crossings"], layers="fc2", progress=False).tables["crossings"]
    assert found.values["crossings.crossings@fc2"] == crossings["crossings"][0]
    assert found.values["crossings.shape@fc2"] is None and "no number" in found.why["crossings.shape@fc2"]
    with pytest.raises(OptionError, match="quantity of crossings"):
        check_measures(["crossings.crosings"])


def test_started_again_nothing_is_done_twice(carried_out: SweepFolder, tmp_path: Path) -> None:
    path = shutil.copytree(carried_out.path, tmp_path / "again")

    def stamps(pattern: str) -> dict[Path, int]:
        return {found: found.stat().st_mtime_ns for found in path.glob(pattern)}

    marks, weights = stamps("runs/*/done.json"), stamps("runs/*/*/trajectory.zarr/zarr.json")
    assert marks and weights
    carry_out(plan(TINY, out=path), jobs=1, progress=False)
    assert stamps("runs/*/done.json") == marks
    # Another measure needs no other training.
    more = TINY | {"measure": ["rank", "train_accuracy", "rank_1e-2"]}
    table = table_of(carry_out(plan(more, out=path), jobs=1, progress=False).rows())
    assert table["rank_1e-2"].notna().all()
    assert stamps("runs/*/*/trajectory.zarr/zarr.json") == weights


def test_the_driver_is_killed_at_random_and_nothing_is_lost_or_counted_twice(
    carried_out: SweepFolder, tmp_path: Path
) -> None:
    _killed(carried_out, tmp_path / "killed", random.Random(0), most=4)


@pytest.mark.slow
def test_the_driver_is_killed_many_times(carried_out: SweepFolder, tmp_path: Path) -> None:
    for turn in range(8):
        _killed(carried_out, tmp_path / str(turn), random.Random(turn), most=12)


def _killed(whole: SweepFolder, path: Path, chance: random.Random, most: int) -> None:
    planned = plan(TINY, out=path)
    for _ in range(most):
        child = _in_child(lambda: carry_out(planned, jobs=1, progress=False))
        deadline = time.monotonic() + chance.uniform(0.05, 0.8)
        while time.monotonic() < deadline and not os.waitpid(child, os.WNOHANG)[0]:
            time.sleep(0.01)
        try:
            # What Ctrl-C sends, or what cannot be caught.
            os.kill(child, chance.choice((signal.SIGKILL, signal.SIGINT)))
            os.waitpid(child, 0)
        except (ProcessLookupError, ChildProcessError):
            break
        # What the table says while it is being made is true.
        assert len(rows_of(path)) % 4 == 0
    assert_alike(carry_out(planned, jobs=1, progress=False), _table_of(whole))


def _table_of(folder: SweepFolder) -> SweepFolder:
    folder.write_table()
    return folder


def _workers(path: Path) -> list[int]:
    """The processes that have claimed units and not released them."""
    found = []
    for one in path.glob("runs/*/claim.*"):
        told = json.loads(one.read_text(encoding="utf-8"))
        if not told.get("released") and not (one.parent / "done.json").is_file():
            found.append(int(told["pid"]))
    return found


def _workers_killed(path: Path, chance: random.Random, most: int) -> int:
    """Carry the tiny sweep out in processes, some of which are killed; how many were."""
    planned = plan(APART, out=path)
    child = _in_child(lambda: carry_out(planned, jobs=2, progress=False))
    killed = 0
    while not os.waitpid(child, os.WNOHANG)[0]:
        time.sleep(chance.uniform(0.0, 0.2))
        if killed < most and (living := [pid for pid in _workers(path) if pid != child]):
            try:
                os.kill(chance.choice(living), signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                continue
    return killed


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    planned = plan(APART, out=tmp_path_factory.mktemp("apart") / "whole")
    return _table_of(carry_out(planned, jobs=1, progress=False))


def _work(path: Path, units: list[str]) -> None:
    for unit in units:
        do_unit(str(path), unit, ("rank", "train_accuracy"))


def test_workers_are_killed_at_random_and_nothing_is_lost_or_counted_twice(
    apart: SweepFolder, tmp_path: Path
) -> None:
    # Forked, so that the workers do nothing but units: what an engine's processes do when they are there.
    planned = plan(APART, out=tmp_path / "forked")
    folder = SweepFolder.begin(planned.path, planned.spec, planned.given)
    chance = random.Random(0)
    for _ in range(5):
        units = [name for name in folder.units if not folder.is_done(name, planned.spec.measure)]
        child = _in_child(lambda units=units: _work(folder.path, units))  # type: ignore[misc]
        time.sleep(chance.uniform(0.02, 0.4))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    # Some unit was claimed by a worker that is gone, and claimed again.
    assert_alike(_table_of(carry_out(planned, jobs=1, progress=False)), apart)
    assert any(len(list(unit.glob("claim.*"))) > 1 for unit in (planned.path / "runs").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(4))
def test_processes_of_joblib_are_killed_many_times(apart: SweepFolder, tmp_path: Path, turn: int) -> None:
    path = tmp_path / "killed"
    assert _workers_killed(path, random.Random(turn), most=8) > 0
    # A driver that gave up after many losses is started again.
    assert_alike(_table_of(carry_out(plan(APART, out=path), jobs=1, progress=False)), apart)


def test_two_drivers_at_once_share_the_units(carried_out: SweepFolder, tmp_path: Path) -> None:
    planned = plan(TINY, out=tmp_path / "two")
    children = [_in_child(lambda: carry_out(planned, jobs=1, progress=False)) for _ in range(2)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    both = SweepFolder.open(planned.path)
    assert_alike(_table_of(both), _table_of(carried_out))
    # Nothing was begun twice: each unit has one claim.
    assert all(len(list(unit.glob("claim.*"))) == 1 for unit in (planned.path / "runs").iterdir())


@pytest.mark.slow
def test_processes_of_joblib_give_the_same_bits(carried_out: SweepFolder, tmp_path: Path) -> None:
    assert_alike(
        carry_out(plan(TINY, out=tmp_path / "joblib"), jobs=2, progress=False), _table_of(carried_out)
    )


@pytest.mark.slow
def test_submitit_gives_the_same_bits(carried_out: SweepFolder, tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="the extra `slurm` is not installed")
    found = carry_out(plan(TINY, out=tmp_path / "jobs"), cluster="slurm:local", progress=False)
    assert_alike(found, _table_of(carried_out))


@pytest.mark.slow
def test_layers_of_a_checkpoint_are_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit", reason="the extra `slurm` is not installed")
    path = checkpoint_of_three(tmp_path / "three.safetensors")
    monkeypatch.chdir(tmp_path)
    spread = et.inspect(path, cluster="slurm:local", progress=False)
    pd.testing.assert_frame_equal(spread.table, et.inspect(path, jobs=1, progress=False).table)
    # A job that fails says so: the file is gone where it runs.
    with pytest.raises(EigentrailError, match="three"):
        weights = et.open_weights(path)
        path.unlink()
        et.inspect(weights, cluster="slurm:local", progress=False)


def test_an_unknown_cluster_is_one_sentence(tmp_path: Path) -> None:
    path = checkpoint_of_three(tmp_path / "three.safetensors")
    with pytest.raises(OptionError, match=r"cannot be reached|needs Ray"):
        et.inspect(path, cluster="127.0.0.1:9", progress=False)


def test_runs_that_diverge_or_fail_are_rows_with_a_reason(tmp_path: Path) -> None:
    axes = {"lr": [0.1, 1e30]}
    found = carry_out(plan(TINY | {"lr": None, "axes": axes}, out=tmp_path / "wild"), jobs=1, progress=False)
    table = table_of(found.rows())
    assert table["status"].tolist() == ["finished"] * 2 + ["diverged"] * 2
    assert table["reason"][2:].str.contains("loss became").all() and table["rank"][2:].isna().all()
    # batch norm cannot be trained on one sample: 60 = 2 * 29 + 2, but 59 leaves one.
    odd = TINY | {
        "network": "mlp-bn-10-100",
        "train_samples": 59,
        "seeds": 1,
        "axes": {"batch_size": [29, 30]},
    }
    failed = table_of(carry_out(plan(odd, out=tmp_path / "odd"), jobs=1, progress=False).rows())
    assert failed["status"].tolist() == ["failed", "finished"]
    assert "batch of one sample" in failed["reason"][0]


def test_a_worker_with_other_data_is_refused_and_the_unit_is_left(tmp_path: Path) -> None:
    planned = plan(TINY, out=tmp_path / "data")
    folder = SweepFolder.begin(planned.path, planned.spec, planned.given)
    told = json.loads((folder.path / "sweep.json").read_text())
    told["fingerprints"] = {"digits": "other"}
    (folder.path / "sweep.json").write_text(json.dumps(told))
    with pytest.raises(RunError, match="holds other samples"):
        carry_out(planned, jobs=1, progress=False)
    assert rows_of(folder.path) == []
    shutil.rmtree(folder.path)


def test_a_worker_without_the_data_is_refused_and_the_unit_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(TINY, out=tmp_path / "data")
    folder = SweepFolder.begin(planned.path, planned.spec, planned.given)

    def lacking(*_: Any) -> None:
        raise DataError("the digits are not here")

    monkeypatch.setattr("eigentrail.sweeps.work.samples_of", lacking)
    with pytest.raises(RunError, match=r"lacks the data: the digits are not here"):
        do_unit(str(folder.path), next(iter(folder.units)), ("rank", "train_accuracy"))
    assert rows_of(folder.path) == []


def test_an_unreachable_cluster_is_one_sentence(tmp_path: Path) -> None:
    planned = plan(TINY, out=tmp_path / "x")
    with pytest.raises(OptionError, match="cannot be reached"):
        carry_out(planned, cluster="127.0.0.1:9", progress=False)
    with pytest.raises(OptionError, match="HOST:PORT"):
        carry_out(planned, cluster="nowhere", progress=False)
    with pytest.raises(OptionError, match="slurm:odd"):
        carry_out(planned, cluster="slurm:odd", progress=False)


def test_progress_tells_the_time_that_is_left(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    et.sweep(
        TINY | {"seeds": 1, "epochs": 1}, out=tmp_path / "x", jobs=1, progress=lambda *one: told.append(one)
    )
    assert told[-1] == ("done", 4, 4)
    assert any("left" in item for item, _, _ in told)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_curves_are_kept(carried_out: SweepFolder) -> None:
    found = et.open_sweep(carried_out.path)
    rank = found.curves[found.curves["measure"] == "rank"]
    assert rank.groupby("run")["epoch"].apply(list).map(lambda e: e == [0.0, 1.0, 2.0]).all()
    assert not any(math.isnan(value) for value in rank["value"])
