"""The contract of an analysis: one file says what is asked, of what, which numbers answer it and how they are drawn.

Everything else is derived from it: command line, cache key, table, JSON, findings, page section, layer entry,
explanation of each number. `docs/adding.md` shows how to add one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import xarray as xr

from eigentrail.chance import Side
from eigentrail.errors import OptionError
from eigentrail.findings import Finding

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from eigentrail.analyses.framework.rows import Row
    from eigentrail.analyses.framework.subjects import Size

#: Suffixes of the columns that are derived of a quantity with a null: the null's median, percentile and p-value.
NULL, PERCENTILE, P = "_null", "_percentile", "_p"

Unit: TypeAlias = Literal["matrix", "layer", "probe", "run"]


@dataclass(frozen=True)
class Quantity:
    """One number of an analysis: a variable, or an attribute, of each node.

    Attributes:
        label: short heading, in the field's term.
        meaning: what it is, in a sentence or two.
        units: units and convention; empty for none.
        source: where the definition comes from ("S1 6.3"); empty for none.
        null: the variable that holds its null draws, with the dimension `draw`; None without a null.
        null_name: the null model in words ("walks of the same updates with random signs").
        side: which way the number speaks against chance.
        chance: what chance gives, in words, for the explanation.
        shown: whether the terminal's table has it.
        absent: why it may be missing even when nothing is wrong; empty if there is no such reason.
    """

    label: str
    meaning: str
    units: str = ""
    source: str = ""
    null: str | None = None
    null_name: str = ""
    side: Side = "greater"
    chance: str = ""
    shown: bool = False
    absent: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure of one subject.

    Attributes:
        key: letters, digits and hyphens; part of the download's name.
        title: what it shows, as a heading.
        caption: how to read it: axes, what is grey, what chance would look like.
        draw: from the node and the heading, the figure.
        data: from the node, the numbers behind it.
        wide: spans the page instead of sharing a row.
        when: whether a node has it; None for always.
    """

    key: str
    title: str
    caption: str | Callable[[xr.DataTree], str]
    draw: Callable[[xr.DataTree, str], go.Figure]
    data: Callable[[xr.DataTree], pd.DataFrame]
    wide: bool = False
    when: Callable[[xr.DataTree], bool] | None = None


@dataclass(frozen=True)
class Overview:
    """A figure of all subjects together, at the head of the section.

    Attributes:
        key: letters, digits and hyphens; the download's name.
        title: what it shows, as a heading.
        caption: how to read it.
        draw: from the labelled nodes and the heading, the figure.
        data: from the labelled nodes, the numbers behind it.
        fewest: how many subjects it takes to be worth drawing.
        wide: spans the page.
    """

    key: str
    title: str
    caption: str
    draw: Callable[[Sequence[tuple[str, xr.DataTree]], str], go.Figure]
    data: Callable[[Sequence[tuple[str, xr.DataTree]]], pd.DataFrame]
    fewest: int = 2
    wide: bool = True


@dataclass(frozen=True)
class Needs:
    """What an analysis must be given besides the recorded weights.

    Attributes:
        network: the network that the run's weights belong to.
        data: samples to evaluate it on.
        momentum: what is known of the optimizer's memory is used in its nulls.
    """

    network: bool = False
    data: bool = False
    momentum: bool = False


@dataclass(frozen=True)
class Analysis:
    """One analysis of a run.

    Attributes:
        name: its name: of the file, for `--only`, in JSON.
        question: the heading of its section, a question.
        about: what it finds, in one line.
        version: raised whenever its numbers change; a stored result of another version is not used.
        compute: makes the node of one subject, `compute(subject, context)`; of unit "run", of all of them,
            `compute(run, layers, context)`.
        unit: what a subject is: "matrix" (a weight matrix over steps), "layer" (a tensor over steps, and the whole
            network), "probe" (a layer of the network at its last step, with samples), "run".
        quantities: the numbers, by the name of the variable or attribute.
        rows: dimensions of the numbers that make several rows of one subject ("side").
        findings: from a row, its findings; None where nothing is judged.
        figures: of each subject.
        overviews: of all subjects.
        needs: what it must be given.
        default: whether it is made where no analysis is named.
        cost: estimates the seconds that a subject takes on one core.
        after: analyses whose nodes of the same subject it reads (`context.of`).
        arguments: further things that the result depends on, as plain data.
        source: the document and place that it follows.
        order: its place among the others on pages and in lists, small numbers first.
        parallel: whether several subjects may be worked on at once.
        subjects: from run, layers, `Probe` and arguments, the subjects and what is left out, where they are none of
        the units';
            None for the unit's.
    """

    name: str
    question: str
    about: str
    version: int
    compute: Callable[..., Any]
    unit: Unit
    quantities: Mapping[str, Quantity]
    rows: tuple[str, ...] = ()
    findings: Callable[[Row], Iterable[Finding]] | None = None
    figures: tuple[Figure, ...] = ()
    overviews: tuple[Overview, ...] = ()
    needs: Needs = field(default_factory=Needs)
    default: bool = True
    cost: Callable[[Size], float] = lambda size: 1.0
    after: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    order: int = 50
    parallel: bool = True
    subjects: Callable[..., Any] | None = None

    def changed(self, **arguments: Any) -> Analysis:
        """Give the same analysis with other arguments; its results are kept apart from those with the usual ones.

        Args:
            **arguments: some of `arguments`, or `seed` and `draws`, which each analysis has.

        Returns:
            The analysis.

        Raises:
            OptionError: it has no such argument.
        """
        known = {"seed", "draws", *self.arguments}
        unknown = [name for name in arguments if name not in known]
        if unknown:
            raise OptionError(f"{self.name} has no argument {unknown[0]}: it has {', '.join(sorted(known))}")
        return replace(self, arguments={**self.arguments, **arguments})

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its table, in order: name, row dimensions, quantities with what their nulls give."""
        found = ["name", *self.rows]
        for key, quantity in self.quantities.items():
            found.append(key)
            if quantity.null is not None:
                found += [f"{key}{suffix}" for suffix in (NULL, PERCENTILE, P)]
        return tuple(found)

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns that the terminal prints; a quantity with a null has its median and p-value beside it."""
        found = ["name", *self.rows]
        for key, quantity in self.quantities.items():
            if quantity.shown:
                found.append(key)
                if quantity.null is not None:
                    found += [f"{key}{NULL}", f"{key}{P}"]
        return tuple(found)


def analysis(
    name: str,
    *,
    question: str,
    about: str,
    version: int,
    unit: Unit,
    quantities: Mapping[str, Quantity],
    **options: Any,
) -> Callable[[Callable[..., Any]], Analysis]:
    """Turn a function into an analysis.

    Args:
        name: see `Analysis`, as for all that follows.
        question: the heading.
        about: one line.
        version: of its numbers.
        unit: what a subject is.
        quantities: the numbers.
        **options: the other attributes of `Analysis`.

    Returns:
        A decorator of `compute(subject, context)`.
    """

    def made(compute: Callable[..., Any]) -> Analysis:
        return Analysis(
            name=name,
            question=question,
            about=about,
            version=version,
            compute=compute,
            unit=unit,
            quantities=quantities,
            **options,
        )

    return made
