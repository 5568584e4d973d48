"""How many claims hold, by chapter: the figure that carries the tables of a study."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from eigentrail._citations import cited
from eigentrail._untrusted import plotly_text
from eigentrail.figures import style

_COLOURS = {"holds": style.OTHER, "does not hold": style.SPIKE, "not decided": style.MUTED}


def verdict_bars(claims: pd.DataFrame) -> go.Figure:
    """Draw the verdicts by their place in the source.

    Args:
        claims: a row for each claim.

    Returns:
        A bar for each place, in the order of the source.
    """
    places = list(dict.fromkeys(claims["source"]))
    traces = []
    for verdict, colour in _COLOURS.items():
        counts = [int(((claims["source"] == one) & (claims["verdict"] == verdict)).sum()) for one in places]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "y": [plotly_text(cited(one), 60) for one in places],
                "x": counts,
                "name": verdict,
                "marker": {"color": colour},
                "hovertemplate": f"%{{y}}: %{{x}} {verdict}<extra></extra>",
            }
        )
    return style.build(
        traces,
        title="Verdicts by their place in the source",
        xaxis=style.axis("claims", dtick=1),
        yaxis=style.axis("", type="category", autorange="reversed"),
        barmode="stack",
    )
