"""One layer in two checkpoints: how far it moved, in which directions, and what that did to its spectrum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from eigentrail.api.inspected_layer import factored_spectrum
from eigentrail.api.matching import Match
from eigentrail.errors import LayerError, NotFiniteError
from eigentrail.linalg.rounding import rounding_distance
from eigentrail.metrics.framework.contract import Column, DiagnosisOptions
from eigentrail.metrics.framework.diagnose import Diagnosis, diagnose, diagnose_spectrum
from eigentrail.metrics.framework.registry import columns
from eigentrail.spectra.eigenvalues import checked_stack
from eigentrail.spectra.energy import directions_for, energy_shares, noise_energy_shares
from eigentrail.spectra.spectrum import Spectrum
from eigentrail.spectra.subspaces import chance_overlap, principal_angles
from eigentrail.weights import FactoredMatrix, Weights

_MAX_SUBSPACE = 16
#: Share of an update's squared norm whose directions are counted.
_MOST_ENERGY = 0.9


def comparison_columns() -> tuple[str, ...]:
    """Name the columns of `Comparison.table`.

    Returns:
        What the matrix is, how far it moved, the update's numbers, the subspaces, the numbers of both, in order.
    """
    known = columns().values()
    return (
        *(
            "name",
            "kind",
            "shape",
            "matrices",
            "rows",
            "cols",
            "distance",
            "relative_change",
            "rounding",
            "cosine",
        ),
        *("update_energy_90", "update_energy_90_noise"),
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
    first: Weights, second: Weights, match: Match, options: DiagnosisOptions
) -> tuple[dict[str, Any], ComparedSpectra]:
    """Compare one layer.

    Args:
        first: the source before.
        second: the source after.
        match: the layer, which both have.
        options: how the matrices are diagnosed.

    Returns:
        The row, columns as in `comparison_columns`, and the spectra.

    Raises:
        LayerError: one of the two cannot be diagnosed; the text says which.
    """
    name, spec = match.a, first.specs[match.a]
    wa, wb = first[match.a], second[match.b]
    rounding = 0.0
    if isinstance(wa, FactoredMatrix) and isinstance(wb, FactoredMatrix):
        da, db, update, inner = _factored_difference(wa, wb, options)
    else:
        sources = (f"A ({first.source})", f"B ({second.source})")
        da, db, update, inner = _dense_difference(
            _dense(wa)[: match.rows], _dense(wb)[: match.rows], options, sources
        )
        if update is not None:
            rounding = rounding_distance(_dense(wa)[: match.rows], _dense(wb)[: match.rows])
    norm_a, norm_b = (float(one.row["frobenius_norm"] or 0.0) for one in (da, db))
    distance = 0.0 if update is None else float(update.row["frobenius_norm"])
    warnings = [match.note] if match.note else []
    row: dict[str, Any] = dict.fromkeys(comparison_columns())
    row |= {
        "name": name,
        "kind": spec.kind,
        "shape": list(spec.shape),
        "matrices": spec.matrices,
        "rows": da.row["rows"],
        "cols": da.row["cols"],
        "distance": distance,
        "relative_change": distance / norm_a if norm_a else math.inf if distance else 0.0,
        "rounding": rounding / norm_a if norm_a else 0.0,
        "cosine": inner / (norm_a * norm_b) if norm_a and norm_b else None,
    }
    for column in columns().values():
        if column.in_compare:
            values = (da.row[column.name], db.row[column.name])
            row |= zip(_of_both(column), (*values, _difference(*values, column)), strict=False)
    sides: dict[str, list[str]] = {}
    for side, found in (("A", da), ("B", db)):
        if any(found.row[column] is None for column in ("alpha", "spikes", "phase")):
            for text in found.row["warnings"]:
                sides.setdefault(text, []).append(side)
    warnings += [f"in {' and '.join(where)}: {text}" for text, where in sides.items()]
    if update is None:
        warnings.append("the layer did not move")
    else:
        _describe_update(row, update)
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
        if not np.any(np.asarray(matrix)):  # nothing to diagnose, and yet a place to move from
            return _zeros(matrix, options)
        return diagnose(matrix, options)
    except NotFiniteError as error:
        raise NotFiniteError(f"in {where}: {error}") from error
    except LayerError as error:
        raise LayerError(f"in {where}: {error}") from error


def _zeros(matrix: Any, options: DiagnosisOptions) -> Diagnosis:
    rows, cols = (int(n) for n in matrix.shape[-2:])
    count = int(matrix.shape[0]) if matrix.ndim == 3 else 1
    spectrum = Spectrum(np.zeros(count * min(rows, cols)), max(rows, cols), min(rows, cols), matrices=count)
    row: dict[str, Any] = dict.fromkeys(columns())
    row |= {"rows": max(rows, cols), "cols": min(rows, cols), "frobenius_norm": 0.0, "spikes": 0}
    return Diagnosis(row | {"warnings": ["all entries are zero"]}, spectrum)


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
    stacks = [checked_stack(w).astype(np.float64) if np.any(np.asarray(w)) else None for w in (wa, wb)]
    if stacks[0] is None and stacks[1] is None:
        return da, db, None, 0.0
    xa, xb = (np.zeros_like(other) if one is None else one for one, other in (stacks, reversed(stacks)))
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


def _describe_update(row: dict[str, Any], moved: Diagnosis) -> None:
    row |= {_of_update(column): moved.row[column.name] for column in columns().values() if column.of_update}
    values = moved.spectrum.eigenvalues
    # Pooled matrices share their directions evenly.
    row["update_energy_90"] = -(-directions_for(energy_shares(values), _MOST_ENERGY) // row["matrices"])
    row["update_energy_90_noise"] = directions_for(
        noise_energy_shares(row["rows"], row["cols"]), _MOST_ENERGY
    )


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
