"""Do the leading singular vectors of a layer move along geodesics, more than chance gives?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float64

from eigentrail.analyses import Context, Figure, Needs, Overview, Quantity, Row, Size, Trajectory, analysis
from eigentrail.analyses.framework.wording import finding
from eigentrail.chance import LEVEL
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.errors import EigentrailError
from eigentrail.figures import geodesics as drawn
from eigentrail.figures.sphere import sphere, sphere_data
from eigentrail.findings import Finding
from eigentrail.trajectories.geodesic import MOST_STEPS, first_spike
from eigentrail.trajectories.geodesic_null import null_seconds
from eigentrail.trajectories.great_circle import fit_great_circles
from eigentrail.trajectories.leading_vectors import SIDES
from eigentrail.trajectories.rows import open_rows
from eigentrail.trajectories.segments import segments
from eigentrail.trajectories.singular_path import singular_path
from eigentrail.trajectories.steps import nested_log_steps

Side = Literal["right", "left"]

_QUESTION = "Do the leading singular vectors follow geodesics?"
_WALKS = "walks of the same updates with random signs"
# Steps that are looked at for the first spike, and steps that a path from there on needs to be worth a fit.
_LOOKED_AT = 200
_FEWEST = 12
# So many segments are drawn at most.
_FEW = 4
_DRAWS = 200


def _seconds(size: Size) -> float:
    # The walks and lines from the first spike on, and half as many walks from the first step.
    return 2.5 * null_seconds((size.rows, size.cols), min(size.steps, MOST_STEPS), _DRAWS)


def _findings(row: Row) -> Iterable[Finding]:
    circle = row.compared("score")
    if circle is None:
        return
    which, line_p = row.case["side"], row["line_p"]
    beyond_lines = line_p is None or line_p <= LEVEL
    since = "the first spike on" if row.node.attrs["start"] == "spike" else "the first step on"
    if circle.beyond and not beyond_lines:
        no = f"The leading {which} vector scores {circle.observed:.2f} of 1 as a great circle, above random walks; a "
        no += "straight line in weight space explains it."
    else:
        no = f"No sign of a great circle: the leading {which} vector scores {circle.observed:.2f} of 1; "
        no += f"{circle.above} of {circle.draws} random walks score higher."
    yield finding(
        row,
        _QUESTION,
        "score",
        yes=f"The leading {which} vector follows a great circle (score {circle.observed:.2f} of 1); walks score "
        f"{circle.median:.2f} in the median, and no straight line explains it.",
        no=no,
        also=beyond_lines,
        detail=f"From {since}, {row['steps']:.0f} steps.{_rss_told(row)}",
    )


def _rss_told(row: Row) -> str:
    rss = row.compared("rss")
    if rss is None:
        return ""
    # S0 counts a path's residuals against those of independent unit vectors; walks are far nearer to a circle.
    return f" RSS {rss.observed:.3g} rad²; walks have {rss.median:.3g} in the median."


def _child(node: xr.DataTree) -> xr.Dataset:
    return node[node.attrs["start"]].to_dataset()


def _has(side: Side) -> Any:
    def when(node: xr.DataTree) -> bool:
        return bool(np.isfinite(float(_child(node)["score"].sel(dims=1, side=side))))

    return when


def _figures(side: Side) -> tuple[Figure, ...]:
    def path(node: xr.DataTree) -> xr.Dataset:
        return _child(node).sel(side=side)

    def first(node: xr.DataTree) -> xr.Dataset:
        return node["first"].to_dataset().sel(side=side)

    def cut(node: xr.DataTree) -> xr.Dataset:
        return node[f"segments_{side}"].to_dataset()

    when = _has(side)
    return (
        Figure(
            f"sphere-{side}",
            f"path of the leading {side} vector",
            "Turn it with the mouse. The leading singular vector of each step, projected onto the great 2-sphere that "
            "holds its path best. Purple: the great circle through all steps. Thick arcs, where there are any: the "
            "great "
            "circle fitted to each segment, drawn thinly beyond its ends; pink rings: steps from which on another "
            "circle "
            "fits better. Short paths are shown from nearer.",
            lambda node, title: sphere(path(node), cut(node), title),
            lambda node: sphere_data(path(node), cut(node)),
            when=when,
        ),
        Figure(
            f"null-{side}",
            f"score of the {side} vector beside random walks",
            "Grey: scores of walks from the same start with the observed updates in random signs (where these are too "
            "many to be drawn again, Gaussian steps of their norms). A score alone tells nothing: walks score high.",
            lambda node, title: drawn.null_histogram(path(node), title),
            lambda node: drawn.null_data(path(node)),
            when=when,
        ),
        Figure(
            f"residuals-{side}",
            f"angle off the geodesic, {side} vector",
            "Angle between the vector and its circle at each step. At a change the path goes over to "
            "another circle by more than walks around one circle seem to; at most four are shown.",
            lambda node, title: drawn.residuals(path(node), cut(node), title),
            lambda node: sphere_data(path(node), cut(node)),
            when=when,
        ),
        Figure(
            f"starts-{side}",
            f"score by first step, {side} vector",
            "The score where the path, and the walks with it, begins at a later step. Who looks for the best start "
            "finds "
            "one: the comparison is with walks that may choose theirs too.",
            lambda node, title: drawn.score_by_start(first(node), title),
            lambda node: drawn.start_data(first(node)),
            when=when,
        ),
    )


def _table(nodes: Sequence[tuple[str, xr.DataTree]]) -> pd.DataFrame:
    rows, bands, labels = [], [], []
    for label, node in nodes:
        for side in SIDES:
            if not _has(side)(node):
                continue
            path = _child(node).sel(side=side, dims=1)
            band = path["null_from"].isel(start=0).values
            rows.append(
                {
                    "name": node.attrs["name"],
                    "side": side,
                    "score": float(path["score"]),
                    "null_median": float(path["null_scores"].median()),
                }
            )
            bands.append((float(band[0]), float(band[-1])))
            labels.append(f"{label}, {side}")
    return drawn.with_bands(pd.DataFrame(rows), bands, labels)


@analysis(
    "geodesic",
    question=_QUESTION,
    about="great circles through the leading singular vectors, beside walks of the same updates and straight "
    "lines; segments",
    version=11,
    unit="matrix",
    order=50,
    rows=("side",),
    cost=_seconds,
    needs=Needs(momentum=True),
    findings=_findings,
    source="S0 slides 16-32",
    arguments={"steps": MOST_STEPS},
    quantities={
        "shape": Quantity("Shape", "Rows and columns of the matrix."),
        "start": Quantity(
            "Starts at", "First step of the path: that of the first spike where it comes later."
        ),
        "spike_step": Quantity(
            "First spike", "First recorded step with a Marchenko-Pastur spike.", absent="no spike"
        ),
        "steps": Quantity("Steps", "How many recorded steps the path has.", "count", shown=True),
        "score": Quantity(
            "Score",
            "1 − RSS / (RSS + spread): 1 for a path on a great circle of the unit sphere.",
            "0 to 1",
            source="S0 slide 18",
            null="circle_null",
            null_name=_WALKS,
            shown=True,
            chance=".5 for independent vectors, .7 to .98 for a random walk of the weights.",
        ),
        "rss": Quantity(
            "RSS",
            "Sum of squared distances from the great circle.",
            "radians²",
            source="S0 slide 17",
            null="rss_null",
            null_name=_WALKS,
            side="less",
            shown=True,
            chance="About two for each step where the vectors are independent, S0's own null.",
        ),
        "arc": Quantity("Arc", "Length of the path along the circle.", "degrees"),
        "sphere_score": Quantity(
            "Score, 2-sphere",
            "The same for the great 2-sphere.",
            "0 to 1",
            source="S0 slide 19",
            null="sphere_null",
            null_name=_WALKS,
            shown=True,
        ),
        "line_p": Quantity(
            "p, straight lines",
            "Probability of so high a score of straight lines in weight space with the observed progress, walks on "
            "top.",
            "0 to 1",
            chance="Straight lines score above the walks' 95th percentile in 59% of cases.",
            shown=True,
            absent="the updates are too large to be drawn again",
        ),
        "first_score": Quantity(
            "Score from the first step",
            "The score of the path from the first recorded step on.",
            "0 to 1",
            null="first_null",
            null_name=_WALKS,
        ),
        "best_start": Quantity(
            "Best start", "The first step from which on the path beats most walks.", "steps"
        ),
        "best_percentile": Quantity(
            "Percentile of the best start",
            "Where the score from the best start lies among walks at their own best start.",
            "0 to 100",
        ),
        "length": Quantity("Length", "Length of the path on the sphere.", "radians"),
        "segments": Quantity(
            "Segments",
            "How many great circles the path follows one by one: each change beyond 95% of walks around fewer.",
            "count",
            chance="1 for a path around one circle, however its noise walks.",
        ),
        "changes": Quantity("Changes", "Steps at which another circle fits better, at most three.", "steps"),
        "rank_changes": Quantity(
            "Changes of rank", "How often the followed vector changes its rank.", "count"
        ),
        "note": Quantity("Note", "Why the path begins where it does."),
    },
    figures=(*_figures("right"), *_figures("left")),
    overviews=(
        Overview(
            "geodesic-scores",
            "Scores beside random walks",
            "Great circles. Grey: median and 90% of walks of the same updates with random signs.",
            lambda nodes, title: drawn.scores_by_layer(_table(nodes)[:60], title),
            _table,
        ),
    ),
)
def geodesic(matrix: Trajectory, context: Context) -> xr.DataTree:
    """Fit great circles to the leading left and right singular vector of a layer, beside random walks.

    Args:
        matrix: the layer.
        context: seed, draws, and what is told of the walks done.

    Returns:
        Its node. The children are `first` and, where the first Marchenko-Pastur spike comes later and leaves
        enough steps, `spike`: what `singular_path` gives from the first step and from that spike on; and
        `segments_right`, `segments_left` [segment]: up to four great circles that the path follows one after the
        other, from the same start as the child named by `attrs["start"]`, and `attrs["count"]`, how many there are
        without a limit. Each has its circle as
        `plane` [segment, end, entry], two orthonormal vectors, `circle` [segment, end, axis], these projected onto
        the great 2-sphere of the whole path, in its axes, and `from_angle`, `to_angle`, the ends of its arc in that
        plane. The node itself has the table's numbers [side].
    """
    x, memory = matrix.weights, matrix.memory
    walking: dict[str, Any] = {
        "seed": context.seed,
        "momentum": memory.momentum,
        "nesterov": memory.nesterov,
        "weight_decay": memory.weight_decay,
        "progress": context.progress,
    }
    start: Literal["first", "spike"] = "first"
    spike, note = -1, ""
    close = open_rows(x).select(nested_log_steps(matrix.steps, _LOOKED_AT))
    try:
        spike = int(close.steps[first_spike(close)])
    except EigentrailError as error:
        note = f"the path begins at the first step: {error}"
    left = int((matrix.steps >= spike).sum())
    nodes: dict[str, Any] = {}
    if spike > matrix.steps[0] and left >= _FEWEST:
        nodes["/spike"] = singular_path(x, null=context.draws, start=spike, shares=(0.0,), **walking)
        # The path from the first step stands beside it: fewer draws, and no lines, tell enough of that.
        nodes["/first"] = singular_path(x, null=context.draws // 2, lines=False, **walking)
        start = "spike"
    else:
        nodes["/first"] = singular_path(x, null=context.draws, **walking)
        if spike > matrix.steps[0]:
            note = f"the path begins at the first step: the first spike appears at step {spike}, with {left} "
            note += "step left" if left == 1 else "steps left"
    for side in SIDES:
        nodes[f"/segments_{side}"] = _segments(nodes[f"/{start}"], side, memory)
    nodes["/"] = _numbers(nodes, start)
    tree = xr.DataTree.from_dict(nodes)
    rows, cols = x.shape[1:]
    tree.attrs = {
        "start": start,
        "spike_step": spike if spike >= 0 else None,
        "note": note,
        "shape": f"{rows}x{cols}",
        "rows": int(rows),
        "cols": int(cols),
    }
    return tree


def _numbers(nodes: dict[str, Any], start: str) -> xr.Dataset:
    path, first = nodes[f"/{start}"], nodes["/first"]
    circle, ball = path.sel(dims=1), path.sel(dims=2)
    cuts = [nodes[f"/segments_{side}"] for side in SIDES]
    changes = [
        ", ".join(str(int(step)) for step in cut["start"].values[1:]) if "start" in cut else ""
        for cut in cuts
    ]

    def by_side(values: Any) -> tuple[str, Any]:
        return "side", np.asarray(values, dtype=np.float64)

    def null(of: xr.Dataset, dims: int, what: str = "null_scores") -> Any:
        return of[what].sel(dims=dims, side=list(SIDES)).transpose("draw", "side").values

    known = path.sel(side=list(SIDES))
    return xr.Dataset(
        {
            **{name: by_side(circle[name].sel(side=list(SIDES)).values) for name in ("score", "rss", "arc")},
            "line_p": by_side(circle["line_p_value"].sel(side=list(SIDES)).values[..., -1]),
            "sphere_score": by_side(ball["score"].sel(side=list(SIDES)).values),
            "first_score": by_side(first["score"].sel(dims=1, side=list(SIDES)).values),
            "best_start": by_side(first["best_start"].sel(dims=1, side=list(SIDES)).values),
            "best_percentile": by_side(first["best_percentile"].sel(dims=1, side=list(SIDES)).values),
            "length": by_side(known["length"].values),
            "segments": by_side([cut.attrs.get("count", np.nan) for cut in cuts]),
            "changes": ("side", np.array(changes, dtype=object)),
            "rank_changes": by_side([(np.diff(path["rank"].values) != 0).sum()] * len(SIDES)),
            "start": by_side([int(path["step"][0])] * len(SIDES)),
            "steps": by_side([path.sizes["step"]] * len(SIDES)),
            "circle_null": (("walk", "side"), null(path, 1)),
            "rss_null": (("walk", "side"), null(path, 1, "null_rss")),
            "sphere_null": (("walk", "side"), null(path, 2)),
            "first_null": (("first_walk", "side"), null(first, 1)),
        },
        {"side": list(SIDES)},
    )


def _segments(path: xr.Dataset, side: Side, memory: Memory) -> xr.Dataset:
    try:
        found = segments(
            path[side].astype(np.float64),
            side=side,
            most=_FEW,
            null=0,
            momentum=memory.momentum,
            nesterov=memory.nesterov,
        )
    except EigentrailError as error:
        return xr.Dataset(attrs={"note": str(error)})
    table = found.table
    between = np.full((len(table), 2), np.nan)
    between[1:] = found.intervals
    columns = {str(name): ("segment", np.asarray(table[name].values)) for name in table}
    planes = np.stack([fit.planes[0] for fit in found.fits])
    angles = [np.unwrap(np.arctan2(fit.path[0, :, 1], fit.path[0, :, 0])) for fit in found.fits]
    axes = _sphere_axes(found.vectors.values, path["path"].sel(side=side, dims=2).values)
    return xr.Dataset(
        {
            **columns,
            "change_low": ("segment", between[:, 0]),
            "change_high": ("segment", between[:, 1]),
            "plane": (("segment", "end", "entry"), planes.astype(np.float32)),
            "circle": (("segment", "end", "axis"), planes @ axes.T),
            "from_angle": ("segment", np.array([one.min() for one in angles])),
            "to_angle": ("segment", np.array([one.max() for one in angles])),
        },
        attrs={
            "rss_single": found.rss_single,
            "rss": found.rss,
            "count": found.count,
            "note": "",
        },
    )


def _sphere_axes(
    vectors: Float64[np.ndarray, "t n"], on_sphere: Float64[np.ndarray, "t 3"]
) -> Float64[np.ndarray, "3 n"]:
    """Find the axes in which the path on its great 2-sphere is told; NaN where there is no 2-sphere."""
    if not np.isfinite(on_sphere).all():
        return np.full((3, vectors.shape[1]), np.nan)
    fit = fit_great_circles(vectors[None], 2)
    # The same plane; its own axes may be turned round.
    u, _, vt = np.linalg.svd(on_sphere.T @ fit.path[0])
    return np.asarray(u @ vt @ fit.planes[0])
