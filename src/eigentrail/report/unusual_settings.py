"""What is other than usual in a training, in words: changed data, and settings besides the plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def changed_data(data: Mapping[str, Any]) -> str | None:
    """Say how a data set was changed before the training.

    Args:
        data: what a run keeps of it.

    Returns:
        For example "only the classes 0, 1; 20% wrong labels (seed 0)"; None where nothing was changed.
    """
    changes = data.get("derivation") or ()
    # Each change adds its words at the end.
    said = str(data.get("about") or "").split("; ")
    return "; ".join(said[-len(changes) :]) if changes else None


def unusual_settings(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say which settings are other than a plain training's; those that are numbers only are left to others.

    Args:
        settings: the settings of a training, as its run keeps them.

    Returns:
        (label, words) of each.
    """
    found: dict[str, str | None] = {
        "Rate over the epochs": _schedule(settings.get("schedule") or {}),
        "Images changed anew": _augmentation(settings.get("augmentation") or {}),
        "Classes": "; ".join(
            f"from epoch {phase['start']} only {', '.join(map(str, phase['classes']))}"
            for phase in settings.get("phases") or ()
        ),
        "Not trained": ", ".join(settings.get("frozen") or ()),
        "Last batch of an epoch": "left out where it is not full" if settings.get("drop_last") else None,
        "Decay on": "dense layers only" if settings.get("decay_on") == "dense" else None,
        "Precision": settings.get("dtype") if settings.get("dtype") != "float32" else None,
    }
    return [(label, words) for label, words in found.items() if words]


def _schedule(schedule: Mapping[str, Any]) -> str | None:
    kind = schedule.get("kind", "constant")
    if kind == "step":
        return f"times {schedule['gamma']:g} at epochs {', '.join(map(str, schedule['at']))}"
    if kind == "exponential":
        return f"times {schedule['gamma']:g} after each"
    if kind == "cosine":
        return f"half a cosine down to {schedule['final']:g} of the first"
    return None


def _augmentation(augmentation: Mapping[str, Any]) -> str:
    turned = {"steps": "turned by a multiple of 15°", "range": "turned by up to 15°"}
    parts = [
        turned.get(augmentation.get("rotation", "none")),
        f"cropped with an edge of {augmentation['crop']} px" if augmentation.get("crop") else None,
        "mirrored by chance" if augmentation.get("flip") else None,
    ]
    return ", ".join(part for part in parts if part)
