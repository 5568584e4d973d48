"""Figures of a whole network and of two checkpoints."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from diagnosed_network import IMG, planted
from eigentrail.figures import comparison, overview
from eigentrail.spectra.ranks import ranks
from eigentrail.spectra.spectrum import Spectrum

NETWORK = (
    overview.alpha_by_depth,
    overview.spikes_by_depth,
    overview.ranks_by_depth,
    overview.phases_by_depth,
    overview.alpha_by_kind,
    overview.phases_by_kind,
)


def texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [t for v in value.values() for t in texts(v)]
    if isinstance(value, (list, tuple, np.ndarray)):
        return [t for v in value for t in texts(v)]
    return []


@pytest.mark.parametrize("draw", NETWORK, ids=lambda f: f.__name__)
def test_each_figure_is_valid_and_shows_names_as_text(
    draw: object, small: tuple[pd.DataFrame, object]
) -> None:
    figure = draw(small[0].assign(kind=IMG))  # type: ignore[operator]
    go.Figure(figure.to_dict())
    shown = texts([t.to_plotly_json() for t in figure.data])
    assert not any("<img" in t or "<script" in t for t in shown)
    assert any("&lt;img" in t for t in shown)


def test_points_carry_the_row_that_a_click_opens(small: tuple[pd.DataFrame, object]) -> None:
    table = small[0]
    figure = overview.alpha_by_depth(table)
    seen = {c[0]: y for t in figure.data for c, y in zip(t.customdata, t.y, strict=True)}
    assert seen == {i: pytest.approx(a) for i, a in enumerate(table["alpha"])}


def test_missing_numbers_are_left_out() -> None:
    table = pd.DataFrame(
        {"name": ["a", "b"], "kind": ["k", None], "alpha": [None, 3.0], "phase": [None, None]}
    )
    figure = overview.alpha_by_depth(table)
    assert [t.name for t in figure.data] == ["unknown"]
    for draw in NETWORK:
        draw(table)
        draw(table.iloc[:0])


def test_chance_ranks_are_those_of_a_random_matrix() -> None:
    for rows, cols in ((1200, 300), (600, 600)):
        w = np.random.default_rng(rows).standard_normal((rows, cols))
        values = np.linalg.eigvalsh(w.T @ w / rows)
        found = ranks(values, rows, cols)
        chance = overview.chance_ranks(pd.DataFrame({"q": [cols / rows]})).iloc[0]
        assert found.stable / cols == pytest.approx(chance["stable"], rel=0.04)
        assert found.effective / cols == pytest.approx(chance["effective"], rel=0.01)


def test_phase_counts_add_up(small: tuple[pd.DataFrame, object]) -> None:
    counts = overview.phase_counts(small[0])
    assert counts.drop(columns="kind").to_numpy().sum() == len(small[0])


def test_movers_are_ranked() -> None:
    table = pd.DataFrame({"name": list("abc"), "kind": ["k"] * 3, "relative_change": [0.1, 0.9, None]})
    assert list(comparison.movers_data(table)["name"]) == ["b", "a"]
    assert list(comparison.movers(table).data[0].x) == [0.9, 0.1]


def test_phase_changes_count_pairs() -> None:
    table = pd.DataFrame(
        {"phase_a": ["random-like"] * 3, "phase_b": ["random-like", "bulk+spikes", "bulk+spikes"]}
    )
    counts = comparison.phase_changes_data(table).set_index("phase in A")
    assert counts.loc["random-like", "bulk+spikes"] == 2
    assert counts.loc["random-like", "random-like"] == 1
    go.Figure(comparison.phase_changes(table).to_dict())


def test_overlay_holds_both_densities_and_both_nulls() -> None:
    before = Spectrum.from_matrix(planted(300, 150, (), 0))
    after = Spectrum.from_matrix(planted(300, 150, (3.0,), 1))
    figure = comparison.density_overlay(before, after)
    go.Figure(figure.to_dict())
    assert sum("(null)" in (t.name or "") for t in figure.data) == 2
    data = comparison.overlay_data(before, after)
    width = data["bin_high"] - data["bin_low"]
    assert (data["density_a"] * width).sum() == pytest.approx(1)
    assert (data["density_b"] * width).sum() == pytest.approx(1)
    assert data["bin_high"].iloc[-1] >= after.eigenvalues[-1]


def test_chance_angles_are_those_of_random_subspaces() -> None:
    k, n = 4, 60
    low, median, high = comparison.chance_angles(k, n, draws=3000)
    rng = np.random.default_rng(7)
    drawn = []
    for _ in range(1500):
        a, b = (np.linalg.qr(rng.standard_normal((n, k)))[0] for _ in range(2))
        drawn.append(np.degrees(np.arccos(np.clip(np.linalg.svd(a.T @ b, compute_uv=False), 0, 1))))
    truth = np.quantile(np.array(drawn), [0.01, 0.5, 0.99], axis=0)
    assert np.allclose(median, truth[1], atol=0.6)
    assert np.allclose([low, high], truth[[0, 2]], atol=3)
    assert (np.diff(median) > 0).all()


def test_angles_are_drawn_with_chance_where_it_is_known() -> None:
    data = comparison.angles_data([5.0, 1.0], [2.0, 80.0], 100, 3)
    assert list(data[data["side"] == "long"]["angle"]) == [1.0, 5.0]
    assert data[data["side"] == "long"]["chance_median"].notna().all()
    assert data[data["side"] == "short"]["chance_median"].isna().all()
    go.Figure(comparison.subspace_angles([5.0, 1.0], [2.0, 80.0], 100, 50).to_dict())
    assert "not compared" in comparison.subspace_angles([], []).layout.annotations[0].text
