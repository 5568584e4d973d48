"""S3's data for deep linear networks: as many orthonormal samples as they have coordinates."""

from __future__ import annotations

import torch

from eigentrail.data.dataset import Data

_SIZE = 30
_CLASSES = 3


def load_orthogonal() -> Data:
    """Make 30 orthonormal samples of 30 numbers in three classes of ten, for networks with 30 outputs.

    X X^T = I, as S3 assumes, and the labels in one-hot form make Y [30, 30] of rank 3, as in its figure of singular
    values; classes 3 to 29 have no samples. X is the reflection I - 2 v v^T / ||v||^2 with v = (1, 2, ..., 30), whose
    entries are the same on every machine; weights that begin as random orthogonal matrices do not tell one X from
    another.

    Returns:
        The data set, without a test part and as it is, not brought to mean 0 and variance 1.
    """
    v = torch.arange(1, _SIZE + 1, dtype=torch.float64)
    inputs = torch.eye(_SIZE, dtype=torch.float64) - 2.0 * v[:, None] * v / float(v.square().sum())
    return Data(
        name="orthogonal",
        train_inputs=inputs,
        train_targets=torch.arange(_SIZE) % _CLASSES,
        test_inputs=inputs[:0],
        test_targets=torch.zeros(0, dtype=torch.int64),
        class_names=tuple(map(str, range(_SIZE))),
        about="30 orthonormal samples of 30 numbers, ten in each of the first three of 30 classes",
    )
