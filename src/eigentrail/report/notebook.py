"""The page's figures for notebooks: drawn one by one, when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pandas as pd
import plotly.graph_objects as go

from eigentrail._text import counted
from eigentrail.errors import OptionError
from eigentrail.report.comparison import Pair, comparison_plots, pair_plots
from eigentrail.report.inspection import FIGURES, overview_plots
from eigentrail.report.sections import Plot
from eigentrail.spectra.spectrum import Spectrum

Figures = dict[str, go.Figure]


class FigureBook(Mapping[str, Figures]):
    """Figures by matrix: `book["fc.weight"]["density"]`, and those of the whole network: `book.overview`.

    Args:
        names: the matrices.
        draw: draws the figures of one matrix, by their short names.
        draw_overview: draws those of the network.
    """

    def __init__(
        self, names: list[str], draw: Callable[[str], Figures], draw_overview: Callable[[], Figures]
    ) -> None:
        self._names = names
        self._draw = draw
        self._draw_overview = draw_overview

    @property
    def overview(self) -> Figures:
        """The figures of the whole network, by their short names."""
        return self._draw_overview()

    def __getitem__(self, name: str) -> Figures:
        if name not in self._names:
            raise OptionError(
                f"there is no matrix {name!r} among these figures; the first is {self._names[0]!r}"
            )
        return self._draw(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __call__(self) -> FigureBook:
        """Give itself: people type `.figures()` too."""
        return self

    def __repr__(self) -> str:
        return f"FigureBook({counted(len(self), 'matrix', 'matrices')}; .overview, [name] -> figures by name)"


def inspection_figures(table: pd.DataFrame, spectra: Mapping[str, Spectrum]) -> FigureBook:
    """Offer the figures of an inspection.

    Args:
        table: a row per matrix.
        spectra: by name.

    Returns:
        Per matrix "density", "tail", "ks", "spacings" and so on; nothing is drawn before it is asked for.
    """

    def draw(name: str) -> Figures:
        return {short: drawer[0](spectra[name]) for short, drawer in FIGURES.items()}

    return FigureBook(list(spectra), draw, lambda: _by_stem(overview_plots(table)))


def comparison_figures(table: pd.DataFrame, spectra: Mapping[str, Pair]) -> FigureBook:
    """Offer the figures of a comparison.

    Args:
        table: a row per matrix.
        spectra: before, after and difference, by name.

    Returns:
        Per matrix the densities before and after, the spectrum of the difference and the angles.
    """
    rows = {row["name"]: row for row in table.to_dict(orient="records")}

    def draw(name: str) -> Figures:
        return _by_stem(pair_plots(rows[name], spectra[name], ""))

    return FigureBook(list(spectra), draw, lambda: _by_stem(comparison_plots(table)))


def _by_stem(plots: tuple[Plot, ...] | list[Plot]) -> Figures:
    return {plot.stem.strip("-"): plot.figure for plot in plots}
