"""S3's data for deep linear networks: as many orthonormal samples as they have coordinates."""

from __future__ import annotations

import re

import torch

from eigentrail._numbers import whole
from eigentrail.data.dataset import Data

_NAME = re.compile(r"orthogonal[\s_-]+(\d{1,6})[\s_-]+(\d{1,6})(?:[\s_-]+(\d{1,6}))?", re.I)


def sizes_of(name: str) -> tuple[int, int, int | None] | None:
    """Read the sizes in a name.

    Args:
        name: "orthogonal-d-K" or "orthogonal-d-K-outputs", in any spelling.

    Returns:
        d, K and the number of outputs, for `load_orthogonal`; None for any other name.
    """
    if (found := _NAME.fullmatch(name.strip())) is None:
        return None
    dimension, classes, outputs = found.groups()
    return int(dimension), int(classes), None if outputs is None else int(outputs)


def load_orthogonal(dimension: int = 30, classes: int = 3, outputs: int | None = None) -> Data:
    """Make orthonormal samples in classes of equal size, X X^T = I, as S3 assumes.

    The labels in one-hot form make Y [outputs, d] of rank K, as in its figure of singular values (d = 30, K = 3);
    classes from K on have no samples. With as many outputs as inputs that is the second case of the theorem, with K
    outputs the first. X is the reflection I - 2 v v^T / ||v||^2 with v = (1, 2, ..., d), whose entries are the same on
    every machine; weights that begin as random orthogonal matrices do not tell one X from another.

    Args:
        dimension: d, the numbers of a sample and the number of samples.
        classes: K, of which the sizes differ by at most one.
        outputs: the number of classes of the data set; None for d.

    Returns:
        The data set, without a test part and as it is, not brought to mean 0 and variance 1.
    """
    size = whole("dimension", dimension, 1)
    classes = whole("classes", classes, 1, size)
    outputs = size if outputs is None else whole("outputs", outputs, classes)
    v = torch.arange(1, size + 1, dtype=torch.float64)
    inputs = torch.eye(size, dtype=torch.float64) - 2.0 * v[:, None] * v / float(v.square().sum())
    return Data(
        name="orthogonal"
        if (size, classes, outputs) == (30, 3, 30)
        else f"orthogonal-{size}-{classes}-{outputs}",
        train_inputs=inputs,
        train_targets=torch.arange(size) % classes,
        test_inputs=inputs[:0],
        test_targets=torch.zeros(0, dtype=torch.int64),
        class_names=tuple(map(str, range(outputs))),
        about=f"{size} orthonormal samples of {size} numbers in the first {classes} of {outputs} classes",
    )
