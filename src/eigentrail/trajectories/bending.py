"""Does a motion along one direction cease to be a straight line, more than a random walk around one would seem to?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import xarray as xr
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail._numbers import seed_of, written
from eigentrail.chance import Compared, compare, compare_drawn, p_of, percentile_of, requested
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.errors import TrajectoryError
from eigentrail.trajectories.fits import ExponentialFit, LinearFit, fit_exponential, fit_line

#: Points that a bend is looked for in, at least.
FEWEST = 8
_LENGTHS = 10
# Rates over the whole duration: from what cannot be told from a line to what is over in a fiftieth of it. A motion that
# becomes faster is looked for up to a factor of e^8.
_RATES = np.geomspace(1e-2, 50.0, 120)
_GRID = np.concatenate([-_RATES[_RATES < 8.0][::-1], _RATES])


@dataclass(frozen=True)
class Bend:
    """A line and an exponential through a number over time, beside random walks around a line.

    Attributes:
        linear: the straight line.
        exponential: the exponential.
        gain: share of the squares left by the line that an exponential explains, 0 to 1.
        null: [draws] the same of random walks around the line, with what the updates have beside their mean.
        percentiles: where the gain lies among them, 0 to 100, for the first part of the motion, over its [duration].
        until: the longest of these durations over which it bends no more than walks do; 0 where even the shortest
            bends.
    """

    linear: LinearFit
    exponential: ExponentialFit
    gain: float
    null: Float64[np.ndarray, " d"]
    percentiles: xr.DataArray
    until: float

    @property
    def compared(self) -> Compared | None:
        """The gain beside that of random walks around the line; None without draws."""
        return compare_drawn(self.gain, self.null)

    @property
    def percentile(self) -> float | None:
        """Where the gain lies among them, 0 to 100; None without draws."""
        return percentile_of(self.compared)

    @property
    def p_value(self) -> float | None:
        """Probability of so large a gain by chance; None without draws."""
        return p_of(self.compared)


def bend(
    t: Any,
    y: Any,
    *,
    null: int = requested.ENOUGH,
    seed: int = 0,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> Bend:
    """Ask whether a number follows an exponential rather than a line, and until when a line will do.

    The null is a straight line with a random walk on top: the mean update stays and what each update has beside it gets
    a random sign. A walk around a line bends too, and an exponential explains a fifth of it as a rule. With weight
    decay the constant mean is that of what updates add to the decayed number.

    Args:
        t: [T >= 8] when, ascending.
        y: [T] the number, such as the weights along a direction.
        null: number of walks, 0 for none.
        seed: seed of the signs.
        momentum: of the optimizer, per unit of t; 0 to below 1.
        nesterov: whether it is Nesterov's.
        weight_decay: the share that weights lose at each step, see `Memory`. What is an exponential because weights
            decay at this rate is none beyond chance.

    Returns:
        The fits and the test.

    Raises:
        OptionError: an argument is outside what it may be.
        TrajectoryError: there are too few points, they are not ascending, not finite, or do not move.
    """
    try:
        times, values = to_float64(t), to_float64(y)
    except (TypeError, ValueError):
        raise TrajectoryError(f"t and y are [T] numbers, not {written(t)} and {written(y)}.") from None
    draws, seed, memory = requested.check_draws(null), seed_of(seed), Memory(momentum, nesterov, weight_decay)
    if times.ndim != 1 or times.shape != values.shape or len(times) < FEWEST:
        raise TrajectoryError(
            f"a bend is looked for in {FEWEST} points t and y or more, not in shapes {times.shape} and {values.shape}."
        )
    if not (np.isfinite(times).all() and np.isfinite(values).all() and (np.diff(times) > 0).all()):
        raise TrajectoryError("t and y are finite and t is ascending: leave other points out.")
    if not np.ptp(values) > 0.0:
        raise TrajectoryError("the number does not move and has no bend.")
    lengths = np.unique(np.round(np.geomspace(FEWEST, len(times), _LENGTHS)).astype(int))
    percentiles, beyond = np.full(len(lengths), np.nan), np.zeros(len(lengths), dtype=bool)
    gain, drawn = 0.0, np.zeros(0)
    for place, length in enumerate(lengths):
        gain, drawn = _tested(times[:length], values[:length], draws, seed, memory)
        if draws:
            compared = compare(gain, drawn)
            percentiles[place], beyond[place] = compared.percentile, compared.beyond
    durations = times[lengths - 1] - times[0]
    # From the whole motion down to the first part that does not bend: a walk passes the first look at its level.
    straight = lengths[~beyond]
    line = fit_line(times, values)
    return Bend(
        linear=line,
        exponential=fit_exponential(times, values, line.inflation),
        gain=gain,
        null=drawn,
        percentiles=xr.DataArray(
            percentiles, dims="duration", coords={"duration": durations}, name="percentile"
        ),
        until=float(times[straight[-1] - 1] - times[0]) if len(straight) else 0.0,
    )


def _tested(
    t: Float64[np.ndarray, " t"], y: Float64[np.ndarray, " t"], draws: int, seed: int, memory: Memory
) -> tuple[float, Float64[np.ndarray, " d"]]:
    kept = memory.kept(t)
    # What a constant force adds over a span, decay included: the span itself without decay.
    decay = memory.weight_decay
    pushed = (1.0 - kept) / decay if decay else np.diff(t)
    still = _carried(y[:1], kept, np.zeros((1, len(kept))))[0]
    force = float((y[-1] - still[-1]) / _carried(np.zeros(1), kept, pushed[None])[0, -1])
    beside = y[1:] - kept * y[:-1] - force * pushed
    signs = np.random.default_rng([seed, draws, len(t)]).choice([-1.0, 1.0], size=(draws, len(beside)))
    colour = memory.colour(t)
    if colour is None:
        flipped = signs * beside
    else:
        flipped = (signs * scipy.linalg.solve_triangular(colour, beside, lower=True)) @ colour.T
    walks = _carried(np.repeat(y[:1], draws), kept, force * pushed + flipped)
    gains = _gains(t, np.vstack([y[None], walks]) - y[0])
    return float(gains[0]), gains[1:]


def _carried(
    start: Float64[np.ndarray, " b"], kept: Float64[np.ndarray, " u"], added: Float64[np.ndarray, "b u"]
) -> Float64[np.ndarray, "b t"]:
    """Let numbers decay from step to step and add what is given."""
    out = np.empty((len(added), added.shape[1] + 1))
    out[:, 0] = start
    for place, share in enumerate(kept):
        out[:, place + 1] = share * out[:, place] + added[:, place]
    return out


def _gains(t: Float64[np.ndarray, " t"], y: Float64[np.ndarray, "b t"]) -> Float64[np.ndarray, " b"]:
    """Share of the squares that the best line leaves which the best exponential explains."""
    x = (t - t[0]) / (t[-1] - t[0])
    centred = y - y.mean(axis=1, keepdims=True)
    squares = np.einsum("bt,bt->b", centred, centred)

    def left(shape: Float64[np.ndarray, " t"]) -> Float64[np.ndarray, " b"]:
        wave = shape - shape.mean()
        return np.asarray(squares - (centred @ wave) ** 2 / (wave @ wave))

    line = left(x)
    best = np.minimum.reduce([left(-np.expm1(-rate * x)) for rate in _GRID])
    # Nothing is left of an exact line but rounding.
    exact = line <= 1e-13 * np.maximum(squares, np.finfo(np.float64).tiny)
    return np.where(exact, 0.0, np.clip(1.0 - best / np.where(exact, 1.0, line), 0.0, 1.0))
