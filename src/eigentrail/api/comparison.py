"""`compare`: which layers moved between two checkpoints of one network, and how."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eigentrail._names import Called
from eigentrail._progress import Progress, shown
from eigentrail._text import counted
from eigentrail.api.compared_layer import ComparedSpectra, compare_layer, comparison_columns
from eigentrail.api.layer_result import LayerResult
from eigentrail.api.matching import match_layers
from eigentrail.api.saving import results_folder
from eigentrail.api.sources import open_matrices, origin_of_sources
from eigentrail.checks.changes import has_moved, judge_changes
from eigentrail.errors import EigentrailError, NotFiniteError, SourceError
from eigentrail.findings import Finding
from eigentrail.metrics.framework.contract import DiagnosisOptions
from eigentrail.spectra.spectrum import Spectrum
from eigentrail.weights import Skipped, Weights

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
        not_finite: matrices that hold NaN or infinite entries, with the reason.
        level: chance that a pure noise update shows a spike.
    """

    spectra: Mapping[str, ComparedSpectra]
    source_a: str
    source_b: str
    not_finite: Mapping[str, str] = field(default_factory=dict)
    level: float = 0.01

    @cached_property
    def findings(self) -> list[Finding]:
        """What changed: faults first, then whether the layers moved, which most, and in how many directions."""
        return judge_changes(self.table.to_dict(orient="records"), self.not_finite, self.level)

    @property
    def alerts(self) -> list[Finding]:
        """The findings that need a look, the gravest first."""
        return [one for one in self.findings if one.needs_look]

    def to_dict(self) -> dict[str, Any]:
        """Give the whole result as plain values, as `--format json` prints it.

        Returns:
            The sources, `layers`, `findings`, `summary` and `skipped`; never NaN or infinite.
        """
        return {**super().to_dict(), "findings": [one.to_dict() for one in self.findings]}

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
            self.table,
            self.spectra,
            self.skipped,
            self.summary,
            self.source_a,
            self.source_b,
            findings=self.findings,
            origin=self.origin,
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
    products: bool = False,
    base: Any = None,
    rename: Mapping[str, str] | None = None,
    level: float = 0.01,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: bool | Progress | None = None,
) -> Comparison:
    """Tell which layers moved between two sources of the same network, and how.

    Args:
        a: the source before (initial, base or earlier weights), as for `open_weights`.
        b: the source after.
        layers: globs over parameter names; None: all.
        conv: how convolution kernels become matrices.
        heads: cut queries, keys and values into attention heads where their number is known.
        products: compare the query-key and output-value products of the attention heads as well: turning both factors
            of one moves each and not their product.
        base: the model that an adapter on either side was trained on; None compares the adapters' own updates.
        rename: what to replace in the names of A, and by what, where B calls its layers otherwise; pieces in front of
            a name, as wrappers put them, and tied weights are found without it.
        level: chance that a pure noise update shows a spike.
        seed: seed of the shuffles.
        out: a folder to write into. What was written there of other sources is not replaced.
        overwrite: True to replace it.
        progress: True to show it, False for silence, a callable to report to, None for a bar on terminals.

    Returns:
        Table, spectra and what could not be compared.

    Raises:
        SourceError: when a source cannot be read or the two have no matrix in common.
    """
    first, second = (
        _opened(source, base, {"layers": layers, "conv": conv, "heads": heads, "products": products})
        for source in (a, b)
    )
    origin = origin_of_sources("compare", first, second)
    if out is not None:
        results_folder(out, origin, overwrite=overwrite)
    matches, skipped = match_layers(first, second, rename)
    known = {one.name for one in skipped}
    skipped += [one for one in first.skipped if one.name not in known]
    known |= {one.name for one in first.skipped}
    skipped += [one for one in second.skipped if one.name not in known]
    options = DiagnosisOptions(level=level, seed=seed)
    rows: list[dict[str, Any]] = []
    spectra: dict[str, ComparedSpectra] = {}
    not_finite: dict[str, str] = {}

    def work(report: Progress) -> None:
        for i, match in enumerate(matches):
            report(match.a, i, len(matches))
            try:
                row, spectra[match.a] = compare_layer(first, second, match, options)
            except EigentrailError as error:
                skipped.append(Skipped(match.a, str(error)))
                if isinstance(error, NotFiniteError):
                    not_finite[match.a] = str(error)
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
    found = Comparison(
        table,
        spectra,
        skipped,
        Called(_summary(rows)),
        first.source,
        second.source,
        not_finite,
        level,
        origin=origin,
    )
    if out is not None:
        found.save(out, overwrite=overwrite)
    return found


def _opened(source: Any, base: Any, how: dict[str, Any]) -> Weights:
    # The base itself is a source like any other; only an adapter is added to it.
    on = None if base is None or source is base or source == base else base
    return open_matrices(source, base=on, **how)


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    moved = [r for r in rows if has_moved(r)]
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
