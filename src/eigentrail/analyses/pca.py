"""Along how few directions do the weights move? Principal components of weights and updates, for each layer and all."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float64

from eigentrail.analyses import Context, Figure, Needs, Overview, Quantity, Row, Size, Trajectory, analysis
from eigentrail.analyses.framework.subjects import TOLERANCE, WALK_STEPS, WHOLE
from eigentrail.analyses.framework.wording import finding, percent
from eigentrail.bases import Basis
from eigentrail.errors import NumericalWarning, TrajectoryError
from eigentrail.figures.components import scores_data, scores_over_time, scree, scree_data
from eigentrail.findings import Finding
from eigentrail.trajectories.gram import gram, walk_origin
from eigentrail.trajectories.pca import PrincipalComponents, components_of, weights_gram
from eigentrail.trajectories.rows import Rows, open_rows
from eigentrail.trajectories.scree import flipped_shares, noise_shares, walk_shares

_NULL_COMPONENTS = 10
_MOST_CURVES = 10
# Numbers that are read, and multiplications that are done, in the time of the budget.
_NUMBERS, _PRODUCTS, _SECONDS = 2e8, 6e11, 90.0
_SIGNS = "walks of the same updates with random signs"
_QUESTION = "Do the weights move along fewer directions than a random walk?"

Of = Literal["weights", "updates"]


def seconds(size: Size) -> float:
    """Estimate what the components of a trajectory take.

    Args:
        size: of the trajectory.

    Returns:
        Seconds on one core.
    """
    return _SECONDS * max(size.steps * size.n / _NUMBERS, size.products / _PRODUCTS)


def stored_basis(node: xr.DataTree, of: Of = "weights") -> Basis:
    """Make a basis of the stored directions.

    Args:
        node: a layer's node.
        of: "weights" or "updates".

    Returns:
        The directions, with the variances as their values.
    """
    data = node[of].to_dataset()
    return Basis(data["directions"].values.astype(np.float64), data["variance"].values)


def components_from(node: xr.DataTree) -> PrincipalComponents:
    """Make the components of the weights again from what is stored.

    Args:
        node: a layer's node.

    Returns:
        The components; directions and mean to float32.
    """
    data = node["weights"].to_dataset()
    return PrincipalComponents(
        basis=stored_basis(node),
        variances=data["variance"].values,
        scores=data["scores"],
        mean=data["mean"].values.astype(np.float64),
        total=float(data["total"]),
        of="weights",
        errors=data["error"].values,
    )


def _findings(row: Row) -> Iterable[Finding]:
    beside = row.compared("walk_share_1")
    if beside is None:
        return
    share = percent(beside.observed)
    yield finding(
        row,
        _QUESTION,
        "walk_share_1",
        yes=f"{share} of the motion lies along one direction, more than {_SIGNS} give ({percent(beside.median)}).",
        no=f"{share} of the motion lies along one direction, within chance: {_SIGNS} have {percent(beside.median)}, 5% "
        f"more than {percent(beside.high)}.",
        detail=f"90% of the variance takes {row['components_90'] or 'more than the kept'} components.",
    )


def _of(which: Of) -> dict[str, Any]:
    def one(node: xr.DataTree, title: str) -> go.Figure:
        null = "random walk in high dimension" if which == "weights" else "noise of this shape"
        return scree([(which, node[which].to_dataset())], title, null=null)

    def data(node: xr.DataTree) -> pd.DataFrame:
        return scree_data([(which, node[which].to_dataset())])

    return {"draw": one, "data": data, "when": lambda node: which in node.children}


def _all(which: Of) -> dict[str, Any]:
    def known(nodes: Sequence[tuple[str, xr.DataTree]]) -> list[tuple[str, xr.Dataset]]:
        return [(label, node[which].to_dataset()) for label, node in nodes if which in node.children][
            :_MOST_CURVES
        ]

    def draw(nodes: Sequence[tuple[str, xr.DataTree]], title: str) -> go.Figure:
        null = "random walk in high dimension" if which == "weights" else "noise of the first one's shape"
        return scree(known(nodes), title, null=null)

    return {"draw": draw, "data": lambda nodes: scree_data(known(nodes)), "wide": False}


_SCREE = (
    "Dotted: a random walk in high dimension, 6 / (πj)² of its variance along component j. Shaded, where there is one "
    "layer: 95% of walks with the observed updates and random signs, which keep the directions that the noise prefers."
)
_UPDATES = (
    "What single updates have in common. Dotted: independent noise, equal in all directions (Marchenko-Pastur): above "
    "it the noise prefers directions."
)


@analysis(
    "pca",
    question="Along how few directions do the weights move?",
    about="directions along which weights and updates move most, beside random walks",
    version=3,
    unit="layer",
    order=20,
    cost=seconds,
    needs=Needs(momentum=True),
    findings=_findings,
    source="S1 chapter 6",
    quantities={
        "n": Quantity("Parameters", "How many numbers the layer has at each step.", "count"),
        "steps": Quantity("Steps used", "How many recorded steps the components are taken from.", "count"),
        "method": Quantity(
            "Method", "How the components were found: exactly, or by block Lanczos from random vectors."
        ),
        "share_1": Quantity(
            "Share of component 1",
            "Share of the first principal component in the variance of the weights over the steps.",
            "0 to 1",
            chance="6 / π² = 0.61 for a random walk in high dimension, more where the noise prefers directions.",
            shown=True,
        ),
        "share_2": Quantity(
            "Share of component 2",
            "Share of the second principal component in the variance of the weights over the steps.",
            "0 to 1",
            chance="6 / 4π² = 0.15 for a random walk in high dimension.",
            shown=True,
        ),
        "share_1_walk": Quantity(
            "Share of component 1, random walk",
            "The first share of an isotropic random walk of as many steps in high dimension.",
            "0 to 1",
        ),
        "share_2_walk": Quantity(
            "Share of component 2, random walk",
            "The second share of an isotropic random walk of as many steps in high dimension.",
            "0 to 1",
        ),
        "walk_share_1": Quantity(
            f"Share of component 1 at {WALK_STEPS} steps",
            "The first share at the steps that the null model looks at.",
            "0 to 1",
            null="flipped_share_1",
            null_name=_SIGNS,
            shown=True,
        ),
        "components_90": Quantity(
            "Components for 90%",
            "How many principal components hold 90% of the variance of the weights.",
            "count",
            chance="6 for a random walk in high dimension.",
            shown=True,
            absent="more are needed than are kept",
        ),
        "update_share_1": Quantity(
            "Share in the updates",
            "Share of the first principal component in the variance of the updates.",
            "0 to 1",
            shown=True,
            absent="the updates do not differ from each other",
        ),
        "update_share_1_noise": Quantity(
            "Noise of the updates' shape",
            "First share of independent Gaussian updates of this number and size.",
            "0 to 1",
            source="Marchenko & Pastur 1967",
            shown=True,
        ),
        "notes": Quantity("Notes", "What was left out or done otherwise for the sake of time and memory."),
    },
    figures=(
        Figure(
            "scores",
            "leading components over time",
            "How far the weights are along each direction. Dotted: the cosines that random walks have in these places, "
            "of the observed size: a smooth leading component says nothing by itself.",
            lambda node, title: scores_over_time(node["weights"].to_dataset(), title),
            lambda node: scores_data(node["weights"].to_dataset()),
            wide=True,
        ),
        Figure("scree-weights", "shares of the components of the weights", _SCREE, **_of("weights")),
        Figure("scree-updates", "shares of the components of the updates", _UPDATES, **_of("updates")),
    ),
    overviews=(
        Overview("scree-weights", "Shares of the components of the weights", _SCREE, **_all("weights")),
        Overview("scree-updates", "Shares of the components of the updates", _UPDATES, **_all("updates")),
    ),
)
def pca(motion: Trajectory, context: Context) -> xr.DataTree:
    """Find the directions along which a layer moves, and those of its updates.

    Args:
        motion: the layer, or the whole network.
        context: seed and number of draws.

    Returns:
        The children `weights` and `updates` (the latter only where updates differ from each other), each with
        `variance`, `share`, `error` [component], see `PrincipalComponents`; `scores` [step, component]; `directions`
        [component, parameter] and `mean` [parameter] in float32; `null_share` [component], that of a random walk in
        high dimension or of noise of the updates' shape. Of the weights also, at `attrs["walk_steps"]` steps,
        `thinned_share` [leading] and `flipped_share` [draw, leading], that of walks with the observed updates and
        random signs. The node itself has `flipped_share_1` [walk], the first of these.
    """
    rows = open_rows(motion.weights)
    notes = list(motion.notes)
    known = weights_gram(rows) if motion.method == "exact" and len(rows) <= rows.n else None
    weights = _components(rows, "weights", motion, notes, known)
    parts = {"weights": _dataset(weights, walk_shares(len(rows), len(weights.variances)))}
    thinned = open_rows(motion.thinned(WALK_STEPS))
    count = min(_NULL_COMPONENTS, len(thinned) - 1)
    times = np.asarray(thinned.steps, dtype=np.float64)
    g = gram(thinned, walk_origin(thinned, motion.memory))
    observed, flipped = flipped_shares(g, count, context.draws, context.seed, times, motion.memory)
    parts["weights"] = parts["weights"].assign(
        thinned_share=("leading", observed), flipped_share=(("draw", "leading"), flipped)
    )
    try:
        updates = _components(rows, "updates", motion, notes, known)
    except TrajectoryError as error:
        notes.append(str(error))
    else:
        null = noise_shares(len(rows) - 1, rows.n, len(updates.variances))
        parts["updates"] = _dataset(updates, null)
    tree = xr.DataTree.from_dict(
        {
            "/": xr.Dataset({"flipped_share_1": ("walk", flipped[:, 0])}),
            **{f"/{key}": value for key, value in parts.items()},
        }
    )
    tree.attrs = {
        "shape": [int(size) for size in rows.shape],
        "n": rows.n,
        "steps": len(rows),
        "first_step": int(rows.steps[0]),
        "stride": motion.stride,
        "method": motion.method,
        "walk_steps": len(thinned),
        "walk_share_1": float(observed[0]),
        **_numbers(parts),
        "notes": notes,
    }
    if motion.name == WHOLE:
        tree.attrs["slices"] = {key: list(place) for key, place in motion.weights.attrs["slices"].items()}
    return tree


def _numbers(parts: dict[str, xr.Dataset]) -> dict[str, Any]:
    weights = parts["weights"]
    share, null = weights["share"].values, weights["null_share"].values
    updates = parts.get("updates")
    enough = np.flatnonzero(np.cumsum(share) >= 0.9)
    return {
        "share_1": float(share[0]),
        "share_2": float(share[1]) if len(share) > 1 else 0.0,
        "share_1_walk": float(null[0]),
        "share_2_walk": float(null[1]) if len(null) > 1 else None,
        "components_90": int(enough[0]) + 1 if len(enough) else None,
        "update_share_1": None if updates is None else float(updates["share"][0]),
        "update_share_1_noise": None if updates is None else float(updates["null_share"][0]),
    }


def _components(
    rows: Rows,
    of: Of,
    motion: Trajectory,
    notes: list[str],
    known: tuple[Float64[np.ndarray, "t t"], Float64[np.ndarray, " n"]] | None,
) -> PrincipalComponents:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumericalWarning)
        found = components_of(
            rows, motion.components, of, method=motion.method, tolerance=TOLERANCE, at_most=True, known=known
        )
    if motion.method == "randomized" and found.errors.max() > TOLERANCE:
        notes.append(f"components of the {of}: relative errors up to {found.errors.max():.1g}")
    return found


def _dataset(found: PrincipalComponents, null: Float64[np.ndarray, " k"]) -> xr.Dataset:
    data = xr.Dataset(
        {
            "variance": ("component", found.variances),
            "share": ("component", found.shares),
            "error": ("component", found.errors),
            "null_share": ("component", null),
            "scores": found.scores,
            "directions": (
                ("component", "parameter"),
                np.asarray(found.basis.directions(), dtype=np.float32),
            ),
            "mean": ("parameter", found.mean.ravel().astype(np.float32)),
            "total": ((), found.total),
        }
    )
    data["scores"].attrs = {}
    return data
