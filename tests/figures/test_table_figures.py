"""Figures that are drawn from tables by the names of their columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from eigentrail.errors import OptionError
from eigentrail.figures import style
from eigentrail.figures.of_table import TableFigure, draw
from eigentrail.findings import Claim, greater_than
from eigentrail.report.claim_page import claim_page

TABLE = pd.DataFrame(
    {
        "depth": [2, 2, 3, 3],
        "observed": [0.2, 0.3, 0.2, 0.3],
        "recovered": [0.0, 0.5, 0.25, 1.0],
        "low": [0.0, 0.3, 0.1, 0.8],
        "high": [0.2, 0.7, 0.4, 1.0],
        "bound": [0.5, 0.75, 0.5, 0.75],
        "network": ["a", "a", "b", "b"],
    }
)


def test_curves_bars_panels_and_grey_are_the_columns() -> None:
    plain = draw(
        TableFigure("t", "T", "observed", "recovered", "", by=("depth",), interval=("low", "high")), TABLE
    )
    go.Figure(plain)  # valid
    assert [trace.name for trace in plain.data] == ["depth 2", "depth 3"]
    np.testing.assert_allclose(plain.data[0].y, [0.0, 0.5])
    np.testing.assert_allclose(plain.data[1].error_y.array, [0.15, 0.0])
    np.testing.assert_allclose(plain.data[1].error_y.arrayminus, [0.15, 0.2])
    panels = draw(
        TableFigure("t", "T", "observed", "recovered", "", panel="network", grey="bound", log="y"), TABLE
    )
    go.Figure(panels)
    assert "<b>a</b>" in panels.layout.xaxis.title.text and "<b>b</b>" in panels.layout.xaxis2.title.text
    grey = [trace for trace in panels.data if trace.line.dash == "dash"]
    assert [trace.xaxis for trace in grey] == ["x", "x2"]
    np.testing.assert_allclose(grey[1].y, [0.5, 0.75])
    assert panels.layout.yaxis.type == panels.layout.yaxis2.type == "log"
    # The domains share the width without overlap.
    assert panels.layout.xaxis.domain[1] < panels.layout.xaxis2.domain[0]


def test_many_curves_of_two_colours_have_two_names() -> None:
    rows = pd.DataFrame(
        {
            "value": np.repeat(np.arange(20), 2),
            "step": [0, 1] * 20,
            "y": 1.0,
            "moves": ["moves", "moves"] + ["stays"] * 38,
        }
    )
    figure = draw(TableFigure("t", "T", "step", "y", "", by=("value",), colour="moves"), rows)
    assert len(figure.data) == 20
    assert [trace.name for trace in figure.data if trace.showlegend] == ["moves", "stays"]


def test_words_stand_below_each_other_and_numbers_along_the_abscissa() -> None:
    rows = pd.DataFrame(
        {
            "way": ["plain", "GPM <b>"] * 2,
            "case": ["one", "one", "two", "two"],
            "mean": [0.5, 0.9, 0.4, 0.8],
            "low": [0.4, 0.8, 0.3, 0.7],
            "high": [0.6, 1.0, 0.5, 0.9],
            "floor": 0.1,
        }
    )
    figure = TableFigure(
        "t", "T", "way", "mean", "", panel="case", interval=("low", "high"), grey="floor", lines=False
    )
    drawn = draw(figure, rows)
    go.Figure(drawn)
    points = [trace for trace in drawn.data if trace.line.dash != "dash"]
    np.testing.assert_allclose(points[0].x, [0.5, 0.9])
    np.testing.assert_allclose(points[1].error_x.array, 0.1)
    assert points[0].error_y.array is None
    assert list(points[0].y) == list(drawn.layout.yaxis.categoryarray) == ["plain", "GPM &lt;b&gt;"]
    assert drawn.layout.yaxis.autorange == "reversed"  # the first row of the table is the uppermost
    assert drawn.layout.xaxis.title.text.startswith("mean")
    grey = next(trace for trace in drawn.data if trace.line.dash == "dash")
    np.testing.assert_allclose(grey.x, 0.1)
    assert "{y}" in points[0].hovertemplate  # a word has no number format


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(OptionError, match="has no column deep"):
        draw(TableFigure("t", "T", "deep", "recovered", ""), TABLE)


def test_a_page_of_claims_shows_its_figures() -> None:
    result = Claim("x", "S3", "It is so.", "number", greater_than(0)).decide([1, 2, 3])
    figure = TableFigure("t", "How often", "observed", "recovered", "Read it so.", by=("depth",))
    page = claim_page("title", "S3, seeds 0 to 2", [result], {"t": TABLE}, [figure])
    assert "How often" in page and "Read it so." in page
    assert "Read it so." not in claim_page("title", "S3, seeds 0 to 2", [result], {"t": TABLE})


def test_curves_of_chance_are_grey_with_a_dash_each() -> None:
    table = pd.DataFrame(
        {"x": [0, 1] * 3, "y": [1.0, 2.0] * 3, "line": ["trained"] * 2 + ["shuffled"] * 2 + ["untrained"] * 2}
    )
    figure = TableFigure("t", "T", "x", "y", "", by=("line",), colour="line", nulls=("shuffled", "untrained"))
    lines = {trace["name"]: trace["line"] for trace in draw(figure, table).data}
    assert lines["trained"]["color"] != style.NULL
    assert lines["shuffled"]["color"] == lines["untrained"]["color"] == style.NULL
    assert len({line["dash"] for line in lines.values()}) == 3
