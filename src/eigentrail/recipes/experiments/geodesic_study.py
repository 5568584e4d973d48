"""`study geodesic`: S0's paths of leading singular vectors for many seeds and several rates, beside random walks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float64

from eigentrail._progress import Progress
from eigentrail.analyses.framework.memory import memory_of
from eigentrail.chance import compare, requested
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.errors import EigentrailError, TrajectoryError
from eigentrail.recipes.experiments.geodesic_claims import SPIKE, geodesic_claims, layer_prefix
from eigentrail.recipes.framework.experiment import Experiment, Trained, called, why_lacking
from eigentrail.recipes.framework.measurement import Measurement, last_scores
from eigentrail.recipes.framework.trial import Trial
from eigentrail.training import TrainingSettings
from eigentrail.trajectories import crossings, jumps, segments
from eigentrail.trajectories.geodesic import first_spike
from eigentrail.trajectories.geodesic_null import independent_scores
from eigentrail.trajectories.leading_vectors import SIDES
from eigentrail.trajectories.rows import open_rows
from eigentrail.trajectories.segments import walk_counts
from eigentrail.trajectories.singular_path import singular_path

#: Both sides and both kinds of circle: the prefixes of the table's columns.
FITS = (("right", 1), ("right", 2), ("left", 1), ("left", 2))
_FOLLOWED = 4


@dataclass(frozen=True, kw_only=True)
class GeodesicStudy(Experiment):
    """The path of the leading singular vectors of a layer, for several seeds at each of several rates.

    Attributes:
        factors: the rates in units of the study's, ascending; 1 is among them.
        beside: other layers whose paths stand beside that of the studied one.
    """

    beside: tuple[str, ...] = ()
    factors: tuple[float, ...] = (0.1, 1.0, 5.0)
    seeds: tuple[int, int] = (20, 6)
    together: bool = True
    # A path has a point after each epoch and one before the first; a great 2-sphere is fitted to four.
    fewest: int = 3

    def trials(self, settings: TrainingSettings, full: bool, seeds: int = 1) -> list[Trial]:
        """Plan the trainings: all seeds at each rate.

        Args:
            settings: the study's.
            full: not used.
            seeds: how many.

        Returns:
            A trial for each rate.
        """
        rates = [float(f"{settings.lr * factor:.6g}") for factor in self.factors]
        del full
        return [Trial(f"rate-{rate:g}", {"lr": rate}, seeds=seeds) for rate in rates]

    def measure(
        self, trained: Sequence[Trained], results: Mapping[str, Mapping[str, xr.DataTree]], tell: Progress
    ) -> Measurement:
        """Fit the paths of all seeds; those of one rate share the walks of its first seed, which has their step norms.

        Args:
            trained: the trials.
            results: not used.
            tell: told about the progress.

        Returns:
            A row for each training, S0's claims, and `scores`, `nulls` and `starts` for the figures.
        """
        del results
        rows: list[dict[str, Any]] = []
        first: dict[str, xr.Dataset] = {}
        pools: dict[tuple[str, ...], xr.Dataset] = {}
        kinked: dict[str, KinkWalks] = {}
        left_out: list[tuple[str, str]] = []
        starts: dict[str, list[xr.DataArray]] = {}
        for place, one in enumerate(trained):
            tell(f"paths at {one.trial.name}", place, len(trained))
            for run, settings, wild in zip(one.runs, one.settings, one.diverged, strict=True):
                row: dict[str, Any] = {
                    "trial": one.trial.name,
                    "lr": settings.lr,
                    "seed": settings.seed,
                    "status": "diverged" if wild else run.status,
                    "steps": int(run.steps[-1]),
                    **last_scores(run),
                }
                rows.append(row)
                if wild:
                    continue
                x, memory = run[self.studied], memory_of(run)
                pool = first.get(one.trial.name)
                try:
                    path = singular_path(x, null=requested.ENOUGH if pool is None else 0, **asdict(memory))
                    if one.trial.name not in kinked:
                        tell(f"segments and crossings of walks at {one.trial.name}", place, len(trained))
                        kinked[one.trial.name] = walk_kinks(x, memory)
                    kinks = kinks_row(x, kinked[one.trial.name])
                except EigentrailError as error:
                    row["note"] = f"{self.studied}: {error}"
                    left_out.append((called(one.trial, settings), row["note"]))
                    continue
                pool = first.setdefault(one.trial.name, path)
                starts.setdefault(one.trial.name, []).append(path["score_from"])
                spike = spike_step(x)
                row |= {**path_row(path, pool), **kinks, "spike_step": spike}
                row["right_2_rss_independent"] = _independent_rss(path)
                if np.isfinite(spike):
                    tell(f"paths from the first spike at {one.trial.name}", place, len(trained))
                    row |= _path_from(x, (self.studied, one.trial.name), int(spike), pools, memory, SPIKE)
                for layer in self.beside:
                    tell(f"paths of {layer} at {one.trial.name}", place, len(trained))
                    row |= _other_layer(run[layer], layer, one.trial.name, pools, memory)
        tell("paths fitted", len(trained), len(trained))
        table = pd.DataFrame(rows)
        names = [one.trial.name for one in trained if one.trial.name in first]
        usual = f"rate-{trained[self.factors.index(1.0)].settings[0].lr:g}"
        if usual not in first:
            return Measurement(
                table, left_out=tuple(left_out), missing=why_lacking([usual], trained, left_out)
            )
        known = pd.DataFrame([row for row in rows if "segments" in row])
        return Measurement(
            table,
            tuple(geodesic_claims(known, first, starts, usual, self.beside)),
            {
                name: xr.Dataset(
                    {
                        "null_scores": first[name]["null_scores"],
                        "null_from": first[name]["null_from"],
                        "score_from": xr.concat(starts[name], "run"),
                    }
                )
                for name in names
            },
            tuple(left_out),
        )


def _path_from(
    x: xr.DataArray,
    of: tuple[str, str],
    start: int,
    pools: dict[tuple[str, ...], xr.Dataset],
    memory: Memory,
    begins: str,
) -> dict[str, Any]:
    # S0 begins a path where the first spike is; the walks begin there with it.
    key = (*of, str(start))
    pool = pools.get(key)
    try:
        draws = requested.ENOUGH if pool is None else 0
        path = singular_path(x, null=draws, start=start, shares=(0.0,), **asdict(memory))
    except TrajectoryError:  # too little is left behind the spike, or the layer does not move
        return {}
    return path_row(path, pools.setdefault(key, path), begins)


def _other_layer(
    x: xr.DataArray, layer: str, trial: str, pools: dict[tuple[str, ...], xr.Dataset], memory: Memory
) -> dict[str, Any]:
    name, spike = layer_prefix(layer), spike_step(x)
    row = {f"{name}spike_step": spike}
    row |= _path_from(x, (layer, trial), int(x["step"].values[0]), pools, memory, name)
    if np.isfinite(spike):
        row |= _path_from(x, (layer, trial), int(spike), pools, memory, f"{name}{SPIKE}")
    return row


def _independent_rss(path: xr.Dataset) -> float:
    """Find the RSS of independent unit vectors beside their great 2-sphere, S0's own null, in the median of 20."""
    shape, count = (path.attrs["rows"], path.attrs["cols"]), path.sizes["step"]
    return float(np.median(independent_scores(shape, count, 20, 0).rss[SIDES.index("right"), 1, 0]))


def path_row(path: xr.Dataset, pool: xr.Dataset, begins: str = "") -> dict[str, Any]:
    """Tell the fits of a path in a row of numbers.

    Args:
        path: from `singular_path`.
        pool: the path whose walks it is compared with.
        begins: what stands before each name, for paths that begin elsewhere.

    Returns:
        For each side and kind of circle `score`, `null` (the walks' median), `line` (that of straight lines with the
        observed progress and a walk on top) and `percentile` among the walks, with the prefix `right_1_` and so on;
        `rss` of each with `rss_null` (the walks' median), and `arc` of the great circles.
    """
    row: dict[str, Any] = {}
    for side, dims in FITS:
        of = {"side": side, "dims": dims}
        score = float(path["score"].sel(of))
        known, straight, walked = (
            one[np.isfinite(one)]
            for one in (pool[name].sel(of).values for name in ("null_scores", "line_scores", "null_rss"))
        )
        prefix = f"{begins}{side}_{dims}"
        row |= {
            f"{prefix}_score": score,
            f"{prefix}_null": float(np.median(known)) if len(known) else float("nan"),
            f"{prefix}_line": float(np.median(straight)) if len(straight) else float("nan"),
            f"{prefix}_percentile": compare(score, known).percentile
            if len(known) and np.isfinite(score)
            else float("nan"),
            f"{prefix}_rss": float(path["rss"].sel(of)),
            f"{prefix}_rss_null": float(np.median(walked)) if len(walked) else float("nan"),
        }
        if dims == 1:
            row[f"{begins}{side}_arc"] = float(path["arc"].sel(of))
    return row


@dataclass(frozen=True)
class KinkWalks:
    """What random walks of the weights have of segments and crossings.

    Attributes:
        segments: [d] of how many geodesics the paths of their right vectors consist; none where paths are too short.
        crossings: [2, d] exchanges among the leading places, and changes of the leading direction.
    """

    segments: Float64[np.ndarray, " d"]
    crossings: Float64[np.ndarray, "2 d"]


NO_WALKS = KinkWalks(np.zeros(0), np.zeros((2, 0)))


def walk_kinks(x: xr.DataArray, memory: Memory) -> KinkWalks:
    """Count segments and crossings of random walks with the step norms of a training.

    Args:
        x: [T, out, in] weights over steps.
        memory: how the updates of the walks remember each other.

    Returns:
        The counts of 200 walks.
    """
    try:
        cuts = walk_counts(x, requested.ENOUGH, **asdict(memory))["right"]
    except TrajectoryError:  # too few steps to cut, which `kinks_row` takes as one segment
        cuts = np.zeros(0)
    return KinkWalks(cuts, crossings(x, min(_FOLLOWED, *x.shape[1:]), **asdict(memory)).chance.walks)


def kinks_row(x: xr.DataArray, walks: KinkWalks = NO_WALKS) -> dict[str, Any]:
    """Count the geodesics that a path consists of, and how often another direction becomes the leading one.

    Args:
        x: [T, out, in] weights over steps.
        walks: the same of random walks, counted in the same way; none where something else is the null.

    Returns:
        `segments`, `changes` (their first steps), `leading_changes` (how many), `leading_steps` (when); of the path of
        the leading *rank*, S0's, `jumps`, how many of its turns from point to point are more than 30 degrees,
        `jumps_at_crossings`, at how many of them another direction takes the lead, with `jumps_chance`, at how many
        it would if crossings came at any other point as often (NaN where the points lie too far apart to tell); with
        walks `segments_null` (their median), `segments_percentile`,
        `segments_p`, `leading_null` (their mean), `leading_percentile` and `leading_p`, the p-values being those of so
        many or more.
    """
    beside: dict[str, Any] = {}
    try:
        cut = segments(x, null=walks.segments)
        changes = [int(step) for step in cut.changes]
        if len(walks.segments):
            beside |= {
                "segments_null": float(np.median(walks.segments)),
                "segments_percentile": cut.percentile,
                "segments_p": compare(cut.count, walks.segments).p,
            }
    except TrajectoryError:
        changes = []
    found = crossings(x, min(_FOLLOWED, *x.shape[1:]), null=walks.crossings)
    steps, chance = found.leading_changes, found.chance
    if chance.leading_p is not None:
        beside |= {
            "leading_null": float(chance.leading_null.mean()),
            "leading_percentile": chance.leading_percentile,
            "leading_p": chance.leading_p[0],
        }
    # A vector that is followed through crossings by its overlap has no kink there: that of a rank has.
    turns = jumps(x)
    (both, alone), (quiet, _) = turns.counts.tolist()
    crossed = (both + quiet) / max(1, int(turns.counts.sum()))
    return {
        "segments": len(changes) + 1,
        **beside,
        "changes": " ".join(map(str, changes)),
        "leading_changes": len(steps),
        "leading_steps": " ".join(str(int(step)) for step in steps),
        "jumps": both + alone,
        "jumps_at_crossings": float(both) if turns.often_enough else float("nan"),
        "jumps_chance": crossed * (both + alone) if turns.often_enough else float("nan"),
    }


def spike_step(x: xr.DataArray) -> float:
    """Find the first step with a Marchenko-Pastur spike.

    Args:
        x: [T, out, in] weights over steps.

    Returns:
        The step; NaN where there is none.
    """
    rows = open_rows(x)
    try:
        return float(rows.steps[first_spike(rows)])
    except TrajectoryError:
        return float("nan")
