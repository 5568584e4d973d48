"""Many trainings at once: seeds, learning rates and weight decays as one program."""

from __future__ import annotations

import copy
import os
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from eigentrail._progress import Progress, shown
from eigentrail.data import Data, as_data
from eigentrail.errors import OptionError, RunError, RunWarning
from eigentrail.networks import NetworkSpec
from eigentrail.runs import Recorder, open_run
from eigentrail.runs.manifest import FILE, BuildSpec
from eigentrail.runs.schedules import Every
from eigentrail.training.calendar import Calendar
from eigentrail.training.ensemble_fitness import MEMORY, members_at_once, why_not_stacked
from eigentrail.training.ensemble_loop import Trainee, train_together
from eigentrail.training.ensemble_members import Member, plan_members
from eigentrail.training.ensemble_processes import train_apart
from eigentrail.training.ensemble_result import Ensemble, diverged
from eigentrail.training.interruption import Interruption
from eigentrail.training.optimizers import make_optimizer
from eigentrail.training.preparing import build_network, check_fits, freeze, threads
from eigentrail.training.randomness import network_seed
from eigentrail.training.resuming import NOTE, load_latest
from eigentrail.training.settings import TrainingSettings

# The memory in which copies of weights wait for the disk, of all members together.
_RINGS = 512 * 2**20


def train_many(
    network: str | NetworkSpec | nn.Module,
    data: Any,
    path: str | os.PathLike[str],
    settings: TrainingSettings | None = None,
    *,
    seeds: Iterable[int] | None = None,
    lr: float | Sequence[float] | None = None,
    weight_decay: float | Sequence[float] | None = None,
    how: Literal["auto", "stack", "processes"] = "auto",
    memory: int = MEMORY,
    layers: str | Sequence[str] | Mapping[str, Every] | None = None,
    every: Every = 1,
    rebuild: Any = None,
    resume: bool = False,
    overwrite: bool = False,
    notes: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **changes: Any,
) -> Ensemble:
    """Train every learning rate with every weight decay with every seed, each recorded as a run of its own.

    The parameters of all members are stacked, and one program trains them in step. Each member is what `train` alone
    makes of its settings: the same initial weights, batches, schedule and recording, with weights that differ by
    rounding only. A network that cannot be stacked (dropout, or what torch.func refuses) is trained in parallel
    processes instead, one member each, which a line on stderr says.

    A member whose loss is no number any more is said in a warning and keeps its run up to there; the others go on.
    Ctrl-C ends all members after the running step with their states kept. With `resume=True` each goes on from its
    last kept state, finished and diverged ones are left as they are, and new ones begin.

    Args:
        network: as for `train`. A network's name is built anew for every seed; a `NetworkSpec` and a network keep
            their own initial weights, so that a seed decides the order of the samples. A network is copied.
        data: as for `train`.
        path: the folder whose folders become the runs: "seed3", or "lr0.1-decay0.001-seed3" for what is given as
            several values.
        settings: what all members share; defaults for None.
        seeds: the seeds; None for that of the settings.
        lr: a learning rate or several; None for that of the settings.
        weight_decay: a weight decay or several; None for that of the settings.
        how: "auto"; "stack" to refuse what cannot be stacked; "processes" to stack nothing.
        memory: the bytes that stacks, gradients and activations may take; more members than that are trained in
            groups, one after the other.
        layers: which layers to record, as for `Recorder`.
        every: when to record them, as for `Recorder`.
        rebuild: as for `train`.
        resume: True to go on with what is in the folder.
        overwrite: True to replace the runs of these members.
        notes: what else each run shall keep, as plain data.
        progress: True for a bar or lines on stderr, False for nothing, None for a bar where stderr is a terminal.
        changes: single settings, which go before those of `settings`.

    Returns:
        The runs with their settings, in the order of lr, weight decay and seed.

    Raises:
        OptionError: the grid, the settings or the network's name cannot be used.
        RunError: the folder holds runs already, or runs of other trainings.
        KeyboardInterrupt: Ctrl-C was pressed; all runs are closed by then.
    """
    if how not in ("auto", "stack", "processes"):
        raise OptionError(f'how="{how}" cannot be used: give "auto", "stack" or "processes"')
    if resume and overwrite:
        raise OptionError("resume goes on with the runs in the folder, overwrite replaces them: choose one")
    if seeds is not None and changes.get("seed") is not None:
        raise OptionError("seed and seeds are both given: put the seed among the seeds")
    members = plan_members((settings or TrainingSettings()).changed(**changes), seeds, lr, weight_decay)
    samples = as_data(data)
    folder = Path(path)
    _check_folder(folder, members, resume or overwrite)
    with torch.random.fork_rng(devices=[]), threads(members[0].settings.threads):
        said, size = _choose(network, samples, members, how, memory)
        recording: dict[str, Any] = {
            "layers": layers,
            "every": every,
            "rebuild": rebuild,
            "overwrite": overwrite,
            "notes": notes,
        }
        with shown(f"training {len(members)} networks", progress) as tell:
            if size:
                _stacked(network, samples, folder, members, size, recording, resume, tell)
            else:
                _say(f"{len(members)} networks: {said}")
                left = [one for one in members if not (resume and _is_diverged(folder / one.name))]
                arguments = {**recording, "resume": resume}
                for name, text in train_apart(network, samples, folder, left, arguments, tell).items():
                    warnings.warn(f"{name}: {text}; the others go on", RunWarning, stacklevel=2)
    runs = [open_run(folder / one.name) for one in members]
    return Ensemble(folder, runs, [one.settings for one in members], said)


def _check_folder(folder: Path, members: Sequence[Member], may_be: bool) -> None:
    if (folder / FILE).exists():
        raise RunError(f"{folder} is a run itself: choose another folder, in which each member gets its own")
    there = [one.name for one in members if (folder / one.name / FILE).exists()]
    if there and not may_be:
        raise RunError(
            f"{folder} holds a run {there[0]} already: pass resume=True to go on, overwrite=True to replace it"
        )


def _choose(network: Any, data: Data, members: Sequence[Member], how: str, memory: int) -> tuple[str, int]:
    """Say how the members are trained, and how many of them are stacked at a time (0: none)."""
    some = [
        _build(network, data, one.settings)[0]
        for one in {members[0].name: members[0], members[-1].name: members[-1]}.values()
    ]
    check_fits(some[0], data, members[0].settings)
    why = "asked for" if how == "processes" else why_not_stacked(some, data, members[0].settings)
    if why is None:
        size = min(len(members), members_at_once(some[0], data, members[0].settings, memory))
        groups = -(-len(members) // size)
        # Groups of one size, as near as it goes.
        size = -(-len(members) // groups)
        return "stacked" if groups == 1 else f"stacked in {groups} groups of at most {size}", size
    if how == "stack":
        raise OptionError(f"the network {type(some[0]).__name__} cannot be stacked: {why}")
    return f"trained in parallel processes, not as one stack: {why}", 0


def _build(network: Any, data: Data, settings: TrainingSettings) -> tuple[nn.Module, NetworkSpec | None]:
    model, spec = build_network(network, data, settings)
    if isinstance(network, nn.Module):
        model = copy.deepcopy(model)
    freeze(model, settings.frozen)
    return model.to(settings.torch_dtype).train(), spec


def _stacked(
    network: Any,
    data: Data,
    folder: Path,
    members: Sequence[Member],
    size: int,
    recording: Mapping[str, Any],
    resume: bool,
    tell: Progress,
) -> None:
    with Interruption() as interruption:
        for first in range(0, len(members), size):
            # Those that a crash left at different steps go on in step with their like.
            by_step: dict[int, list[Trainee]] = {}
            for one in members[first : first + size]:
                if resume and _is_diverged(folder / one.name):
                    continue
                prepared = _prepare(network, data, folder / one.name, one, recording, resume, size)
                if prepared is not None:
                    by_step.setdefault(prepared[0], []).append(prepared[1])
            for step, trainees in sorted(by_step.items()):
                train_together(trainees, data, step, interruption, tell)
                if interruption.requested:
                    raise KeyboardInterrupt


def _prepare(
    network: Any,
    data: Data,
    path: Path,
    member: Member,
    recording: Mapping[str, Any],
    resume: bool,
    size: int,
) -> tuple[int, Trainee] | None:
    """Build a member and its recorder, and load its state; None if its run is complete."""
    settings = member.settings
    model, spec = _build(network, data, settings)
    described = spec.model_dump(mode="json") if spec else type(model).__qualname__
    rebuild = recording["rebuild"]
    if spec is not None:
        target, arguments = spec.rebuilding()
        rebuild = BuildSpec(target=target, kwargs=arguments)
    optimizer = make_optimizer(model, settings)
    total = Calendar(settings, data.train_targets).steps
    torch.manual_seed(network_seed(settings.seed))
    found = load_latest(path, model, optimizer, data, settings, described, total) if resume else None
    if found is not None and found.finished:
        return None
    recorder = Recorder(
        model,
        path,
        recording["layers"],
        recording["every"],
        steps=total,
        rebuild=rebuild,
        data=data.describe(),
        optimizer=optimizer,
        seed=settings.seed,
        notes={
            **(recording["notes"] or {}),
            NOTE: settings.model_dump(mode="json"),
            "network": described,
        },
        resume=False if found is None else found.step,
        overwrite=recording["overwrite"] or (resume and found is None),
        report=None,
        ring_bytes=max(2**20, _RINGS // size),
    )
    step = 0 if found is None else found.step
    return step, Trainee(member, model, optimizer, recorder, torch.get_rng_state())


def _is_diverged(path: Path) -> bool:
    return (path / FILE).is_file() and diverged(open_run(path))


def _say(line: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(line + "\n")
