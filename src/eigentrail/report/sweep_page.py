"""The page of a sweep: what each axis changes, in sentences first, then lines, maps over pairs, and the runs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from eigentrail._cells import cell
from eigentrail._text import counted
from eigentrail.figures.heat_table import heat_map
from eigentrail.figures.of_table import TableFigure, draw
from eigentrail.findings import Finding, strongest_first
from eigentrail.report.answers import beside_chance, finding_cards
from eigentrail.report.page import render
from eigentrail.report.sections import Cards, Grid, Item, Listing, Page, Plot, Prose, Section
from eigentrail.sweeps.answers import Answers, levels_table, table_of_effects
from eigentrail.sweeps.blocks import axes_of
from eigentrail.sweeps.by_value import by_value
from eigentrail.sweeps.effects import difference

_MOST_ROWS = 200
# Curves over epochs that one figure holds.
_MOST_CURVES = 12
# Values of a third axis at each of which a pair is mapped.
_MOST_THIRD = 3


def sweep_page(
    title: str,
    source: str,
    table: pd.DataFrame,
    curves: pd.DataFrame,
    measures: Sequence[str],
    answers: Answers,
    first: Sequence[Section] = (),
    more: Sequence[Section] = (),
    origin: str = "",
) -> str:
    """Write the page.

    Args:
        title: what the sweep is called.
        source: how it was made.
        table: a row for each run.
        curves: scores and ranks over epochs.
        measures: the measures.
        answers: what each axis does to each measure.
        first: sections to show before all others.
        more: sections to show before the curves over epochs.
        origin: what the page is made of, see `Page`.

    Returns:
        One self-contained HTML document.
    """
    axes = axes_of(table, measures)
    sections = [*first, _answers(table, answers)]
    if several := [axis for axis in axes if table[axis].astype(str).nunique() > 1]:
        tables = tuple(_grid(by_value(table, axis, measures)) for axis in several)
        told = "Means over seeds and other axes, with 95% intervals over seeds."
        sections.append(Section("values", "Value by value", tables, told, nav="Values"))
    lines = [_line(one.blocks.axis, one.blocks.measure, one) for one in answers.effects]
    if lines:
        sections.append(along_axes(lines))
    if maps := _maps(table, axes, measures):
        told = "Means over seeds and all axes that a map does not name."
        sections.append(Section("pairs", "Over pairs of axes", tuple(maps), told, nav="Maps"))
    if beside := _accuracy_beside(table, measures, axes):
        sections.append(Section("beside", "Accuracy beside rank", tuple(beside), nav="Accuracy"))
    sections += more
    if over := _over_epochs(table, curves, axes):
        sections.append(Section("epochs", "Over the training", tuple(over), nav="Epochs"))
    sections.append(_runs(table))
    return render(Page(title, source, tuple(sections), (), origin=origin))


def along_axes(lines: Sequence[Plot]) -> Section:
    """Put the lines of measures along axes into their section, of one sweep or of several.

    Args:
        lines: a figure for each measure and axis.

    Returns:
        The section.
    """
    return Section(
        "axes", "Along each axis", tuple(lines), "Means over seeds and other axes, with 95% intervals."
    )


def _answers(table: pd.DataFrame, answers: Answers) -> Section:
    items: list[Item] = []
    findings = list(answers.findings)
    if findings:
        # Each sentence names its axis and its measure.
        items.append(Cards(tuple(finding_cards(findings, lambda one: ""))))
        if told := beside_chance(findings):
            items.append(Prose((told,)))
        items.append(
            Listing(
                ("Answer", "Question and finding"), tuple(_told(one) for one in strongest_first(findings))
            )
        )
    bad = table[table["status"] != "finished"]
    said = [f"{counted(len(table), 'run')}, {len(table) - len(bad)} of which finished."]
    said += [f"{who} is not compared: {why}." for who, why in answers.left_out]
    items.append(Prose(tuple(said)))
    if answers.effects:
        effects = table_of_effects(answers.effects)
        items.append(_grid(effects))
    return Section("answers", "Answers", tuple(items), nav="Answers")


def _told(one: Finding) -> tuple[str, str, None]:
    return str(one.verdict).capitalize(), f"{one.question} {one.sentence} {one.detail}", None


def _line(axis: str, measure: str, one: Any) -> Plot:
    levels = levels_table(one)
    numbers = [value for value in one.blocks.levels if isinstance(value, (int, float))]
    log = len(numbers) > 2 and min(numbers) > 0 and max(numbers) / min(numbers) >= 10
    shown = levels if one.blocks.ordered else levels.assign(**{axis: [cell(v) for v in one.blocks.levels]})
    figure = TableFigure(
        f"{measure}-{axis}", f"{measure} along {axis}", axis, "mean",
        f"{one.ends.how}; {len(one.blocks.seeds)} seeds.", interval=("low", "high"),
        x_label=axis.replace("_", " "), y_label=measure.replace("_", " "), log="x" if log else "",
        lines=one.blocks.ordered,
    )  # fmt: skip
    return Plot(draw(figure, shown), shown, figure.caption, f"{measure}-{axis}".replace("@", "-"))


def _maps(table: pd.DataFrame, axes: Sequence[str], measures: Sequence[str]) -> list[Plot]:
    """Maps over each pair of axes, and over a pair at each value of a third that has few (S4's figure 1)."""
    count = {axis: table[axis].astype(str).nunique() for axis in axes}
    several = [axis for axis in axes if count[axis] > 1]
    third = min(several, key=lambda axis: count[axis]) if len(several) > 2 else None
    made = []
    for measure in measures:
        for x, y in itertools.combinations(axes, 2):
            made.append(_map(table, x, y, measure))
            if third is not None and third not in {x, y} and count[third] <= _MOST_THIRD:
                for value, part in table.groupby(third, sort=True):
                    made.append(_map(part, x, y, measure, f"{third.replace('_', ' ')} {cell(value)}"))
    return [one for one in made if one is not None]


def _map(table: pd.DataFrame, x: str, y: str, measure: str, at: str = "") -> Plot | None:
    numbers = table.assign(**{measure: pd.to_numeric(table[measure], errors="coerce")}).dropna(
        subset=[measure]
    )
    if numbers[x].nunique() < 2 or numbers[y].nunique() < 2:
        return None
    rng = np.random.default_rng(0)
    rows = []
    for (at_y, at_x), part in numbers.groupby([y, x], sort=True):
        found = difference(part.groupby("seed")[measure].mean().to_numpy(dtype=np.float64), rng)
        rows.append({x: at_x, y: at_y, measure: found.value, "low": found.low, "high": found.high})
    cells = pd.DataFrame(rows)
    title = f"{measure} over {x} and {y}" + (f" at {at}" if at else "")
    return Plot(
        heat_map(cells, x, y, measure, title=title, interval=("low", "high")),
        cells,
        "Intervals stand with each cell where it is pointed at, and in the file.",
        "-".join(filter(None, (measure, x, y, at.replace(" ", "-")))).replace("@", "-"),
    )


def _accuracy_beside(table: pd.DataFrame, measures: Sequence[str], axes: Sequence[str]) -> list[Item]:
    rank = next((name for name in measures if name.partition("@")[0].startswith("rank")), None)
    if rank is None or "test_accuracy" not in table or not axes:
        return []
    columns = [rank, "test_accuracy", *(c for c in ("train_accuracy",) if c in table)]
    shown = table[[axes[0], "seed", *columns]].dropna(subset=columns).sort_values(rank)
    if len(shown) < 2:
        return []
    shown = shown.assign(**{axes[0]: [cell(value) for value in shown[axes[0]]]})
    figure = TableFigure(
        "beside", f"Test accuracy against {rank}", rank, "test_accuracy",
        "Each point is a run; points of one value of the axis are joined by rank.", by=(axes[0],),
        y_label="test accuracy", x_label=rank.replace("_", " "),
    )  # fmt: skip
    return [Plot(draw(figure, shown), shown, figure.caption, "accuracy-rank", wide=True)]


def _over_epochs(table: pd.DataFrame, curves: pd.DataFrame, axes: Sequence[str]) -> list[Item]:
    found: list[Item] = []
    if not len(curves):
        return found
    joined = curves.merge(table[["run", *axes, "status"]], on="run")
    for measure in dict.fromkeys(joined["measure"]):
        part = joined[joined["measure"] == measure]
        for axis in axes:
            if not 1 < part[axis].astype(str).nunique() <= _MOST_CURVES:
                continue
            mean = (
                part.groupby([part[axis].map(cell).rename(axis), "epoch"], sort=False)["value"]
                .mean()
                .reset_index()
            )
            mean = mean.sort_values("epoch", kind="stable")
            figure = TableFigure(
                f"{measure}-{axis}-epochs", f"{measure} over epochs, by {axis}", "epoch", "value",
                "Means over seeds and other axes.", by=(axis,), y_label=measure.replace("_", " "), marks=False,
            )  # fmt: skip
            stem = f"{measure}-{axis}-epochs".replace("@", "-")
            found.append(Plot(draw(figure, mean), mean, figure.caption, stem))
    return found


def _runs(table: pd.DataFrame) -> Section:
    shown = table.drop(columns=["seconds"], errors="ignore")
    more = (
        f" (the first {_MOST_ROWS} of {len(table)}; all are in table.parquet)"
        if len(table) > _MOST_ROWS
        else ""
    )
    return Section("runs", f"The runs{more}", (_grid(shown.head(_MOST_ROWS)),), nav="Runs", folded=True)


def _grid(table: pd.DataFrame) -> Grid:
    rows = tuple((tuple(cell(value) for value in row), None) for row in table.itertuples(index=False))
    return Grid(tuple(str(column).replace("_", " ") for column in table.columns), rows)
