"""All singular values of a layer in their order, at the first and the last step: how fast they fall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float64

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style
from eigentrail.figures.evolution import thinned

TITLE = "Singular values in their order"


@dataclass(frozen=True)
class Ordered:
    """The singular values of a layer at one step.

    Attributes:
        label: whose they are; empty for one layer alone; made harmless where it is drawn.
        step: the step.
        values: [M] falling.
        first: True for the first of two steps.
        colour: which colour of the cycle.
    """

    label: str
    step: int
    values: Float64[np.ndarray, " m"]
    first: bool
    colour: int

    @property
    def name(self) -> str:
        """The label with the step."""
        return f"{self.label}, step {self.step}" if self.label else f"step {self.step}"


def ordered_values(layers: Sequence[tuple[str, xr.DataTree]]) -> list[Ordered]:
    """Read the singular values at the first and the last step at which they are finite.

    Args:
        layers: label and node of an evolution of each layer.

    Returns:
        Two for each layer; one where there is one such step, none where there is none.
    """
    found = []
    for colour, (label, node) in enumerate(layers):
        every = node["every"].to_dataset()
        sigma = every["singular_values"].values
        known = np.flatnonzero(np.isfinite(sigma).all(1))
        for row in np.unique(known[[0, -1]]) if len(known) else ():
            step = int(every["step"].values[row])
            values = np.sort(sigma[row].astype(np.float64))[::-1]
            found.append(Ordered(label, step, values, bool(row < known[-1]), colour))
    return found


def sorted_values(shown: Sequence[Ordered], title: str = TITLE) -> go.Figure:
    """Draw singular values against their number, on a logarithmic axis.

    Args:
        shown: from `ordered_values`; at most about twenty.
        title: title of the figure.

    Returns:
        A curve for each, dotted for a first step, which of several layers has no place in the legend; or a figure that
        says that there is nothing to draw. Of zeros, which have no place on the axis, nothing is drawn.
    """
    if not shown:
        return style.empty(title, "The weights are not finite at any recorded step.")
    several = len({one.colour for one in shown}) > 1
    traces = []
    for one in shown:
        name = plotly_text(one.name, 60)
        rows = thinned(len(one.values))
        values = one.values[rows]
        traces.append(
            style.line(
                (rows + 1).astype(np.float64),
                np.where(values > 0, values, np.nan),
                name,
                style.CYCLE[one.colour % len(style.CYCLE)],
                width=1.4 if one.first else 2,
                dash="dot" if one.first else "solid",
                showlegend=not (several and one.first),
                hovertemplate=f"{name}<br>singular value %{{x}}: %{{y:.4g}}<extra></extra>",
            )
        )
    return style.build(
        traces,
        title=title,
        xaxis=style.axis("number of the singular value, 1 the largest"),
        yaxis=style.axis("singular value of W", type="log"),
    )


def ordered_table(shown: Sequence[Ordered]) -> pd.DataFrame:
    """Tabulate what `sorted_values` draws.

    Args:
        shown: from `ordered_values`.

    Returns:
        `label`, `step`, `number` (1 the largest) and `singular_value`, all of them.
    """
    parts = [
        pd.DataFrame(
            {
                "label": one.label,
                "step": one.step,
                "number": np.arange(1, len(one.values) + 1),
                "singular_value": one.values,
            }
        )
        for one in shown
    ]
    columns = ["label", "step", "number", "singular_value"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({c: [] for c in columns})
