"""How far do leading and trailing singular subspaces turn from the first step on?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import xarray as xr

from eigentrail.analyses import Context, Figure, Quantity, Row, Size, Trajectory, analysis
from eigentrail.analyses.framework.wording import finding, percent
from eigentrail.figures import subspace_angles as drawn
from eigentrail.findings import Finding
from eigentrail.trajectories.geodesic import thinned
from eigentrail.trajectories.subspaces import subspaces as subspaces_of

_DIMENSION = 4
_DRAWS = 200
_STEPS = 100
_NULL = "random displacements of the first step's weights, as large as the observed one"


def _seconds(size: Size) -> float:
    return (min(size.steps, _STEPS) + _DRAWS) * (1e-3 + 1.5e-9 * size.rows * size.cols**2)


def _findings(row: Row) -> Iterable[Finding]:
    beside = row.compared("leading")
    if beside is None:
        return
    median = percent(beside.median)
    stays = f"{percent(beside.observed)} of the leading {row.case['side']} singular subspace is kept"
    less = beside.observed < beside.median
    yield finding(
        row,
        "Do the leading singular subspaces turn differently than a random displacement turns them?",
        "leading",
        yes=f"{stays}: it turned {'more' if less else 'less'} than by random displacements as large, which keep "
        f"{median}.",
        no=f"{stays}, within chance: random displacements as large keep {median}.",
        detail=f"Unrelated subspaces of this dimension share {percent(row['chance'])}.",
    )


def _figures(side: Literal["right", "left"]) -> tuple[Figure, ...]:
    return (
        Figure(
            f"angles-{side}",
            f"principal angles, {side} subspaces",
            "Principal angles between subspaces, from sines. Dotted: the angle whose squared cosine is what random "
            "subspaces share on average. Angles of single vectors would mean nothing among nearly equal singular "
            "values.",
            lambda node, title: drawn.principal_angles(node.to_dataset(), side, title),
            lambda node: drawn.angle_data(node.to_dataset(), side),
        ),
        Figure(
            f"values-by-angle-{side}",
            f"singular values by angle, {side} vectors",
            "Each singular value in the colour of the angle between its vector and the block of nearly equal values to "
            "which it belonged at the first step.",
            lambda node, title: drawn.values_by_angle(node.to_dataset(), side, title),
            lambda node: drawn.value_data(node.to_dataset(), side),
        ),
    )


@analysis(
    "subspaces",
    question="How far do singular subspaces turn?",
    about="principal angles of leading and trailing singular subspaces against the first step",
    version=3,
    unit="matrix",
    order=70,
    rows=("side",),
    cost=_seconds,
    findings=_findings,
    source="S3",
    arguments={"k": _DIMENSION, "steps": _STEPS},
    quantities={
        "shape": Quantity("Shape", "Rows and columns of the matrix."),
        "k": Quantity("Dimension", "Dimension of the subspaces.", "count", shown=True),
        "leading": Quantity(
            "Share of the leading subspace kept",
            "Mean squared cosine of the principal angles between the leading subspaces of the first and the last step.",
            "0 (orthogonal) to 1 (the same)",
            null="leading_null",
            null_name=_NULL,
            side="two",
            shown=True,
        ),
        "trailing": Quantity(
            "Kept, trailing",
            "The same for the subspaces of the smallest singular values.",
            "0 to 1",
            shown=True,
        ),
        "chance": Quantity(
            "Random subspaces", "What unrelated subspaces of this dimension share, k / n.", "0 to 1"
        ),
    },
    figures=(*_figures("right"), *_figures("left")),
)
def subspaces(matrix: Trajectory, context: Context) -> xr.Dataset:
    """Follow the principal angles of the leading and trailing subspaces of a layer against its first step.

    Args:
        matrix: the layer.
        context: the seed.

    Returns:
        What `et.trajectories.subspaces` gives, at up to 100 steps, and the table's numbers [side].
    """
    x = matrix.weights
    if x.sizes["step"] > _STEPS:
        x = x.isel(step=thinned(x.sizes["step"], _STEPS))
    k = min(_DIMENSION, max(1, min(x.shape[1:]) // 2))
    found = subspaces_of(x, k, null=_DRAWS, seed=context.seed)

    sides = [str(side) for side in found["side"].values]

    def kept(end: str) -> Any:
        return np.array([float((np.cos(found[f"{end}_{side}"].values[-1]) ** 2).mean()) for side in sides])

    walked = found["kept_null"].sel(end="leading").transpose("draw", "side").values
    return found.assign(
        leading=("side", kept("leading")),
        trailing=("side", kept("trailing")),
        chance=("side", np.array([np.cos(found.attrs[f"chance_{side}"]) ** 2 for side in sides])),
        leading_null=(("draw", "side"), walked),
    ).assign_attrs(k=k, rows=int(x.shape[1]), cols=int(x.shape[2]), shape=f"{x.shape[1]}x{x.shape[2]}")
