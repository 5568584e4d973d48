"""The page of several sweeps: what differs between them, the effect of each axis in each, and their lines together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from eigentrail._cells import cell
from eigentrail._text import counted
from eigentrail.figures.of_table import TableFigure, draw
from eigentrail.findings import strongest_first
from eigentrail.report.page import render
from eigentrail.report.sections import Grid, Page, Plot, Prose, Section
from eigentrail.report.sweep_page import along_axes
from eigentrail.sweeps.answers import Answers, levels_table, table_of_effects


@dataclass(frozen=True)
class ComparedSweep:
    """One of the sweeps.

    Attributes:
        name: what it is called on the page.
        given: the keys of its file, without axes and measures.
        axes: the values of each axis.
        runs: the number of its runs.
        finished: how many of them finished.
        answers: what each axis does to each measure.
    """

    name: str
    given: Mapping[str, Any]
    axes: Mapping[str, Sequence[Any]]
    runs: int
    finished: int
    answers: Answers


def sweeps_page(sweeps: Sequence[ComparedSweep], origin: str = "") -> str:
    """Write the page.

    Args:
        sweeps: at least two.
        origin: what the page is made of, see `Page`.

    Returns:
        One self-contained HTML document.
    """
    sections = [_about(sweeps), _effects(sweeps)]
    if lines := _lines(sweeps):
        sections.append(along_axes(lines))
    title = f"{counted(len(sweeps), 'sweep')} compared"
    return render(Page(title, ", ".join(one.name for one in sweeps), tuple(sections), (), origin=origin))


def _about(sweeps: Sequence[ComparedSweep]) -> Section:
    keys = dict.fromkeys(key for one in sweeps for key in one.given)
    differ = [key for key in keys if len({cell(one.given.get(key)) for one in sweeps}) > 1]
    rows = tuple(
        (
            (
                one.name,
                f"{one.finished} of {one.runs}",
                "; ".join(f"{axis}: {', '.join(map(cell, values))}" for axis, values in one.axes.items()),
                *(cell(one.given.get(key)) for key in differ),
            ),
            None,
        )
        for one in sweeps
    )
    heads = ("sweep", "runs finished", "axes", *(key.replace("_", " ") for key in differ))
    same = "" if differ else "Their files differ in nothing else."
    items = (Grid(heads, rows), *((Prose((same,)),) if same else ()))
    return Section("sweeps", "What differs", items, nav="Sweeps")


def _effects(sweeps: Sequence[ComparedSweep]) -> Section:
    said = [
        f"{one.name}: {found.sentence}"
        for one in sweeps
        for found in strongest_first(list(one.answers.findings))[:2]
    ]
    tables = [
        table_of_effects(one.answers.effects).assign(sweep=one.name) for one in sweeps if one.answers.effects
    ]
    if not tables:
        return Section("effects", "Effects", (Prose(("No axis of them has two values with runs.",)),))
    table = pd.concat(tables)
    shown = table[
        ["axis", "measure", "sweep", "from", "to", "difference", "low", "high", "p_adjusted", "seeds"]
    ]
    shown = shown.sort_values(["measure", "axis"], kind="stable")
    rows = tuple((tuple(cell(value) for value in row), None) for row in shown.itertuples(index=False))
    heads = tuple(str(column).replace("_", " ") for column in shown.columns)
    return Section("effects", "Effects of each axis", (Prose(tuple(said)), Grid(heads, rows)), nav="Effects")


def _lines(sweeps: Sequence[ComparedSweep]) -> list[Plot]:
    by_pair: dict[tuple[str, str], list[tuple[str, Any]]] = {}
    for sweep in sweeps:
        for one in sweep.answers.effects:
            by_pair.setdefault((one.blocks.measure, one.blocks.axis), []).append((sweep.name, one))
    found = []
    for (measure, axis), parts in by_pair.items():
        if len(parts) < 2:
            continue
        table = pd.concat([levels_table(one).assign(sweep=name) for name, one in parts], ignore_index=True)
        numbers = [value for value in table[axis] if isinstance(value, (int, float))]
        if len(numbers) < len(table):
            table = table.assign(**{axis: [cell(value) for value in table[axis]]})
        log = len(numbers) == len(table) and min(numbers) > 0 and max(numbers) / min(numbers) >= 10
        figure = TableFigure(
            f"{measure}-{axis}", f"{measure} along {axis}", axis, "mean", "One colour a sweep.", by=("sweep",),
            interval=("low", "high"), x_label=axis.replace("_", " "), y_label=measure.replace("_", " "),
            log="x" if log else "",
        )  # fmt: skip
        stem = f"{measure}-{axis}".replace("@", "-")
        found.append(Plot(draw(figure, table), table, figure.caption, stem))
    return found
