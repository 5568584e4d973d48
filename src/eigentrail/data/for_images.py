"""Images as another network was given its own: of its size, its colours and its scaling."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from eigentrail._numbers import whole
from eigentrail.data.dataset import Data
from eigentrail.data.normalization import Normalization
from eigentrail.errors import DataError

#: The scaling of the public CIFAR-10 checkpoints of ResNet-20 and ResNet-56, and of most networks for ImageNet.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def for_images(
    data: Data,
    side: int = 32,
    mean: Sequence[float] = IMAGENET[0],
    std: Sequence[float] = IMAGENET[1],
) -> Data:
    """Bring images to the form that a network was trained on.

    Pixels are repeated as often as fits (8 x 8 four times for 32), what lacks is filled with black on all sides, a
    single grey channel is repeated for each colour, and raw values become (x / scale - mean) / std: the scaling of the
    source network, not that of these images.

    Args:
        data: images of grey or as many colours as there are means, no larger than the side.
        side: height and width, in pixels.
        mean: of x / scale, for each colour, in the network's training.
        std: the standard deviation, likewise.

    Returns:
        The changed data set, which remembers how it was made.

    Raises:
        DataError: it holds no such images, or its raw pixels are not known.
    """
    shape, side = data.input_shape, whole("side", side, 1)
    if (
        data.normalization is None
        or len(shape) != 3
        or shape[0] not in (1, len(mean))
        or len(mean) != len(std)
    ):
        raise DataError(
            f"{data.name} has samples of shape {shape}"
            + ("" if data.normalization else " whose raw pixels are not known")
            + f": give images of 1 or {len(mean)} channels of a known data set"
        )
    if max(shape[1:]) > side:
        raise DataError(
            f"{data.name} has images of {shape[1]} x {shape[2]} pixels, which do not fit into {side}"
        )
    raw = data.normalization
    scaling = Normalization(scale=raw.scale, mean=tuple(map(float, mean)), std=tuple(map(float, std)))
    times = side // max(shape[1:])
    above, left = ((side - times * each) // 2 for each in shape[1:])
    below, right = side - times * shape[1] - above, side - times * shape[2] - left

    def changed(inputs: torch.Tensor) -> torch.Tensor:
        pixels = raw.undo(inputs).repeat_interleave(times, 2).repeat_interleave(times, 3)
        pixels = F.pad(pixels, (left, right, above, below)).expand(-1, len(mean), -1, -1)
        return scaling.apply(pixels.numpy())

    return data.derived(
        f"images of {side} x {side}, pixels repeated {times} times, with {len(mean)} channels of mean {tuple(mean)} "
        f"and deviation {tuple(std)}",
        {"do": "for_images", "side": side, "mean": list(mean), "std": list(std)},
        train_inputs=changed(data.train_inputs),
        test_inputs=changed(data.test_inputs),
        normalization=scaling,
    )
