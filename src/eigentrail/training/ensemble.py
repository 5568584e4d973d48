"""Many trainings at once: seeds, learning rates and weight decays as one program."""

from __future__ import annotations

import copy
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from eigentrail._progress import Progress, shown
from eigentrail.data import Data, as_data
from eigentrail.errors import OptionError, RunError, RunWarning
from eigentrail.linalg.workers import most_workers
from eigentrail.networks import NetworkSpec
from eigentrail.runs import open_run
from eigentrail.runs.manifest import FILE, Manifest
from eigentrail.runs.schedules import Every
from eigentrail.training.device import find_device, random_state, undisturbed
from eigentrail.training.disk import bytes_of_training, say_disk
from eigentrail.training.ensemble_fitness import members_at_once, why_not_stacked, why_not_worth_it
from eigentrail.training.ensemble_loop import Trainee, train_together
from eigentrail.training.ensemble_members import Member, plan_members
from eigentrail.training.ensemble_processes import train_apart
from eigentrail.training.ensemble_result import Ensemble, told_diverged
from eigentrail.training.interruption import Interruption
from eigentrail.training.preparing import (
    Recording,
    build_network,
    check_fits,
    description,
    freeze,
    place,
    prepare,
)
from eigentrail.training.resuming import check_same_training
from eigentrail.training.samples import Samples
from eigentrail.training.settings import TrainingSettings

# The settings that each member of a stack has for itself.
_OWN = ("lr", "weight_decay", "seed")
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
    memory: int | None = None,
    jobs: int | None = None,
    layers: str | Sequence[str] | Mapping[str, Every] | None = None,
    every: Every = 1,
    rebuild: Any = None,
    resume: bool = False,
    overwrite: bool = False,
    notes: Mapping[str, Any] | Callable[[TrainingSettings], Mapping[str, Any]] | None = None,
    progress: Progress | bool | None = None,
    **changes: Any,
) -> Ensemble:
    """Train every learning rate with every weight decay with every seed, each recorded as a run of its own.

    The parameters of all members are stacked, and one program trains them in step. Each member is what `train` alone
    makes of its settings: the same initial weights, batches, schedule and recording, with weights that differ by
    rounding only. A network that cannot be stacked (dropout, or what torch.func refuses) is trained in parallel
    processes instead, one member each, and so is one with so much arithmetic that stacking it on a processor would
    take longer; a line on stderr says so. Another one says how much disk all members will take.

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
        how: "auto"; "stack" to refuse what cannot be stacked, whether that is quicker or not; "processes" to stack
            nothing.
        memory: the bytes that stacks, gradients and activations may take; more members than that are trained in
            groups, one after the other. None for 2 GiB, on a GPU for half of what is free there.
        jobs: at most so many processes where they are trained apart; -1 for one for each core, None for one for each
            that also OMP_NUM_THREADS allows. On a GPU no more than four.
        layers: which layers to record, as for `Recorder`.
        every: when to record them, as for `Recorder`.
        rebuild: as for `train`.
        resume: True to go on with what is in the folder.
        overwrite: True to replace the runs of these members.
        notes: what else each run shall keep, as plain data; or a function that gives it for the settings of a run.
        progress: True for a bar or lines on stderr, False for nothing, None for a bar where stderr is a terminal; or a
            callable to report to, which is also told how they are trained.
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
    shared = (settings or TrainingSettings()).changed(**changes)
    device = find_device(shared.device)
    members = [
        replace(one, notes=notes(one.settings) if callable(notes) else notes)
        for one in plan_members(shared.changed(device=str(device)), seeds, lr, weight_decay)
    ]
    return train_members(
        network,
        data,
        path,
        members,
        how=how,
        memory=memory,
        jobs=jobs,
        layers=layers,
        every=every,
        rebuild=rebuild,
        resume=resume,
        overwrite=overwrite,
        progress=progress,
    )


def train_members(
    network: str | NetworkSpec | nn.Module,
    data: Any,
    path: str | os.PathLike[str],
    members: Sequence[Member],
    *,
    how: Literal["auto", "stack", "processes"] = "auto",
    memory: int | None = None,
    jobs: int | None = None,
    layers: str | Sequence[str] | Mapping[str, Every] | None = None,
    every: Every = 1,
    rebuild: Any = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | bool | None = None,
) -> Ensemble:
    """Train members that somebody chose, as `train_many` trains those of a grid.

    Args:
        network: as for `train_many`, as for what follows.
        data: the samples.
        path: the folder whose folders become the runs, named as the members are.
        members: what is trained; their settings differ in rate, weight decay and seed only, and name a device.
        how: "auto", "stack" or "processes".
        memory: the bytes that stacks may take.
        jobs: at most so many processes where they are trained apart.
        layers: which layers to record.
        every: when to record them.
        rebuild: how to build a network again that was given as such.
        resume: True to go on with what is in the folder.
        overwrite: True to replace the runs of these members.
        progress: as for `train_many`.

    Returns:
        The runs with their settings, in the order of the members.

    Raises:
        OptionError: the settings of two members differ in something that a stack shares.
    """
    shared = members[0].settings
    for one in members[1:]:
        if one.settings.changed(**{name: getattr(shared, name) for name in _OWN}) != shared:
            raise OptionError(
                f"{members[0].name} and {one.name} differ in more than {', '.join(_OWN)}: train them apart"
            )
    device = torch.device(shared.device)
    samples = as_data(data)
    folder = Path(path)
    _check_folder(folder, members, resume or overwrite)
    recording = Recording(layers, every, rebuild, overwrite=overwrite)
    # Asked before torch gets the threads of the settings.
    processes = max(1, most_workers(jobs) // shared.threads)
    with undisturbed(device, shared.threads):
        some = [_build(network, samples, one.settings)[0] for one in (members[0], members[-1])]
        said, size = _choose(some, samples, members, how, memory, processes)
        needed = bytes_of_training(some[0], samples, shared, layers, every) * len(members)
        line = say_disk(folder, len(members), needed)
        aloud = progress is not False and not callable(progress)
        if aloud:
            _say(line)
        left = [one for one in members if not (resume and _is_diverged(network, samples, folder, one))]
        with shown(f"training {len(members)} networks", progress) as tell:
            if not left:
                tell("all have diverged before", len(members), len(members))
            elif size:
                _stacked(network, samples, folder, left, size, recording, resume, tell)
            else:
                how_said = f"{len(members)} networks: {said}"
                if aloud:
                    _say(how_said)
                else:
                    tell(how_said, 0, len(members))
                for name, text in train_apart(
                    network, samples, folder, left, recording, resume, tell, processes
                ).items():
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


def _choose(
    some: Sequence[nn.Module],
    data: Data,
    members: Sequence[Member],
    how: str,
    memory: int | None,
    processes: int,
) -> tuple[str, int]:
    """Say how the members are trained, and how many of them are stacked at a time (0: none)."""
    shared = members[0].settings
    check_fits(some[0], data, shared)
    why = "asked for" if how == "processes" else why_not_stacked(some, data, shared)
    if why is None and how == "auto":
        why = why_not_worth_it(some[0], data, shared, processes)
    if why is None:
        size = min(len(members), members_at_once(some[0], data, shared, memory))
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
    return place(model, settings, torch.device(settings.device)), spec


def _stacked(
    network: Any,
    data: Data,
    folder: Path,
    members: Sequence[Member],
    size: int,
    recording: Recording,
    resume: bool,
    tell: Progress,
) -> None:
    recording = replace(recording, options={"ring_bytes": max(2**20, _RINGS // size)})
    shared = members[0].settings
    device = torch.device(shared.device)
    samples = Samples(data, shared, device)
    with Interruption() as interruption:
        for first in range(0, len(members), size):
            # Those that a crash left at different steps go on in step with their like.
            by_step: dict[int, list[Trainee]] = {}
            for one in members[first : first + size]:
                path = folder / one.name
                model, spec = _build(network, data, one.settings)
                own = replace(recording, notes=one.notes)
                prepared = prepare(model, spec, data, path, one.settings, own, resume)
                if prepared is not None:
                    trainee = Trainee(one.name, prepared, random_state(device))
                    by_step.setdefault(prepared.start, []).append(trainee)
            for _, trainees in sorted(by_step.items()):
                train_together(trainees, samples, interruption, tell)
                if interruption.requested:
                    raise KeyboardInterrupt


def _is_diverged(network: Any, data: Data, folder: Path, member: Member) -> bool:
    """Tell whether a member has diverged before, in this very training."""
    path = folder / member.name
    if not (path / FILE).is_file():
        return False
    found = Manifest.read(path)
    if not told_diverged(found):
        return False
    check_same_training(
        path, found, data, member.settings, description(*_build(network, data, member.settings))
    )
    return True


def _say(line: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(line + "\n")
