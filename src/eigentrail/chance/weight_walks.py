"""Random walks of weight matrices: untrained Gaussian ones, and the observed updates with random signs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float32, Float64


def weight_walks(
    shape: tuple[int, int],
    start_norm: float,
    step_norms: Float64[np.ndarray, " s"],
    draws: Sequence[int],
    seed: int,
    colour: Float64[np.ndarray, "s s"] | None = None,
    kept: Float64[np.ndarray, " s"] | None = None,
) -> Iterator[Float32[np.ndarray, "b n m"]]:
    """Let untrained matrices walk: Gaussian start, Gaussian steps, norms as observed.

    Args:
        shape: rows and columns.
        start_norm: Frobenius norm of the first matrix.
        step_norms: [T - 1] Frobenius norms of the steps, of what they add to the decayed weights.
        draws: numbers of the walks; each number is a walk of its own, whichever others are drawn with it.
        seed: seed of the draws.
        colour: L of the covariance L L^T of the steps, see `Memory.colour`; None for independent ones.
        kept: [T - 1] what weight decay leaves of the weights from step to step, see `Memory.kept`; None for all.

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
    left = np.ones(len(step_norms)) if kept is None else kept
    if colour is None:
        for norm, share in zip(step_norms, left, strict=True):
            if share != 1.0:
                walks *= np.float32(share)
            walks += noise(float(norm))
            yield walks
        return
    # What a step has of the noise before it is what the step before it has, shortened, and the noise in between: the
    # covariance falls by a factor with the lag. So one array carries all that is remembered.
    own, next_, shorter = _recursion(colour / np.linalg.norm(colour, axis=1, keepdims=True))
    memory = np.zeros_like(walks)
    for place, norm in enumerate(step_norms):
        fresh = noise(1.0)
        step = own[place] * fresh + memory
        sizes = np.sqrt(np.einsum("bnm,bnm->b", step, step))
        if left[place] != 1.0:
            walks *= np.float32(left[place])
        walks += (np.float32(norm) / sizes)[:, None, None] * step
        memory = shorter[place] * memory + next_[place] * fresh
        yield walks


def sign_walks(
    start: Float64[np.ndarray, "n m"],
    updates: Float64[np.ndarray, "s n m"],
    draws: Sequence[int],
    seed: int,
    colour: Float64[np.ndarray, "s s"] | None = None,
    kept: Float64[np.ndarray, " s"] | None = None,
    shuffled: bool = False,
) -> Iterator[Float32[np.ndarray, "b n m"]]:
    """Let weights walk from where they started, by the observed updates with random signs.

    The updates keep their sizes and the directions that the noise prefers. Where they remember each other, the signs
    are those of what is new in each of them.

    Args:
        start: [rows, cols] the first weights.
        updates: [T - 1, rows, cols] what each step adds to the decayed weights.
        draws: numbers of the walks; each number is a walk of its own, whichever others are drawn with it.
        seed: seed of the signs.
        colour: L of the covariance L L^T of the updates, see `Memory.colour`; None for independent ones.
        kept: [T - 1] what weight decay leaves of the weights from step to step; None for all.
        shuffled: whether directions change places too, each taking the size of the update whose place it takes: for
            questions about when directions change, which signs alone leave as it is.

    Yields:
        The b walks at each of T steps, [b, rows, cols] in float32; the array is used again for the next step.
    """
    count = len(updates)
    signs, orders = np.empty((len(draws), count), dtype=np.float32), np.empty((len(draws), count), dtype=int)
    for place, draw in enumerate(draws):
        rng = np.random.default_rng([seed, draw, 2])
        signs[place] = rng.choice([-1.0, 1.0], count)
        orders[place] = rng.permutation(count) if shuffled else np.arange(count)
    fresh = updates
    if colour is not None:
        fresh = scipy.linalg.solve_triangular(colour, updates.reshape(count, -1), lower=True)
        fresh = fresh.reshape(updates.shape)
    fresh = fresh.astype(np.float32)
    if shuffled:
        sizes = np.sqrt(np.einsum("snm,snm->s", fresh, fresh, dtype=np.float64))
        signs *= sizes / np.maximum(sizes[orders], 1e-30)
    walks = np.repeat(np.asarray(start, dtype=np.float32)[None], len(signs), axis=0)
    yield walks
    left = np.ones(count) if kept is None else kept
    recursion = None if colour is None else _recursion(colour)
    memory = np.zeros_like(walks)
    for place in range(count):
        drawn = fresh[orders[:, place]] if shuffled else fresh[place]
        new = signs[:, place, None, None] * drawn
        if left[place] != 1.0:
            walks *= np.float32(left[place])
        if recursion is None:
            walks += new
        else:
            own, next_, shorter = recursion
            walks += own[place] * new + memory
            memory = shorter[place] * memory + next_[place] * new
        yield walks


def straight_lines(
    start: Float64[np.ndarray, "n m"],
    progress: Float64[np.ndarray, " t"],
    draws: Sequence[int],
    seed: int,
    beside: Float64[np.ndarray, "s n m"] | None = None,
) -> Iterator[Float32[np.ndarray, "b n m"]]:
    """Move weights along a straight line in a random direction: no structure at all but persistence.

    Args:
        start: [rows, cols] the first weights.
        progress: [T] how far along the line they are at each step, 0 at the first.
        draws: numbers of the lines; each number is a line of its own.
        seed: seed of the directions and signs.
        beside: [T - 1, rows, cols] what the updates have beside the line, walked on top of it with random signs; None
            for lines alone.

    Yields:
        The b lines at each of T steps, [b, rows, cols] in float32; the array is used again for the next step.
    """
    away = np.empty((len(draws), *start.shape), dtype=np.float32)
    for place, draw in enumerate(draws):
        away[place] = np.random.default_rng([seed, draw, 3]).standard_normal(start.shape, dtype=np.float32)
        away[place] /= np.sqrt(np.vdot(away[place], away[place]))
    still = np.repeat(np.asarray(start, dtype=np.float32)[None], len(draws), axis=0)
    walks = None if beside is None else sign_walks(start, beside, draws, seed)
    for far in progress:
        yield np.float32(far) * away + (still if walks is None else next(walks))


def _recursion(
    rows: Float64[np.ndarray, "s s"],
) -> tuple[Float32[np.ndarray, " s"], Float32[np.ndarray, " s"], Float32[np.ndarray, " s"]]:
    """Write L as a recursion: step_t = own_t z_t + m_t, m_(t + 1) = shorter_t m_t + next_t z_t."""
    below = np.append(np.diagonal(rows, -1), 0.0)
    shorter = np.zeros(len(rows))
    # Where an earlier step is forgotten altogether there is nothing to shorten.
    known = np.abs(below[:-2]) > np.finfo(np.float64).tiny
    shorter[1:-1][known] = np.diagonal(rows, -2)[known] / below[:-2][known]
    return np.diagonal(rows).astype(np.float32), below.astype(np.float32), shorter.astype(np.float32)
