"""What the page shows of drifts: the motion along the first component with its fits, beside random walks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from eigentrail._untrusted import file_stem, plotly_text
from eigentrail.figures import drift as figures
from eigentrail.figures.evolution import Curve, curve_table, over_steps, thinned
from eigentrail.report.parts.motions import MOST_RUNS, layer_facts, listing, main_nodes, motion_nodes
from eigentrail.report.run_part import RunPart, layer_node
from eigentrail.report.run_story import RunStory
from eigentrail.report.sections import Item, Plot, Section
from eigentrail.studies.drifting import NAME, drift_table

_CURVES = 10
_FIT = (
    "The weights' coordinate along the direction in which they move most. Shaded: the line with one standard error of "
    "its slope, for the noise that the residuals show. A drift alone is a straight line (S1 6.4); a decay towards a "
    "minimum is an exponential."
)
_WALKS = (
    "Squared displacement over the sum of the squared updates: 1 for a random walk on average, more for a drift, less "
    "for a motion that returns. The null walks have the observed updates with random signs."
)
_NORMS = "‖w‖ beside its first value: weight decay shrinks it, fitting the samples lets it grow."
_FACTS = (
    *("share_linear", "slope", "slope_error", "rate", "variance_ratio", "straightness"),
    *("straightness_percentile", "others_percentile", "displacement_exponent", "variance_exponent"),
    *("weight_overlap", "chance_overlap"),
)


def _sections(stories: Sequence[RunStory]) -> list[Section]:
    found = motion_nodes(stories, NAME)
    if not found:
        return []
    items: list[Item] = [
        listing(stories, NAME, drift_table, ("Weights", "Do they drift more than a random walk would?"))
    ]
    leading = main_nodes(stories, NAME)[:MOST_RUNS]
    for story, node in leading:
        label = story.named(node.attrs["name"])
        items += _plots(node, file_stem(label), f"{plotly_text(label, 44)}: ")
    shown = (leading if len(stories) > 1 else found)[:_CURVES]
    curves = [
        _norm(story.named(node.attrs["name"]), node, number) for number, (story, node) in enumerate(shown)
    ]
    items.append(
        Plot(
            over_steps(curves, "Norm of the weights over time", "‖w‖ ÷ its first value"),
            curve_table(curves, "norm"),
            _NORMS,
            "norms",
        )
    )
    return [
        Section(
            "drift",
            "Is the motion a drift?",
            tuple(items),
            "Motion along the first principal component, beside random walks with the observed updates.",
        )
    ]


def _norm(label: str, node: xr.DataTree, number: int) -> Curve:
    norm = node.to_dataset()["norm"]
    rows = thinned(norm.size)
    values = norm.values.astype(np.float64)
    first = values[0] if values[0] > 0.0 else np.nan
    steps = norm["step"].values
    epochs = (
        norm["epoch"].values.astype(np.float64) if "epoch" in norm.coords else np.full(len(steps), np.nan)
    )
    return Curve(label, steps[rows], values[rows] / first, epochs[rows], number)


def _plots(node: xr.DataTree, stem: str, before: str = "") -> list[Item]:
    data = node.to_dataset()
    walks = data["straightness_null"].values

    def titled(text: str) -> str:
        return f"{before}{text}" if before else text[:1].upper() + text[1:]

    return [
        Plot(
            figures.drift_fit(data, titled("motion along the first component")),
            figures.drift_data(data),
            _FIT,
            f"{stem}-drift",
            wide=True,
        ),
        Plot(
            figures.walk_histogram(
                walks,
                data.attrs["straightness"],
                titled("how straight, beside random walks"),
                "squared displacement ÷ sum of squared updates",
                "walks with random signs",
            ),
            pd.DataFrame({"walk": walks}),
            _WALKS,
            f"{stem}-walks",
        ),
    ]


def _layer(story: RunStory, layer: str, stem: str) -> list[Item]:
    node = layer_node(story, NAME, layer)
    if node is None:
        return []
    return [layer_facts(story, NAME, drift_table, layer, "Drift", _FACTS), *_plots(node, stem)]


DRIFT = RunPart(_sections, _layer, _FACTS)
