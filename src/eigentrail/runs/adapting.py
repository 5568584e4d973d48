"""What the callbacks for other people's training loops share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eigentrail.runs import manifest


def begin_at(path: Path, arguments: Mapping[str, Any], step: int) -> dict[str, Any]:
    """Tell a recorder at which step a trainer begins.

    Args:
        path: the run's folder.
        arguments: the recorder's arguments as the user gave them.
        step: the trainer's step; larger than 0 if it goes on from a checkpoint of its own.

    Returns:
        The arguments. `resume=True` becomes the very step of a trainer that goes on, because that may be an earlier one
        than the run's last; where there is no run yet, a new one begins at that step.
    """
    told = dict(arguments)
    if told.get("resume") is True:
        if (path / manifest.FILE).exists():
            # A trainer that begins anew would take everything back: it is refused by its weights or steps instead.
            told["resume"] = step or True
        else:
            del told["resume"]
    if "resume" not in told and step:
        told.setdefault("start", step)
    return told
