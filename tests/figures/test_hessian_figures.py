"""Figures of Hessians: what is drawn is what was given, on axes that say what they are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[1]))
from diagnosed_network import IMG
from eigentrail.figures import hessian_loss_along as moves
from eigentrail.figures import hessian_overlaps as overlaps
from eigentrail.figures import hessian_spectrum as spectrum
from eigentrail.figures import hessian_vectors as vectors
from eigentrail.figures import style


def checked(figure: go.Figure, x: str, y: str) -> go.Figure:
    """Every property is one that Plotly knows, and the axes are titled."""
    go.Figure(figure.to_dict())
    assert x in figure.layout.xaxis.title.text
    assert y in figure.layout.yaxis.title.text
    assert figure.layout.title.text
    return figure


def named(figure: go.Figure, start: str) -> Any:
    return next(trace for trace in figure.data if (trace.name or "").startswith(start))


# Eigenvalues.


def test_eigenvalues_by_rank_have_their_signs_apart() -> None:
    values = {"after": np.array([-0.5, 4.0, 1e-12, 2.0, -0.1]), "before": np.array([1.0, 3.0])}
    figure = checked(spectrum.by_rank(values, "title"), "rank", "size of the eigenvalue")
    assert [t.name for t in figure.data] == ["after, positive", "after, negative", "before, positive"]
    assert figure.layout.title.text == "title"
    np.testing.assert_array_equal(figure.data[0].y, [4.0, 2.0])  # what is rounding is left out
    np.testing.assert_array_equal(figure.data[0].x, [1, 2])
    np.testing.assert_array_equal(figure.data[1].y, [0.5, 0.1])
    assert "−%{y" in figure.data[1].hovertemplate and figure.data[1].line.dash == "dot"
    assert figure.data[0].line.color != figure.data[2].line.color
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")


def test_all_eigenvalues_are_in_the_table() -> None:
    values = {"after": np.array([-0.5, 4.0, 0.0, 2.0]), "before": np.array([1.0])}
    table = spectrum.by_rank_data(values)
    assert list(table) == ["spectrum", "rank", "eigenvalue"]
    assert table["eigenvalue"].tolist() == [4.0, 2.0, 0.0, -0.5, 1.0]
    assert table["rank"].tolist() == [1, 2, 3, 4, 1]
    assert table["spectrum"].tolist() == ["after"] * 4 + ["before"]


def test_many_eigenvalues_are_thinned_to_their_ends() -> None:
    values = np.geomspace(1e-3, 10.0, 5000)
    (trace,) = spectrum.by_rank({"all": values}).data
    assert len(trace.x) < 500 and trace.mode == "lines"
    assert (trace.y[0], trace.y[-1]) == (10.0, pytest.approx(1e-3))
    np.testing.assert_allclose(trace.y, values[::-1][np.asarray(trace.x, dtype=int) - 1])


@pytest.mark.parametrize("given", [{}, {"none": np.zeros(0)}, {"zero": np.zeros(3)}])
def test_no_eigenvalue_to_draw_is_an_empty_figure(given: dict[str, Any]) -> None:
    assert not checked(spectrum.by_rank(given), "rank", "size").data


def a_density(error: bool) -> xr.Dataset:
    x = np.linspace(-1.0, 9.0, 101)
    y = np.exp(-0.5 * (x - 2.0) ** 2) / np.sqrt(2 * np.pi)
    data = xr.Dataset({"density": ("eigenvalue", y)}, {"eigenvalue": x})
    return data.assign(error=("eigenvalue", 0.1 * y)) if error else data


def test_a_density_with_errors_has_a_band_of_two_of_them() -> None:
    given = {"estimated": a_density(True), "exact": a_density(False)}
    figure = checked(spectrum.density_curves(given, "width 1"), "eigenvalue", "density")
    assert "width 1" in figure.layout.title.text
    high, low, line, exact = figure.data
    kept = a_density(True)["density"].values > 1e-7 * 0.3989
    y = a_density(True)["density"].values[kept]
    np.testing.assert_allclose(line.y, y)
    np.testing.assert_allclose(high.y, 1.2 * y)
    np.testing.assert_allclose(low.y, 0.8 * y)
    assert low.fill == "tonexty" and not low.showlegend and not high.showlegend
    np.testing.assert_allclose(exact.y, y)
    assert exact.name == "exact" and exact.line.color != line.line.color
    table = spectrum.density_data(given)
    assert list(table) == ["spectrum", "eigenvalue", "density", "error"]
    here = table[table["spectrum"] == "estimated"]
    np.testing.assert_allclose(here["density"], line.y)
    np.testing.assert_allclose(here["eigenvalue"], line.x)
    np.testing.assert_allclose(here["error"], 0.1 * y)
    assert (table[table["spectrum"] == "exact"]["error"] == 0.0).all()


def test_a_band_that_would_reach_zero_stays_on_the_logarithmic_axis() -> None:
    data = a_density(True)
    low = spectrum.density_curves({"d": data.assign(error=data["density"])}, "w").data[1]
    assert (np.asarray(low.y) > 0).all()


# Eigenvectors.


def test_ranks_are_all_shown_or_thinned_behind_the_first() -> None:
    np.testing.assert_array_equal(vectors.ranks_shown(5), range(5))
    shown = vectors.ranks_shown(10_000)
    assert len(shown) <= 1200 and (np.diff(shown) > 0).all()
    np.testing.assert_array_equal(shown[:400], range(400))
    assert shown[-1] == 9999


def test_weight_products_have_their_running_mean_and_chance() -> None:
    rng = np.random.default_rng(0)
    given = {"after": rng.standard_normal(900) / 30, "at first": np.full(40, -0.2)}
    figure = checked(vectors.weight_products(given, 1 / 30), "rank", "|h · w|")
    points, running, first, chance = figure.data
    np.testing.assert_allclose(points.y, np.abs(given["after"]))
    np.testing.assert_array_equal(points.x, np.arange(1, 901))
    window = given["after"][400 - 9 : 400 + 10]
    assert running.y[400] == pytest.approx(np.sqrt(np.mean(window**2)))
    assert running.y[0] == pytest.approx(np.sqrt(np.mean(given["after"][:10] ** 2)))
    np.testing.assert_allclose(first.y, 0.2)
    np.testing.assert_allclose(chance.y, 1 / 30)
    np.testing.assert_array_equal(chance.x, [1, 900])
    assert chance.name == "random directions"


def test_participation_has_the_levels_of_random_and_spread_directions() -> None:
    given = {"after": np.geomspace(1e-3, 1.0, 60)}
    figure = checked(vectors.participation(given, 500), "rank", "Σ h⁴")
    np.testing.assert_allclose(named(figure, "after").y, given["after"])
    np.testing.assert_allclose(named(figure, "random").y, 3 / 500)
    np.testing.assert_allclose(named(figure, "spread").y, 1 / 500)
    assert figure.layout.yaxis.type == "log"


def some_vectors(count: int = 40) -> xr.Dataset:
    share = np.linspace(0.9, 0.1, count)
    return xr.Dataset(
        {
            "porter_thomas_mean": ("i", np.linspace(0.0, 0.5, count)),
            "participation": ("i", np.full(count, 0.02)),
            "concentration": (("i", "layer"), np.stack([1 - share, share], axis=1)),
            "concentration_chance": ("layer", [0.25, 0.75]),
        },
        {"layer": ["fc1.weight", IMG]},
    )


def test_p_values_stay_on_their_axis() -> None:
    figure = checked(vectors.porter_thomas(some_vectors()), "rank", "p-value")
    line = named(figure, "mean over")
    np.testing.assert_allclose(line.y[1:], some_vectors()["porter_thomas_mean"][1:])
    assert line.y[0] == 1e-12
    np.testing.assert_allclose(named(figure, "random").y, 0.5)


def test_concentration_shows_each_parameter_beside_its_chance() -> None:
    figure = checked(vectors.concentration(some_vectors()), "rank", "share")
    assert len(figure.data) == 4
    first, chance = named(figure, "fc1.weight"), named(figure, "fc1.weight: share of the weights")
    np.testing.assert_allclose(np.mean(first.y), 0.5, atol=0.01)
    # A running mean over three of a straight line is the line.
    np.testing.assert_allclose(first.y[1:-1], some_vectors()["concentration"][1:-1, 0])
    np.testing.assert_allclose(chance.y, 0.25)
    assert chance.line.color == first.line.color and not chance.showlegend
    names = " ".join(str(trace.name) + str(trace.hovertemplate) for trace in figure.data)
    assert "<img" not in names and "&lt;img" in names


def test_at_most_six_parameters_are_drawn_the_largest_first() -> None:
    share = np.arange(1.0, 11.0) / 55
    data = xr.Dataset(
        {
            "concentration": (("i", "layer"), np.tile(share, (30, 1))),
            "concentration_chance": ("layer", np.full(10, 0.1)),
        },
        {"layer": [f"fc{n}" for n in range(10)]},
    )
    figure = vectors.concentration(data)
    assert [trace.name for trace in figure.data[::2]] == ["fc9", "fc8", "fc7", "fc6", "fc5", "fc4"]


def test_the_table_of_eigenvectors_has_a_row_for_each() -> None:
    data = some_vectors()
    table = vectors.vector_data(data, np.linspace(2.0, 1.0, 40))
    assert list(table) == [
        "rank", "eigenvalue", "porter_thomas_mean", "participation", "in fc1.weight", f"in {IMG}",
    ]  # fmt: skip
    assert table["rank"].tolist() == list(range(1, 41))
    np.testing.assert_allclose(table["in fc1.weight"], data["concentration"][:, 0])
    np.testing.assert_allclose(table["eigenvalue"], np.linspace(2.0, 1.0, 40))


# What moving along eigenvectors does.


def curves_of_adding_back() -> xr.Dataset:
    loss = np.array([[2.0, 1.0, 0.5], [2.0, 1.5, 0.4], [2.0, np.nan, 1.9]])
    return xr.Dataset(
        {"loss": (("order", "k"), loss), "accuracy": (("order", "k"), 1 - loss / 4)},
        {"order": ["value", "magnitude", "random"], "k": [0, 4, 16]},
        {"loss_full": 0.3, "accuracy_full": 0.95},
    )


@pytest.mark.parametrize("what", ["accuracy", "loss"])
def test_adding_back_has_a_line_for_each_order_and_the_whole(what: str) -> None:
    curves = curves_of_adding_back()
    figure = checked(
        moves.add_back(curves, what), "directions added", {"loss": "cross-entropy"}.get(what, what)
    )
    assert [t.name for t in figure.data] == [
        "largest eigenvalue first",
        "largest magnitude first",
        "random directions",
        "all weights",
    ]
    for number, order in enumerate(("value", "magnitude")):
        np.testing.assert_allclose(figure.data[number].y, curves[what].sel(order=order))
        np.testing.assert_array_equal(figure.data[number].x, [1, 5, 17])
        np.testing.assert_array_equal(figure.data[number].customdata, [0, 4, 16])
    np.testing.assert_array_equal(figure.data[2].x, [1, 17])  # what was not measured is left out
    np.testing.assert_allclose(figure.data[3].y, curves.attrs[f"{what}_full"])
    assert figure.layout.yaxis.type == ("log" if what == "loss" else None)


def test_adding_back_says_which_samples_it_is_told_on() -> None:
    curves = curves_of_adding_back().assign_attrs(tested_on="training")
    assert moves.add_back(curves, "accuracy").layout.yaxis.title.text == "accuracy on training samples"


def test_the_table_of_adding_back() -> None:
    table = moves.add_back_data(curves_of_adding_back())
    assert list(table) == ["order", "k", "loss", "accuracy"]
    assert len(table) == 8
    row = table[(table["order"] == "magnitude") & (table["k"] == 4)].iloc[0]
    assert (row["loss"], row["accuracy"]) == (1.5, 0.625)


def landscapes() -> xr.Dataset:
    place = np.linspace(-2.0, 2.0, 21)
    at = np.array([0.5, -1.0])
    value = np.array([3.0, 0.2])
    coordinate = at[:, None] + place
    quadratic = 0.1 + 0.5 * value[:, None] * place**2
    return xr.Dataset(
        {
            "coordinate": (("direction", "place"), coordinate),
            "loss": (("direction", "place"), np.minimum(quadratic, 3.0)),
            "quadratic": (("direction", "place"), quadratic),
            "accuracy": (("direction", "place"), np.exp(-quadratic)),
            "at": ("direction", at),
            "rank": ("direction", [0, 9]),
            "value": ("direction", value),
        }
    )


def test_a_landscape_of_loss_has_its_parabola_and_where_the_weights_are() -> None:
    curves = landscapes()
    figure = checked(moves.landscape(curves, "loss"), "coordinate", "cross-entropy")
    assert len(figure.data) == 6
    line, parabola, mark = figure.data[:3]
    assert line.name == "eigenvector 1, λ = 3" and figure.data[3].name == "eigenvector 10, λ = 0.2"
    np.testing.assert_allclose(line.x, curves["coordinate"][0])
    np.testing.assert_allclose(line.y, curves["loss"][0])
    kept = curves["quadratic"][0].values < 1.2 * 3.0
    assert 0 < kept.sum() < 21
    np.testing.assert_allclose(parabola.y, curves["quadratic"][0].values[kept])
    assert parabola.line.dash == "dash" and parabola.line.color == line.line.color
    np.testing.assert_allclose([mark.x[0], mark.y[0]], [0.5, 0.1], atol=1e-12)
    np.testing.assert_allclose([figure.data[5].x[0], figure.data[5].y[0]], [-1.0, 0.1], atol=1e-12)


def test_a_landscape_of_accuracy_has_no_parabola() -> None:
    figure = checked(moves.landscape(landscapes(), "accuracy"), "coordinate", "accuracy")
    assert len(figure.data) == 4 and not any("quadratic" in trace.name for trace in figure.data)
    np.testing.assert_allclose(figure.data[0].y, landscapes()["accuracy"][0])
    assert figure.layout.yaxis.tickformat == ".0%"


def test_the_table_of_landscapes_has_a_row_for_each_place() -> None:
    table = moves.landscape_data(landscapes())
    assert list(table) == ["rank", "value", "coordinate", "loss", "quadratic", "accuracy"]
    assert len(table) == 42 and table["rank"].value_counts().to_dict() == {0: 21, 9: 21}
    np.testing.assert_allclose(table.loc[table["rank"] == 9, "loss"], landscapes()["loss"][1])


@pytest.mark.parametrize("cross", [0.05, -1.0, None])
def test_variance_against_curvature_has_one_line_to_compare_with(cross: float | None) -> None:
    h = np.geomspace(10.0, 1e-3, 51)
    s = 2e-4 * h
    data = xr.Dataset(
        {"value": ("k", h), "variance": ("k", s)}, attrs={} if cross is None else {"h_cross": cross}
    )
    figure = checked(moves.flatness(data), "curvature", "variance")
    points, line = figure.data[:2]
    np.testing.assert_allclose(points.x, h)
    np.testing.assert_allclose(points.y, s)
    assert "exponent 1" in line.name
    # Here the variances are on the line.
    np.testing.assert_allclose(line.y, 2e-4 * np.asarray(line.x))
    np.testing.assert_allclose(line.x, [1e-3, 10.0])
    if cross == 0.05:
        vertical = figure.data[2]
        np.testing.assert_allclose(vertical.x, 0.05)
        assert vertical.name.startswith("h_cross")
        np.testing.assert_allclose([vertical.y[0], vertical.y[-1]], [s.min(), s.max()])
    else:
        assert len(figure.data) == 2
    table = moves.flatness_data(data)
    np.testing.assert_allclose(table["curvature"], h)
    np.testing.assert_allclose(table["variance"], s)


def test_many_directions_are_thinned_to_their_ends() -> None:
    h = np.geomspace(10.0, 1e-3, 9000)
    points = moves.flatness(xr.Dataset({"value": ("k", h), "variance": ("k", h)})).data[0]
    assert len(points.x) == 1200 and (points.x[0], points.x[-1]) == (h[0], h[-1])


# Overlaps.


def an_overlap(multiple: np.ndarray[Any, Any]) -> xr.Dataset:
    return xr.Dataset(
        {"multiple": (("row", "column"), multiple), "i": ("row", [0, 1, 3]), "j": ("column", [0, 2])},
        attrs={"rows": 8, "columns": 5},
    )


def test_an_overlap_map_has_blocks_that_say_their_ranks_and_multiples() -> None:
    multiple = np.array([[100.0, 1.0], [0.1, 10.0], [0.0, 5000.0]])
    data = an_overlap(multiple)
    figure = checked(overlaps.overlap_map(data, "title", "component"), "rank of the component", "Hessian")
    (trace,) = figure.data
    np.testing.assert_allclose(trace.x, [0.5, 2.5, 5.5])
    np.testing.assert_allclose(trace.y, [0.5, 1.5, 3.5, 8.5])
    np.testing.assert_allclose(trace.z, [[2.0, 0.0], [-1.0, 1.0], [-3.0, 3.0]])
    assert (trace.zmin, trace.zmax) == (-3.0, 3.0)  # white, the middle, is chance
    shown = np.asarray(trace.customdata)
    assert shown.shape == (3, 2, 3)
    np.testing.assert_array_equal(shown[:, :, 0], multiple)
    np.testing.assert_array_equal(shown[:, :, 1], [[1, 1], [2, 2], [4, 4]])
    np.testing.assert_array_equal(shown[:, :, 2], [[1, 3]] * 3)
    assert "component %{customdata[2]}" in trace.hovertemplate
    assert list(trace.colorbar.ticktext) == ["0.01", "0.1", "1", "10", "100", "1000"]
    assert figure.layout.yaxis.autorange == "reversed"


def test_an_overlap_map_near_chance_keeps_a_scale() -> None:
    trace = overlaps.overlap_map(an_overlap(np.ones((3, 2))), "t", "c").data[0]
    assert (trace.zmin, trace.zmax) == (-0.5, 0.5)
    assert list(trace.colorbar.ticktext) == ["1"]


def test_the_table_of_overlaps_has_a_row_for_each_block() -> None:
    multiple = np.arange(6.0).reshape(3, 2)
    table = overlaps.overlap_data(an_overlap(multiple))
    assert list(table) == ["eigenvector", "other", "multiple_of_chance"]
    assert table.to_numpy().tolist() == [
        [1, 1, 0], [1, 3, 1], [2, 1, 2], [2, 3, 3], [4, 1, 4], [4, 3, 5],
    ]  # fmt: skip


def test_colours_of_what_chance_gives_are_apart_from_the_data() -> None:
    figure = vectors.weight_products({str(n): np.ones(3) for n in range(3)}, 0.1)
    assert style.NULL not in {trace.marker.color for trace in figure.data[:-1]}
    assert figure.data[-1].line.color == style.NULL
