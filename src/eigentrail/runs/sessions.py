"""What a recorder finds in its folder: nothing, a run to go on with, or one that must not be touched."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from eigentrail._arrays import to_numpy
from eigentrail._files import remove_drafts
from eigentrail.errors import RunError
from eigentrail.runs import checkpoints, lock, manifest, reserve, trajectory
from eigentrail.runs.manifest import LayerSpec, Manifest, ModelSpec
from eigentrail.runs.selection import Source
from eigentrail.runs.trajectory import Commit, read_column, read_commit, read_layer

ANALYSES = "analyses"
REPORT = "report.html"
_OURS = (manifest.FILE, trajectory.FOLDER, checkpoints.FOLDER, ANALYSES, REPORT)


def find_existing(path: Path, resume: bool | int, overwrite: bool) -> tuple[Manifest, Commit, int] | None:
    """Look for a run to go on with.

    Args:
        path: the run's folder, locked for us.
        resume: the recorder's argument.
        overwrite: the recorder's argument; what is to be replaced is removed here.

    Returns:
        The run's manifest, what is committed, and the step to go on from; None to begin a new run.

    Raises:
        RunError: there is a run and neither `resume` nor `overwrite` was given; the step to go on from is not in it;
            or the folder holds something else.
    """
    for folder in (path, path / trajectory.FOLDER, path / checkpoints.FOLDER):
        remove_drafts(folder)
    if not (path / manifest.FILE).exists():
        others = sorted(
            entry.name for entry in path.iterdir() if entry.name not in (lock.FILE, lock.LOCK, reserve.FILE)
        )
        if others:
            raise RunError(f"{path} holds other files ({others[0]}, ...) and no run: choose a new folder")
        _refuse_step(path, resume)
        return None
    # Read before anything is removed: what is not ours stays.
    found = Manifest.read(path)
    if overwrite:
        _remove(path)
        return None
    commit = read_commit(path / trajectory.FOLDER)
    if commit is None:
        if checkpoints.steps_of(path):
            raise RunError(
                f"{path} has lost its {trajectory.FOLDER}: pass overwrite=True to replace what is left"
            )
        # Its recorder ended before the initial weights were on disk: nothing is lost.
        _remove(path)
        _refuse_step(path, resume)
        return None
    last = commit.attributes["last_step"]
    status = "a finished run" if found.status == "finished" else "an interrupted run"
    if resume is False:
        raise RunError(
            f"{path} holds {status} up to step {last}: pass resume=True to go on with it, overwrite=True to replace it"
        )
    upto = last if resume is True else int(resume)
    first = int(read_column(path / trajectory.FOLDER, "metrics", commit.nodes["metrics"], "step")[0])
    if not first <= upto <= last:
        raise RunError(f"resume={upto}: {path} holds steps {first} to {last}, of which one must be given")
    return found, commit, upto


def check_same(
    path: Path,
    found: Manifest,
    model: ModelSpec,
    layers: Sequence[LayerSpec],
    sources: Sequence[Source],
    network: nn.Module,
    commit: Commit,
    upto: int,
) -> None:
    """Make sure that a run is gone on with by the network, layers and weights that it was recorded from.

    Args:
        path: the run's folder.
        found: its manifest.
        model: the network now.
        layers: the layers to record now.
        sources: the same, to be read.
        network: the network without wrappers.
        commit: what is committed.
        upto: the step to go on from.

    Raises:
        RunError: something is different; the text names it.
    """
    before, now = found.model.parameters, model.parameters
    for name in dict.fromkeys([*before, *now]):
        if name not in now or name not in before:
            where = "the run, not in the model" if name in before else "the model, not in the run"
            raise RunError(
                f"{path} is the run of another model ({name} is in {where}): record into another folder"
            )
        if before[name] != now[name]:
            raise RunError(
                f"{path} was recorded with {name} of shape {tuple(before[name])}, now it is {tuple(now[name])}: "
                "record into another folder"
            )
    recorded, wanted = ({layer.name: layer for layer in some} for some in (found.layers, layers))
    for name in dict.fromkeys([*recorded, *wanted]):
        if name not in wanted or name not in recorded:
            what = "not asked for now" if name in recorded else "not in the run"
            raise RunError(
                f"{path} cannot be gone on with: the layer {name} is {what}; ask for the same layers"
            )
        if recorded[name] != wanted[name]:
            key, was, is_now = next(
                (k, v, getattr(wanted[name], k)) for k, v in recorded[name] if v != getattr(wanted[name], k)
            )
            raise RunError(
                f"{path} cannot be gone on with: the {key} of {name} was {was} and is now {is_now}"
            )
    for source in sources:
        if not _is_at(path, source, network, commit, upto):
            raise RunError(
                f"the model's {source.spec.name} is not the one recorded at step {upto} of {path}: load the weights of "
                "the step to go on from, and pass that step as resume=..."
            )


def fresh_folder(model: nn.Module, parent: Path) -> Path:
    """Choose a folder for a run that was given none.

    Args:
        model: the network without wrappers.
        parent: where runs are kept.

    Returns:
        "parent/name of the network's class-N" with the first N that is not taken.
    """
    name = type(model).__name__.lower()
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"


def _is_at(path: Path, source: Source, network: nn.Module, commit: Commit, step: int) -> bool:
    """Tell whether a tensor equals what is recorded of it at a step; True where nothing is."""
    store, state = path / trajectory.FOLDER, commit.nodes[source.spec.node]
    row = np.flatnonzero(read_column(store, source.spec.node, state, "step") == step)
    if not len(row):
        return True
    stored: np.ndarray[Any, Any] = read_layer(store, source.spec, state, row)[0]
    return bool(np.array_equal(to_numpy(source.find(network)), stored, equal_nan=True))


def _refuse_step(path: Path, resume: bool | int) -> None:
    if not isinstance(resume, bool):
        raise RunError(
            f"resume={resume}: there is no run in {path} to go on with; leave resume out and pass start={resume} to "
            "begin one"
        )


def _remove(path: Path) -> None:
    # The manifest goes last: as long as anything is left, it tells that the rest is ours.
    for name in reversed(_OURS):
        part = path / name
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)
