"""The close look at one step: the diagnosis of the matrix, and its spikes with their vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Shaped

from eigentrail.errors import LayerError, SpectrumError
from eigentrail.metrics.framework.contract import Column, DiagnosisOptions
from eigentrail.metrics.framework.diagnose import diagnose_spectrum
from eigentrail.metrics.framework.registry import metrics_over_time
from eigentrail.spectra.eigenvalues import Decomposition, LeadingVectors, checked_stack, decompose_checked
from eigentrail.spectra.entry_statistics import entry_statistics
from eigentrail.spectra.shuffle_law import null_of
from eigentrail.spectra.spectrum import Spectrum
from eigentrail.trajectories.directions import Directions, concatenate

#: Why a step has no numbers: a text beside those of the metrics.
MISSING = "missing"


def followed_columns() -> list[Column]:
    """Collect the columns of a diagnosis that are kept over steps.

    Returns:
        Those of the metrics over time, in the order of tables.
    """
    return [column for one in metrics_over_time() for column in one.columns if column.over_time]


def followed_numbers() -> list[str]:
    """Name the numbers that are kept over steps; see `eigentrail.inspect` for what each is.

    Returns:
        Names of columns.
    """
    return [column.name for column in followed_columns() if column.sort != "text"]


def followed_texts() -> list[str]:
    """Name the texts that are kept over steps.

    Returns:
        Names of columns, then `MISSING`.
    """
    return [*(column.name for column in followed_columns() if column.sort == "text"), MISSING]


@dataclass(frozen=True)
class Snapshot:
    """One step of one matrix.

    Attributes:
        numbers: those of `followed_numbers`; NaN where there is none.
        texts: those of `followed_texts`; empty where there is none.
        directions: the spikes; None where they cannot be told.
    """

    numbers: dict[str, float]
    texts: dict[str, str]
    directions: Directions | None


def snapshot(stack: Shaped[np.ndarray, "k n m"], level: float, keep: int) -> Snapshot:
    """Diagnose the matrix of one step.

    Args:
        stack: [k, N, M], N >= M.
        level: chance that noise shows a spike.
        keep: how many spikes to keep with their vectors, at most.

    Returns:
        The numbers and the spikes; for a matrix without a spectrum (not finite, all zero) the reason instead.
    """
    try:
        checked = checked_stack(stack)
        pooled = len(checked) > 1
        parts = decompose_checked(checked, 0 if pooled else keep)
        bare = Decomposition(parts.groups, parts.rows, parts.cols, None)
        entries = entry_statistics(checked)
        null = null_of(checked, entries, float(parts.groups.mean()))
        spectrum = Spectrum.from_decomposition(bare, entries, null)
        options = DiagnosisOptions(level=level)
        row = diagnose_spectrum(spectrum, options, matrix=checked, only=metrics_over_time()).row
    except (LayerError, SpectrumError) as error:
        return Snapshot(
            dict.fromkeys(followed_numbers(), np.nan),
            dict.fromkeys(followed_texts(), "") | {MISSING: str(error)},
            None,
        )
    numbers = {name: np.nan if row[name] is None else float(row[name]) for name in followed_numbers()}
    texts = {name: row.get(name) or "" for name in followed_texts()}
    if row["spikes"] is None:
        texts[MISSING] = "; ".join(row["warnings"][:1])
        return Snapshot(numbers, texts, None)
    above = _above_pooled if pooled else _above
    return Snapshot(numbers, texts, above(checked, parts, row["spike_threshold"], row["spikes"], keep))


def _above(
    checked: Shaped[np.ndarray, "k n m"], parts: Decomposition, threshold: float, spikes: int, keep: int
) -> Directions:
    if parts.leading is None:
        return Directions.none(parts.rows, parts.cols)
    return _directions(parts.leading, min(spikes, keep), 0, parts.rows)


def _above_pooled(
    checked: Shaped[np.ndarray, "k n m"], parts: Decomposition, threshold: float, spikes: int, keep: int
) -> Directions:
    # Only matrices that show a spike are decomposed again, for their vectors.
    found = [Directions.none(parts.rows, parts.cols)]
    for number, values in enumerate(parts.groups):
        count = int((values > threshold).sum())
        if count:
            leading = decompose_checked(checked[number : number + 1], count).leading
            assert leading is not None
            found.append(_directions(leading, count, number, parts.rows))
    together = concatenate(found)
    first = np.argsort(-together.values, kind="stable")[:keep]
    return Directions(
        together.values[first], together.matrix[first], together.long[first], together.short[first]
    )


def _directions(leading: LeadingVectors, count: int, matrix: int, rows: int) -> Directions:
    values: Float64[np.ndarray, " s"] = np.sqrt(leading.values[:count] * rows)
    return Directions(
        values,
        np.full(len(values), matrix, dtype=np.int64),
        leading.long[:count].astype(np.float32),
        leading.short[:count].astype(np.float32),
    )
