"""Are the weights as near to low rank as stochastic gradients and weight decay make them (S4, Lemma 3.2)?"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import nn

from eigentrail.analyses import Context, Figure, Quantity, Row, Trajectory, analysis
from eigentrail.errors import EigentrailError, TrajectoryError
from eigentrail.evaluation.of_run import samples_of
from eigentrail.figures import rank_bound as drawn
from eigentrail.findings import Effect, Finding, Verdict
from eigentrail.linalg.singular_values import singular_values
from eigentrail.runs import Run
from eigentrail.trajectories.rank_bound import rank_bound as rank_bound_of
from eigentrail.trajectories.rank_bound import rank_within, theorem_bound

# The distance that S4's figure 18 is about.
_EPS = 0.3
_CHUNK = 64


def _findings(row: Row) -> Iterable[Finding]:
    holds = row["largest_excess"] <= 1.0
    yield Finding(
        subject=row.subject,
        question="Is the distance to low rank within Lemma 3.2's bound?",
        verdict=Verdict.YES if holds else Verdict.NO,
        sentence=f"The nearest matrix of rank {row['rank']} is {row['distance']:.2%} of the norm away; Lemma 3.2 "
        f"allows {row['bound']:.2%}."
        if row["rank"] < row["cols"]
        else f"Lemma 3.2 says nothing here: batches of this size allow full rank, {row['cols']}, within "
        f"{row['back']} steps.",
        effect=Effect("largest distance over bound", row["largest_excess"]),
        detail=row["note"] or "",
        needs_look=not holds and not row["note"],
    )
    vacuous = row["theorem"] >= row["cols"]
    yield Finding(
        subject=row.subject,
        question="Does Theorem 3.3 bound the rank below full?",
        verdict=Verdict.NO if vacuous else Verdict.YES,
        sentence=(
            f"Theorem 3.3 says nothing here: it allows rank {row['theorem']:.3g} of {row['cols']}. Rank "
            f"{row['needed']} approximates the weights to {row['eps']:.0%} of their norm."
            if vacuous
            else f"Theorem 3.3 allows rank {row['theorem']:.3g} of {row['cols']} within {row['eps']:.0%} of the norm; "
            f"rank {row['needed']} suffices."
        ),
        effect=Effect("rank that suffices", row["needed"], "count"),
        detail=f"Norms change by a factor of {row['norm_ratio']:.6g} a step at the end; the theorem needs 1.",
    )


@analysis(
    "rank-bound",
    question="Are the weights as near to low rank as weight decay and small batches make them?",
    about="distance of layers to rank m B n beside Lemma 3.2's bound, and Theorem 3.3's bound on the rank",
    version=2,
    unit="matrix",
    order=75,
    default=False,
    findings=_findings,
    source="S4 Lemma 3.2, Theorem 3.3",
    arguments={"eps": _EPS},
    quantities={
        "cols": Quantity("M", "Number of singular values.", "count"),
        "eps": Quantity("ε", "The distance that Theorem 3.3 is asked about.", "share of ‖W‖"),
        "back": Quantity("Last steps", "The n at which the two sides are given: the largest of rank below M.", "steps"),
        "patches": Quantity(
            "m", "How often the layer is applied to a sample: 1 for a dense layer, patches for a convolution.",
            "count", source="S4 Lemma 3.1",
        ),
        "rank": Quantity("Rank m B n", "The rank that the gradients of the last n steps can have.", "count"),
        "distance": Quantity(
            "Distance", "Of W / ‖W‖ to the nearest matrix of that rank.", "share of ‖W‖", shown=True
        ),
        "bound": Quantity(
            "Bound", "What the decay of the last n steps has left of the weights before them.", "share of ‖W‖",
            source="S4 Lemma 3.2", shown=True,
        ),
        "largest_excess": Quantity(
            "Distance ÷ bound, largest", "The largest ratio over all recorded steps: at most 1 by the lemma.",
        ),
        "theorem": Quantity(
            "Theorem 3.3", "m B log(2/ε) / (rate × decay), by the last rate: no bound where it exceeds M.", "count",
            source="S4 Theorem 3.3", shown=True,
        ),
        "needed": Quantity("Rank within ε", "The rank that suffices for the distance ε.", "count", shown=True),
        "norm_ratio": Quantity(
            "‖W‖ before ÷ now", "Of two steps at the end of the training; Theorem 3.3 needs it to go to 1."
        ),
        "note": Quantity("Note", "Why the lemma may not hold here.", absent="its conditions are met"),
    },
    figures=(
        Figure(
            "rank-bound",
            "distance to rank m B n",
            "The nearest matrix whose rank is that of the gradients of the last n steps, and how near S4's Lemma 3.2 "
            "says it is at least. Both for the last recorded step.",
            lambda node, title: drawn.rank_bound(node.to_dataset(), title),
            lambda node: drawn.rank_bound_data(node.to_dataset()),
        ),
    ),
)  # fmt: skip
def rank_bound(matrix: Trajectory, context: Context) -> xr.Dataset:
    """Compare the last weights of a layer with S4's bounds.

    Args:
        matrix: the layer.
        context: the run, and eps.

    Returns:
        `distances`, `bounds` and `ranks` over `back`, the last n steps, and the table's numbers as attributes.

    Raises:
        TrajectoryError: it is several matrices, the run does not say its rate, decay and batch size, or, for other than
            dense layers, its network.
    """
    series = matrix.series
    if series is None or series.spec.matrices != 1:
        raise TrajectoryError("Lemma 3.2 is about one matrix, and this is several")
    told = _told(context.run)
    patches, assumed = _patches(context.run, matrix.name)
    steps = series.steps
    blocks = (
        series.read(np.arange(first, min(first + _CHUNK, len(steps)))).astype(np.float64)
        for first in range(0, len(steps), _CHUNK)
    )
    norms = np.concatenate([np.sqrt((block**2).sum(axis=(1, 2, 3))) for block in blocks])
    values = singular_values(series.read(np.array([len(steps) - 1])))[0]
    if len(steps) < 2 or not np.isfinite(norms).all() or not norms[-1] > 0:
        raise TrajectoryError("the lemma compares steps: it needs two records, finite and not all zero")
    rates = _rates(context.run, told["lr"], int(steps[-1]))
    gone = np.concatenate([[0.0], np.cumsum(np.log1p(-rates * told["weight_decay"]))])
    found = rank_bound_of(steps, norms, values, gone[steps], told["batch_size"], patches)
    below = np.flatnonzero(found.rank < len(values))
    place = int(below[-1]) if len(below) else 0
    eps = float(context.arguments["eps"])
    # Rounding of the weights' own precision is all that is left of a matrix of low rank.
    excess = (found.distance - np.finfo(np.float32).eps * np.sqrt(len(values))) / found.bound
    about = {
        "cols": len(values),
        "eps": eps,
        "patches": patches,
        "back": int(found.back[place]),
        "rank": int(found.rank[place]),
        "distance": float(found.distance[place]),
        "bound": float(found.bound[place]),
        "largest_excess": float(max(0.0, excess.max())),
        "theorem": theorem_bound(float(rates[-1]), told["weight_decay"], told["batch_size"], eps, patches),
        "needed": rank_within(values, eps),
        "norm_ratio": found.norm_ratio,
        "note": "With momentum older gradients count too: the lemma does not apply."
        if told["momentum"]
        else assumed,
    }
    return xr.Dataset(
        {
            "distances": ("back", found.distance),
            "bounds": ("back", found.bound),
            "ranks": ("back", found.rank),
        },
        coords={"back": found.back},
        attrs=about,
    )


def _patches(run: Run, name: str) -> tuple[int, str]:
    """How often a layer is applied to a sample, times its groups; and what is assumed where the network is unknown."""
    owner = name.rpartition(".")[0]
    shapes: list[tuple[int, ...]] = []
    try:
        model = run.model(int(run.steps[-1])).eval()
        module = model.get_submodule(owner)
        handle = module.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape)))
        with handle, torch.no_grad():
            model(samples_of(run, count=1)[0])
    except (EigentrailError, AttributeError) as error:
        if len(run[name].shape) == 3:
            return 1, "The network is not known: the layer is taken to be applied once to a sample."
        raise TrajectoryError(f"how many patches the layer sees is not known: {error}") from error
    if isinstance(module, nn.Linear):
        return sum(math.prod(shape[1:-1]) for shape in shapes), ""
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return module.groups * sum(math.prod(shape[2:]) for shape in shapes), ""
    raise TrajectoryError(
        f"a {type(module).__name__} is neither a dense layer nor a convolution, as Lemma 3.1 asks"
    )


def _told(run: Run) -> dict[str, Any]:
    """Rate, decay, momentum and batch size, as the run says them."""
    manifest = run.manifest
    groups = ((manifest.optimizer or {}).get("groups") or [{}]) if manifest is not None else [{}]
    training = (manifest.notes.get("training") or {}) if manifest is not None else {}
    found = {name: training.get(name, groups[0].get(name)) for name in ("lr", "weight_decay", "momentum")} | {
        "batch_size": training.get("batch_size", manifest.notes.get("batch_size") if manifest else None)
    }
    lacking = [name for name in ("lr", "weight_decay", "batch_size") if found[name] is None]
    if lacking:
        raise TrajectoryError(
            f"the run does not say its {', '.join(lacking)}: record the optimizer, and notes={{'batch_size': B}}"
        )
    if not found["weight_decay"]:
        raise TrajectoryError("the run has no weight decay, without which S4 bounds no rank")
    return found


def _rates(run: Run, lr: float, last: int) -> Float64[np.ndarray, " n"]:
    """The rate of each step: that which was recorded after its epoch, or else the first one."""
    rates = np.full(last, float(lr))
    if "lr" in run.metrics:
        told = run.metrics["lr"].dropna("step")
        ends, values = told["step"].values, told.values
        places = np.minimum(np.searchsorted(ends, np.arange(1, last + 1)), len(ends) - 1)
        rates = np.asarray(values, dtype=np.float64)[places] if len(ends) else rates
    return rates
