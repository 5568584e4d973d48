"""What a run tells of its optimizer: how updates remember each other, and how weight decay shrinks the weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from eigentrail.runs import Run
from eigentrail.trajectories.memory import Memory

# Optimizers whose weight decay multiplies the weights by 1 - lr decay at each step; Adam's divides it by its own scale.
_SHRINKING = ("SGD", "AdamW", "Muon", "Lion")


def memory_of(run: Run) -> Memory:
    """See how updates remember each other by what a run tells of its optimizer.

    Args:
        run: the run.

    Returns:
        The largest momentum of its parameter groups, Adam's beta_1; none where nothing is known.
    """
    found = [Memory()]
    for group in _groups(run):
        betas = group.get("betas")
        momentum = betas[0] if isinstance(betas, (list, tuple)) and betas else group.get("momentum")
        if isinstance(momentum, (int, float)) and 0.0 < momentum < 1.0:
            found.append(Memory(float(momentum), group.get("nesterov") is True))
    return max(found, key=lambda one: one.momentum)


def weight_decay_factor(run: Run, steps: Int64[np.ndarray, " t"]) -> Float64[np.ndarray, " u"] | None:
    """Give the factor by which weight decay alone shrinks the weights between recorded steps.

    Args:
        run: the run.
        steps: [T] recorded steps, ascending.

    Returns:
        [T - 1] (1 - lr decay)^(steps between), with the recorded rate where `lr` is a metric; None without weight
        decay, and where the run does not tell it.
    """
    for group in _groups(run):
        decay, rate = group.get("weight_decay"), group.get("lr")
        if not isinstance(decay, (int, float)) or not isinstance(rate, (int, float)) or decay <= 0.0:
            continue
        rates = np.full(len(steps) - 1, float(rate))
        if "lr" in run.metrics:
            known = run.metrics["lr"].dropna("step")
            if known.size:
                rates = np.interp(steps[1:], known["step"].values, known.values.astype(np.float64))
        momentum = memory_of(run).momentum
        kind = str((getattr(run.manifest, "optimizer", None) or {}).get("class", "SGD"))
        # The gradient of the penalty goes through the momentum: its effective rate is lr / (1 - momentum).
        boost = 1.0 / (1.0 - momentum) if kind.endswith("SGD") else 1.0
        if not kind.endswith(_SHRINKING):
            return None
        shrink = np.clip(1.0 - boost * rates * float(decay), 0.0, 1.0)
        return np.asarray(shrink ** np.diff(steps), dtype=np.float64)
    return None


def _groups(run: Run) -> list[dict[str, Any]]:
    if run.manifest is None:
        return []
    groups = list((run.manifest.optimizer or {}).get("groups") or [])
    groups.append(run.manifest.notes.get("training") or {})
    return [group for group in groups if isinstance(group, dict)]
