"""How do the directions of the motion lie beside singular matrices and beside components of the updates?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float64

from eigentrail.analyses import Context, Figure, Needs, Quantity, Row, Trajectory, analysis
from eigentrail.analyses.framework.subjects import WALK_STEPS, WHOLE
from eigentrail.analyses.framework.wording import finding, percent
from eigentrail.analyses.pca import seconds, stored_basis
from eigentrail.bases import overlap as overlap_of
from eigentrail.bases import singular
from eigentrail.errors import SpectrumError
from eigentrail.figures.drift import walk_histogram
from eigentrail.figures.overlap_maps import overlap_map, overlap_rows
from eigentrail.findings import Finding
from eigentrail.spectra import Spectrum
from eigentrail.trajectories.gram import gram, walk_origin
from eigentrail.trajectories.overlap_nulls import LEADING_BOTH, singular_null, updates_null
from eigentrail.trajectories.rows import open_rows

#: Singular matrices that are looked at, the largest first.
SINGULAR = 128
#: Components of the updates in which the first one of the weights is looked for.
LEADING = 10
# Steps and draws of the walks of whole matrices, and the numbers that all of them may take.
_WALK_STEPS, _DRAWS, _FEWEST_DRAWS, _NUMBERS = 30, 60, 20, 4 * 10**8
_LARGEST = 2048
_SIGNS = "walks of the same updates with random signs"
_WALKS = "walks of the same updates"


def _findings(row: Row) -> Iterable[Finding]:
    largest = row.compared("first_largest")
    if largest is not None:
        yield finding(
            row,
            "Does the motion lie along singular pairs u vᵀ more than in a random walk?",
            "first_largest",
            yes=f"The motion's first component overlaps its nearest singular pair u vᵀ by {largest.observed:.2f}; "
            f"{_SIGNS} by {largest.median:.2f}.",
            no=f"The motion's first component overlaps its nearest singular pair u vᵀ by {largest.observed:.2f}, "
            f"within chance: {_WALKS} by {largest.median:.2f} in the median.",
        )
    low = row.compared("low_share")
    if low is not None:
        seen, median = percent(low.observed), percent(low.median)
        of = f"{LEADING_BOTH} leading singular pairs"
        yield finding(
            row,
            "Do leading components lie in leading singular pairs u vᵀ more than in a random walk?",
            "low_share",
            yes=f"{seen} of the motion's first {LEADING_BOTH} components lies in the {of}; {_SIGNS} have {median}.",
            no=f"{seen} of the motion's first {LEADING_BOTH} components lies in the {of}, within chance: {_WALKS} "
            f"have {median}.",
        )
    share = row.compared("walk_updates_share")
    if share is not None:
        seen, median = percent(share.observed), percent(share.median)
        yield finding(
            row,
            "Do weights and updates share their leading directions more than in a random walk?",
            "walk_updates_share",
            yes=f"{seen} of the weights' first principal component lies in the updates' first {LEADING}; {_SIGNS} have "
            f"{median}.",
            no=f"{seen} of the weights' first principal component lies in the updates' first {LEADING}, within chance: "
            f"{_WALKS} have {median} in the median.",
        )


def _map(node: xr.DataTree, key: str, title: str, other: str) -> go.Figure:
    mark = node.attrs.get("spikes") if key == "with_singular" else None
    return overlap_map(node.to_dataset()[key].values, node.attrs["random_overlap"], title, other, mark=mark)


def _walks(node: xr.DataTree, key: str, null: str, title: str, axis: str, what: str) -> go.Figure:
    return walk_histogram(node.to_dataset()[null].values, node.attrs[key], title, axis, what)


@analysis(
    "overlap",
    question="How do the directions relate to each other?",
    about="components of the weights beside singular matrices and components of the updates",
    version=6,
    unit="layer",
    order=40,
    cost=seconds,
    after=("pca",),
    needs=Needs(momentum=True),
    findings=_findings,
    source="S1 6.1, 6.2",
    quantities={
        "walk_updates_share": Quantity(
            "First component in the updates' first ten",
            "The same share at the steps that the walks are drawn at.",
            "0 to 1",
            null="updates_share_null_draws",
            null_name=_SIGNS,
            shown=True,
        ),
        "low_share": Quantity(
            "Leading in leading",
            f"Share of the first {LEADING_BOTH} components in the {LEADING_BOTH} largest singular matrices, at the "
            "steps of the walks.",
            "0 to 1",
            source="S1 6.1",
            null="low_share_null_draws",
            null_name=_SIGNS,
            shown=True,
        ),
        "first_largest": Quantity(
            "Largest of component 1",
            "Largest overlap of the first component with a singular matrix, at the steps of the walks.",
            "0 to 1",
            source="S1 eq. 6.2",
            null="first_largest_null_draws",
            null_name=_SIGNS,
            shown=True,
        ),
        "random_overlap": Quantity(
            "Random direction", "Mean overlap of a random direction, √(2 / πn).", "0 to 1", shown=True
        ),
        "singular_largest": Quantity(
            "Largest, singular",
            "Largest overlap of a principal component with a singular matrix of the last step.",
            "0 to 1",
            source="S1 eq. 6.2",
            shown=True,
        ),
        "component": Quantity("Component", "Number of the component that has it, from 1.", "count"),
        "singular": Quantity("Singular value", "Number of the singular value that has it, from 1.", "count"),
        "spikes": Quantity(
            "Spikes", "Singular values of the last step above the Marchenko-Pastur bulk.", "count", shown=True
        ),
        "spike_share": Quantity(
            "Share in the spikes",
            "Share of the first component in the singular matrices above the Marchenko-Pastur bulk.",
            "0 to 1",
            source="S1 6.1",
            chance="Spikes ÷ n for a random direction.",
            absent="there is no spike, or no bulk",
        ),
        "spike_share_random": Quantity(
            "Share in the spikes, random direction", "Spikes ÷ n, what a random direction has.", "0 to 1"
        ),
        "update_largest": Quantity(
            "Largest, updates",
            "Largest overlap of a component of the weights with one of the updates.",
            "0 to 1",
        ),
        "updates_share": Quantity(
            "Share in the updates' components",
            "Share of the first component in the leading ten components of the updates.",
            "0 to 1",
            chance="10 ÷ n for a random direction; more for any walk.",
        ),
        "updates_share_random": Quantity(
            "Share in the updates' components, random direction",
            "10 ÷ n, what a random direction has.",
            "0 to 1",
        ),
        "notes": Quantity("Notes", "What was left out or done otherwise for the sake of time and memory."),
    },
    figures=(
        Figure(
            "singular",
            "components and singular matrices",
            "|⟨pᵢ, sⱼ⟩| of component i and singular matrix uⱼvⱼᵀ of the last step. White is what a random "
            "direction has on "
            "average, √(2/πn). Left of the dashed line: singular values above the Marchenko-Pastur bulk.",
            lambda node, title: _map(node, "with_singular", title, "singular matrix, largest value first"),
            lambda node: overlap_rows(
                node.to_dataset()["with_singular"].values, node.attrs["random_overlap"]
            ),
            when=lambda node: "with_singular" in node.data_vars,
        ),
        Figure(
            "singular-walks",
            "largest overlap of component 1, beside walks",
            "The largest overlap of the first component with a singular matrix. A walk's first component lies "
            "along its "
            "displacement, and so do the weights at its end: walks of the same updates with random signs are the null.",
            lambda node, title: _walks(
                node,
                "first_largest",
                "first_largest_null_draws",
                title,
                "largest overlap with a singular matrix",
                "walks with random signs",
            ),
            lambda node: pd.DataFrame({"walk": node["first_largest_null_draws"].values}),
            when=lambda node: "first_largest_null_draws" in node.data_vars,
        ),
        Figure(
            "updates",
            "components of weights and updates",
            "|⟨pᵢ, uⱼ⟩| of components of the weights and of their updates. White is a random direction. Noise that "
            "prefers "
            "some directions makes both alike without any drift: the walks beside it tell.",
            lambda node, title: _map(node, "with_updates", title, "component of the updates"),
            lambda node: overlap_rows(node.to_dataset()["with_updates"].values, node.attrs["random_overlap"]),
            when=lambda node: "with_updates" in node.data_vars,
        ),
        Figure(
            "updates-walks",
            "component 1 in the updates, beside walks",
            f"The share of the first component in the leading {LEADING} components of the updates, at the steps of the "
            "walks. The null walks have the observed updates with random signs.",
            lambda node, title: _walks(
                node,
                "walk_updates_share",
                "updates_share_null_draws",
                title,
                f"share in the leading {LEADING} components of the updates",
                "walks with random signs",
            ),
            lambda node: pd.DataFrame({"walk": node["updates_share_null_draws"].values}),
            when=lambda node: "updates_share_null_draws" in node.data_vars,
        ),
    ),
)
def overlap(motion: Trajectory, context: Context) -> xr.Dataset:
    """Lay the components of a layer's weights over its singular matrices and over those of its updates.

    Args:
        motion: the layer, or the whole network.
        context: seed, draws, and the layer's principal components.

    Returns:
        `with_singular` [component, singular], |<p_i, s_j>| with the largest 128 singular matrices of the last step,
        with `value` [singular]; for tensors with two or more dimensions, the later ones taken together. `with_updates`
        [component, update], |<p_i, u_j>|. The null draws of the table's numbers; these are attributes.
    """
    node = context.of("pca")
    weights = stored_basis(node)
    notes = [*motion.notes]
    data = xr.Dataset(coords={"variance": ("component", np.asarray(weights.values))})
    about: dict[str, Any] = {"n": weights.n, "random_overlap": float(np.sqrt(2.0 / (np.pi * weights.n)))}
    if motion.name != WHOLE and motion.weights.ndim > 2:
        data, more = _with_singular(data, motion, node, context, notes)
        about |= more
    if "updates" in node.children:
        updates = stored_basis(node, "updates")
        values = overlap_of(weights, updates).values
        data["with_updates"] = (("component", "update"), values)
        about |= {
            "update_largest": float(values.max()),
            "updates_share": float((values[0, :LEADING] ** 2).sum()),
            "updates_share_random": min(LEADING, values.shape[1]) / weights.n,
        }
        thinned = open_rows(motion.thinned(WALK_STEPS))
        if len(thinned) > LEADING + 2:
            times = np.asarray(thinned.steps, dtype=np.float64)
            g = gram(thinned, walk_origin(thinned, motion.memory))
            beside = updates_null(g, LEADING, context.draws, context.seed, times, motion.memory)
            data = data.assign(updates_share_null_draws=("draw", beside.null))
            about["walk_updates_share"] = beside.observed
    data.attrs = {**data.attrs, **about, "notes": notes}
    return data


def _with_singular(
    data: xr.Dataset, motion: Trajectory, node: xr.DataTree, context: Context, notes: list[str]
) -> tuple[xr.Dataset, dict[str, Any]]:
    last = _matrix(motion.weights.isel(step=[-1]))[0]
    basis = singular(last, min(*last.shape, SINGULAR))
    values = overlap_of(stored_basis(node), basis).values
    data["with_singular"] = (("component", "singular"), values)
    data["value"] = ("singular", np.asarray(basis.values))
    i, j = np.unravel_index(values.argmax(), values.shape)
    about: dict[str, Any] = {
        "rows": last.shape[0],
        "cols": last.shape[1],
        "singular_largest": float(values[i, j]),
        "component": int(i) + 1,
        "singular": int(j) + 1,
    }
    if min(last.shape) <= _LARGEST:
        try:
            spikes = int(Spectrum.from_matrix(last).marchenko_pastur().spikes)
        except SpectrumError as error:
            notes.append(f"spikes: {error}")
        else:
            about["spikes"] = spikes
            if 0 < spikes <= values.shape[1]:
                about["spike_share"] = float((values[0, :spikes] ** 2).sum())
                about["spike_share_random"] = spikes / last.size
    draws = int(min(_DRAWS, _NUMBERS // (_WALK_STEPS * last.size)))
    if draws < _FEWEST_DRAWS:
        notes.append(
            f"no walks of {last.shape[0]} x {last.shape[1]} matrices are drawn: they would take minutes"
        )
        return data, about
    thinned = _matrix(motion.thinned(_WALK_STEPS))
    steps, memory = open_rows(motion.thinned(_WALK_STEPS)).steps, motion.memory
    beside, low = singular_null(thinned, draws, context.seed, memory.colour_of(steps), memory.kept(steps))
    about |= {"first_largest": beside.observed, "low_share": low.observed}
    return data.assign(
        first_largest_null_draws=("walk", beside.null), low_share_null_draws=("walk", low.null)
    ), about


def _matrix(x: xr.DataArray) -> Float64[np.ndarray, "t n m"]:
    values = np.asarray(x.values, dtype=np.float64)
    return values.reshape(len(values), values.shape[1], -1)
