"""What every metric must do: explain itself, be plain or missing on any matrix, and own its stored results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from eigentrail.errors import LayerError
from eigentrail.metrics.framework.contract import Metric
from eigentrail.metrics.framework.diagnose import diagnose, diagnose_spectrum
from eigentrail.metrics.framework.registry import versions
from eigentrail.spectra import ensembles
from eigentrail.spectra.eigenvalues import checked_stack
from eigentrail.spectra.spectrum import Spectrum


def odd_matrices() -> Iterator[tuple[str, Any]]:
    """Give matrices on which numbers break: tiny, degenerate, of low rank, of huge and of tiny entries.

    Yields:
        What it is, and [n, m] or [k, n, m].
    """
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((60, 40))
    yield "noise", noise
    yield "wide", noise.T
    yield "one entry", np.ones((1, 1)) * 3.0
    yield "one column", noise[:, :1]
    yield "nine columns", noise[:30, :9]
    yield "square", noise[:40]
    yield "identity", np.eye(24)
    yield "orthogonal", np.linalg.qr(noise)[0]
    yield "signs", np.sign(noise)
    yield "clamped", noise.clip(-0.01, 0.01)
    yield "one row each", np.eye(40)[rng.integers(0, 40, 80)]
    yield "rank 1", np.outer(noise[:, 0], noise[0])
    yield "half zero", noise * (np.arange(60) < 20)[:, None]
    yield "one entry of many", np.pad(np.ones((1, 1)), ((0, 59), (0, 39)))
    yield "one huge entry", noise + np.pad(np.full((1, 1), 1e6), ((0, 59), (0, 39)))
    yield "huge", noise * 1e150
    yield "tiny", noise * 1e-150
    yield "half precision", noise.astype(np.float16)
    yield "heavy tails", ensembles.heavy_tailed(60, 40, mu=0.5, seed=0)
    yield "a pool", rng.standard_normal((3, 30, 12))


@cache
def _odd_spectra() -> list[tuple[str, Any, Spectrum]]:
    found = []
    for what, matrix in odd_matrices():
        try:
            stack = checked_stack(matrix)
            found.append((what, stack, diagnose(stack).spectrum))
        except LayerError:
            continue
    return found


def check_metric(metric: Metric) -> None:
    """Check what holds for every metric.

    Its columns explain themselves; on odd matrices, and where only a spectrum is there, each value is plain and
    finite or missing, and a value that is missing on plain noise has its reason; the row is JSON without NaN; the
    same matrix gives the same values; a raised version is another key of stored results.

    Args:
        metric: the metric.

    Raises:
        AssertionError: one of these does not hold; the text says which and where.
    """
    for column in metric.columns:
        for text in (column.label, column.meaning):
            _hold(bool(text.strip()), f"{column.name}: label and meaning explain it")
    for what, stack, spectrum in _odd_spectra():
        row = diagnose_spectrum(spectrum, matrix=stack, only=[metric]).row
        _check_row(metric, row, what)
        again = diagnose_spectrum(spectrum, matrix=stack, only=[metric]).row
        _hold(row == again, f"{metric.name} on {what}: the same matrix gives the same values")
        bare = Spectrum(spectrum.eigenvalues, spectrum.rows, spectrum.cols, spectrum.matrices)
        _check_row(metric, diagnose_spectrum(bare, only=[metric]).row, f"the eigenvalues of {what}")
        if what == "noise":
            absent = [c for c in metric.columns if row[c.name] is None and not c.absent]
            _hold(
                not absent or bool(row["warnings"]),
                f"{metric.name} on noise: a missing value says why, in `absent` or a note",
            )
    raised = replace(metric, version=metric.version + 1)
    _hold(versions([metric]) != versions([raised]), f"{metric.name}: a raised version is another key")


def _check_row(metric: Metric, row: dict[str, Any], what: str) -> None:
    kinds = {"number": float, "count": int, "text": str}
    for column in metric.columns:
        value = row[column.name]
        right = value is None or (isinstance(value, kinds[column.sort]) and not isinstance(value, bool))
        _hold(right, f"{column.name} on {what}: a {column.sort} or None, not {value!r}")
    try:
        same = json.loads(json.dumps(row, allow_nan=False)) == row
    except ValueError:
        same = False
    _hold(same, f"{metric.name} on {what}: the row is plain JSON without NaN: {row}")


def _hold(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(what)
