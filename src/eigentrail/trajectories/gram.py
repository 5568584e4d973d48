"""The Gram matrix of the steps, X X^T, streamed in float64: the small side of a long weight vector."""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Float64, Shaped

from eigentrail.chance.optimizer_memory import Memory
from eigentrail.errors import TrajectoryError
from eigentrail.trajectories.rows import Rows

# Bytes of the two groups of steps that are in memory at a time, and numbers of their float64 copies.
_MEMORY = 2**29
_COPY = 2**22
_EPS = float(np.finfo(np.float64).eps)
# Squared lengths up to which their own squares, of errors and fits, are numbers too; likewise for small ones.
_LARGEST, _SMALLEST = 1e140, 1e-140


def reference(rows: Rows) -> Float64[np.ndarray, " n"]:
    """Give the weights that all others are seen from: differences from them are exact and lose no digits.

    Args:
        rows: the trajectory.

    Returns:
        [n], the step in the middle.
    """
    middle = len(rows) // 2
    return np.asarray(rows.read(middle, middle + 1)[0], dtype=np.float64)


def walk_origin(rows: Rows, memory: Memory) -> Float64[np.ndarray, " n"]:
    """Give the origin of the Gram matrix that walks of the same updates are made from.

    Args:
        rows: the trajectory.
        memory: of its optimizer.

    Returns:
        [n]: zero, where weights decay to, with weight decay; else `reference`.
    """
    return np.zeros(rows.n) if memory.weight_decay else reference(rows)


def gram(rows: Rows, origin: Float64[np.ndarray, " n"], memory: int = _MEMORY) -> Float64[np.ndarray, "t t"]:
    """Compute the inner products of (w(t) - origin) of all pairs of steps.

    Whole steps are read, a group against each earlier group, as they lie on disk; float64 copies are made of a few
    thousand columns at a time.

    Args:
        rows: the trajectory.
        origin: [n] what is subtracted.
        memory: bytes that the steps in memory may take.

    Returns:
        [T, T], symmetric.
    """
    count = len(rows)
    size = max(1, min(count, memory // (rows.n * rows.itemsize)))
    if size < count:
        size = max(1, size // 2)
    starts = list(range(0, count, size))
    out = np.zeros((count, count))
    for i, a in enumerate(starts):
        one = rows.read(a, min(a + size, count))
        for b in starts[: i + 1]:
            other = one if b == a else rows.read(b, min(b + size, count))
            with np.errstate(over="ignore", invalid="ignore"):  # `check_scale` tells of it
                found = _product(one, other, origin)
            out[a : a + len(one), b : b + len(other)] = found
            out[b : b + len(other), a : a + len(one)] = found.T
    return out


def from_zero(
    g: Float64[np.ndarray, "t t"], rows: Rows, origin: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, "t t"]:
    """Move the origin of a Gram matrix to zero.

    Args:
        g: [T, T] inner products of (w(t) - origin).
        rows: the trajectory.
        origin: [n].

    Returns:
        The inner products of w(t); those of updates keep the digits that numbers of the size of the weights have.
    """
    square = float(origin @ origin)
    along = np.concatenate([block @ origin for _, _, block in rows.blocks()]) - square
    return np.asarray(g + along[:, None] + along[None, :] + square)


def _product(
    a: Shaped[np.ndarray, "i n"], b: Shaped[np.ndarray, "j n"], origin: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, "i j"]:
    out = np.zeros((len(a), len(b)))
    step = max(256, _COPY // max(len(a), len(b)))
    for start in range(0, len(origin), step):
        part = slice(start, start + step)
        left = a[:, part] - origin[part]
        out += left @ (left.T if a is b else (b[:, part] - origin[part]).T)
    return out


def double_centred(g: Float64[np.ndarray, "t t"]) -> Float64[np.ndarray, "t t"]:
    """Move the origin of a Gram matrix to the mean of the steps.

    Args:
        g: [T, T].

    Returns:
        The Gram matrix of w(t) - mean.
    """
    means = g.mean(axis=0)
    out = g - means[:, None] - means[None, :] + means.mean()
    return np.asarray((out + out.T) / 2.0)


def updates_gram(g: Float64[np.ndarray, "t t"]) -> Float64[np.ndarray, "u u"]:
    """Turn the Gram matrix of the weights into that of the updates, D G D^T with D the first difference.

    Args:
        g: [T, T], from any origin.

    Returns:
        [T - 1, T - 1].
    """
    return np.asarray(np.diff(np.diff(g, axis=0), axis=1))


def covariance(
    rows: Rows, origin: Float64[np.ndarray, " n"], memory: int = _MEMORY
) -> tuple[Float64[np.ndarray, "n n"], Float64[np.ndarray, " n"]]:
    """Sum the outer products of the centred rows, for trajectories with more steps than weights.

    Args:
        rows: the trajectory.
        origin: [n] what is subtracted first.
        memory: bytes that the steps in memory may take.

    Returns:
        sum_t (w(t) - mean)(w(t) - mean)^T [n, n] and the mean [n].
    """
    total = np.zeros((rows.n, rows.n))
    offset = np.zeros(rows.n)
    size = max(1, memory // (16 * rows.n))
    for start, stop in itertools.pairwise([*range(0, len(rows), size), len(rows)]):
        block = rows.read(start, stop) - origin
        with np.errstate(over="ignore", invalid="ignore"):  # `check_scale` tells of it
            total += block.T @ block
        offset += block.sum(axis=0)
    offset /= len(rows)
    with np.errstate(over="ignore", invalid="ignore"):
        total -= len(rows) * np.outer(offset, offset)
    return total, origin + offset


def check_moves(total: float, rows: Rows, origin: Float64[np.ndarray, " n"]) -> None:
    """Refuse weights that do not move, or whose motion has no squares in double precision.

    Args:
        total: sum over the steps of the squared distance from `origin`, or from the mean.
        rows: the trajectory.
        origin: [n] the weights at one of its steps.

    Raises:
        TrajectoryError: the weights are constant, far too large or far too small.
    """
    check_scale(total, rows, origin)
    with np.errstate(over="ignore"):
        rounding = _EPS * float(np.linalg.norm(origin))
        moves = total > len(rows) * rounding**2
    if not moves:
        raise TrajectoryError(
            "the weights are constant over all steps and have no components: choose a layer that is trained."
        )


def check_scale(total: float, rows: Rows, origin: Float64[np.ndarray, " n"]) -> None:
    """Refuse weights whose motion has no squares in double precision; those that do not move at all have none to lose.

    Args:
        total: sum over the steps of the squared distance from `origin`, or from the mean.
        rows: the trajectory.
        origin: [n] the weights at one of its steps.

    Raises:
        TrajectoryError: they are far too large or far too small.
    """
    if _SMALLEST < total < _LARGEST:
        return
    moved = max(float(np.abs(block - origin).max()) for _, _, block in rows.blocks())
    if moved > 0.0:
        large = not total < _LARGEST
        if large or moved < np.sqrt(_SMALLEST):
            raise TrajectoryError(
                f"the weights move by up to {moved:.1g}, and the squares of so {'large' if large else 'small'} numbers "
                f"leave double precision: {'divide' if large else 'multiply'} the weights of all steps by one number."
            )
