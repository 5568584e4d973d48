"""A recording that is killed at any moment keeps whole steps, and few are lost."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from run_children import Counting, kill, last_told, record_counting, start, value_at, wait_until

from eigentrail.errors import RunError
from eigentrail.runs import RecordedRun, Recorder, open_run


def check_whole(path: Path, closed: tuple[int, ...] = ()) -> RecordedRun:
    """Everything that the run shows is right, to the last bit, also to plain xarray; it was closed at some steps."""
    run = open_run(path)
    assert isinstance(run, RecordedRun)
    weights = run["fc.weight"]
    steps = weights.step.values
    assert np.array_equal(steps, np.arange(len(steps)))
    assert np.array_equal(weights.values, np.stack([value_at(int(s)) for s in steps]))
    bias = run["fc.bias"]
    assert np.array_equal(bias.step.values, sorted({*range(0, steps[-1] + 1, 7), *closed}))
    assert np.array_equal(bias.values, np.repeat(bias.step.values[:, None], 8, axis=1).astype(np.float32))
    assert np.array_equal(run.metrics.step.values, steps)
    loss = run.metrics["loss"].values if "loss" in run.metrics else np.full(1, np.nan)
    assert np.array_equal(loss[1:], steps[1:] / 2)
    assert np.isnan(loss[0])
    if "accuracy" in run.metrics:
        accuracy = run.metrics["accuracy"].dropna("step")
        assert np.array_equal(accuracy.values, accuracy.step.values)
        assert (accuracy.step.values % 50 == 0).all()
    with xr.open_datatree(path / "trajectory.zarr", engine="zarr") as tree:
        # It may have been opened a commit later.
        values = tree["fc.weight"]["weights"].values
        assert np.array_equal(values, np.stack([value_at(step) for step in range(len(values))]))
        assert np.array_equal(tree["fc.bias"]["step"].values, sorted({*range(0, len(values), 7), *closed}))
        assert len(values) == tree["metrics"].sizes["step"] >= len(steps)
    return run


def kill_many(tmp_path: Path, kills: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lost, grown = [], 0
    path = tmp_path / "run"
    for attempt in range(kills):
        # The same run is gone on with, so that kills also meet resumed recordings and many chunks.
        told = tmp_path / f"told-{attempt}"
        pause = float(rng.choice([0.0, 0.0005, 0.02]))
        begun = (path / "run.json").exists()
        process = start(record_counting, str(path), str(told), 10**9, pause, begun)
        wait_until(lambda told=told: last_told(told) > 0, process)
        time.sleep(float(rng.uniform(0, 0.8)))
        kill(process)
        run = check_whole(path)
        assert run.status == "interrupted"
        assert run.manifest.status == "running"
        lost.append(last_told(told) - int(run.steps[-1]))
        grown = int(run.steps[-1])
    # A step that was committed may not have been told to the file yet.
    assert max(lost) <= 256
    assert min(lost) >= -1
    assert grown > 0


def test_kill_at_random_moments(tmp_path: Path) -> None:
    kill_many(tmp_path, kills=6, seed=0)


@pytest.mark.slow
def test_kill_a_hundred_times(tmp_path: Path) -> None:
    kill_many(tmp_path, kills=100, seed=1)


def test_kill_at_the_very_beginning(tmp_path: Path) -> None:
    # Before the initial weights are committed there is no run, and recording may begin again.
    for attempt, delay in enumerate(np.linspace(0, 0.03, 6)):
        path = tmp_path / str(attempt)
        process = start(record_counting, str(path), str(tmp_path / "told"), 10, 10.0)
        wait_until(path.exists, process)
        time.sleep(float(delay))
        kill(process)
        try:
            check_whole(path)
        except RunError as error:
            assert "holds no step yet" in str(error) or "no run" in str(error)
            with Recorder(Counting(), path, report=None):
                pass
            assert open_run(path).status == "finished"


def test_steps_reach_the_disk_without_more_steps(tmp_path: Path) -> None:
    # Nothing but time passes after the third step.
    path, told = tmp_path / "run", tmp_path / "told"
    process = start(record_counting, str(path), str(told), 3, 1000.0)
    wait_until(lambda: last_told(told) == 1, process)
    wait_until(lambda: open_run(path).steps[-1] == 1, process)
    assert open_run(path).status == "running"
    kill(process)
    check_whole(path)


def test_overhead_is_kept_in_the_run(tmp_path: Path) -> None:
    # What recording cost is known of a killed run too.
    path, told = tmp_path / "run", tmp_path / "told"
    process = start(record_counting, str(path), str(told), 10**9, 0.0)
    wait_until(lambda: last_told(told) > 600, process)
    kill(process)
    run = check_whole(path)
    assert run.overhead is not None
    assert run.overhead.steps > 100
    assert run.overhead.fraction is not None


def test_two_writers(tmp_path: Path) -> None:
    path, told = tmp_path / "run", tmp_path / "told"
    process = start(record_counting, str(path), str(told), 10**9, 0.001)
    wait_until(lambda: last_told(told) > 2, process)
    for how in ({"resume": True}, {"overwrite": True}, {}):
        with (
            pytest.raises(RunError, match=f"being recorded by process {process.pid}"),
            Recorder(Counting(), path, report=None, **how),
        ):
            pass
    before = last_told(told)
    wait_until(lambda: last_told(told) > before, process)
    kill(process)
    # The lock went with its holder.
    last = int(check_whole(path).steps[-1])
    model = Counting()
    model.at(last)
    with Recorder(model, path, {"fc.weight": 1, "fc.bias": 7}, resume=True, report=None) as recorder:
        with (
            pytest.raises(RunError, match="being recorded by this process"),
            Recorder(model, path, resume=True),
        ):
            pass
        model.at(last + 1)
        recorder.step(loss=(last + 1) / 2)
    assert check_whole(path, closed=(last + 1,)).steps[-1] == last + 1


def test_two_readers_follow_a_writer(tmp_path: Path) -> None:
    path, told = tmp_path / "run", tmp_path / "told"
    process = start(record_counting, str(path), str(told), 10**9, 0.0)
    wait_until(lambda: last_told(told) > 0, process)
    first, second = open_run(path), open_run(path)
    seen = []
    for _ in range(12):
        wait_until(first.refresh, process)
        second.refresh()
        assert first.status == second.status == "running"
        for run in (first, second):
            weights = run["fc.weight"]
            tail = weights[-300:]
            assert np.array_equal(tail.values, np.stack([value_at(int(s)) for s in tail.step.values]))
            assert np.array_equal(weights.step.values, np.arange(weights.sizes["step"]))
            assert np.array_equal(run.metrics["loss"].values[1:], weights.step.values[1:] / 2)
        seen.append(int(first.steps[-1]))
        check_whole(path)
    assert seen == sorted(set(seen))
    # A view stays as it was until it is refreshed.
    before = first["fc.weight"].sizes["step"]
    wait_until(second.refresh, process)
    assert first["fc.weight"].sizes["step"] == before < second["fc.weight"].sizes["step"]
    kill(process)
