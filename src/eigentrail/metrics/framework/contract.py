"""The contract of a metric: one file says what a number is called, what it means and how it is computed."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from eigentrail.errors import OptionError, SpectrumError
from eigentrail.spectra.spectrum import Spectrum

#: The blocks that numbers are shown in, in their order.
GROUPS = ("Identity", "Bulk and spikes", "Tail", "Ranks and norms", "Levels and vectors", "Entries", "Phase")

Value: TypeAlias = float | int | str | None
Sort: TypeAlias = Literal["number", "count", "text"]
Averaged: TypeAlias = Literal["no", "mean", "log10"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")
#: What the function of a metric may ask for, by the names of its parameters.
_INPUTS = ("spectrum", "options", "matrix")


@dataclass(frozen=True)
class DiagnosisOptions:
    """What to compute, and how carefully.

    Attributes:
        level: chance that a pure noise matrix shows a spike.
        bootstrap: draws for the tail's p-value and interval; 0 for none.
        seed: seed of everything random.
        null: decompose the shuffled matrix too.
        leading: pairs of leading singular vectors to keep.
        fast: sketch large matrices instead of computing all eigenvalues.
    """

    level: float = 0.01
    bootstrap: int = 0
    seed: int = 0
    null: bool = True
    leading: int = 16
    fast: bool = False


@dataclass(frozen=True)
class Column:
    """One number of a weight matrix: a column of tables, and its explanation.

    Attributes:
        name: of the column: in tables, JSON and `--fail-on`.
        label: short heading, in the field's term.
        meaning: what it is, in a sentence or two.
        group: the block that it is shown in, one of `GROUPS`.
        units: units and convention; empty for none.
        source: where the definition comes from; empty for none.
        chance: what a random matrix, or chance in general, gives; empty where nothing can be said.
        absent: why it may be missing even when nothing is wrong; empty if there is no such reason.
        sort: "number", "count" (an integer) or "text".
        over_time: whether an evolution follows it over the steps of a run.
        in_compare: whether a comparison shows it for A, for B and, unless it is a text, their difference.
        of_update: whether a comparison shows it for the update B - A.
        shown: whether tables with room for a few columns only have it.
        averaged: whether a summary of a network gives its mean ("mean"), the mean of its logarithm ("log10") or
            neither ("no").
    """

    name: str
    label: str
    meaning: str
    group: str
    units: str = ""
    source: str = ""
    chance: str = ""
    absent: str = ""
    sort: Sort = "number"
    over_time: bool = False
    in_compare: bool = False
    of_update: bool = False
    shown: bool = False
    averaged: Averaged = "no"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise OptionError(f"a column is named in small letters, digits and _, not {self.name!r}")
        if self.group not in GROUPS:
            raise OptionError(
                f"column {self.name}: the group is one of {', '.join(GROUPS)}, not {self.group!r}"
            )
        if not self.label or "_" in self.label:
            raise OptionError(f"column {self.name}: the label is a heading for people, not {self.label!r}")
        if not self.meaning.endswith("."):
            raise OptionError(f"column {self.name}: the meaning is a sentence and ends with a full stop")

    def plain(self, value: Any) -> Value:
        """Make a computed value one that tables and JSON hold.

        Args:
            value: as the metric's function gave it.

        Returns:
            A plain Python value of the column's sort.

        Raises:
            SpectrumError: the number is NaN or infinite.
        """
        if value is None:
            return None
        if self.sort == "text":
            return str(value)
        number = float(value)
        if not math.isfinite(number):
            raise SpectrumError(f"{self.name} is not finite for this matrix")
        return int(value) if self.sort == "count" else number


@dataclass(frozen=True)
class Measured:
    """Values of a metric with a remark.

    Attributes:
        values: by the name of the column; one that is left out is missing.
        note: a sentence about them, for instance why one is missing; None for nothing to say.
    """

    values: Mapping[str, Any]
    note: str | None = None


@dataclass(frozen=True)
class Metric:
    """One number of a weight matrix, or a tight group of numbers that come out of one computation.

    Attributes:
        columns: the numbers; those of a metric stand side by side.
        compute: `compute(spectrum)` gives the value, a mapping from column names or a `Measured`. It may ask for
            `options` (`DiagnosisOptions`) and `matrix` ([k, N, M], N >= M, the entries) by these names. Where a
            value is not defined it raises `SpectrumError` and says why.
        version: raised whenever its numbers change; a stored result of another version is not used.
        order: its place among the others, small numbers first.
        of_noise: whether it compares with noise: then it does not apply to a product of thin factors, which has no
            noise bulk.
    """

    columns: tuple[Column, ...]
    compute: Callable[..., Any]
    version: int = 1
    order: int = 1000
    of_noise: bool = False

    def __post_init__(self) -> None:
        if not self.columns:
            raise OptionError(f"the metric {self.name} has no column")
        odd = [name for name in self.inputs if name not in _INPUTS]
        if odd:
            raise OptionError(
                f"the metric {self.name} asks for {', '.join(odd)}; it can ask for {', '.join(_INPUTS)}"
            )

    @property
    def name(self) -> str:
        """The name of its function."""
        return self.compute.__name__

    @property
    def module(self) -> str:
        """The module that it stands in."""
        return self.compute.__module__

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """What its function asks for."""
        return tuple(inspect.signature(self.compute).parameters)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute it, as the function in the file does."""
        return self.compute(*args, **kwargs)

    def measure(
        self, spectrum: Spectrum, options: DiagnosisOptions | None = None, matrix: Any = None
    ) -> Measured:
        """Compute its values for a matrix.

        Args:
            spectrum: of the matrix.
            options: how carefully.
            matrix: [k, N, M] the entries; None where only the spectrum is there.

        Returns:
            The values by column.

        Raises:
            SpectrumError: it is not defined for this matrix; the text says why.
        """
        if "matrix" in self.inputs and matrix is None:
            names = ", ".join(c.name for c in self.columns)
            raise SpectrumError(
                f"{names}: the entries of the matrix are needed, and only its spectrum is there"
            )
        given = {"spectrum": spectrum, "options": options or DiagnosisOptions(), "matrix": matrix}
        found = self.compute(**{name: given[name] for name in self.inputs})
        if isinstance(found, Measured):
            return found
        return Measured(found if isinstance(found, Mapping) else {self.columns[0].name: found})


def metric(
    *,
    label: str,
    meaning: str,
    group: str,
    version: int = 1,
    order: int = 1000,
    of_noise: bool = False,
    **column: Any,
) -> Callable[[Callable[..., Any]], Metric]:
    """Turn a function into a metric of one column, which has the function's name.

    Args:
        label: see `Column`, as for what follows and for `column`.
        meaning: what it is.
        group: the block.
        version: see `Metric`, as for what follows.
        order: the place.
        of_noise: whether it compares with noise.
        **column: the other attributes of `Column`.

    Returns:
        A decorator of the function that computes the value.
    """

    def made(compute: Callable[..., Any]) -> Metric:
        one = Column(compute.__name__, label=label, meaning=meaning, group=group, **column)
        return Metric((one,), compute, version, order, of_noise)

    return made


def metric_group(
    *columns: Column, version: int = 1, order: int = 1000, of_noise: bool = False
) -> Callable[[Callable[..., Any]], Metric]:
    """Turn a function that fills several columns into a metric.

    Args:
        *columns: what it fills, in their order.
        version: see `Metric`, as for what follows.
        order: the place.
        of_noise: whether it compares with noise.

    Returns:
        A decorator of the function, which gives a mapping from column names to values.
    """

    def made(compute: Callable[..., Any]) -> Metric:
        return Metric(columns, compute, version, order, of_noise)

    return made
