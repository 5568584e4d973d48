"""Initial weights of deep networks at a scale: orthogonal, normal or uniform, in double precision."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from eigentrail._numbers import real, seed_of, whole, written
from eigentrail.errors import OptionError

Matrix = NDArray[np.float64]
Law = Literal["orthogonal", "normal", "uniform"]
LAWS: tuple[Law, ...] = ("orthogonal", "normal", "uniform")


def initial_weights(
    widths: Sequence[int], scale: float, law: Law = "orthogonal", seed: int = 0
) -> list[Matrix]:
    """Draw the weights W_1, ..., W_L of a network.

    "orthogonal" has all singular values equal to the scale: W^T W = scale^2 I where W has at least as many rows as
    columns, else W W^T = scale^2 I. "normal" and "uniform" have independent entries of mean 0 and variance
    scale^2 / max(d_l, d_(l-1)), so that the squared Frobenius norm is, on average, that of the orthogonal matrix.
    S3, part 2; Saxe et al. 2014.

    Args:
        widths: d_0, d_1, ..., d_L: inputs, hidden layers, outputs.
        scale: epsilon.
        law: of the entries.
        seed: of the draws; another one gives other weights.

    Returns:
        L matrices [d_l, d_(l-1)], float64.

    Raises:
        OptionError: a width, the scale, the law or the seed is outside what it may be.
    """
    sizes = [whole("a width", width, 1) for width in widths]
    if len(sizes) < 2:
        raise OptionError(
            f"widths name the inputs, the hidden layers and the outputs, not {written(widths)}."
        )
    if not real("scale", scale) > 0.0:
        raise OptionError(f"scale is positive, not {scale:g}.")
    if law not in LAWS:
        raise OptionError(f"law is one of {', '.join(LAWS)}, not {written(law)}.")
    rng = stream("weights", seed)
    return [_draw(rng, rows, columns, scale, law) for columns, rows in pairwise(sizes)]


def stream(purpose: str, seed: int) -> np.random.Generator:
    """Open a stream of random numbers of its own for each purpose.

    Data, weights and directions of one seed are then independent, and also independent of what a user draws from
    `numpy.random.default_rng(seed)`: a network that begins in the very directions of the data proves nothing.

    Args:
        purpose: what is drawn.
        seed: of the draws.

    Returns:
        The generator.
    """
    return np.random.default_rng([seed_of(seed), zlib.crc32(purpose.encode())])


def random_orthogonal(rng: np.random.Generator, rows: int, columns: int) -> Matrix:
    """Draw orthonormal columns (rows, where there are fewer of them) from the uniform distribution.

    Args:
        rng: where the numbers come from.
        rows: how many rows.
        columns: how many columns.

    Returns:
        [rows, columns] with all singular values 1.
    """
    if rows < columns:
        return np.ascontiguousarray(random_orthogonal(rng, columns, rows).T)
    q, r = np.linalg.qr(rng.standard_normal((rows, columns)))
    # The signs of R make the distribution uniform (Mezzadri 2007).
    signed: Matrix = q * np.where(np.diagonal(r) < 0.0, -1.0, 1.0)
    return signed


def _draw(rng: np.random.Generator, rows: int, columns: int, scale: float, law: Law) -> Matrix:
    if law == "orthogonal":
        return scale * random_orthogonal(rng, rows, columns)
    spread = scale / float(np.sqrt(max(rows, columns)))
    if law == "normal":
        return spread * rng.standard_normal((rows, columns))
    half = float(np.sqrt(3.0)) * spread
    return rng.uniform(-half, half, (rows, columns))


def as_matrix(name: str, x: Any) -> Matrix:
    """Read a matrix of finite numbers.

    Args:
        name: what it is called.
        x: a numpy array, a torch tensor or nested sequences.

    Returns:
        [rows, columns], float64.

    Raises:
        OptionError: it has other than two dimensions, is empty, or holds NaN or infinity.
    """
    from eigentrail._arrays import to_float64

    matrix = to_float64(x)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise OptionError(f"{name} is a matrix [rows, columns], not an array of shape {matrix.shape}.")
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise OptionError(
            f"{name} holds {matrix[row, column]} at [{row}, {column}]: finite numbers are needed."
        )
    return matrix
