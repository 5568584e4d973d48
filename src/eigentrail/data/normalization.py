"""Bringing the inputs of a data set to mean 0 and variance 1."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict


class Normalization(BaseModel):
    """What was done to raw values x: (x / scale - mean) / std, channel by channel.

    Attributes:
        scale: the raw value that counts as 1.
        mean: of x / scale over the training set, for each channel.
        std: the standard deviation of x / scale over the training set (divided by the count), for each channel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, images: NDArray[np.uint8], scale: float) -> Normalization:
        """Measure the training set.

        Args:
            images: raw values, [n, channels, height, width].
            scale: the raw value that counts as 1.

        Returns:
            The normalisation that gives each channel mean 0 and variance 1. A channel that never changes keeps its
            scale.
        """
        mean, std = [], []
        levels = np.arange(256) / scale
        for channel in np.moveaxis(images, 1, 0):
            # 256 counts hold all that the two moments need, exactly.
            share = np.bincount(channel.ravel(), minlength=256) / channel.size
            first = float(share @ levels)
            mean.append(first)
            std.append(float(np.sqrt(share @ (levels - first) ** 2)) or 1.0)
        return cls(scale=scale, mean=tuple(mean), std=tuple(std))

    def apply(self, images: NDArray[np.uint8]) -> torch.Tensor:
        """Normalise images.

        Args:
            images: raw values, [n, channels, height, width].

        Returns:
            float32 of the same shape.
        """
        mean, std = (torch.tensor(part)[:, None, None] for part in (self.mean, self.std))
        result = torch.empty(images.shape, dtype=torch.float32)
        # In parts, so that no second float copy of the whole set is ever held.
        for start in range(0, len(images), 4096):
            part = torch.tensor(images[start : start + 4096]).float()
            result[start : start + 4096] = part.div_(self.scale).sub_(mean).div_(std)
        return result

    def undo(self, inputs: torch.Tensor) -> torch.Tensor:
        """Bring normalised images back to raw values.

        Args:
            inputs: what `apply` gave, [n, channels, height, width].

        Returns:
            uint8 of the same shape, exactly the raw values.
        """
        mean, std = (torch.tensor(part, dtype=torch.float64)[:, None, None] for part in (self.mean, self.std))
        return inputs.double().mul(std).add_(mean).mul_(self.scale).round_().to(torch.uint8)
