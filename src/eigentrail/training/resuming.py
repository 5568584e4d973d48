"""Going on with a training that was interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from eigentrail.data import Data
from eigentrail.errors import RunError
from eigentrail.runs import Run, open_run
from eigentrail.runs import checkpoints as states
from eigentrail.runs.manifest import FILE, Manifest
from eigentrail.training.device import set_random_state
from eigentrail.training.settings import TrainingSettings

NOTE = "training"


@dataclass(frozen=True)
class Resumption:
    """Where to go on.

    Attributes:
        step: the step whose state was loaded.
        finished: True where the run is complete already.
    """

    step: int
    finished: bool


def training_state(optimizer: torch.optim.Optimizer, random: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Collect what a checkpoint needs besides the network's own state.

    Args:
        optimizer: the optimizer.
        random: the state of torch's random generators, as `random_state` gives it. The order of the samples needs
            none.

    Returns:
        Tensors, on the processor, and plain data.
    """
    return {"optimizer": _own(optimizer.state_dict()), **random}


def _own(state: Any) -> Any:
    """Copy the tensors of a state to the processor: saving a view would save all that it is a view of."""
    if isinstance(state, torch.Tensor):
        return state.detach().cpu().clone()
    if isinstance(state, dict):
        return {key: _own(value) for key, value in state.items()}
    return [_own(value) for value in state] if isinstance(state, list) else state


def keep_phases(folder: Path, settings: TrainingSettings) -> TrainingSettings:
    """Begin phases of classes where the trainings in a folder begin them, which were asked for other epochs.

    Args:
        folder: the folder of a run, or of runs in folders of their own.
        settings: the settings, whose phases begin at a share of the epochs.

    Returns:
        The settings; with the phases of a run in the folder if those are of the same classes and end in time.
    """
    if not settings.phases:
        return settings
    for depth in ("", "*/", "*/*/"):
        for path in sorted(folder.glob(f"{depth}{FILE}")):
            before = Manifest.read(path.parent).notes.get(NOTE) or {}
            phases: list[dict[str, Any]] = before.get("phases") or []
            same = [phase["classes"] for phase in phases] == [[*phase.classes] for phase in settings.phases]
            if same and phases[-1]["start"] < settings.epochs:
                return settings.changed(phases=phases)
    return settings


def load_latest(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: Data,
    settings: TrainingSettings,
    network: Any,
    total: int,
    device: torch.device,
) -> Resumption | None:
    """Load the latest kept state of a run into network, optimizer and torch's global random generators.

    Args:
        path: the run's folder.
        model: the network.
        optimizer: its optimizer.
        data: the data set.
        settings: the settings.
        network: the network's description, as the run keeps it.
        total: the number of steps of the whole training.
        device: where the network is.

    Returns:
        Where to go on; None where nothing is kept, so that the training begins.

    Raises:
        RunError: the run is one of another training; the text says what is different.
    """
    if not (path / FILE).is_file():
        return None
    found = Manifest.read(path)
    check_same_training(path, found, data, settings, network)
    kept = states.steps_of(path)
    if not kept:
        return None
    run: Run = open_run(path)
    step = kept[-1]
    if step > total:
        raise RunError(f"{path} is trained for {step} steps already, more than {total}: ask for more epochs")
    state = run.training_state(step)
    run.model(step, into=model)
    try:
        optimizer.load_state_dict(state["optimizer"])
        set_random_state(state, device)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise RunError(f"the state of the training at step {step} of {path} does not fit: {error}") from error
    return Resumption(step, finished=step == total and found.status == "finished")


def check_same_training(
    path: Path, found: Manifest, data: Data, settings: TrainingSettings, network: Any
) -> None:
    """Make sure that a run is one of the training that is to go on.

    Args:
        path: the run's folder.
        found: what the run says about itself.
        data: the data set.
        settings: the settings.
        network: the network's description, as the run keeps it.

    Raises:
        RunError: it is one of another training; the text says what is different.
    """
    before = found.notes.get(NOTE)
    if before is None:
        raise RunError(f"{path} holds a run of another training loop: only that loop can go on with it")
    now = settings.model_dump(mode="json")
    defaults = TrainingSettings().model_dump(mode="json")
    # A longer training is the same one for longer, unless the schedule counts on the number of epochs.
    free = {"epochs"} if settings.schedule.kind != "cosine" else set()
    # What the number of epochs decides comes last: another schedule is the better explanation.
    for name, value in sorted(now.items(), key=lambda pair: pair[0] == "epochs"):
        # A setting that did not exist when the run was begun had its default's effect.
        had = before.get(name, defaults[name])
        if name not in free and had != value:
            raise RunError(
                f"{path} was trained with {name}={had!r}, now it is {value!r}: resume with the same "
                "settings, or train into another folder"
            )
    if found.notes.get("network") != network:
        raise RunError(
            f"{path} is the run of another network ({found.notes.get('network')}): train into another folder"
        )
    was = (found.data or {}).get("fingerprint")
    if was != data.fingerprint:
        before_name = (found.data or {}).get("name")
        raise RunError(
            f"{path} was trained on other samples ({before_name}) than {data.name} holds now: resume with the same "
            "data, or train into another folder"
        )
