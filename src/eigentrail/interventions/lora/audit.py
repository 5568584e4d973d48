"""What an adapter learned: its structure beside random adapters, and when over its training nothing new came."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from eigentrail.chance import LEVEL, compare
from eigentrail.errors import SourceError
from eigentrail.findings import Chance, Effect, Finding, Verdict, adjusted
from eigentrail.interventions.lora.adapters import AdapterUpdate, effective_rank, open_adapter, random_cores
from eigentrail.interventions.lora.shrink import structured_rank
from eigentrail.runs import open_run

_DRAWS = 499
#: An update that moved by less than this share of its norm from one checkpoint to the next is called still.
STILL = 0.05


@dataclass(frozen=True)
class Audit:
    """What an adapter, or an adapter over its training, learned.

    Attributes:
        table: a row for each layer: `module`, `rows`, `cols`, `r`, `norm`, `effective_rank`, `effective_rank_chance`
            (of random adapters of the same shape and norm), `p` (that a random adapter's is so small),
            `structured_rank` (values that stand out of random adapters), `structure` (their share of the squared norm),
            and for a training `late_change` (|dW_last - dW_before| / |dW_last|) and `rank_stopped` (the step from which
            the effective rank stays within 5% of its last value).
        steps: for a training, a row for each checkpoint and layer: `step`, `module`, `norm`, `effective_rank`,
            `change` (from the checkpoint before, over the norm now); empty else.
        findings: for each layer, whether its update uses fewer directions than chance; for a training also from which
            step on nothing new came.
    """

    table: pd.DataFrame
    steps: pd.DataFrame
    findings: list[Finding]


def audit(source: str | os.PathLike[str] | Any, *, draws: int = _DRAWS, seed: int = 0) -> Audit:
    """Look into an adapter, or into a folder of its checkpoints (`checkpoint-N/`).

    Only the r x r cores of the updates are decomposed, and of the null only such cores are drawn.

    Args:
        source: an adapter's folder or state dict; or the folder of a training.
        draws: random adapters for each layer.
        seed: of these.

    Returns:
        Table, history and findings.
    """
    stages = _stages(source)
    history: list[dict[str, Any]] = []
    before: dict[str, AdapterUpdate] = {}
    last: dict[str, AdapterUpdate] = {}
    for step, updates in stages:
        for module, update in updates.items():
            old = last.get(module)
            change = None if old is None or not update.norm else _difference(old, update) / update.norm
            history.append(
                {
                    "step": step,
                    "module": module,
                    "norm": update.norm,
                    "effective_rank": update.effective_rank,
                    "change": change,
                }
            )
        before, last = last, updates
    steps = pd.DataFrame(history)
    rng = np.random.default_rng(seed)
    rows, findings = [], []
    for module, update in last.items():
        row, finding = _layer(module, update, draws, rng)
        if before:
            own = steps[steps["module"] == module]
            row["late_change"] = own["change"].iloc[-1]
            row["rank_stopped"] = _stopped(own)
        rows.append(row)
        findings.append(finding)
    findings = adjusted(findings)
    if before:
        findings.append(_stillness(steps))
    return Audit(pd.DataFrame(rows), steps if before else steps.iloc[:0], findings)


def _stages(source: Any) -> list[tuple[int, dict[str, AdapterUpdate]]]:
    folder = Path(source) if isinstance(source, str | os.PathLike) else None
    if folder is None or not folder.is_dir() or (folder / "adapter_config.json").is_file():
        return [(0, open_adapter(source)[1])]
    if any(name.name.startswith("adapter_model") for name in folder.iterdir()):
        return [(0, open_adapter(source)[1])]
    found: list[tuple[int, dict[str, AdapterUpdate]]] = []
    for path in sorted(folder.glob("checkpoint-*"), key=_number):
        if path.is_dir() and _number(path) >= 0:
            found.append((_number(path), open_adapter(path)[1]))
    if not found:
        run = open_run(folder)
        found = [(int(step), open_adapter(run.store(int(step)))[1]) for step in run.steps]
    if not found:
        raise SourceError(f"{folder} holds no adapter and no checkpoint-N folders of one.")
    return found


def _number(path: Path) -> int:
    tail = path.name.rpartition("-")[2]
    return int(tail) if tail.isdecimal() else -1


def _difference(old: AdapterUpdate, new: AdapterUpdate) -> float:
    """|new - old| through the cores: |new|^2 + |old|^2 - 2 <new, old>."""
    inner = float(_inner(old, new))
    return float(max(old.norm**2 + new.norm**2 - 2.0 * inner, 0.0) ** 0.5)


def _inner(a: AdapterUpdate, b: AdapterUpdate) -> torch.Tensor:
    left, right = a.left.T @ b.left, a.right @ b.right.T
    return torch.sum(a.values[:, None] * left * right * b.values)


def _layer(
    module: str, update: AdapterUpdate, draws: int, rng: np.random.Generator
) -> tuple[dict[str, Any], Finding]:
    rows, cols = update.shape
    r = len(update.values)
    row: dict[str, Any] = {"module": module, "rows": rows, "cols": cols, "r": r, "norm": update.norm}
    question = "does the adapter's update use fewer directions than chance?"
    if not update.norm or r < 2:
        row |= dict.fromkeys(("effective_rank", "effective_rank_chance", "p", "structured_rank", "structure"))
        said = f"{module}: no verdict, " + (
            "the update vanishes" if not update.norm else "rank 1 has nothing to compare"
        )
        return row, Finding(module, question, Verdict.UNDECIDED, f"{said}.")
    compared = compare(
        update.effective_rank, effective_rank(random_cores(rows, cols, r, draws, rng)), side="less"
    )
    k = structured_rank(update, rng)
    squares = update.values.square()
    row |= {
        "effective_rank": update.effective_rank,
        "effective_rank_chance": compared.median,
        "p": compared.p,
        "structured_rank": k,
        "structure": float(squares[:k].sum() / squares.sum()),
    }
    few = compared.p <= LEVEL
    finding = Finding(
        module,
        question,
        Verdict.YES if few else Verdict.NO,
        f"{module}: effective rank {update.effective_rank:.2f} of {r}; random adapters have {compared.median:.2f}.",
        effect=Effect("effective rank", update.effective_rank),
        chance=Chance("random adapters of the same shape and norm", compared.median, draws),
        p=compared.p,
        detail=f"{k} singular values stand out of random adapters; they carry {row['structure']:.0%} of the update.",
    )
    return row, finding


def _stopped(own: pd.DataFrame) -> int:
    """The step from which the effective rank stays within 5% of its last value."""
    ranks = own["effective_rank"].to_numpy()
    off = np.flatnonzero(np.abs(ranks - ranks[-1]) > 0.05 * ranks[-1])
    return int(own["step"].iloc[0 if not len(off) else off[-1] + 1])


def _stillness(steps: pd.DataFrame) -> Finding:
    changes = steps.groupby("step")["change"].median().dropna()
    moving = changes[changes >= STILL]
    last = int(steps["step"].max())
    question = "does the adapter still change at the end?"
    change = float(changes.iloc[-1])
    if len(moving) == len(changes):
        said = f"The updates still change by {change:.0%} of their norm up to step {last}."
        return Finding("adapter", question, Verdict.YES, said, effect=Effect("late change", change))
    since = int(moving.index[-1]) if len(moving) else int(steps["step"].min())
    said = (
        f"From step {since} on the updates change by less than {STILL:.0%} of their norm between checkpoints."
    )
    return Finding("adapter", question, Verdict.NO, said, effect=Effect("late change", change))
