"""Members that cannot be stacked: each trained alone, several processes at a time."""

from __future__ import annotations

import contextlib
import copy
import os
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from joblib import Parallel, delayed
from joblib.externals.loky.backend import resource_tracker as loky_tracker
from torch import nn

from eigentrail._progress import Progress
from eigentrail.data import Data
from eigentrail.errors import RunError
from eigentrail.training.divergence import DivergenceError
from eigentrail.training.ensemble_members import Member
from eigentrail.training.interruption import Interruption
from eigentrail.training.preparing import Recording

_POLL_SECONDS = 0.2
_ON_A_GPU = 4
_PARTS = ("train_inputs", "train_targets", "test_inputs", "test_targets")


def train_apart(
    network: Any,
    data: Data,
    path: Path,
    members: Sequence[Member],
    recording: Recording,
    resume: bool,
    tell: Progress,
    jobs: int,
) -> dict[str, str]:
    """Train each member alone, in parallel processes.

    Ctrl-C asks all processes to end after the step they are in; a second one ends them at once.

    Args:
        network: as for `train`.
        data: the samples.
        path: the folder of the ensemble.
        members: what is trained.
        recording: what is recorded; the notes are those of the members.
        resume: whether to go on with what is there.
        tell: told about the progress.
        jobs: at most so many processes, each with the threads of the settings; on a GPU no more than four.

    Returns:
        What is to be said of each member that diverged, by name.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; what was begun is valid and can be resumed.
        RunError: a process has ended by itself.
    """
    shared = members[0].settings
    # Each process has a context on the GPU, which takes half a gigabyte there.
    jobs = min(len(members), jobs if shared.device == "cpu" else min(jobs, _ON_A_GPU))
    arguments = {
        "layers": recording.layers,
        "every": recording.every,
        "rebuild": recording.rebuild,
        "overwrite": recording.overwrite,
        "resume": resume,
    }
    wild: dict[str, str] = {}
    if jobs == 1:
        for count, one in enumerate(members, start=1):
            outcome = _train_one(network, data, path / one.name, one, arguments)
            tell(f"{one.name} is done", count, len(members))
            if outcome is not None:
                wild[one.name] = outcome
        return wild
    # As arrays, which joblib lays into a file that all processes share.
    arrays = {part: getattr(data, part).numpy() for part in _PARTS}
    about = {
        "name": data.name,
        "class_names": data.class_names,
        "normalization": data.normalization,
        "about": data.about,
        "derivation": data.derivation,
    }
    with tempfile.TemporaryDirectory(prefix="eigentrail-") as folder:
        stop = Path(folder) / "stop"
        with _Relayed(stop) as interruption:
            calls = (
                delayed(_train_in_process)(network, arrays, about, path / one.name, one, arguments, stop)
                for one in members
            )
            parallel = Parallel(
                n_jobs=jobs, return_as="generator_unordered", mmap_mode="c", pre_dispatch=jobs
            )
            with _held_back():
                done = parallel(calls)
            try:
                for count, (name, outcome) in enumerate(done, start=1):
                    tell(f"{name} is done", count, len(members))
                    if outcome is not None:
                        wild[name] = outcome
            except BrokenProcessPool as error:
                # Where signals cannot be held back, a Ctrl-C ends processes that are still starting.
                if not interruption.requested:
                    raise RunError(
                        f"a process that trained members of {path} has ended by itself, perhaps for want of memory: "
                        "pass resume=True to go on with them"
                    ) from error
        if interruption.requested:
            raise KeyboardInterrupt
    return wild


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Start processes that a terminal's Ctrl-C does not end while they import torch; ours comes after the block."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Both begin a process of their own, and let signals through when they have.
    resource_tracker.ensure_running()
    loky_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _let_through() -> None:
    """Take Ctrl-C from now on, in a process that began with it held back; one from before is dropped."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


class _Relayed(Interruption):
    """Ctrl-C, passed on to other processes through a file."""

    def __init__(self, stop: Path):
        super().__init__()
        self._stop = stop

    def _note(self, number: int, frame: FrameType | None) -> None:
        super()._note(number, frame)
        self._stop.touch()


def _train_in_process(
    network: Any,
    arrays: Mapping[str, Any],
    about: Mapping[str, Any],
    path: Path,
    member: Member,
    arguments: Mapping[str, Any],
    stop: Path,
) -> tuple[str, str | None]:
    if stop.exists():
        return member.name, None
    with contextlib.suppress(OSError, AttributeError):
        # A terminal's Ctrl-C is for the process that asked for this one; it passes it on, once.
        os.setpgid(0, 0)
    _let_through()
    over = threading.Event()
    threading.Thread(target=_watch, args=(stop, os.getppid(), over), daemon=True).start()
    try:
        parts: dict[str, Any] = {part: torch.from_numpy(array) for part, array in arrays.items()}
        data = Data(**parts, **about)
        return member.name, _train_one(network, data, path, member, arguments)
    except KeyboardInterrupt:
        return member.name, None
    finally:
        over.set()


def _train_one(
    network: Any, data: Data, path: Path, member: Member, arguments: Mapping[str, Any]
) -> str | None:
    from eigentrail.training.entry import train

    if isinstance(network, nn.Module):
        network = copy.deepcopy(network)
    try:
        train(network, data, path, member.settings, notes=member.notes, progress=False, **arguments)
    except DivergenceError as error:
        return str(error)
    return None


def _watch(stop: Path, parent: int, over: threading.Event) -> None:
    while not over.wait(_POLL_SECONDS):
        if stop.exists() or os.getppid() != parent:
            signal.raise_signal(signal.SIGINT)
            return
