"""Single steps put together to the story of one matrix."""

from __future__ import annotations

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int64

from eigentrail.trajectories.computed import Computed
from eigentrail.trajectories.directions import chance_overlap, kept_directions
from eigentrail.trajectories.following import MINIMUM_OVERLAP, Tracks, follow
from eigentrail.trajectories.leading_vectors import Follow
from eigentrail.trajectories.noise_bulk import noise_bulk
from eigentrail.trajectories.series import MatrixSeries


def assemble(
    series: MatrixSeries,
    rows: Int64[np.ndarray, " n"],
    computed: Computed,
    level: float,
    by: Follow = "overlap",
) -> xr.DataTree:
    """Build the node of one matrix.

    Args:
        series: the matrix over steps.
        rows: which of its steps were looked at closely.
        computed: the results of single steps; may hold more than is asked for.
        level: chance that noise shows a spike.
        by: how spikes are followed, as of `follow`.

    Returns:
        A tree with the children `every`, `diagnosis`, `spikes` and `events`.
    """
    k, n, m = series.shape
    steps = series.steps[rows]
    every = _every(series, computed)
    diagnosis = computed.diagnosis.sel(step=steps).assign_coords(epoch=("step", series.epochs[rows]))
    noise = noise_bulk(n, m, k)
    diagnosis.attrs = {"level": level} | (
        {"noise_ks_mean": noise.mean, "noise_ks_high": noise.high, "noise_draws": noise.draws}
        if noise
        else {}
    )
    tracks = follow(computed.directions_at(steps), by=by)
    children = {
        "/every": every,
        "/diagnosis": diagnosis,
        "/spikes": _spikes(steps, series.epochs[rows], tracks, n, m),
        "/events": _events(steps, tracks),
    }
    tree = xr.DataTree.from_dict(children)
    tree.attrs = {
        "name": series.name,
        "kind": series.spec.kind,
        "matrices": k,
        "rows": n,
        "cols": m,
        "q": m / n,
        "notes": [*([series.spec.note] if series.spec.note else []), *_notes(every, diagnosis)],
    }
    return tree


def _every(series: MatrixSeries, computed: Computed) -> xr.Dataset:
    every = computed.every.sel(step=series.steps)
    sigma: Float64[np.ndarray, "t v"] = every["singular_values"].values
    frobenius = np.sqrt((sigma**2).sum(axis=1))
    ratio = np.full(len(frobenius), np.nan)
    np.divide(frobenius[:-1], frobenius[1:], out=ratio[1:], where=frobenius[1:] > 0)
    between = np.diff(series.steps, prepend=series.steps[:1])
    return every.assign(
        frobenius_norm=("step", frobenius),
        spectral_norm=("step", sigma[:, 0].copy()),
        norm_ratio=("step", ratio),
        steps_between=("step", between),
    ).assign_coords(epoch=("step", series.epochs))


def _spikes(
    steps: Int64[np.ndarray, " t"], epochs: Float64[np.ndarray, " t"], tracks: Tracks, rows: int, cols: int
) -> xr.Dataset:
    deaths = np.full(len(tracks.deaths), -1, dtype=np.int64)
    dead = tracks.deaths >= 0
    deaths[dead] = steps[tracks.deaths[dead]]
    return xr.Dataset(
        {
            "value": (("step", "track"), tracks.values),
            "rank": (("step", "track"), tracks.ranks),
            "birth": ("track", steps[tracks.births]),
            "death": ("track", deaths),
            "seen": ("track", (tracks.ranks >= 0).sum(axis=0)),
        },
        {"step": steps, "epoch": ("step", epochs), "track": np.arange(len(deaths))},
        {
            "minimum_overlap": MINIMUM_OVERLAP,
            "chance_overlap": chance_overlap(rows, cols),
            "followed_at_most": kept_directions(rows, cols),
        },
    )


def _events(steps: Int64[np.ndarray, " t"], tracks: Tracks) -> xr.Dataset:
    events = tracks.events
    return xr.Dataset(
        {
            "step": ("event", steps[np.array([e.place for e in events], dtype=np.int64)]),
            "kind": ("event", np.array([e.kind for e in events], dtype=object)),
            "track": ("event", np.array([e.track for e in events], dtype=np.int64)),
            "other": ("event", np.array([e.other for e in events], dtype=np.int64)),
        }
    )


def _notes(every: xr.Dataset, diagnosis: xr.Dataset) -> list[str]:
    """Say what is missing.

    Args:
        every: the numbers at every step.
        diagnosis: those of the steps that were looked at closely.

    Returns:
        Sentences.
    """
    said = []
    broken = every["step"].values[np.isnan(every["spectral_norm"].values)]
    if len(broken):
        said.append(
            f"the weights are not finite at {len(broken)} of {every.sizes['step']} steps, the first of which is "
            f"{broken[0]}: all numbers are missing there"
        )
    reasons = diagnosis["missing"].values
    for reason in dict.fromkeys(r for r in reasons if r and "NaN or infinite" not in r):
        at = diagnosis["step"].values[reasons == reason]
        said.append(f"at {len(at)} of {len(reasons)} analysed steps, the first of which is {at[0]}: {reason}")
    return said
