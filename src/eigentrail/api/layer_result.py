"""What the results that hold a row per weight matrix have in common: JSON, files, the page, a look in a notebook."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from eigentrail._files import write_bytes
from eigentrail._names import look_up
from eigentrail._numbers import finite
from eigentrail.api.saving import results_folder, typed_table, write_spectra
from eigentrail.errors import OptionError
from eigentrail.spectra.spectrum import Spectrum
from eigentrail.weights import Skipped

if TYPE_CHECKING:
    from eigentrail.report import FigureBook


#: Names that people guess, and what they are called.
_CALLED = {
    "worst": "alerts, or flagged",
    "warnings": "alerts, or the column warnings of table",
    "show": "report(path), or plot()",
    "results": "table",
    "df": "table",
}


@dataclass
class LayerResult(ABC):
    """A table of weight matrices.

    Attributes:
        table: one row a matrix; None where a number cannot be had.
        spectra: what belongs to each row, by name.
        skipped: what could not be analysed, each with its reason.
        summary: totals and what needs a look.
        origin: names what was looked at, so that its page replaces no other one.
    """

    table: pd.DataFrame
    spectra: Mapping[str, Any]
    skipped: list[Skipped]
    summary: dict[str, Any]
    origin: str = field(default="", kw_only=True)

    @abstractmethod
    def _about(self) -> dict[str, Any]:
        """Say where the result comes from, as plain values."""

    @abstractmethod
    def _eigenvalues(self) -> Mapping[str, Spectrum]:
        """Name the spectra that are written to disk."""

    @abstractmethod
    def _page(self) -> str:
        """Write the page."""

    @property
    @abstractmethod
    def figures(self) -> FigureBook:
        """The page's figures: `.figures[name]["density"]` of a matrix, `.figures.overview` of the network."""

    def to_dict(self) -> dict[str, Any]:
        """Give the whole result as plain values, as `--format json` prints it.

        Returns:
            Where it comes from, `layers`, `summary` and `skipped`; never NaN or infinite.
        """
        document: dict[str, Any] = finite(
            {
                **self._about(),
                "layers": self.table.to_dict(orient="records"),
                "summary": self.summary,
                "skipped": [asdict(s) for s in self.skipped],
            }
        )
        return document

    def to_json(self) -> str:
        """Give the whole result as one JSON document.

        Returns:
            JSON text without NaN or Infinity.
        """
        return json.dumps(self.to_dict(), allow_nan=False)

    def save(self, directory: str | Path, *, overwrite: bool = False) -> Path:
        """Write `layers.parquet`, `spectra.npz`, `summary.json` and the page.

        Args:
            directory: the folder; it is made when it is not there.
            overwrite: True to replace what was written there of another source.

        Returns:
            The path of the page.
        """
        folder = results_folder(directory, self.origin, overwrite=overwrite)
        write_bytes(folder / "layers.parquet", lambda f: typed_table(self.table).to_parquet(f, index=False))
        write_spectra(folder / "spectra.npz", self._eigenvalues())
        document = {k: v for k, v in self.to_dict().items() if k != "layers"}
        text = json.dumps(document, allow_nan=False, indent=2)
        write_bytes(folder / "summary.json", lambda f: f.write(text.encode()))
        return self.report(folder)

    def report(self, path: str | Path) -> Path:
        """Write the self-contained page.

        Args:
            path: the HTML file to write, or a folder for `report.html`.

        Returns:
            The path of the page.
        """
        from eigentrail.report import write_page

        target = Path(path)
        if target.is_dir() or not target.suffix:
            target /= "report.html"
        return write_page(self._page(), target)

    @property
    def layers(self) -> list[str]:
        """The names of the matrices, in their order."""
        return [str(name) for name in self.table["name"]]

    def __getitem__(self, name: str | int) -> pd.Series[Any]:
        """Give the row of a matrix, by its name or its place."""
        if isinstance(name, int):
            return self.table.iloc[name]
        return self.table.iloc[self.layers.index(look_up(name, self.layers, "layer", OptionError))]

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.table)

    def to_pandas(self) -> pd.DataFrame:
        """Give the table.

        Returns:
            One row a matrix.
        """
        return self.table

    def to_csv(self, path: str | Path) -> Path:
        """Write the table.

        Args:
            path: the file.

        Returns:
            The path.
        """
        typed_table(self.table).to_csv(path, index=False)
        return Path(path)

    def plot(self, name: str | None = None, figure: str | None = None) -> Any:
        """Draw a figure of the page.

        Args:
            name: a matrix; None for one of the whole network.
            figure: which; None for the first. `figures[name]` lists them.

        Returns:
            A plotly figure.

        Raises:
            OptionError: there is no such matrix or figure.
        """
        book = self.figures
        drawn: Mapping[str, Any] = book.overview if name is None else book[self[name]["name"]]
        names = list(drawn)
        chosen = names[0] if figure is None and names else str(figure)
        if chosen not in names:
            raise OptionError(f'there is no figure "{chosen}": there are {", ".join(names)}')
        return drawn[chosen]

    def __getattr__(self, name: str) -> Any:
        hint = f"; there is {_CALLED[name]}" if name in _CALLED else ""
        raise AttributeError(f"{type(self).__name__} has no {name}{hint}")

    def _repr_html_(self) -> str:
        from eigentrail.report import table_html

        return table_html(self.table)
