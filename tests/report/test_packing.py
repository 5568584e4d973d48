from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from eigentrail.figures import style
from eigentrail.report.packing import (
    Packer,
    curve_points,
    data_piece,
    figure_json,
    row_limit,
    squeeze,
    thin_curve,
    thin_rows,
    unsqueeze,
)
from eigentrail.report.sections import Plot


def test_squeeze_round_trips_and_is_the_same_each_time() -> None:
    text = "λ </script> " * 1000
    assert unsqueeze(squeeze(text)) == text
    assert squeeze(text) == squeeze(text)
    assert len(squeeze(text)) < len(text) / 20


def test_packer_finds_each_piece_in_its_chunk() -> None:
    packer = Packer()
    for i in range(50):
        packer.add(f"k{i}", {"v": [i] * 9000}, ("figures", "data")[i % 2])
    packer.close()
    assert len(packer.chunks) > 2
    for i in range(50):
        chunk = json.loads(unsqueeze(packer.chunks[packer.where[f"k{i}"]]))
        assert chunk[f"k{i}"] == {"v": [i] * 9000}


def test_thin_curve_stays_on_screen_where_it_was() -> None:
    x = np.geomspace(1e-3, 1e3, 20_000)
    y = x**-2.5
    trace = thin_curve({"type": "scatter", "x": x, "y": y}, {"x", "y"}, 100)
    assert len(trace["x"]) <= 102
    assert trace["x"][0] == x[0]
    assert trace["x"][-1] == x[-1]
    drawn = np.interp(np.log(x), np.log(trace["x"]), np.log(trace["y"]))
    assert np.abs(drawn - np.log(y)).max() < 1e-3 * np.ptp(np.log(y))


def test_thin_curve_keeps_an_outlier() -> None:
    x, y = np.arange(10_000.0), np.zeros(10_000)
    y[5000] = 1.0
    kept = thin_curve({"type": "scatter", "x": x, "y": y}, set(), 60)
    assert kept["y"].max() == 1.0


def test_thin_curve_thins_what_belongs_to_each_point_alike() -> None:
    trace = {"type": "scatter", "x": np.arange(999.0), "y": np.arange(999.0), "customdata": np.arange(999)}
    kept = thin_curve(trace, set(), 50)
    assert (kept["customdata"] == kept["x"]).all()


def test_thin_rows_keeps_the_end() -> None:
    table = pd.DataFrame({"v": np.arange(10_000)})
    kept = thin_rows(table, 300)["v"].to_numpy()
    assert len(kept) == 300
    assert kept[0] == 0
    assert (kept[-100:] == np.arange(9900, 10_000)).all()
    assert thin_rows(table, 10_000) is table


def test_row_limit_keeps_the_budget() -> None:
    assert row_limit([100, 1000, 5000], 2, 10**9) == 1_000_000
    limit = row_limit([1000] * 500, 9, 900_000)
    assert limit == 200
    assert row_limit([10_000] * 10_000, 9, 10) == 50


def test_curve_points_fall_with_the_number_of_entries() -> None:
    assert [curve_points(n) for n in (0, 5, 100, 500)] == [300, 300, 200, 72]


def test_figure_json_is_plain_and_keeps_frames() -> None:
    figure = go.Figure(
        data=[{"type": "scatter", "x": np.array([1.23456789, np.nan]), "y": np.array([1, 2])}],
        layout={"title": {"text": "T"}, "xaxis": {"type": "log"}},
        frames=[{"name": "step 1", "data": [{"type": "scatter", "y": np.array([0.5])}]}],
    )
    found = figure_json(figure)
    assert found["data"][0]["x"] == [1.235, None]
    assert found["data"][0]["y"] == [1, 2]
    assert "template" not in found["layout"]
    assert "title" not in found["layout"]
    assert found["frames"][0]["data"][0]["y"] == [0.5]
    json.dumps(found, allow_nan=False)


def test_data_piece_keeps_seven_digits() -> None:
    plot = Plot(go.Figure(), pd.DataFrame({"=x": [1 / 3, np.nan], "name": ["=evil", "b"]}), "", "stem")
    piece = data_piece(plot, 10)
    assert piece["columns"] == ["'=x", "name"]
    assert piece["values"][0] == [pytest.approx(1 / 3, rel=1e-7), None]
    assert piece["values"][1] == ["'=evil", "b"]
    assert piece["file"] == "stem.csv"


def test_a_legend_stays_where_its_figure_puts_it() -> None:
    def legend(**layout: Any) -> dict[str, Any]:
        figure = style.build([], title="t", xaxis={}, yaxis={}, **layout)
        return dict(figure_json(figure)["layout"]["legend"])

    assert legend() == {}
    assert legend(legend={"traceorder": "normal"}) == {"traceorder": "normal"}
    assert legend(legend={"y": -0.02}) == {"y": -0.02, "yanchor": "top"}
