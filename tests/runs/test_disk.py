"""Disks that are full, slow or read-only: one clear sentence, and what was recorded stays."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from run_children import Counting, start, value_at
from torch import nn

from eigentrail.errors import RunError, RunWarning
from eigentrail.runs import Recorder, open_run
from eigentrail.runs import columns as columns_module
from eigentrail.runs.reserve import reserve_blocks
from eigentrail.runs.trajectory import TrajectoryWriter


def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system of its own, where the machine allows that."""
    folder.mkdir()
    try:
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
        )
    except OSError:
        pytest.skip("there is no mount command")
    if made.returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mounted(tmp_path / "small", "size=1m")


@pytest.fixture
def locked_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mounted(tmp_path / "locked", "size=1m,ro")


def check_kept(path: Path) -> int:
    run = open_run(path)
    weights = run["fc.weight"]
    assert np.array_equal(weights.values, np.stack([value_at(int(s)) for s in weights.step.values]))
    with xr.open_datatree(path / "trajectory.zarr", engine="zarr") as tree:
        assert np.array_equal(tree["fc.weight"]["weights"].values, weights.values)
    assert run.status == "interrupted"
    return int(run.steps[-1])


def fill(path: str, said: str) -> None:
    """Record until the disk refuses, and write down what was said."""
    torch.set_num_threads(1)
    model = Counting()
    step = 0
    try:
        with Recorder(model, path, ["fc.weight"], report=None) as recorder:
            for step in range(1, 10**6):
                model.at(step)
                recorder.step(loss=step)
    except RunError as error:
        Path(said).write_text(f"{step} {error}")


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    process = start(fill, str(small_disk / "run"), str(tmp_path / "said"))
    process.join(600)
    assert process.exitcode == 0
    step, _, sentence = (tmp_path / "said").read_text().partition(" ")
    assert "cannot be written (No space left on device): free space" in sentence
    last = check_kept(small_disk / "run")
    assert f"what was recorded up to step {last} is kept" in sentence
    # A megabyte holds about 1,900 steps; no more than 256 are lost.
    assert last > 1000
    assert int(step) - last <= 256
    # With space again, recording goes on.
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    model = Counting()
    model.at(last)
    with Recorder(model, small_disk / "run", ["fc.weight"], resume=True, report=None) as recorder:
        for step in range(last + 1, last + 1001):
            model.at(step)
            recorder.step(loss=step)
    run = open_run(small_disk / "run")
    assert run.steps[-1] == last + 1000
    assert np.array_equal(run["fc.weight"].values[-1], value_at(last + 1000))
    assert run.metrics["loss"].values[1:].tolist() == list(range(1, last + 1001))


def fill_with_large_steps(path: str, said: str) -> None:
    """Record steps of 84 kB, told faster than they are committed, until the disk refuses."""
    torch.set_num_threads(1)
    model = nn.Sequential(*[nn.Linear(102, 102) for _ in range(2)])
    try:
        with Recorder(model, path, report=None) as recorder:
            for step in range(1, 72):
                with torch.no_grad():
                    for parameter in model.parameters():
                        parameter.fill_(float(step))
                recorder.step(loss=step)
    except RunError as error:
        Path(said).write_text(str(error))


def test_a_full_disk_keeps_every_step_that_fits(small_disk: Path, tmp_path: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    process = start(fill_with_large_steps, str(small_disk / "run"), str(tmp_path / "said"))
    process.join(600)
    assert process.exitcode == 0
    run = open_run(small_disk / "run")
    last = int(run.steps[-1])
    assert f"what was recorded up to step {last} is kept" in (tmp_path / "said").read_text()
    assert run.status == "interrupted"
    # 48 records of 84 kB fit into 4 MB; a little room goes to the small files and the pages of each.
    assert last >= 42
    for name in run.layers:
        assert run[name].step.values.tolist() == list(range(last + 1))
        assert (run[name].values[1:].reshape(last, -1) == np.arange(1, last + 1)[:, None]).all()


def limited(path: str, said: str) -> None:
    """Record where no file may grow beyond a size that the trajectory's second layer exceeds."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 21, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        with Recorder(nn.Linear(600, 600), path, report=None) as recorder:
            recorder.step()
    except RunError as error:
        Path(said).write_text(str(error))


def test_a_limit_on_file_sizes(tmp_path: Path) -> None:
    process = start(limited, str(tmp_path / "run"), str(tmp_path / "said"))
    process.join(600)
    assert process.exitcode == 0
    assert "cannot be written (File too large)" in (tmp_path / "said").read_text()


def test_a_disk_that_refuses_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The same as a full disk, wherever no small file system can be made.
    room = 400_000

    def write(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        nonlocal room
        data = b"".join(buffers)[: max(0, room)]
        if not data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room -= len(data)
        return os.pwrite(descriptor, data, offset)

    monkeypatch.setattr(columns_module.os, "pwritev", write)
    model = Counting()
    with (
        pytest.raises(RunError, match=r"No space left on device.*what was recorded up to step"),
        Recorder(model, tmp_path / "run", ["fc.weight"], report=None) as recorder,
    ):
        for step in range(1, 10**4):
            model.at(step)
            recorder.step(loss=step)
    assert 0 < check_kept(tmp_path / "run") < 800


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux takes blocks beforehand")
def test_blocks_are_taken_beforehand(tmp_path: Path, small_disk: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        reserve_blocks(file.fileno(), 0, 2**20)
        before = os.fstat(file.fileno()).st_blocks
        # Some file systems cannot.
        assert before * 512 in (0, 2**20)
        # Too little for a call of its own.
        reserve_blocks(file.fileno(), 2**30, 1000)
        assert os.fstat(file.fileno()).st_blocks == before
    with (small_disk / "file").open("wb") as file, pytest.raises(OSError, match="No space left"):
        reserve_blocks(file.fileno(), 0, 2**30)


def test_a_checkpoint_that_does_not_fit(small_disk: Path) -> None:
    model = nn.Linear(700, 700)
    with (
        pytest.raises(RunError, match=r"cannot be written"),
        Recorder(model, small_disk / "run", ["bias"], checkpoints="end", report=None) as recorder,
    ):
        recorder.step(loss=1)
    run = open_run(small_disk / "run")
    assert run.status == "interrupted"
    assert run.checkpoints == ()
    assert run.steps.tolist() == [0, 1]
    assert not list((small_disk / "run/checkpoints").iterdir())


def test_a_read_only_folder(locked_disk: Path) -> None:
    with pytest.raises(RunError, match=r"run cannot be written \(Read-only file system\)"):
        Recorder(nn.Linear(2, 2), locked_disk / "run", report=None).__enter__()


def test_paths_that_cannot_be_folders(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file/run"):
        with pytest.raises(RunError, match=r"cannot be written \((File exists|Not a directory)\)"):
            Recorder(nn.Linear(2, 2), path, report=None).__enter__()


def test_a_slow_disk_holds_training_up_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, commits = threading.Event(), 0
    commit = TrajectoryWriter.commit

    def slow(self: TrajectoryWriter, sync: bool = False) -> None:
        nonlocal commits
        commits += 1
        if commits > 1:
            gate.wait(60)
        commit(self, sync)

    monkeypatch.setattr(TrajectoryWriter, "commit", slow)
    model = Counting()
    reached = 0
    # The gate opens as soon as training stands still.
    threading.Timer(2.5, gate.set).start()
    with pytest.warns(RunWarning, match="cannot keep up with the recording: training waits") as told:
        with Recorder(model, tmp_path / "run", ["fc.weight"], report=None) as recorder:
            while not gate.is_set():
                reached += 1
                model.at(reached)
                recorder.step(loss=reached)
                if not gate.is_set():
                    # Never more than 256 steps ahead of what is committed, which is the initial state.
                    assert reached <= 256
            for step in range(reached + 1, reached + 301):
                model.at(step)
                recorder.step(loss=step)
        assert recorder.overhead.waiting_seconds > 0
    assert len([w for w in told if issubclass(w.category, RunWarning)]) == 1
    assert reached == 256
    run = open_run(tmp_path / "run")
    assert np.array_equal(run.steps, np.arange(reached + 301))
    assert np.array_equal(run["fc.weight"].values, np.stack([value_at(int(s)) for s in run.steps]))


@pytest.mark.filterwarnings("ignore:.*cannot keep up")
def test_a_standing_disk_stops_slow_training_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Few steps, but the oldest of them has been waiting for more than two seconds of the clock.
    now = 0.0
    clock = SimpleNamespace(
        monotonic=lambda: now, perf_counter=time.perf_counter, thread_time=time.thread_time
    )
    monkeypatch.setattr("eigentrail.runs.writer.time", clock)
    gate = threading.Event()
    with Recorder(Counting(), tmp_path / "run", ["fc.weight"], report=None) as recorder:
        commit = recorder._trajectory.commit

        def held(sync: bool = False) -> None:
            gate.wait(60)
            commit(sync)

        recorder._trajectory.commit = held  # type: ignore[method-assign]
        try:
            recorder.step(loss=1)
            now = 1.5
            recorder.step(loss=2)
            now = 2.5
            waits = threading.Thread(target=recorder.step, kwargs={"loss": 3})
            waits.start()
            waits.join(0.3)
            assert waits.is_alive()
        finally:
            gate.set()
        waits.join(60)
        assert not waits.is_alive()
        assert open_run(tmp_path / "run").steps[-1] >= 1
