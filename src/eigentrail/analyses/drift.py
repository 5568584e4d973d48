"""Do the weights drift, walk or return? Motion along the first principal component, for each layer and all together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail.analyses import Context, Figure, Needs, Overview, Quantity, Row, Trajectory, analysis
from eigentrail.analyses.framework.subjects import WALK_STEPS
from eigentrail.analyses.framework.wording import course, finding, percent
from eigentrail.analyses.pca import components_from, seconds
from eigentrail.figures import drift as drawn
from eigentrail.figures.evolution import Curve, curve_table, over_steps, thinned
from eigentrail.figures.style import series
from eigentrail.findings import Finding
from eigentrail.trajectories.drift import drift as drift_of
from eigentrail.trajectories.drift import variance_growth

_SIGNS = "walks of the same updates with random signs"
_QUESTION = "Do the weights drift more than a random walk?"
_MOST_CURVES = 10


def _findings(row: Row) -> Iterable[Finding]:
    beside = row.compared("straightness")
    if beside is None:
        return
    times = beside.observed / beside.median if beside.median > 0 else float("inf")
    decay = " with the same weight decay" if row["decayed"] else ""
    far = f"squared displacement is {times:.3g} times that of random walks{decay}"
    norm = row.node.dataset["norm"]
    yield finding(
        row,
        _QUESTION,
        "straightness",
        yes=f"The weights drift: their {far}.",
        no=f"No drift beyond chance: the {far}; chance reaches {beside.high / beside.median:.3g}."
        if beside.median > 0
        else f"No drift beyond chance: the {far}.",
        detail=(
            f"A straight line in time holds {percent(row['share_linear'] or 0.0)} of the variance of all weights. The "
            f"norm {course(norm.values, norm['step'].values)}. " + _end(row)
        ),
    )


def _end(row: Row) -> str:
    seen = f"The direction's overlap with the last weights is {row['weight_overlap']:+.2f}"
    beside = row.compared("end_overlap")
    if beside is None:
        return f"{seen}."
    more = "more than" if beside.observed > beside.median else "less than"
    return f"{seen}, {more if beside.beyond else 'within chance of what'} walks of the same updates have " + (
        f"({beside.median:+.2f} in the median)."
    )


def _norms(nodes: Sequence[tuple[str, xr.DataTree]]) -> list[Curve]:
    curves = []
    shown = nodes[:_MOST_CURVES]
    for (label, node), (colour, dash) in zip(shown, series([label for label, _ in shown]), strict=True):
        norm = node.to_dataset()["norm"]
        rows = thinned(norm.size)
        values, steps = norm.values.astype(np.float64), norm["step"].values
        first = values[0] if values[0] > 0.0 else np.nan
        known = "epoch" in norm.coords
        epochs = norm["epoch"].values.astype(np.float64) if known else np.full(len(steps), np.nan)
        curves.append(Curve(label, steps[rows], values[rows] / first, epochs[rows], colour, dash))
    return curves


def _walks(node: xr.DataTree, title: str) -> go.Figure:
    return drawn.walk_histogram(
        node.to_dataset()["straightness_null"].values,
        node.attrs["straightness"],
        title,
        "squared displacement ÷ sum of squared updates",
        "walks with random signs",
    )


@analysis(
    "drift",
    question="Is the motion a drift?",
    about="motion along the first component: line and exponential, norm, beside random walks",
    version=4,
    unit="layer",
    order=30,
    cost=seconds,
    after=("pca",),
    needs=Needs(momentum=True),
    findings=_findings,
    source="S1 6.3",
    quantities={
        "straightness": Quantity(
            "Straightness",
            "Squared displacement over the sum of the squared updates.",
            "1 to the number of updates",
            null="straightness_null",
            null_name=_SIGNS,
            chance="1 on average for a random walk, more with momentum.",
            shown=True,
        ),
        "share": Quantity(
            "Share of component 1",
            "Share of the first principal component in the variance of the weights over the steps.",
            "0 to 1",
            null="share_null",
            null_name=_SIGNS,
            side="two",
            shown=True,
        ),
        "share_linear": Quantity(
            "Linear share",
            "Share of the straight line along the first component in the variance of the weights.",
            "0 to 1",
            source="S1 6.3",
            shown=True,
        ),
        "slope": Quantity(
            "Slope",
            "Slope of the straight line through the coordinate along the first component.",
            "weights per step",
            source="S1 eq. 6.4",
            shown=True,
        ),
        "slope_error": Quantity(
            "Error of the slope",
            "One standard error of the slope, with the memory of the residuals.",
            "weights per step",
            shown=True,
        ),
        "rate": Quantity(
            "Exponential rate",
            "Rate of the exponential approach fitted to the coordinate along the first component.",
            "per step",
            source="S1 eq. 6.11",
        ),
        "rate_error": Quantity(
            "Error of the rate", "One standard error of the exponential rate.", "per step"
        ),
        "curved": Quantity(
            "Curved",
            "Whether the exponential fits better than the straight line, beyond the noise of the fit.",
        ),
        "others_straightness": Quantity(
            "Straightness of the rest",
            "The straightness of what the first component leaves.",
            "0 to the number of updates",
            null="others_null",
            null_name=_SIGNS,
            side="two",
            shown=True,
        ),
        "persistence": Quantity(
            "Persistence",
            "Mean inner product of consecutive updates over their mean square, the optimizer's memory taken out.",
            "-1 to 1",
            null="persistence_null",
            null_name="the same updates in random order",
            side="two",
            chance="0 for independent updates.",
        ),
        "growth": Quantity(
            "Growth", "Whether the norm grows, shrinks or stays, beyond the error of its trend."
        ),
        "norm_first": Quantity("‖w‖ first", "Euclidean norm of the weights at the first step.", shown=True),
        "norm_last": Quantity("‖w‖ last", "Euclidean norm of the weights at the last step.", shown=True),
        "norm_slope": Quantity("Slope of ‖w‖", "Slope of the straight line through the norm.", "per step"),
        "norm_slope_error": Quantity(
            "Error of the slope of ‖w‖", "One standard error of the norm's slope.", "per step"
        ),
        "weight_overlap": Quantity(
            "Overlap with the last weights",
            "Inner product of the direction of the drift and the normalised last weights.",
            "-1 to 1",
            source="S1 6.5",
            shown=True,
        ),
        "end_overlap": Quantity(
            "Overlap with the last weights, beside walks",
            "The same at the steps at which walks are compared. The first component of any walk lies along its end.",
            "-1 to 1",
            null="end_overlap_null",
            null_name=_SIGNS,
            side="two",
        ),
        "cosine_2": Quantity(
            "Cosine in component 2",
            "Share of the second component's variance that is the cosine which a random walk has there.",
            "0 to 1",
            chance="1 for a random walk in high dimension.",
        ),
        "displacement_exponent": Quantity(
            "Exponent of the displacement",
            "Exponent of the mean squared displacement over time.",
            chance="1 for a random walk, 2 for a drift, below 1 for a confined motion.",
        ),
        "variance_exponent": Quantity(
            "Exponent of the variance",
            "Exponent of the variance of the weights over the length of the window.",
            chance="1 for a random walk, 2 for a drift.",
        ),
        "noise": Quantity("Residuals", "The model of the residuals around the straight line."),
        "decayed": Quantity(
            "Weight decay in the null", "Whether the random walks shrink by the run's weight decay."
        ),
        "notes": Quantity("Notes", "What was left out or done otherwise for the sake of time and memory."),
    },
    figures=(
        Figure(
            "drift",
            "motion along the first component",
            "Points: the coordinate of the weights along the direction of largest variance. Lines: the straight "
            "line and "
            "the exponential approach fitted to it.",
            lambda node, title: drawn.drift_fit(node.to_dataset(), title),
            lambda node: drawn.drift_data(node.to_dataset()),
            wide=True,
        ),
        Figure(
            "walks",
            "how straight, beside random walks",
            "Grey: walks whose updates are the observed ones with random signs, which keep the directions that the "
            "noise "
            "prefers. Line: the observed motion.",
            _walks,
            lambda node: pd.DataFrame({"walk": node["straightness_null"].values}),
        ),
    ),
    overviews=(
        Overview(
            "norms",
            "Norm of the weights over time",
            "Euclidean norm over its value at the first step.",
            lambda nodes, title: over_steps(_norms(nodes), title, "‖w‖ ÷ its first value"),
            lambda nodes: curve_table(_norms(nodes), "norm"),
            fewest=1,
        ),
    ),
)
def drift(motion: Trajectory, context: Context) -> xr.Dataset:
    """Describe the motion of a layer along its first component, beside random walks.

    Args:
        motion: the layer, or the whole network.
        context: seed, number of draws, and the layer's principal components.

    Returns:
        `theta` and `norm` [step]; `straightness_null`, `share_null`, `others_null`, `persistence_null` and
        `end_overlap_null` [draw]; `cosine` [component]; `growth_variance` [duration], see
        `et.trajectories.variance_growth`. Attributes: the numbers of `et.trajectories.Drift`, None for what is not
        known.
    """
    found = drift_of(
        motion.weights,
        steps=WALK_STEPS,
        components=components_from(context.of("pca")),
        momentum=motion.memory.momentum,
        nesterov=motion.memory.nesterov,
        weight_decay=motion.memory.weight_decay,
        null=context.draws,
        seed=context.seed,
    )
    growth = variance_growth(motion.weights, steps=WALK_STEPS)
    walk, line, bend = found.walk, found.linear, found.exponential
    cosines = np.asarray(found.cosines)
    numbers: dict[str, Any] = {
        "share": found.share,
        "share_linear": found.share_linear,
        "variance": found.variance,
        "slope": line.slope,
        "slope_error": line.slope_error,
        "intercept": line.intercept,
        "intercept_error": line.intercept_error,
        "r2": line.r2,
        "rate": bend.rate,
        "rate_error": bend.rate_error,
        "limit": bend.limit,
        "limit_error": bend.limit_error,
        "amplitude": bend.amplitude,
        "amplitude_error": bend.amplitude_error,
        "exponential_r2": bend.r2,
        "norm_first": float(found.norms.values[0]),
        "norm_last": float(found.norms.values[-1]),
        "norm_slope": found.norm_fit.slope,
        "norm_slope_error": found.norm_fit.slope_error,
        "weight_overlap": found.weight_overlap,
        "end_overlap": found.end_overlap.observed,
        "straightness": walk.straightness,
        "straightness_expected": walk.expected,
        "others_straightness": walk.others_straightness,
        "persistence": walk.persistence,
        "cosine_2": float(cosines[1]) if len(cosines) > 1 else None,
        "displacement_exponent": walk.exponent,
        "variance_exponent": growth.attrs["exponent"],
    }
    data = xr.Dataset(
        {
            "theta": found.theta,
            "norm": found.norms,
            "cosine": ("component", found.cosines),
            "straightness_null": ("draw", walk.null),
            "share_null": ("draw", walk.share_null),
            "others_null": ("draw", walk.others_null),
            "persistence_null": ("draw", walk.persistence_null),
            "end_overlap_null": ("draw", found.end_overlap.null),
            "growth_variance": ("duration", growth.values),
            "duration": growth["duration"].values,
        }
    )
    data["theta"].attrs = {}
    data.attrs = {
        **{key: None if value is None or not np.isfinite(value) else value for key, value in numbers.items()},
        "growth": found.growth,
        "noise": line.noise,
        "curved": int(bend.curved),
        "decayed": int(motion.memory.weight_decay > 0.0),
        "n": motion.n,
        "walk_steps": min(WALK_STEPS, motion.weights.sizes["step"]),
        "stride": motion.stride,
        "notes": list(motion.notes),
    }
    return data
