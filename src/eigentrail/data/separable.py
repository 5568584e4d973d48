"""Linearly separable classes with a planted margin."""

from __future__ import annotations

import numpy as np
import torch

from eigentrail.data.dataset import Data

_DIMENSION, _CLASSES, _TRAIN, _TEST = 50, 10, 2000, 1000
#: How far the score of a sample's class lies above every other one, at least.
MARGIN = 0.5


def load_separable() -> Data:
    """Make Gaussian samples of 50 numbers in ten classes that a linear classifier separates with margin 0.5.

    The class of a sample g ~ N(0, I) is the one of ten orthonormal directions u_k that it lies along most, and the
    sample is x = g + 0.5 u_class: (u_class - u_k) . x >= 0.5 for every other k. 200 samples of each class are for
    training, 100 held out. The data set is always the same.

    Returns:
        The data set, as it is, in float32; S3 (part 3) gives no more than "linearly separable data".
    """
    chance = np.random.default_rng(0)
    directions = np.linalg.qr(chance.standard_normal((_DIMENSION, _CLASSES)))[0]
    found: list[list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]] = [[] for _ in range(_CLASSES)]
    each = (_TRAIN + _TEST) // _CLASSES
    while min(map(len, found)) < each:
        drawn = chance.standard_normal(_DIMENSION)
        label = int((drawn @ directions).argmax())
        if len(found[label]) < each:
            found[label].append(drawn + MARGIN * directions[:, label])
    inputs = torch.tensor(np.array(found).swapaxes(0, 1).reshape(-1, _DIMENSION), dtype=torch.float32)
    labels = torch.arange(_CLASSES).repeat(each)
    return Data(
        name="separable",
        train_inputs=inputs[:_TRAIN],
        train_targets=labels[:_TRAIN],
        test_inputs=inputs[_TRAIN:],
        test_targets=labels[_TRAIN:],
        class_names=tuple(map(str, range(_CLASSES))),
        about="Gaussian samples moved by 0.5 along the one of ten orthonormal directions that they lie along most",
    )
