"""`compare`: which layers moved between two checkpoints of one network, and how."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eigentrail._progress import Progress, shown
from eigentrail._text import counted
from eigentrail.api.compared_layer import ComparedSpectra, compare_layer, comparison_columns
from eigentrail.api.layer_result import LayerResult
from eigentrail.errors import EigentrailError, SourceError
from eigentrail.metrics.framework.contract import DiagnosisOptions
from eigentrail.spectra.spectrum import Spectrum
from eigentrail.weights import Skipped, Weights, open_weights

if TYPE_CHECKING:
    from eigentrail.report import FigureBook


@dataclass(repr=False)
class Comparison(LayerResult):
    """What `compare` found.

    Attributes:
        table: one row a layer that both sources have, the most moved first; columns as in `comparison_columns`.
        spectra: the spectra of each row, by name.
        skipped: what could not be compared, each with its reason.
        summary: layers compared, moved and unmoved, the largest changes.
        source_a: the first source, in words.
        source_b: the second one.
    """

    spectra: Mapping[str, ComparedSpectra]
    source_a: str
    source_b: str

    def _about(self) -> dict[str, Any]:
        return {"source_a": self.source_a, "source_b": self.source_b}

    def _eigenvalues(self) -> Mapping[str, Spectrum]:
        return {
            f"{part}:{name}": spectrum
            for name, s in self.spectra.items()
            for part, spectrum in (("a", s.a), ("b", s.b), ("difference", s.difference))
            if spectrum is not None
        }

    def _page(self) -> str:
        from eigentrail.report import comparison_page

        return comparison_page(
            self.table, self.spectra, self.skipped, self.summary, self.source_a, self.source_b
        )

    @property
    def figures(self) -> FigureBook:
        """The page's figures: `.figures[name]["density"]` of a matrix, `.figures.overview` of the network."""
        from eigentrail.report import comparison_figures

        return comparison_figures(self.table, self.spectra)

    def __repr__(self) -> str:
        return f"Comparison({self.source_a!r}, {self.source_b!r}: {counted(len(self.table), 'matrix', 'matrices')})"


def compare(
    a: Any,
    b: Any,
    layers: str | list[str] | None = None,
    conv: str = "flatten",
    *,
    heads: bool = False,
    base: Any = None,
    level: float = 0.01,
    seed: int = 0,
    progress: bool | Progress | None = None,
) -> Comparison:
    """Tell which layers moved between two sources of the same network, and how.

    Args:
        a: the source before (initial, base or earlier weights), as for `open_weights`.
        b: the source after.
        layers: globs over parameter names; None: all.
        conv: how convolution kernels become matrices.
        heads: cut queries, keys and values into attention heads where their number is known.
        base: the model that an adapter on either side was trained on; None compares the adapters' own updates.
        level: chance that a pure noise update shows a spike.
        seed: seed of the shuffles.
        progress: True to show it, False for silence, a callable to report to, None for a bar on terminals.

    Returns:
        Table, spectra and what could not be compared.

    Raises:
        SourceError: when a source cannot be read or the two have no matrix in common.
    """
    first = a if isinstance(a, Weights) else open_weights(a, layers=layers, conv=conv, heads=heads, base=base)
    second = (
        b if isinstance(b, Weights) else open_weights(b, layers=layers, conv=conv, heads=heads, base=base)
    )
    shared, skipped = _shared(first, second)
    options = DiagnosisOptions(level=level, seed=seed)
    rows: list[dict[str, Any]] = []
    spectra: dict[str, ComparedSpectra] = {}

    def work(report: Progress) -> None:
        for i, name in enumerate(shared):
            report(name, i, len(shared))
            try:
                row, spectra[name] = compare_layer(first, second, name, options)
            except EigentrailError as error:
                skipped.append(Skipped(name, str(error)))
                continue
            rows.append(row)

    if callable(progress):
        work(progress)
    else:
        with shown("compare", progress) as report:
            work(report)
    if not rows:
        reasons = "; ".join(f"{s.name}: {s.reason}" for s in skipped[:3])
        msg = f"{first.source} and {second.source} have no weight matrix that can be compared ({reasons})"
        raise SourceError(msg)
    rows.sort(key=lambda r: -r["relative_change"])
    table = pd.DataFrame({c: pd.Series([r[c] for r in rows], dtype=object) for c in comparison_columns()})
    return Comparison(table, spectra, skipped, _summary(rows), first.source, second.source)


def _shared(first: Weights, second: Weights) -> tuple[list[str], list[Skipped]]:
    skipped = []
    shared = []
    for name in first:
        if name not in second:
            skipped.append(Skipped(name, f"only in {first.source}"))
        elif first.specs[name].shape != second.specs[name].shape:
            shapes = f"{list(first.specs[name].shape)} against {list(second.specs[name].shape)}"
            skipped.append(Skipped(name, f"the shapes differ: {shapes}"))
        else:
            shared.append(name)
    skipped += [Skipped(name, f"only in {second.source}") for name in second if name not in first]
    known = {s.name for s in skipped}
    skipped += [s for s in [*first.skipped, *second.skipped] if not (s.name in known or known.add(s.name))]  # type: ignore[func-returns-value]
    return shared, skipped


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    moved = [r for r in rows if r["distance"] > 0]
    total = math.sqrt(sum(r["distance"] ** 2 for r in rows))
    return {
        "matrices": len(rows),
        "moved": len(moved),
        "distance": total,
        "median_relative_change": float(np.median([r["relative_change"] for r in rows])),
        "update_spikes": sum(r["update_spikes"] or 0 for r in rows),
        "phase_changes": sum(r["phase_a"] != r["phase_b"] for r in rows),
        "most_moved": [r["name"] for r in moved[:5]],
    }
