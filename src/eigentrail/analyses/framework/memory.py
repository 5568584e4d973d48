"""What a run tells of its optimizer: how updates remember each other, and how weight decay shrinks the weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from eigentrail.chance.optimizer_memory import Memory
from eigentrail.runs import Run

# Optimizers whose weight decay multiplies the weights by 1 - lr decay at each step; Adam's divides it by its own scale.
_SHRINKING = ("SGD", "AdamW", "Muon", "Lion")


def memory_of(run: Run) -> Memory:
    """See how updates remember each other, and what weights lose at each step, by what a run tells of its optimizer.

    Args:
        run: the run.

    Returns:
        The largest momentum of its parameter groups, Adam's beta_1, with the share of themselves that weights lose at
        each step by weight decay, at the mean of the recorded rates; none where nothing is known.
    """
    groups = [*optimizer_groups(run), run.settings]
    found = [Memory()]
    for group in groups:
        betas = group.get("betas")
        momentum = betas[0] if isinstance(betas, (list, tuple)) and betas else group.get("momentum")
        if isinstance(momentum, (int, float)) and 0.0 < momentum < 1.0:
            found.append(Memory(float(momentum), group.get("nesterov") is True))
    memory = max(found, key=lambda one: one.momentum)
    return replace(memory, weight_decay=_lost_per_step(run, groups, memory.momentum))


def _lost_per_step(run: Run, groups: list[dict[str, Any]], momentum: float) -> float:
    kind = str((getattr(run.manifest, "optimizer", None) or {}).get("class", "SGD"))
    if not kind.endswith(_SHRINKING):
        return 0.0
    # The gradient of SGD's penalty goes through the momentum: its effective rate is lr / (1 - momentum).
    boost = 1.0 / (1.0 - momentum) if kind.endswith("SGD") else 1.0
    lost = 0.0
    for group in groups:
        decay, rate = group.get("weight_decay"), group.get("lr")
        if isinstance(decay, (int, float)) and isinstance(rate, (int, float)) and decay > 0.0:
            lost = max(lost, boost * _mean_rate(run, float(rate)) * float(decay))
    return min(lost, 0.5)


def _mean_rate(run: Run, rate: float) -> float:
    metrics = getattr(run, "metrics", {})
    if "lr" not in metrics:
        return rate
    known = metrics["lr"].dropna("step")
    return float(known.mean()) if known.size else rate


def optimizer_groups(run: Run) -> list[dict[str, Any]]:
    """List what a run tells of its optimizer's parameter groups.

    Args:
        run: the run.

    Returns:
        The settings of each group; none where the run does not tell.
    """
    told = (run.manifest.optimizer or {}) if run.manifest is not None else {}
    return [group for group in told.get("groups") or [] if isinstance(group, dict)]
