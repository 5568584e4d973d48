"""Leading eigenpairs of the curvature along a run, each step started from the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int64
from scipy.optimize import linear_sum_assignment
from torch import nn

from eigentrail._arrays import to_float64
from eigentrail._progress import shown
from eigentrail.bases import Basis
from eigentrail.curvature.basis import CurvatureBasis
from eigentrail.curvature.operator import Curvature
from eigentrail.errors import OptionError, RunError
from eigentrail.evaluation.of_run import samples_of
from eigentrail.runs import Run

#: The smallest overlap with the step before at which an eigenvector is taken for the same one.
MINIMUM_OVERLAP = 0.5
_POINTS = 12


def top_along_run(
    run: Run,
    steps: Sequence[int] | int | None = None,
    layers: str | Sequence[str] | None = None,
    loss: Any = None,
    data: Any = None,
    *,
    k: int = 10,
    which: Literal["largest", "smallest", "both"] = "largest",
    tol: float = 1e-3,
    kind: Literal["hessian", "gauss-newton"] = "hessian",
    part: Literal["train", "test"] = "train",
    count: int | None = None,
    trace: bool = False,
    vectors: bool = False,
    model: nn.Module | None = None,
    trust: bool = False,
    seed: int = 0,
    progress: bool | None = None,
    **options: Any,
) -> xr.Dataset:
    """Follow leading eigenpairs over the steps of a run, from its initial state on.

    The same samples are taken at every step. Each search starts from the eigenvectors of the step before,
    which costs fewer products than a fresh one where the run moves little.

    Args:
        run: a recorded run whose parameters, and buffers where the network has any, are there at the steps.
        steps: which steps, or how many of them, spaced ever wider from the first one; None for at most 12. Two or
            more of them have the first and the last one.
        layers: globs over parameter names; None for the whole network.
        loss: loss(outputs, targets), a mean over samples; None for the cross-entropy.
        data: a `Data`, a data set's name or a pair of tensors; None for what the run says that it was trained
            on.
        k: how many eigenpairs.
        which: from which end.
        tol: residual ||H v - l v|| / |l| to reach.
        kind: "hessian" or "gauss-newton".
        part: samples of which part of the data set.
        count: at most so many of them, drawn with `seed`; None for all.
        trace: estimate the trace at each step too.
        vectors: keep the eigenvectors.
        model: a network to load the weights of each step into; None to build it as the run says.
        trust: see `Run.model`.
        seed: of the draws and of the first search.
        progress: see `train`.
        **options: of `Curvature`, such as `weight_decay` or `batch_size`.

    Returns:
        Over [step, i], eigenvalues falling in i: `values`, `residuals`; `track`, a number that an eigenvector
        keeps while its overlap with the step before is at least one half, never by rank; `weight_product` with
        the weights of the same step, `initial_product` with those of the first one. `overlap` [step, i,
        previous] with the eigenvectors of the step before (NaN at the first). `concentration` [step, i, layer]
        beside `concentration_chance` [layer]. By step: `loss`, `products`, `epoch`; `gradient_share`, the
        share of the squared gradient within these directions (chance k / n); `trace` and `trace_error` if
        asked for; `vectors` [step, i, parameter] if kept.

    Raises:
        OptionError: k does not fit the layers, or there is no such part.
        RunError: the run has no such step, or the network cannot be built there.
    """
    if not isinstance(run, Run):
        raise OptionError(
            f'the first argument is a run, not {type(run).__name__}: give et.open_run("FOLDER").'
        )
    chosen = _steps(run, steps)
    pair = samples_of(run, data, part=part, count=count, seed=seed)
    found: list[dict[str, Any]] = []
    before: CurvatureBasis | None = None
    first: Float64[np.ndarray, " n"] | None = None
    tracks = _Tracks()
    with shown("curvature", progress) as report:
        for place, step in enumerate(chosen):
            report(f"step {step}", place, len(chosen))
            built = _network(run, int(step), model, trust)
            curvature = Curvature(built, loss, pair, layers, kind, seed=seed, **options)
            if not 1 <= k <= curvature.n:
                raise OptionError(f"k is 1 to {curvature.n} for these layers, not {k}.")
            basis = curvature.top(k, which, tol, start=before, seed=seed)
            weights = to_float64(curvature.problem.chosen.join(curvature.problem.point.values))
            first = weights if first is None else first
            row = _row(curvature, basis, weights, first)
            row["overlap"], row["track"] = tracks.follow(basis)
            if trace:
                estimate = curvature.trace(seed=seed)
                row["trace"], row["trace_error"] = float(estimate.value), float(estimate.error)
            if vectors:
                row["vectors"] = to_float64(basis.directions())
            row["products"] = curvature.products
            found.append(row)
            before = basis
    told = {"k": k, "which": which, "tol": tol, "kind": kind, "part": part}
    return _dataset(found, chosen, curvature, _epochs(run, chosen), told)


def _network(run: Run, step: int, model: nn.Module | None, trust: bool) -> nn.Module:
    """Build the network as `Run.model` does; what is refused names the argument by which a network is given here."""
    try:
        return run.model(step, into=model, trust=trust)
    except RunError as error:
        told = (
            str(error)
            .replace("with model(step, into=...)", "with model=...")
            .replace("into=... (model=... or --model where it is analysed)", "model=...")
            .replace("into=...", "model=...")
        )
        raise type(error)(told) from error


def _steps(run: Run, steps: Sequence[int] | int | None) -> list[int]:
    there = run.steps
    if not len(there):
        raise RunError(f"{run.path} has no committed step yet")
    usable = _buildable(run)
    if steps is not None and not isinstance(steps, (int, np.integer)):
        wanted = sorted({int(step) for step in steps})
        if not wanted:
            raise OptionError("choose at least one step of the run.")
        lacking = [step for step in wanted if step in there and step not in usable]
        if lacking:
            near = sorted(usable.tolist(), key=lambda step: abs(step - lacking[0]))[:2]
            raise RunError(
                f"{run.path} has not all layers of the network at step {lacking[0]}: the nearest with all are "
                f"{' and '.join(map(str, near))}"
            )
        return wanted
    points = _POINTS if steps is None else int(steps)
    if points < 1:
        raise OptionError(f"the number of steps is at least 1, not {steps}.")
    if len(usable) <= points:
        return [int(step) for step in usable]
    since = usable - usable[0]
    wide = (
        # From the last one down: a single number of `geomspace` is where it begins.
        np.concatenate([[0.0], np.geomspace(since[-1], max(1.0, since[1]), points - 1)[::-1]])
        if points > 1
        else [0.0]
    )
    return [int(step) for step in np.unique(usable[np.searchsorted(since, np.round(wide))])]


def _buildable(run: Run) -> Int64[np.ndarray, " t"]:
    """Steps at which every recorded layer is there, or the full state is kept."""
    common = run.steps
    for info in run.layers.values():
        common = np.intersect1d(common, info.steps)
    found = np.union1d(common, np.asarray(run.checkpoints, dtype=np.int64)).astype(np.int64)
    return found if len(found) else np.asarray(run.steps, dtype=np.int64)


def _epochs(run: Run, steps: list[int]) -> list[float]:
    known: dict[int, float] = {}
    for info in run.layers.values():
        known.update(zip(info.steps.tolist(), info.epochs.tolist(), strict=True))
    return [float(known.get(step, np.nan)) for step in steps]


def _row(
    curvature: Curvature,
    basis: CurvatureBasis,
    weights: Float64[np.ndarray, " n"],
    first: Float64[np.ndarray, " n"],
) -> dict[str, Any]:
    gradient = to_float64(curvature.gradient())
    size = float(gradient @ gradient)
    inside = to_float64(basis.coordinates(gradient))
    return {
        "values": to_float64(basis.values),
        "residuals": to_float64(basis.residuals),
        "weight_product": _product(basis, weights),
        "initial_product": _product(basis, first),
        "concentration": to_float64(basis.concentration(curvature.slices).shares),
        "loss": curvature.loss_value(),
        "gradient_share": float(inside @ inside) / size if size > 0.0 else 0.0,
    }


def _product(basis: Basis, weights: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " k"]:
    # Zero weights have no direction, and no part of them lies along any.
    return to_float64(basis.weight_product(weights)) if weights.any() else np.zeros(basis.k)


class _Tracks:
    """Eigenvectors numbered by the order of their appearance; no number is used twice."""

    def __init__(self) -> None:
        self._before: Float64[np.ndarray, "j n"] | None = None
        self._numbers: Int64[np.ndarray, " j"] = np.zeros(0, dtype=np.int64)
        self._used = 0

    def follow(self, basis: Basis) -> tuple[Float64[np.ndarray, "k j"], Int64[np.ndarray, " k"]]:
        rows = to_float64(basis.directions())
        now = np.full(len(rows), -1, dtype=np.int64)
        if self._before is None:
            overlaps = np.full((len(rows), len(rows)), np.nan)
        else:
            overlaps = np.abs(rows @ self._before.T)
            for i, j in zip(*linear_sum_assignment(-overlaps), strict=True):
                if overlaps[i, j] >= MINIMUM_OVERLAP:
                    now[i] = self._numbers[j]
        new = now < 0
        now[new] = np.arange(self._used, self._used + int(new.sum()))
        self._used += int(new.sum())
        self._before, self._numbers = rows, now
        return overlaps, now


_DIMS: dict[str, tuple[str, ...]] = {
    "values": ("step", "i"),
    "residuals": ("step", "i"),
    "track": ("step", "i"),
    "weight_product": ("step", "i"),
    "initial_product": ("step", "i"),
    "overlap": ("step", "i", "previous"),
    "concentration": ("step", "i", "layer"),
    "vectors": ("step", "i", "parameter"),
}


def _dataset(
    rows: list[dict[str, Any]],
    steps: list[int],
    curvature: Curvature,
    epochs: list[float],
    told: dict[str, Any],
) -> xr.Dataset:
    sizes = np.array([part.stop - part.start for part in curvature.slices.values()])
    count = len(rows[0]["values"])
    return xr.Dataset(
        {name: (_DIMS.get(name, ("step",)), np.stack([row[name] for row in rows])) for name in rows[0]}
        | {"concentration_chance": ("layer", sizes / curvature.n)},
        coords={
            "step": steps,
            "epoch": ("step", epochs),
            "i": np.arange(count),
            "previous": np.arange(count),
            "layer": curvature.names,
        },
        attrs={
            **told,
            "n": curvature.n,
            "product_chance": float(1.0 / np.sqrt(curvature.n)),
            "gradient_chance": count / curvature.n,
            "overlap_chance": float(np.sqrt(2.0 / (np.pi * curvature.n))),
        },
    )
