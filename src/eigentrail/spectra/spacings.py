"""Level spacings: do the eigenvalues repel each other like those of a random matrix, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.special import ndtr

from eigentrail._arrays import like, to_float64
from eigentrail.errors import SpectrumError
from eigentrail.spectra.fewest import FEWEST_VALUES
from eigentrail.spectra.spacing_laws import (
    GOE_RATIO,
    POISSON_RATIO,
    poisson,
    poisson_cdf,
    ratio_density_goe,
    ratio_density_poisson,
    wigner_surmise,
    wigner_surmise_cdf,
)
from eigentrail.spectra.unfolding import check_levels, drop_null_space, unfold_groups

__all__ = [
    "GOE_RATIO",
    "POISSON_RATIO",
    "Spacings",
    "poisson",
    "poisson_cdf",
    "ratio_density_goe",
    "ratio_density_poisson",
    "spacing_ratio",
    "spacings",
    "wigner_surmise",
    "wigner_surmise_cdf",
]

# The null of the mean ratio over the n - 2 ratios of n random-matrix levels: mean GOE_RATIO + shift / n, variance
# (spread + trend / n) / (n - 2). Simulated (tools/calibrate_spacings.py): GOE and Wishart at q = 1, .5, .1 agree.
_GOE_SHIFT, _GOE_SPREAD, _GOE_TREND = -0.018, 0.0956, -0.049
# Ratios of independent levels: variance of one (exact), covariance of two that share a spacing (simulated).
_POISSON_VARIANCE = 2.0 - 4.0 * float(np.log(2.0)) ** 2
_POISSON_COVARIANCE = 0.01205
_TIE = 8.0 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Spacings:
    """Level statistics of one spectrum, or of several independent ones whose statistics are averaged.

    Attributes:
        ratio_mean: mean of r = min(s_i, s_i+1) / max(s_i, s_i+1) over neighbouring spacings s, which needs no
            unfolding; 0.5307 for random matrices (GOE, Wishart), 0.3863 for independent levels. None below 3
            levels.
        ratio_error: standard error of `ratio_mean`, with the covariance of ratios that share a spacing.
        ratios: all ratios, [sum over matrices of levels - 2], ties left out; in the kind of array that was given.
        p_wigner: chance of a mean ratio at least as far from its expectation if the levels are those of a
            random matrix; high is compatible with random-matrix repulsion. None below 10 levels.
        p_poisson: the same for independent levels.
        levels: the levels behind it, ascending, one numpy array for each matrix, null space dropped.
        window: neighbours in each direction for the unfolding.
        note: what the reader should know (too few levels, ties, null space), or None.
    """

    ratio_mean: float | None
    ratio_error: float | None
    ratios: Any = field(repr=False)
    p_wigner: float | None
    p_poisson: float | None
    levels: tuple[Float64[np.ndarray, "_"], ...] = field(repr=False)
    window: int
    note: str | None

    @cached_property
    def unfolded(self) -> Any:
        """Unfolded spacings of all matrices, each unfolded by itself to mean one; computed when asked for."""
        if len({row.size for row in self.levels}) == 1:
            found = np.diff(unfold_groups(np.stack(self.levels), self.window)).ravel()
        else:
            found = np.concatenate([np.diff(unfold_groups(row[None], self.window)[0]) for row in self.levels])
        return like(found, self.ratios)

    @cached_property
    def ks_wigner(self) -> float | None:
        """Kolmogorov-Smirnov distance of the unfolded spacings from Wigner's surmise (no p-value)."""
        return _distance(to_float64(self.unfolded), wigner_surmise_cdf)

    @cached_property
    def ks_poisson(self) -> float | None:
        """Kolmogorov-Smirnov distance of the unfolded spacings from the exponential law."""
        return _distance(to_float64(self.unfolded), poisson_cdf)


def spacings(eigenvalues: Any, *, window: int = 10, tolerance: float | int | None = None) -> Spacings:
    """Compute the level statistics of a symmetric matrix, or of k independent ones.

    The p-values are two-sided tests of the mean spacing ratio. A Kolmogorov-Smirnov p-value of unfolded
    spacings is not uniform under the null (the spacings of a random matrix are correlated, Wigner's surmise
    is approximate and the unfolding uses the same levels), and how far it is off depends on the density; the
    mean ratio needs no unfolding, and its mean and variance by number of levels are the same for GOE and
    Wishart matrices of every shape. Levels that are all positive enter the p-values as their square roots,
    the singular values (S1 4.3 takes spacings of those): at the hard edge of a square W^T W the eigenvalues
    crowd quadratically, the singular values do not.

    Args:
        eigenvalues: levels [n] in any order, or [k, n]: k independent spectra, never mixed. Negative ones (a
            Hessian's) are welcome. numpy or torch.
        window: neighbours in each direction that set the width of the unfolding, see `unfold`.
        tolerance: share of the largest absolute value up to which a level counts as null space, see
            `drop_null_space`.

    Returns:
        The statistics; what cannot be computed is None and `note` says why.

    Raises:
        SpectrumError: if there are no levels, some are not finite, or all are zero.
    """
    values = check_levels(eigenvalues)
    if values.ndim not in {1, 2}:
        raise SpectrumError(f"levels are [n] or [k, n], not an array of shape {values.shape}.")
    batches = _batches(values.reshape(-1, values.shape[-1]), tolerance)
    tested = [batch for batch in batches if batch.shape[1] >= FEWEST_VALUES]
    moments = [_Ratios(batch) for batch in batches]
    ratios = np.concatenate([batch.values[batch.valid] for batch in moments])
    p_wigner, p_poisson = _p_values(tested)
    return Spacings(
        ratio_mean=float(ratios.mean()) if ratios.size else None,
        ratio_error=_standard_error(moments),
        ratios=like(ratios, eigenvalues),
        p_wigner=p_wigner,
        p_poisson=p_poisson,
        levels=tuple(row for batch in batches for row in batch),
        window=window,
        note=_note(values.size, batches, tested, sum(batch.ties for batch in moments), p_wigner is None),
    )


def spacing_ratio(eigenvalues: Any) -> float | None:
    """Compute the mean spacing ratio alone.

    Args:
        eigenvalues: levels [n] or [k, n], see `spacings`.

    Returns:
        The mean ratio; None with fewer than three levels or all tied.
    """
    return spacings(eigenvalues).ratio_mean


def _batches(
    groups: Float64[np.ndarray, "k n"], tolerance: float | int | None
) -> list[Float64[np.ndarray, "_ _"]]:
    """Drop the null space of every spectrum and gather spectra that keep the same number of levels."""
    if not groups.any():
        raise SpectrumError("all eigenvalues are zero, so that there is no spacing to speak of.")
    groups = np.sort(groups[groups.any(axis=1)], axis=1)
    if tolerance is None:
        tolerance = groups.shape[1] * float(np.finfo(np.float64).eps)
    magnitude = np.abs(groups)
    whole = magnitude.min(axis=1) > tolerance * magnitude.max(axis=1)
    if whole.all():
        return [groups]
    by_size: dict[int, list[Any]] = {}
    for row in groups:
        kept = drop_null_space(row, tolerance)
        by_size.setdefault(kept.size, []).append(kept)
    return [np.stack(rows) for rows in by_size.values()]


class _Ratios:
    """Ratios of neighbouring spacings of k spectra, with a mask where both are zero and there is no ratio."""

    def __init__(self, levels: Float64[np.ndarray, "k n"]) -> None:
        gaps = np.diff(levels, axis=1)
        # Spacings at the rounding of the levels themselves carry no information: equal levels.
        tied = gaps <= _TIE * np.maximum(-levels[:, :1], levels[:, -1:])
        self.ties = int(np.count_nonzero(tied))
        if self.ties:
            gaps = np.where(tied, 0.0, gaps)
        larger = np.maximum(gaps[:, 1:], gaps[:, :-1])
        self.valid = larger > 0.0
        self.values = np.minimum(gaps[:, 1:], gaps[:, :-1]) / np.where(self.valid, larger, 1.0)


def _p_values(batches: list[Float64[np.ndarray, "_ _"]]) -> tuple[float | None, float | None]:
    total = count = 0.0
    goe = poisson_sum = goe_variance = poisson_variance = 0.0
    for batch in batches:
        ratios = _Ratios(np.sqrt(batch) if batch.min() > 0.0 else batch)
        total += float(ratios.values[ratios.valid].sum())
        sizes = np.count_nonzero(ratios.valid, axis=1)
        sizes = sizes[sizes > 0]
        m, inverse = float(sizes.sum()), float((sizes / (sizes + 2)).sum())
        count += m
        goe += m * GOE_RATIO + inverse * _GOE_SHIFT
        goe_variance += m * _GOE_SPREAD + inverse * _GOE_TREND
        poisson_sum += m * POISSON_RATIO
        poisson_variance += m * _POISSON_VARIANCE + 2.0 * (m - sizes.size) * _POISSON_COVARIANCE
    if count == 0.0:
        return None, None
    p_goe = 2.0 * float(ndtr(-abs(total - goe) / goe_variance**0.5))
    p_poisson = 2.0 * float(ndtr(-abs(total - poisson_sum) / poisson_variance**0.5))
    return p_goe, p_poisson


def _standard_error(batches: list[_Ratios]) -> float | None:
    count = sum(int(np.count_nonzero(batch.valid)) for batch in batches)
    if count < 2:
        return None
    mean = sum(float(batch.values[batch.valid].sum()) for batch in batches) / count
    deviations = [np.where(batch.valid, batch.values - mean, 0.0) for batch in batches]
    variance = sum(float((d * d).sum()) for d in deviations)
    shared = sum(float((d[:, 1:] * d[:, :-1]).sum()) for d in deviations)
    # Few ratios can give a negative estimate of the covariance; it is positive for every law considered here.
    return float(np.sqrt((variance + 2.0 * max(shared, 0.0)) / (count * (count - 1))))


def _distance(unfolded: Float64[np.ndarray, "s"], cdf: Any) -> float | None:
    n = unfolded.size
    if n == 0:
        return None
    law = cdf(np.sort(unfolded))
    step = np.arange(n) / n
    return float(max((law - step).max(), (step + 1.0 / n - law).max()))


def _note(
    given: int,
    batches: list[Float64[np.ndarray, "_ _"]],
    tested: list[Float64[np.ndarray, "_ _"]],
    ties: int,
    untested: bool,
) -> str | None:
    parts = []
    spectra, enough = (sum(len(batch) for batch in those) for those in (batches, tested))
    if untested and enough:
        parts.append("all levels are equal up to rounding, so that there are no spacings")
    elif untested:
        most = max(batch.shape[1] for batch in batches)
        parts.append(f"at most {most} levels in a matrix; p-values need {FEWEST_VALUES}")
    elif enough < spectra:
        parts.append(
            f"{spectra - enough} of {spectra} spectra have fewer than {FEWEST_VALUES} levels and are not tested"
        )
    if ties:
        parts.append(f"{ties} spacings are zero up to rounding")
    dropped = given - sum(batch.size for batch in batches)
    if dropped:
        parts.append(f"{dropped} zero eigenvalues left out")
    return "; ".join(parts) or None
