"""The loss against the factor that weights are scaled by, with its two fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style
from eigentrail.figures.loss_labels import loss_label_of

_COLOURS = (style.DATA, style.SPIKE)


def scaled_loss(tree: xr.DataTree, name: str) -> go.Figure:
    """Draw the loss over the factor alpha.

    Args:
        tree: a layer of the analysis.
        name: whose weights are scaled.

    Returns:
        For the loss, and with the penalty of a weight decay, the loss and the fits c exp(-rate alpha) and
        a + b alpha^2.
    """
    node = tree.to_dataset()
    alpha = node["alpha"].values
    traces: list[dict[str, Any]] = []
    for place in range(1 if not tree.attrs["weight_decay"] else 2):
        loss = node["losses"].values[place]
        label = (loss_label_of(tree)[0], "with the penalty of weight decay")[place]
        traces.append(style.line(alpha, loss, label, _COLOURS[place], mode="markers", marker={"size": 6}))
        base = float((loss - node["curvatures"].values[place] * alpha**2).mean())
        quadratic = base + float(node["curvatures"].values[place]) * alpha**2
        traces.append(
            style.line(alpha, quadratic, "a + b α²", style.FIT, dash="dash", width=1.4, showlegend=place == 0)
        )
        rate = float(node["rates"].values[place])
        if np.isfinite(rate):
            fit = np.exp(float((np.log(loss) + rate * alpha).mean()) - rate * alpha)
            traces.append(
                style.line(
                    alpha, fit, "c exp(−r α)", style.OTHER, dash="dot", width=1.6, showlegend=place == 0
                )
            )
    return style.build(
        traces,
        title=f"Loss of scaled weights: {plotly_text(name, 60)}",
        xaxis=style.axis("factor α"),
        yaxis=style.axis(f"loss{loss_label_of(tree)[1]}", type="log", nticks=6),
    )


def scaled_data(tree: xr.DataTree) -> pd.DataFrame:
    """Tabulate what `scaled_loss` draws.

    Args:
        tree: a layer of the analysis.

    Returns:
        `alpha`, `loss`, `with_decay`, `accuracy`.
    """
    node = tree.to_dataset()
    loss = node["losses"].values
    return pd.DataFrame(
        {
            "alpha": node["alpha"].values,
            "loss": loss[0],
            "with_decay": loss[1],
            "accuracy": node["accuracies"].values,
        }
    )
