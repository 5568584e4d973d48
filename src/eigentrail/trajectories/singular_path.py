"""The path of a singular vector of both sides, its great circle and great 2-sphere, and one null for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from jaxtyping import Float64

from eigentrail._numbers import seed_of
from eigentrail._progress import Progress, silent
from eigentrail.chance import compare, compare_drawn, requested
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.errors import TrajectoryError
from eigentrail.trajectories.geodesic import MOST_LINES, MOST_STEPS, check_path, choose_places, follow_rows
from eigentrail.trajectories.geodesic_null import path_scores
from eigentrail.trajectories.great_circle import fit_great_circles
from eigentrail.trajectories.leading_vectors import SIDES, Follow
from eigentrail.trajectories.path_walks import GaussianWalks, Motions, ObservedMotion, observed_motion
from eigentrail.trajectories.rows import open_rows

# Shares of the path that are left out at its beginning to see what the choice of the start does.
_SHARES = (0.0, 0.1, 0.2, 0.35, 0.6)
_QUANTILES = (5.0, 50.0, 95.0)
_FEWEST = 6
_NUMBERS = ("score", "rss", "percentile", "p_value", "arc", "best_start", "best_percentile")
_LINES = ("line_percentile", "line_p_value")


def singular_path(
    x: Any,
    which: int = 0,
    null: int = requested.ENOUGH,
    seed: int = 0,
    *,
    null_model: Literal["signs", "walks"] = "signs",
    lines: bool = True,
    follow: Follow = "overlap",
    start: int | Literal["spike"] | None = None,
    steps: int = MOST_STEPS,
    shares: Sequence[float] = _SHARES,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    progress: Progress = silent,
) -> xr.Dataset:
    """Fit the paths of the left and the right singular vector, with the null of random walks in weight space.

    The fits are those of `geodesic`; the walks are drawn once for both sides and both kinds of circle.

    Args:
        x: weights [T, out, ...] over steps.
        which: rank of the followed singular vector at the start, 0 the leading one.
        null: number of walks, 0 for none.
        seed: seed of the walks.
        null_model: as of `geodesic`.
        lines: as of `geodesic`.
        follow: as of `geodesic`.
        start: as of `geodesic`.
        steps: how many steps the path and the walks are thinned to, at most 100.
        shares: shares of the path to leave out at its beginning, the first one 0.
        momentum: as of `geodesic`.
        nesterov: as of `geodesic`.
        weight_decay: as of `geodesic`.
        progress: is told of the walks done.

    Returns:
        Dataset over `side` ("right" for v, "left" for u), `dims` (1: great circle, 2: great 2-sphere) and `step`:

        - `score`, `rss`, `percentile`, `p_value`, `arc` [side, dims] and `null_scores`, `null_rss` [side, dims, draw];
        - `line_percentile`, `line_p_value` [side, dims, line]: the score among straight lines with the observed
          progress, "alone" and "with walk" on top (NaN where none are drawn): a geodesic is one beyond walks and the
          latter;
        - `line_scores` [side, dims, draw of lines]: the scores of the latter;
        - `path` [side, dims, step, axis]: the projected path in the axes of its plane (the third one is NaN for great
          circles), `mean` [side, dims, axis], its Frechet mean, `residuals` [side, dims, step] and `length` [side];
        - `circle` [side, end, axis]: two directions that span the great circle, in the axes of the great 2-sphere;
        - `left` [step, row], `right` [step, col]: the vectors in float32;
        - `value`, `rank`, `overlap` [step]: singular value, its place, overlap with the step before;
        - `score_from`, `percentile_from` [side, dims, start] and `null_from` [side, dims, start, quantile] (5, 50 and
          95%): the same where the path, and the walks with it, begin at a later step;
        - `best_start`, `best_percentile` [side, dims]: the start with the largest percentile, and where that percentile
          lies among the largest ones of the walks, each at its own best start: the choice is paid for.

        NaN where a side is too small for a circle. Attributes: `rows`, `cols`, `draws`.

    Raises:
        OptionError: an argument is outside what it may be.
        TrajectoryError: there are too few steps, neither vector moves, or weights are zero or not finite.
    """
    rows = open_rows(x, fewest=4)
    if len(rows.shape) < 2:
        raise TrajectoryError("weights of one dimension have no singular vectors: choose a weight matrix.")
    draws, seed, memory = requested.check_draws(null), seed_of(seed), Memory(momentum, nesterov, weight_decay)
    places = choose_places(rows, start, 2, steps)
    kept = memory.kept(rows.steps[places])
    followed, first_norm, norms, shape = follow_rows(rows, places, which, kept, follow)
    count = len(places)
    starts = np.unique([round(share * (count - 1)) for share in shares])
    starts = starts[count - starts >= _FEWEST] if count > _FEWEST else starts[:1]
    out = _empty(count, len(starts), draws)
    still = []
    for number, side in enumerate(SIDES):
        vectors = followed.side(side)
        try:
            check_path(vectors[0], 1)
        except TrajectoryError as error:
            still.append(error)
            continue
        _fit(vectors, number, starts, out)
    if len(still) == len(SIDES):
        raise still[0]
    if draws:
        colour = memory.colour_of(rows.steps[places])
        motions: Motions | None = None
        if null_model == "signs":
            motions = observed_motion(rows, places, seed, colour, kept)
        if motions is None:
            motions = GaussianWalks(shape, first_norm, norms, seed, colour, kept)
        begins = tuple(int(s) for s in starts)
        found = path_scores(motions, draws, which, begins, progress, follow)
        if lines and isinstance(motions, ObservedMotion):
            out["line_scores"] = _draw_lines(motions, min(draws, MOST_LINES), which, follow, out)
        out["null_scores"], out["null_rss"] = found.scores[:, :, 0], found.rss[:, :, 0]
        _compare(found.scores, rows.steps[places][starts], out)
    dims: dict[str, tuple[str, ...]] = {
        **dict.fromkeys(_NUMBERS, ("side", "dims")),
        **dict.fromkeys(_LINES, ("side", "dims", "line")),
        **dict.fromkeys(("null_scores", "null_rss"), ("side", "dims", "draw")),
        "line_scores": ("side", "dims", "line_draw"),
        "path": ("side", "dims", "step", "axis"),
        "mean": ("side", "dims", "axis"),
        "residuals": ("side", "dims", "step"),
        "length": ("side",),
        "circle": ("side", "end", "axis"),
        "score_from": ("side", "dims", "start"),
        "percentile_from": ("side", "dims", "start"),
        "null_from": ("side", "dims", "start", "quantile"),
    }
    labels = {
        name: value[places] if name == "step" else (value[0], value[1][places])
        for name, value in rows.coordinates.items()
    }
    return xr.Dataset(
        {
            **{name: (dims[name], values) for name, values in out.items()},
            "left": (("step", "row"), followed.left[0].astype(np.float32)),
            "right": (("step", "col"), followed.right[0].astype(np.float32)),
            "value": ("step", followed.values[0]),
            "rank": ("step", followed.ranks[0]),
            "overlap": ("step", followed.overlaps[0]),
        },
        coords={
            **labels,
            "side": list(SIDES),
            "dims": [1, 2],
            "start": rows.steps[places][starts],
            "quantile": list(_QUANTILES),
            "line": ["alone", "with walk"],
        },
        attrs={"rows": shape[0], "cols": shape[1], "draws": draws},
    )


def _empty(count: int, starts: int, draws: int) -> dict[str, Float64[np.ndarray, "..."]]:
    shapes: dict[str, tuple[int, ...]] = {
        **dict.fromkeys(_NUMBERS, (2, 2)),
        **dict.fromkeys(_LINES, (2, 2, 2)),
        **dict.fromkeys(("null_scores", "null_rss"), (2, 2, draws)),
        "line_scores": (2, 2, 0),
        "path": (2, 2, count, 3),
        "mean": (2, 2, 3),
        "residuals": (2, 2, count),
        "length": (2,),
        "circle": (2, 2, 3),
        "score_from": (2, 2, starts),
        "percentile_from": (2, 2, starts),
        "null_from": (2, 2, starts, len(_QUANTILES)),
    }
    return {name: np.full(shape, np.nan) for name, shape in shapes.items()}


def _fit(
    vectors: Float64[np.ndarray, "1 t n"],
    number: int,
    starts: np.ndarray[Any, Any],
    out: dict[str, Float64[np.ndarray, "..."]],
) -> None:
    chords = np.linalg.norm(np.diff(vectors[0], axis=0), axis=1)
    out["length"][number] = 2.0 * np.arcsin(np.clip(chords / 2.0, 0.0, 1.0)).sum()
    planes = []
    for dims in (1, 2):
        if vectors.shape[2] <= dims + 1:
            continue
        at = (number, dims - 1)
        fit = fit_great_circles(vectors, dims)
        planes.append(fit.planes[0])
        out["score"][at], out["rss"][at] = fit.score[0], fit.rss[0]
        out["residuals"][at] = fit.residuals[0]
        out["path"][at][:, : dims + 1] = fit.path[0]
        toward = fit.planes[0] @ fit.mean[0]
        out["mean"][at][: dims + 1] = toward / max(float(np.linalg.norm(toward)), 1e-300)
        out["arc"][at] = np.ptp(np.unwrap(np.arctan2(fit.path[0, :, 1], fit.path[0, :, 0])))
        out["score_from"][at] = [fit_great_circles(vectors[:, s:], dims).score[0] for s in starts]
    if len(planes) == 2:
        out["circle"][number] = planes[0] @ planes[1].T


def _draw_lines(
    motion: ObservedMotion, draws: int, which: int, follow: Follow, out: dict[str, Float64[np.ndarray, "..."]]
) -> Float64[np.ndarray, "2 2 l"]:
    """Compare with both kinds of lines; the scores of those with a walk on top are given back."""
    drawn = np.zeros((2, 2, 0))
    for number, walk in enumerate((False, True)):
        line = motion.lines(walk)
        if line is None:
            break
        drawn = path_scores(line, draws, which, follow=follow).scores[:, :, 0]
        for at in np.ndindex(2, 2):
            found = compare_drawn(float(out["score"][at]), drawn[at])
            if found is not None:
                out["line_percentile"][(*at, number)] = found.percentile
                out["line_p_value"][(*at, number)] = found.p
    return drawn


def _compare(
    drawn: Float64[np.ndarray, "2 2 k d"],
    starts: np.ndarray[Any, Any],
    out: dict[str, Float64[np.ndarray, "..."]],
) -> None:
    for side, dims, start in np.ndindex(drawn.shape[:3]):
        null, observed = drawn[side, dims, start], float(out["score_from"][side, dims, start])
        null = null[np.isfinite(null)]
        if not len(null) or not np.isfinite(observed):
            continue
        out["percentile_from"][side, dims, start] = compare(observed, null).percentile
        out["null_from"][side, dims, start] = np.percentile(null, _QUANTILES)
        if start == 0:
            out["percentile"][side, dims] = compare(observed, null).percentile
            out["p_value"][side, dims] = compare(observed, null).p
    for at in np.ndindex(2, 2):
        seen, walks = out["percentile_from"][at], drawn[at]
        if not np.isfinite(seen).all() or not np.isfinite(walks).all():
            continue
        # Each walk's percentile among the walks at every start, and its best one.
        among = (np.argsort(np.argsort(walks, axis=1), axis=1) + 0.5) / walks.shape[1] * 100.0
        out["best_start"][at] = starts[int(seen.argmax())]
        out["best_percentile"][at] = compare(float(seen.max()), among.max(axis=0)).percentile
