"""Full states of a network at chosen steps, as safetensors files beside the trajectory."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from eigentrail._files import drafted
from eigentrail.errors import RunError
from eigentrail.runs import manifest
from eigentrail.runs.selection import clean_name

FOLDER = "checkpoints"
_NAME = re.compile(r"step_(\d+)\.safetensors")


def path_of(folder: Path, step: int) -> Path:
    """Name the file of a step.

    Args:
        folder: the run's folder.
        step: the step.

    Returns:
        Its path, whether it is there or not.
    """
    return folder / FOLDER / f"step_{step:010d}.safetensors"


def training_path_of(folder: Path, step: int) -> Path:
    """Name the file that holds the state of the training (optimizer, random numbers) at a step.

    Args:
        folder: the run's folder.
        step: the step.

    Returns:
        Its path, whether it is there or not.
    """
    return folder / FOLDER / f"step_{step:010d}.training.pt"


def steps_of(folder: Path) -> tuple[int, ...]:
    """List the steps whose full state is kept.

    Args:
        folder: the run's folder.

    Returns:
        The steps, ascending.
    """
    where = folder / FOLDER
    found = [_NAME.fullmatch(path.name) for path in where.iterdir()] if where.is_dir() else []
    return tuple(sorted(int(match[1]) for match in found if match))


def save_state(folder: Path, step: int, model: nn.Module, training: Mapping[str, Any] | None = None) -> None:
    """Keep the full state of a network, buffers included.

    Args:
        folder: the run's folder.
        step: the step.
        model: the network without wrappers.
        training: what else is needed to go on from here (states of optimizer, schedule, random numbers).
    """
    tensors, ties = full_state(model)
    (folder / FOLDER).mkdir(exist_ok=True)
    path = path_of(folder, step)
    # The training's state comes first: a full state that can be seen has it.
    if training is not None:
        with drafted(training_path_of(folder, step)) as draft:
            torch.save(dict(training), draft)
            shutil.copymode(folder / manifest.FILE, draft)
    metadata = {"format": "pt", "step": str(step), "ties": json.dumps(ties)}
    with drafted(path) as draft:
        save_file(tensors, draft, metadata=metadata)
        # safetensors makes files that only their owner may read; these are to be read like the rest of the run.
        shutil.copymode(folder / manifest.FILE, draft)


def full_state(model: nn.Module) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Collect the state dict of a network in a form that safetensors takes.

    Args:
        model: the network without wrappers.

    Returns:
        The tensors by name, each kept once; and {name: the name its numbers are kept under} for tied ones.
    """
    tensors: dict[str, torch.Tensor] = {}
    ties: dict[str, str] = {}
    seen: dict[tuple[Any, ...], str] = {}
    for path, kept in model.state_dict().items():
        if not isinstance(kept, torch.Tensor):
            continue
        name, value = clean_name(path), kept.detach()
        key = (value.device, value.data_ptr(), value.shape, value.stride(), value.dtype)
        if value.numel() and key in seen:
            ties[name] = seen[key]
            continue
        seen[key] = name
        # A copy, because parts of one storage (fused weights) are refused.
        tensors[name] = value.cpu().clone(memory_format=torch.contiguous_format)
    return tensors, ties


def read_ties(path: Path) -> dict[str, str]:
    """Read which names of a full state stand for another one's numbers.

    Args:
        path: a file that `save_state` wrote.

    Returns:
        {name: the name its numbers are kept under}.

    Raises:
        RunError: the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            ties: dict[str, str] = json.loads((file.metadata() or {}).get("ties", "{}"))
    except (OSError, ValueError, SafetensorError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    return ties


def remove_after(folder: Path, step: int) -> None:
    """Remove the states of steps that were taken back.

    Args:
        folder: the run's folder.
        step: the last step that is kept.
    """
    for later in [s for s in steps_of(folder) if s > step]:
        path_of(folder, later).unlink()
        training_path_of(folder, later).unlink(missing_ok=True)
