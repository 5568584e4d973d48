"""What chance gives: random walks of weights, flipped and permuted updates. Every trajectory statistic draws here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64

from eigentrail._arrays import to_float64
from eigentrail._numbers import written
from eigentrail.errors import OptionError, SpectrumError
from eigentrail.trajectories.memory import whitened

#: Draws below which a percentile is called coarse.
ENOUGH = 200

# Of few updates there are few patterns of signs, and one of them is the observed one, summed in another order.
_ROUNDING = 1e-9


def given(null: Any, what: str, kinds: int | None = None) -> tuple[int, Float64[np.ndarray, "..."] | None]:
    """Read what was given as a null.

    Args:
        null: a number of draws, or what an earlier call drew.
        what: what that is, for the error.
        kinds: how many rows [kinds, draws] it has; None for [draws] in any shape.

    Returns:
        How many draws there are, or are to be made; and those that were given, None where they are to be made.

    Raises:
        OptionError: it is neither.
    """
    if isinstance(null, (int, np.integer)):  # also True and False, which are refused there
        return check_draws(null), None  # type: ignore[arg-type]
    try:
        pool = to_float64(null)
    except (SpectrumError, TypeError, ValueError):
        pool = np.zeros(())
    fits = pool.ndim > 0 if kinds is None else pool.ndim == 2 and len(pool) == kinds
    if not fits or not np.isfinite(pool).all():
        raise OptionError(
            f"null is the number of draws of the null model, 0 or more, or the finite {what} of an earlier call, not "
            f"{written(null)}."
        )
    pool = pool.ravel() if kinds is None else pool
    return pool.shape[-1], pool


def weight_walks(
    shape: tuple[int, int],
    start_norm: float,
    step_norms: Float64[np.ndarray, " s"],
    draws: Sequence[int],
    seed: int,
    colour: Float64[np.ndarray, "s s"] | None = None,
) -> Iterator[Float32[np.ndarray, "b n m"]]:
    """Let untrained matrices walk: Gaussian start, Gaussian steps, norms as observed.

    Args:
        shape: rows and columns.
        start_norm: Frobenius norm of the first matrix.
        step_norms: [T - 1] Frobenius norms of the steps.
        draws: numbers of the walks; each number is a walk of its own, whichever others are drawn with it.
        seed: seed of the draws.
        colour: L of the covariance L L^T of the steps, see `Memory.colour`; None for independent ones.

    Yields:
        The b walks at each of T steps, [b, rows, cols] in float32; the array is used again for the next step.
    """
    # torch draws normal numbers more than twice as fast as numpy.
    generators = [
        torch.Generator().manual_seed(int(np.random.SeedSequence([seed, draw]).generate_state(1)[0]))
        for draw in draws
    ]

    def noise(norm: float) -> Float32[np.ndarray, "b n m"]:
        out = np.empty((len(generators), *shape), dtype=np.float32)
        drawn = torch.from_numpy(out)
        for place, generator in enumerate(generators):
            drawn[place].normal_(generator=generator)
            out[place] *= norm / np.sqrt(np.vdot(out[place], out[place]))
        return out

    walks = noise(start_norm)
    yield walks
    if colour is None:
        for norm in step_norms:
            walks += noise(float(norm))
            yield walks
        return
    # What a step has of the noise before it is what the step before it has, shortened, and the noise in between: the
    # covariance falls by a factor with the lag. So one array carries all that is remembered.
    own, next_, shorter = _recursion(colour)
    memory = np.zeros_like(walks)
    for place, norm in enumerate(step_norms):
        fresh = noise(1.0)
        step = own[place] * fresh + memory
        sizes = np.sqrt(np.einsum("bnm,bnm->b", step, step))
        walks += (np.float32(norm) / sizes)[:, None, None] * step
        memory = shorter[place] * memory + next_[place] * fresh
        yield walks


def _recursion(
    colour: Float64[np.ndarray, "s s"],
) -> tuple[Float32[np.ndarray, " s"], Float32[np.ndarray, " s"], Float32[np.ndarray, " s"]]:
    """Write L as a recursion: step_t = own_t z_t + m_t, m_(t + 1) = shorter_t m_t + next_t z_t."""
    rows = colour / np.linalg.norm(colour, axis=1, keepdims=True)
    below = np.append(np.diagonal(rows, -1), 0.0)
    shorter = np.zeros(len(rows))
    # Where an earlier step is forgotten altogether there is nothing to shorten.
    known = np.abs(below[:-2]) > np.finfo(np.float64).tiny
    shorter[1:-1][known] = np.diagonal(rows, -2)[known] / below[:-2][known]
    return np.diagonal(rows).astype(np.float32), below.astype(np.float32), shorter.astype(np.float32)


def displaced(
    start: Float64[np.ndarray, "n m"], distance: float, draws: int, seed: int
) -> Iterator[Float64[np.ndarray, "n m"]]:
    """Move a matrix in random directions: where walks without direction are when they have come as far.

    Args:
        start: [rows, cols] the matrix.
        distance: Frobenius norm of the displacement.
        draws: how many.
        seed: seed of the draws.

    Yields:
        [rows, cols] start plus an isotropic displacement of that norm.
    """
    rng = np.random.default_rng([seed, draws, *start.shape])
    for _ in range(draws):
        away = rng.standard_normal(start.shape)
        yield start + (distance / np.linalg.norm(away)) * away


def flipped_displacements(
    products: Float64[np.ndarray, "u u"],
    draws: int,
    seed: int,
    colour: Float64[np.ndarray, "u u"] | None = None,
) -> Float64[np.ndarray, " d"]:
    """Give the squared displacements of walks whose updates have random signs.

    A walk of independent symmetric updates goes as far with flipped signs as without, whatever the directions that
    the noise prefers. Where updates remember each other, the signs are those of what is new in each of them.

    Args:
        products: [U, U] inner products of the updates.
        draws: how many.
        seed: seed of the signs.
        colour: L of the covariance L L^T of the updates, see `Memory.colour`; None for independent ones.

    Returns:
        [draws] of || sum_t (L S L^-1 U)_t ||^2, with U the updates and S the signs.
    """
    rng = np.random.default_rng([seed, draws, 1])
    signs = rng.choice([-1.0, 1.0], size=(draws, len(products)))
    if colour is not None:
        signs = signs * colour.sum(axis=0)
    return np.asarray(np.einsum("du,du->d", signs @ whitened(products, colour), signs))


def expected_displacement(
    products: Float64[np.ndarray, "u u"], colour: Float64[np.ndarray, "u u"] | None = None
) -> float:
    """Give the mean of `flipped_displacements` over all signs.

    Args:
        products: [U, U] inner products of the updates.
        colour: as there.

    Returns:
        The mean squared displacement, the sum of the squared updates where these are independent.
    """
    reach = np.ones(len(products)) if colour is None else colour.sum(axis=0)
    return float(reach**2 @ np.diag(whitened(products, colour)))


def flipped_grams(
    products: Float64[np.ndarray, "u u"],
    draws: int,
    seed: int,
    colour: Float64[np.ndarray, "u u"] | None = None,
) -> Iterator[Float64[np.ndarray, "t t"]]:
    """Give the Gram matrices of walks whose updates have random signs.

    Args:
        products: [U, U] inner products of the updates.
        draws: how many.
        seed: seed of the signs.
        colour: L of the covariance L L^T of the updates, see `Memory.colour`; None for independent ones.

    Yields:
        [U + 1, U + 1] inner products of the walk's steps, from its first one.
    """
    rng = np.random.default_rng([seed, draws, 1])
    plain = whitened(products, colour)
    for _ in range(draws):
        signs = rng.choice([-1.0, 1.0], size=len(products))
        flipped = plain * np.outer(signs, signs)
        if colour is not None:
            flipped = colour @ flipped @ colour.T
        walked = np.cumsum(np.cumsum(flipped, axis=0), axis=1)
        yield np.pad(walked, ((1, 0), (1, 0)))


def permutations(count: int, draws: int, seed: int) -> Int64[np.ndarray, "d t"]:
    """Draw orders of the steps: what has no order in time is as likely in any of them.

    Args:
        count: how many steps.
        draws: how many orders.
        seed: seed of the draws.

    Returns:
        [draws, count] permutations of 0 .. count - 1.
    """
    rng = np.random.default_rng([seed, draws, count])
    return np.argsort(rng.random((draws, count)), axis=1).astype(np.int64)


def percentile(observed: float, null: Float64[np.ndarray, " d"]) -> float:
    """Say where an observed number lies among those that chance gives.

    Args:
        observed: the number.
        null: [draws] the same from the null model.

    Returns:
        0 (below all) to 100 (above all), equal ones counting half; equal within rounding is equal.

    Raises:
        OptionError: there are no draws.
    """
    if not len(null):
        raise OptionError("a percentile needs at least one draw of the null model.")
    equal = np.isclose(null, observed, rtol=_ROUNDING, atol=0.0)
    return float(100.0 * ((null < observed)[~equal].sum() + 0.5 * equal.sum()) / len(null))


def p_value(observed: float, null: Float64[np.ndarray, " d"]) -> float:
    """Give the probability that chance is as large as observed.

    Args:
        observed: the number.
        null: [draws] the same from the null model.

    Returns:
        (1 + number of draws at least as large) / (1 + draws), never zero.
    """
    equal = np.isclose(null, observed, rtol=_ROUNDING, atol=0.0)
    return float((1 + ((null >= observed) | equal).sum()) / (1 + len(null)))


def check_draws(draws: int) -> int:
    """Check a number of draws.

    Args:
        draws: the number; 0 for no null model.

    Returns:
        The number.

    Raises:
        OptionError: it is negative or no whole number.
    """
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < 0:
        raise OptionError(f"null is the number of draws of the null model, 0 or more, not {draws!r}.")
    return int(draws)
