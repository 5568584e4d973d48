"""A data set of images from its raw pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from eigentrail.data.dataset import Data
from eigentrail.data.normalization import Normalization
from eigentrail.errors import DataError

Part = tuple[NDArray[np.uint8], torch.Tensor]

DIGITS = tuple("0123456789")


def make_images(name: str, train: Part, test: Part, class_names: Sequence[str]) -> Data:
    """Normalise images to mean 0 and variance 1 in each channel over the training set.

    Args:
        name: the data set.
        train: images [n, channels, height, width] and checked labels [n].
        test: the held-out part, likewise.
        class_names: the name of each class.

    Returns:
        The data set.

    Raises:
        DataError: there is no image in the training set.
    """
    if not len(train[0]):
        # Nothing can be measured on them.
        raise DataError(f"{name} has no training samples")
    normalization = Normalization.of(train[0], scale=255)
    what = "pixels have" if train[0].shape[1] == 1 else "each colour has"
    return Data(
        name=name,
        train_inputs=normalization.apply(train[0]),
        train_targets=train[1],
        test_inputs=normalization.apply(test[0]),
        test_targets=test[1],
        class_names=tuple(class_names),
        normalization=normalization,
        about=f"the original split; {what} mean 0 and variance 1 over the training set",
    )
