"""One layer in two checkpoints: how far it moved, in which directions, and what that did to its spectrum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from eigentrail.api.inspected_layer import factored_spectrum
from eigentrail.errors import LayerError
from eigentrail.metrics.framework.contract import Column, DiagnosisOptions
from eigentrail.metrics.framework.diagnose import Diagnosis, diagnose, diagnose_spectrum
from eigentrail.metrics.framework.registry import columns
from eigentrail.spectra.eigenvalues import checked_stack
from eigentrail.spectra.spectrum import Spectrum
from eigentrail.spectra.subspaces import chance_overlap, principal_angles
from eigentrail.weights import FactoredMatrix, Weights

_MAX_SUBSPACE = 16


def comparison_columns() -> tuple[str, ...]:
    """Name the columns of `Comparison.table`.

    Returns:
        What the matrix is, how far it moved, the update's numbers, the subspaces, the numbers of both, in order.
    """
    known = columns().values()
    return (
        *("name", "kind", "shape", "matrices", "rows", "cols", "distance", "relative_change", "cosine"),
        *(_of_update(column) for column in known if column.of_update),
        *("subspace_size", "angles_long", "angles_short", "overlap_long", "overlap_short", "overlap_chance"),
        *(name for column in known if column.in_compare for name in _of_both(column)),
        "warnings",
    )


def _of_update(column: Column) -> str:
    # The update has a noise law of its own, which is the only one meant.
    return f"update_{column.name.removeprefix('mp_')}"


def _of_both(column: Column) -> list[str]:
    ends = ["a", "b"] if column.sort == "text" else ["a", "b", "change"]
    return [f"{column.name}_{end}" for end in ends]


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


def compare_layer(
    first: Weights, second: Weights, name: str, options: DiagnosisOptions
) -> tuple[dict[str, Any], ComparedSpectra]:
    """Compare one layer.

    Args:
        first: the source before.
        second: the source after.
        name: the layer, which both have in one shape.
        options: how the matrices are diagnosed.

    Returns:
        The row, columns as in `comparison_columns`, and the spectra.

    Raises:
        LayerError: one of the two cannot be diagnosed; the text says which.
    """
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
    row: dict[str, Any] = dict.fromkeys(comparison_columns())
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
    }
    for column in columns().values():
        if column.in_compare:
            values = (da.row[column.name], db.row[column.name])
            row |= zip(_of_both(column), (*values, _difference(*values, column)), strict=False)
    for side, found in (("a", da), ("b", db)):
        if any(found.row[column] is None for column in ("alpha", "spikes", "phase")):
            warnings += [f"in {side.upper()}: {text}" for text in found.row["warnings"]]
    if update is None:
        warnings.append("the layer did not move")
    else:
        _describe_update(row, update.row)
        if update.row["spikes"] is None:
            warnings += [f"in B - A: {text}" for text in update.row["warnings"][:1]]
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
    row |= {_of_update(column): moved[column.name] for column in columns().values() if column.of_update}


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


def _difference(x: Any, y: Any, column: Column) -> Any:
    return None if column.sort == "text" or x is None or y is None else y - x
