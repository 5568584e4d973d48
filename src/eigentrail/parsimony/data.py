"""Data with known answers: targets of low rank, and samples that are orthonormal or not."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eigentrail._numbers import real, whole
from eigentrail.errors import OptionError
from eigentrail.parsimony.initial import Matrix, random_orthogonal, stream


class ClassData(NamedTuple):
    """Samples in classes.

    Attributes:
        inputs: X [d, N].
        targets: Y [outputs, N], one-hot.
        labels: [N] integers from 0.
    """

    inputs: Matrix
    targets: Matrix
    labels: NDArray[np.int64]


def low_rank(rows: int, columns: int, rank: int, seed: int = 0, decay: float = 1.0) -> Matrix:
    """Draw a matrix of a rank with random directions and ||Phi||_2 = 1.

    Args:
        rows: how many rows.
        columns: how many columns.
        rank: r.
        seed: of the draws.
        decay: the ratio of neighbouring singular values; 1 for equal ones.

    Returns:
        [rows, columns] with singular values 1, decay, decay^2, ... (r of them) and zeros.

    Raises:
        OptionError: the rank is larger than a side, or a number is outside what it may be.
    """
    rows, columns = whole("rows", rows, 1), whole("columns", columns, 1)
    rank = whole("rank", rank, 1, min(rows, columns))
    if not 0.0 < real("decay", decay) <= 1.0:
        raise OptionError(f"decay is above 0 and at most 1, not {decay:g}.")
    rng = stream("low rank", seed)
    values = float(decay) ** np.arange(rank)
    left, right = random_orthogonal(rng, rows, rank), random_orthogonal(rng, columns, rank)
    found: Matrix = (left * values) @ right.T
    return found


def orthogonal_classes(
    dimension: int, classes: int, outputs: int | None = None, seed: int = 0, whitened: bool = True
) -> ClassData:
    """Draw as many samples as they have coordinates, in classes of equal size, X X^T = I.

    With `outputs` = `classes` that is the theorem's case 1 (d_y = r), with `outputs` = `dimension` its case 2
    (d_y = d_x, rank r).

    Args:
        dimension: d, the numbers of a sample and the number of samples.
        classes: K, the rank of Y; sizes of classes differ by at most one.
        outputs: the rows of Y, of which those from K on are zero; None for K.
        seed: of the draws.
        whitened: False for independent normal entries of variance 1 / d in X in place of the orthogonal matrix.

    Returns:
        The samples.
    """
    dimension = whole("dimension", dimension, 1)
    classes = whole("classes", classes, 1, dimension)
    outputs = classes if outputs is None else whole("outputs", outputs, classes)
    rng = stream("samples", seed)
    labels = np.arange(dimension) % classes
    inputs = (
        random_orthogonal(rng, dimension, dimension)
        if whitened
        else rng.standard_normal((dimension, dimension)) / np.sqrt(dimension)
    )
    return ClassData(inputs, np.eye(outputs)[:, labels], labels)
