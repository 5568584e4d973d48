"""Trainings that run in processes of their own, to be killed and followed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import struct
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from eigentrail.runs import Recorder

SHAPE = (8, 16)


def value_at(step: int) -> np.ndarray:
    """The weights that the counting network has at a step: each entry tells the step and its place."""
    return (np.arange(128, dtype=np.float32) + 128 * (step % 65536)).reshape(SHAPE)


class Counting(nn.Module):
    """A network whose weights are known at every step, with a bias that is recorded rarely."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(16, 8)
        self.at(0)

    def at(self, step: int) -> None:
        with torch.no_grad():
            self.fc.weight.copy_(torch.from_numpy(value_at(step)))
            self.fc.bias.fill_(float(step))


def record_counting(path: str, told: str, steps: int, pause: float, resume: bool | int = False) -> None:
    """Record a counting network; the step told last stands in the file `told`."""
    torch.set_num_threads(1)
    model = Counting()
    at = 0
    if resume is not False:
        from eigentrail.runs import open_run

        at = int(open_run(path).steps[-1]) if resume is True else resume
        model.at(at)
    with (
        Recorder(model, path, {"fc.weight": 1, "fc.bias": 7}, resume=resume, report=None) as recorder,
        Path(told).open("w+b", buffering=0) as file,
    ):
        for step in range(at + 1, at + 1 + steps):
            model.at(step)
            recorder.step(loss=step / 2)
            os.pwrite(file.fileno(), struct.pack("<q", step), 0)
            if step % 50 == 0:
                recorder.epoch(accuracy=float(step))
            if pause:
                time.sleep(pause)


def last_told(told: Path) -> int:
    """The step that a training told last, -1 if none."""
    data = told.read_bytes() if told.exists() else b""
    return struct.unpack("<q", data)[0] if len(data) == 8 else -1


def start(target: Callable[..., None], *args: Any) -> BaseProcess:
    """Start a process that has torch loaded already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "eigentrail.runs"])
    process = context.Process(target=target, args=args)
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    """End a process as the system would: at once, without its knowledge."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    assert process.exitcode == -signal.SIGKILL


def wait_until(
    condition: Callable[[], bool], process: BaseProcess | None = None, seconds: float = 60
) -> None:
    """Wait for something that must come; a generous limit keeps a broken test from hanging."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not come"
        assert process is None or process.is_alive() or condition(), f"the process ended: {process.exitcode}"
        time.sleep(0.005)
