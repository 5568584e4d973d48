"""Loggers by name, read back from what the real packages write."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from eigentrail.cli.app import run as main
from eigentrail.errors import OptionError
from eigentrail.runs import Recorder, open_run, show_run
from eigentrail.runs.loggers import opened_logger


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five steps of a layer that grows, with a loss."""
    path = tmp_path_factory.mktemp("told") / "run"
    torch.manual_seed(0)
    model = nn.Linear(12, 8)
    with Recorder(model, path, report=None) as recorder:
        for step in range(1, 5):
            with torch.no_grad():
                model.weight *= 2
            recorder.step(loss=1 / step)
    return path


def log_records(data: bytes) -> list[bytes]:
    """Read LevelDB's log format, as W&B's files have it: blocks of 32 kB, records in parts with a head of 7 bytes."""
    found, place, parts = [], 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        size, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        if left < 7 or not kind:
            place += left
            continue
        parts += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):
            found.append(parts)
            parts = b""
    return found


def norms(path: Path) -> list[float]:
    return [float(torch.as_tensor(one).norm()) for one in open_run(path)["weight"]]


def test_the_command_line_shows_a_finished_run_in_tensorboard(recorded: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = tmp_path / "board"
    told = ["analyze", str(recorded), "--only", "evolution", "--log-to", f"tensorboard:{board}", "-q"]
    assert main(told) == 0
    found = EventAccumulator(str(board))
    found.Reload()
    events = found.Scalars("weight/frobenius_norm")
    assert [one.step for one in events] == [0, 1, 2, 3, 4]
    assert [one.value for one in events] == pytest.approx(norms(recorded), rel=1e-5)
    assert [one.value for one in found.Scalars("loss")] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])


def test_mlflow_reads_them_back(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    # Its store of files is what needs no further packages.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    with opened_logger(f"mlflow:{(tmp_path / 'store').as_uri()}") as logger:
        show_run(open_run(recorded), logger)
        run = mlflow.active_run().info.run_id
    told = mlflow.MlflowClient().get_metric_history(run, "weight/frobenius_norm")
    assert [one.step for one in told] == [0, 1, 2, 3, 4]
    assert [one.value for one in told] == pytest.approx(norms(recorded), rel=1e-5)


def test_a_logger_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    (tmp_path / "file").touch()
    opening = opened_logger(f"tensorboard:{tmp_path / 'file' / 'below'}")
    with pytest.raises(OptionError, match=r"cannot be opened .*NotADirectoryError"), opening:
        pass


def test_wandb_offline_reads_them_back(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="W&B is not installed")
    from wandb.proto.wandb_internal_pb2 import Record

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    with opened_logger("wandb:walks") as logger:
        show_run(open_run(recorded), logger)
    [file] = tmp_path.rglob("*.wandb")

    def records() -> list[Record]:
        return [Record.FromString(bytes(data)) for data in log_records(file.read_bytes())]

    # Offline, `finish` comes back before W&B's own process has written the file.
    deadline = time.monotonic() + 240
    while not any(one.WhichOneof("record_type") == "exit" for one in records()):
        assert time.monotonic() < deadline, "W&B has not finished its file"
        time.sleep(0.2)
    told = {}
    for record in records():
        if record.WhichOneof("record_type") == "history":
            row = {"/".join(one.nested_key) or one.key: one.value_json for one in record.history.item}
            told[record.history.step.num] = row
    assert [float(told[step]["weight/frobenius_norm"]) for step in range(5)] == pytest.approx(
        norms(recorded), rel=1e-5
    )


@pytest.mark.parametrize("live", [False, True])
def test_what_is_called_as_trackio_is(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live: bool
) -> None:
    # Its form of calling stands in for the package, which is not among the tested ones.
    told: list[tuple[int | None, float]] = []
    calls: list[tuple[str, object]] = []
    standing_in = ModuleType("trackio")
    for name, does in {
        "init": lambda project, name=None: calls.append(("init", (project, name))),
        "log": lambda metrics, step=None: told.append((step, metrics["weight/frobenius_norm"])),
        "finish": lambda: calls.append(("finish", None)),
    }.items():
        setattr(standing_in, name, does)
    monkeypatch.setitem(sys.modules, "trackio", standing_in)
    with opened_logger("trackio:walks", "first") as logger:
        if live:
            torch.manual_seed(0)
            model = nn.Linear(12, 8)
            with Recorder(model, tmp_path / "run", report=None).log_to(logger, every=1) as recorder:
                for _ in range(4):
                    with torch.no_grad():
                        model.weight *= 2
                    recorder.step()
        else:
            show_run(open_run(recorded), logger)
    assert calls == [("init", ("walks", "first")), ("finish", None)]
    assert [step for step, _ in told] == [0, 1, 2, 3, 4]
    assert [norm for _, norm in told] == pytest.approx(norms(recorded), rel=1e-5)


def test_what_cannot_be_named() -> None:
    for name in ("papertrail", "nowhere_at_all:logger"):
        with pytest.raises(OptionError, match="logger"), opened_logger(name):
            pass
