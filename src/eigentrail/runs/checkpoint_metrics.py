"""The metrics of a folder of checkpoints: from names, and from what transformers' trainer writes beside weights."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from eigentrail.runs.checkpoint_names import Numbered
from eigentrail.weights import Skipped

STATE = "trainer_state.json"
# Clocks and counters among what the trainer logs.
_NO_METRIC = re.compile(r"epoch|step|total_flos|.*runtime|.*_per_second|num_input_tokens_seen")


def metrics_of(series: Sequence[Numbered]) -> tuple[xr.Dataset, list[Skipped]]:
    """Collect what is known of a training beside its weights.

    Args:
        series: its checkpoints, by ascending step.

    Returns:
        The metrics over the steps of the checkpoints and all steps that were logged, with coordinates `step` and
        `epoch`, NaN where one is not known; and the files that could not be read.
    """
    rows: dict[int, dict[str, float]] = {one.step: dict(one.metrics) for one in series}
    epochs = {one.step: float(one.epoch) for one in series if one.epoch is not None}
    skipped = []
    for one in series:
        try:
            logged = _history(one)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            skipped.append(
                Skipped(f"{one.path.name}/{STATE}", f"cannot be read: {type(error).__name__} {error}")
            )
            continue
        for step, told in logged:
            row = rows.setdefault(step, {})
            for name, value in told.items():
                if name == "epoch":
                    epochs[step] = value
                elif not _NO_METRIC.fullmatch(name):
                    row[name] = value
    steps = np.array(sorted(rows), dtype=np.int64)
    names = dict.fromkeys(name for step in steps for name in rows[int(step)])
    data = {name: ("step", [rows[int(step)].get(name, math.nan) for step in steps]) for name in names}
    epoch = np.array([epochs.get(int(step), math.nan) for step in steps])
    return xr.Dataset(data, coords={"step": steps, "epoch": ("step", epoch)}), skipped


def _history(one: Numbered) -> list[tuple[int, dict[str, float]]]:
    """Read what was logged up to a checkpoint."""
    path = one.path / STATE
    if not one.path.is_dir() or not path.is_file():
        return []
    state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return [
        (
            int(row["step"]),
            {
                name: float(v)
                for name, v in row.items()
                if isinstance(v, (int, float)) and not isinstance(v, bool)
            },
        )
        for row in state["log_history"]
    ]
