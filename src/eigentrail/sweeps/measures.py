"""What is measured of each run of a sweep: scores, ranks as S4 counts them, any metric, any analysis."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from eigentrail._names import none_such
from eigentrail.errors import EigentrailError, OptionError
from eigentrail.metrics.framework.contract import Metric
from eigentrail.metrics.framework.diagnose import diagnose_spectrum
from eigentrail.metrics.framework.registry import metrics
from eigentrail.runs import Run
from eigentrail.runs.selection import match
from eigentrail.spectra import Spectrum
from eigentrail.sweeps.analysed import HESSIAN_TOP, analysed, hessian_top, of_analysis
from eigentrail.trajectories.average_rank import rank_counts, spectra_over_steps
from eigentrail.trajectories.series import MatrixSeries, matrix_series

#: What is measured unless a sweep says otherwise.
DEFAULT = ("rank", "train_accuracy", "test_accuracy")
SCORES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
_RANK = re.compile(r"rank(?:_(?P<eps>[0-9.]+(?:e-?[0-9]+)?))?(?P<spectral>_spectral)?")


@dataclass(frozen=True)
class Measured:
    """The numbers of a run.

    Attributes:
        values: by the measure's name, at the last recorded step; None for what could not be had.
        curves: of scores and ranks, [epochs, values] by the measure's name.
        why: why a number is missing, by the measure's name.
    """

    values: dict[str, float | None]
    curves: dict[str, tuple[list[float], list[float]]]
    why: dict[str, str]


@dataclass(frozen=True)
class RankMeasure:
    """The rank of S4: how many singular values exceed a share of the norm, as a mean over the matrices.

    Attributes:
        eps: the share.
        norm: "frobenius" or "spectral".
    """

    eps: float = 1e-3
    norm: str = "frobenius"


def split(name: str) -> tuple[str, str | None]:
    """Take a measure's name apart.

    Args:
        name: "rank", "alpha@fc1.weight".

    Returns:
        What is measured, and the glob over layers; None for all matrices.
    """
    what, at, glob = name.partition("@")
    return what, glob if at else None


def rank_measure(what: str) -> RankMeasure | None:
    """Read the name of a rank.

    Args:
        what: "rank", "rank_1e-2", "rank_spectral", "rank_0.01_spectral".

    Returns:
        The rank; None where it is the name of something else.
    """
    found = _RANK.fullmatch(what)
    if found is None:
        return None
    eps = float(found["eps"] or 1e-3)
    return RankMeasure(eps, "spectral" if found["spectral"] else "frobenius") if 0 < eps < 1 else None


def check_measures(given: Any) -> tuple[str, ...]:
    """Make sure that all can be measured.

    Args:
        given: names: a score, `gap`, `hessian_top`, a rank, a numeric column of `inspect`, or a quantity of an analysis
            ("crossings.leading_changes"), as means over the weight matrices; with `@GLOB` behind it over those layers.

    Returns:
        The names.

    Raises:
        OptionError: one is unknown, or there is none.
    """
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, Sequence) or not names or not all(isinstance(one, str) for one in names):
        raise OptionError(f"measure = {given!r}: give a list of names, such as {list(DEFAULT)}")
    known = (*SCORES, "gap", HESSIAN_TOP, "rank", "rank_1e-2", "rank_spectral", *_numbers())
    for name in names:
        what, _ = split(name)
        if what not in known and rank_measure(what) is None and analysed(what) is None:
            raise OptionError(none_such(what, known, "measure"))
    return tuple(dict.fromkeys(names))


def measure(run: Run, names: Sequence[str]) -> Measured:
    """Measure a run.

    Args:
        run: a finished training.
        names: from `check_measures`.

    Returns:
        Its numbers.
    """
    found = Measured({}, {}, {})
    scores = {name: _score_curve(run, name) for name in SCORES}
    series: list[MatrixSeries] = []
    why = ""
    if any(_is_of_matrices(split(name)[0]) for name in names):
        try:
            series, _ = matrix_series(run)
        except EigentrailError as error:
            why = str(error)
    spectra = _Spectra(series)
    for name in names:
        what, glob = split(name)
        if what in SCORES:
            found.curves[name] = scores[what]
            found.values[name] = _last(scores[what][1])
        elif what == "gap":
            ends = [_last(scores[one][1]) for one in ("train_accuracy", "test_accuracy")]
            found.values[name] = None if None in ends else float(ends[0] - ends[1])  # type: ignore[operator]
        elif not _is_of_matrices(what):
            try:
                found.values[name], told = _computed(run, what, glob)
            except EigentrailError as error:
                found.values[name], told = None, str(error)
            if told:
                found.why[name] = told
        else:
            chosen = spectra.matching(glob)
            if not chosen:
                found.values[name] = None
                found.why[name] = why or f"no weight matrix is called {glob}"
            elif (rank := rank_measure(what)) is not None:
                epochs, values = spectra.ranks(chosen, rank)
                found.curves[name] = (epochs, values)
                found.values[name] = _last(values)
            else:
                found.values[name], told = spectra.metric(chosen, what)
                if told:
                    found.why[name] = told
        if found.values[name] is None:
            found.why.setdefault(name, "it was not recorded")
    return found


def _is_of_matrices(what: str) -> bool:
    return what not in (*SCORES, "gap", HESSIAN_TOP) and analysed(what) is None


def _computed(run: Run, what: str, glob: str | None) -> tuple[float | None, str]:
    if what == HESSIAN_TOP:
        return hessian_top(run, glob), ""
    asked = analysed(what)
    assert asked is not None
    return of_analysis(run, asked, glob)


class _Spectra:
    """The singular values of a run's matrices, computed once for all measures."""

    def __init__(self, series: Sequence[MatrixSeries]):
        self._series = {one.name: one for one in series}
        self._values: dict[str, Float64[np.ndarray, "t m"]] = {}

    def matching(self, glob: str | None) -> list[str]:
        return list(self._series) if glob is None else match(glob, self._series)

    def values(self, name: str) -> Float64[np.ndarray, "t m"]:
        if name not in self._values:
            self._values[name] = spectra_over_steps(self._series[name])
        return self._values[name]

    def ranks(self, names: Sequence[str], rank: RankMeasure) -> tuple[list[float], list[float]]:
        """The mean over matrices at the epochs at which all of them are recorded."""
        steps = self._series[names[0]].steps
        for name in names[1:]:
            steps = np.intersect1d(steps, self._series[name].steps)
        counts = []
        for name in names:
            one = self._series[name]
            rows = np.searchsorted(one.steps, steps)
            counts.append(rank_counts(self.values(name)[rows], rank.eps, rank.norm))
        first = self._series[names[0]]
        epochs = first.epochs[np.searchsorted(first.steps, steps)]
        mean = np.mean(counts, axis=0)
        return [float(one) for one in epochs], [float(one) for one in mean]

    def metric(self, names: Sequence[str], column: str) -> tuple[float | None, str]:
        """The mean over matrices at the last recorded step of each."""
        of = next(one for one in metrics() if any(c.name == column for c in one.columns))
        found, why = [], ""
        for name in names:
            one = self._series[name]
            value, told = _metric_of(one, self.values(name)[-1], of, column)
            if value is None:
                why = why or f"{name}: {told}"
            else:
                found.append(value)
        if len(found) < len(names):
            # A mean over other matrices than those of another run would compare what is not alike.
            return None, why
        return float(np.mean(found)), ""


def _metric_of(
    series: MatrixSeries, values: Float64[np.ndarray, " m"], of: Metric, column: str
) -> tuple[float | None, str]:
    k, n, m = series.shape
    matrix = series.read(np.array([len(series.steps) - 1])) if "matrix" in of.inputs else None
    spectrum = Spectrum(values**2 / n, rows=n, cols=m, matrices=k)
    row = diagnose_spectrum(spectrum, matrix=None if matrix is None else matrix[0], only=(of,)).row
    value = row[column]
    return (None, "; ".join(row["warnings"]) or "not defined for it") if value is None else (float(value), "")


def _score_curve(run: Run, name: str) -> tuple[list[float], list[float]]:
    if name not in run.metrics:
        return [], []
    told = run.metrics[name].dropna("step")
    return [float(one) for one in told["epoch"].values], [float(one) for one in told.values]


def _last(values: Sequence[float]) -> float | None:
    return float(values[-1]) if len(values) and math.isfinite(values[-1]) else None


def _numbers() -> tuple[str, ...]:
    return tuple(c.name for one in metrics() for c in one.columns if c.sort != "text")
