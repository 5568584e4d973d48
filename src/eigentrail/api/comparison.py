"""`compare`: which layers moved between two checkpoints of one network, and how."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from eigentrail._progress import Progress, shown
from eigentrail.api.inspection import factored_spectrum
from eigentrail.errors import EigentrailError, LayerError, SourceError
from eigentrail.spectra.diagnosis import Diagnosis, DiagnosisOptions, diagnose, diagnose_spectrum, remarks
from eigentrail.spectra.eigenvalues import checked_stack
from eigentrail.spectra.spectrum import Spectrum
from eigentrail.spectra.subspaces import chance_overlap, principal_angles
from eigentrail.weights import FactoredMatrix, Skipped, Weights, open_weights

if TYPE_CHECKING:
    from eigentrail.report import FigureBook

#: The columns of `Comparison.table`, in order.
COMPARISON_COLUMNS = (
    "name", "kind", "shape", "matrices", "rows", "cols",
    "distance", "relative_change", "cosine",
    "update_spikes", "update_null_spikes", "update_spike_strength", "update_stable_rank", "update_effective_rank",
    "update_numerical_rank", "update_lambda_max", "update_edge_high",
    "subspace_size", "angles_long", "angles_short", "overlap_long", "overlap_short", "overlap_chance",
    "alpha_a", "alpha_b", "alpha_change", "spikes_a", "spikes_b", "stable_rank_a", "stable_rank_b",
    "effective_rank_a", "effective_rank_b", "phase_a", "phase_b", "warnings",
)  # fmt: skip

_MAX_SUBSPACE = 16


@dataclass(frozen=True)
class ComparedSpectra:
    """The three spectra of one layer.

    Attributes:
        a: before.
        b: after.
        difference: of B - A; None for a layer that did not move.
    """

    a: Spectrum
    b: Spectrum
    difference: Spectrum | None


@dataclass
class Comparison:
    """What `compare` found.

    Attributes:
        table: one row a layer that both sources have, the most moved first.
        spectra: the spectra of each row, by name.
        skipped: what could not be compared, each with its reason.
        summary: layers compared, moved and unmoved, the largest changes.
        source_a: the first source, in words.
        source_b: the second one.
    """

    table: pd.DataFrame
    spectra: Mapping[str, ComparedSpectra]
    skipped: list[Skipped]
    summary: dict[str, Any]
    source_a: str
    source_b: str

    def to_dict(self) -> dict[str, Any]:
        """Give the whole result as plain values, as `--format json` prints it.

        Returns:
            `source_a`, `source_b`, `layers`, `summary` and `skipped`; never NaN or infinite.
        """
        return {
            "source_a": self.source_a,
            "source_b": self.source_b,
            "layers": self.table.to_dict(orient="records"),
            "summary": self.summary,
            "skipped": [asdict(s) for s in self.skipped],
        }

    def to_json(self) -> str:
        """Give the whole result as one JSON document.

        Returns:
            JSON text without NaN or Infinity.
        """
        return json.dumps(self.to_dict(), allow_nan=False)

    def save(self, directory: str | Path) -> Path:
        """Write `layers.parquet`, `spectra.npz`, `summary.json` and the page.

        Args:
            directory: the folder; it is made when it is not there.

        Returns:
            The path of the page.
        """
        from eigentrail._files import output_folder, write_bytes
        from eigentrail.api.saving import typed_table, write_spectra

        folder = output_folder(directory)
        write_bytes(folder / "layers.parquet", lambda f: typed_table(self.table).to_parquet(f, index=False))
        parts = {
            f"{part}:{name}": spectrum
            for name, s in self.spectra.items()
            for part, spectrum in (("a", s.a), ("b", s.b), ("difference", s.difference))
            if spectrum is not None
        }
        write_spectra(folder / "spectra.npz", parts)
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
        from eigentrail.report import comparison_page, write_page

        target = Path(path)
        if target.is_dir() or not target.suffix:
            target /= "report.html"
        page = comparison_page(
            self.table, self.spectra, self.skipped, self.summary, self.source_a, self.source_b
        )
        return write_page(page, target)

    @property
    def figures(self) -> FigureBook:
        """The page's figures: `.figures[name]["density"]` of a matrix, `.figures.overview` of the network."""
        from eigentrail.report import comparison_figures

        return comparison_figures(self.table, self.spectra)

    def _repr_html_(self) -> str:
        from eigentrail.report import table_html

        return table_html(self.table)

    def __repr__(self) -> str:
        return f"Comparison({self.source_a!r}, {self.source_b!r}: {len(self.table)} matrices)"


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
                row, spectra[name] = _compare_layer(first, second, name, options)
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
    table = pd.DataFrame({c: pd.Series([r[c] for r in rows], dtype=object) for c in COMPARISON_COLUMNS})
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


def _compare_layer(
    first: Weights, second: Weights, name: str, options: DiagnosisOptions
) -> tuple[dict[str, Any], ComparedSpectra]:
    spec = first.specs[name]
    wa, wb = first[name], second[name]
    if isinstance(wa, FactoredMatrix) and isinstance(wb, FactoredMatrix):
        da, db, update, inner = _factored_difference(wa, wb, options)
    else:
        sources = (f"A ({first.source})", f"B ({second.source})")
        da, db, update, inner = _dense_difference(_dense(wa), _dense(wb), options, sources)
    norm_a, norm_b = float(da.row["frobenius_norm"]), float(db.row["frobenius_norm"])
    distance = 0.0 if update is None else float(update.row["frobenius_norm"])
    warnings: list[str] = []
    row: dict[str, Any] = dict.fromkeys(COMPARISON_COLUMNS)
    row |= {
        "name": name,
        "kind": spec.kind,
        "shape": list(spec.shape),
        "matrices": spec.matrices,
        "rows": da.row["rows"],
        "cols": da.row["cols"],
        "distance": distance,
        "relative_change": distance / norm_a,
        "cosine": inner / (norm_a * norm_b),
        "alpha_change": _difference(da.row["alpha"], db.row["alpha"]),
    }
    for side, found in (("a", da), ("b", db)):
        for column in ("alpha", "spikes", "stable_rank", "effective_rank", "phase"):
            row[f"{column}_{side}"] = found.row[column]
        if any(found.row[column] is None for column in ("alpha", "spikes", "phase")):
            warnings += [f"in {side.upper()}: {text}" for text in _missing(found.row)]
    if update is None:
        warnings.append("the layer did not move")
    else:
        _describe_update(row, update.row)
        if update.row["spikes"] is None:
            warnings += [f"in B - A: {text}" for text in _missing(update.row)[:1]]
    _describe_subspaces(row, da.spectrum, db.spectrum)
    if row["phase_a"] != row["phase_b"]:
        warnings.append(f"the phase changed from {row['phase_a']} to {row['phase_b']}")
    row["warnings"] = warnings
    for spectrum in (da.spectrum, db.spectrum, *([] if update is None else [update.spectrum])):
        spectrum.forget_vectors()
    return row, ComparedSpectra(da.spectrum, db.spectrum, None if update is None else update.spectrum)


def _dense(matrix: Any) -> Any:
    return matrix.dense() if isinstance(matrix, FactoredMatrix) else matrix


_Parts = tuple[Diagnosis, Diagnosis, Diagnosis | None, float]


def _missing(row: dict[str, Any]) -> list[str]:
    """Give the warnings of a row that say why a number is missing.

    Args:
        row: of a diagnosis.

    Returns:
        Its warnings without the remarks on the numbers that are there.
    """
    known = remarks(row)
    return [text for text in row["warnings"] if text not in known]


def _diagnose_side(matrix: Any, options: DiagnosisOptions, where: str) -> Diagnosis:
    try:
        return diagnose(matrix, options)
    except LayerError as error:
        raise LayerError(f"in {where}: {error}") from error


def _dense_difference(
    wa: Any, wb: Any, options: DiagnosisOptions, sources: tuple[str, str] = ("A", "B")
) -> _Parts:
    """Diagnose both matrices and their difference.

    Args:
        wa: before.
        wb: after.
        options: how.
        sources: what to call the two in the reason why one cannot be diagnosed.

    Returns:
        The diagnoses of A, B and B - A (None where nothing moved), and the inner product of A and B.
    """
    da = _diagnose_side(wa, options, sources[0])
    db = _diagnose_side(wb, options, sources[1])
    xa, xb = checked_stack(wa).astype(np.float64), checked_stack(wb).astype(np.float64)
    inner = float(np.vdot(xa, xb))
    xb -= xa
    if not xb.any():
        return da, db, None, inner
    if xb.min() == xb.max():  # every entry moved by one constant: a single direction
        constant = FactoredMatrix(
            torch.full((xb.shape[1], 1), xb.flat[0]), torch.ones(len(xb), 1, xb.shape[2]).double()
        )
        return da, db, diagnose_spectrum(factored_spectrum(constant), options, product=True), inner
    return da, db, diagnose(xb, options), inner


def _factored_difference(wa: FactoredMatrix, wb: FactoredMatrix, options: DiagnosisOptions) -> _Parts:
    """The same for two products of thin factors: their difference is one too, of at most the sum of the ranks.

    Args:
        wa: before.
        wb: after.
        options: how.

    Returns:
        See `_dense_difference`.
    """
    left = torch.cat([wb.left.double() * wb.scale, wa.left.double() * -wa.scale], dim=1)
    right = torch.cat([wb.right.double(), wa.right.double()], dim=-2)
    da, db, update = (
        diagnose_spectrum(factored_spectrum(w), options, product=True)
        for w in (wa, wb, FactoredMatrix(left, right))
    )
    norms = [found.row["frobenius_norm"] for found in (da, db, update)]
    inner = (norms[0] ** 2 + norms[1] ** 2 - norms[2] ** 2) / 2
    moved = norms[2] > 1e-12 * max(norms[0], norms[1])
    return da, db, update if moved else None, inner


def _describe_update(row: dict[str, Any], moved: dict[str, Any]) -> None:
    row |= {
        "update_spikes": moved["spikes"],
        "update_null_spikes": moved["null_spikes"],
        "update_spike_strength": moved["spike_strength"],
        "update_stable_rank": moved["stable_rank"],
        "update_effective_rank": moved["effective_rank"],
        "update_numerical_rank": moved["numerical_rank"],
        "update_lambda_max": moved["lambda_max"],
        "update_edge_high": moved["mp_edge_high"],
    }


def _describe_subspaces(row: dict[str, Any], a: Spectrum, b: Spectrum) -> None:
    """Fill in the principal angles of the leading subspaces, on both sides of the matrix.

    Args:
        row: the row to fill; its spike counts set the size of the subspaces (at least 1, at most 16).
        a: spectrum before, with its leading vectors.
        b: spectrum after.
    """
    if a.leading is None or b.leading is None:
        return
    size = max(1, row["spikes_a"] or 0, row["spikes_b"] or 0)
    size = min(size, _MAX_SUBSPACE, len(a.leading.values), len(b.leading.values))
    if (
        a.leading.matrix != b.leading.matrix
    ):  # different members of a pool lead: their subspaces are not comparable
        return
    row["subspace_size"] = size
    for side, va, vb in (
        ("long", a.leading.long, b.leading.long),
        ("short", a.leading.short, b.leading.short),
    ):
        angles = principal_angles(va[:size], vb[:size])
        row[f"angles_{side}"] = [math.degrees(x) for x in angles]
        row[f"overlap_{side}"] = float(np.mean(np.cos(angles) ** 2))
    row["overlap_chance"] = chance_overlap(size, size, a.leading.short.shape[1])


def _difference(x: float | None, y: float | None) -> float | None:
    return None if x is None or y is None else y - x


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
