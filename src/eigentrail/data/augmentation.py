"""Random crops, mirrorings and rotations of the images of a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch.nn import functional as F

from eigentrail.data.checked import Checked
from eigentrail.data.dataset import Data
from eigentrail.errors import DataError


class Augmentation(Checked):
    """What is done to each training image anew whenever it is seen: rotation, then crop, then mirroring.

    S4 crops, mirrors and rotates. Its text turns "by 15 k degrees for k uniformly sampled from [24]"
    (`rotation="steps"`), its authors' code by anything within 15 degrees of upright (`rotation="range"`). It does not
    say how much is cropped: 4 pixels are added at each edge and a window of the old size is taken, as is usual for
    these images.

    Attributes:
        crop: how many black pixels are added at each edge before a window of the old size is taken; 0 for no crop.
        flip: True to mirror left and right with probability 1/2.
        rotation: "none"; "steps", k x 15 degrees with k uniform in 1 .. 24; "range", uniform in -15 .. 15 degrees.
            Between pixels values are interpolated linearly, what comes from outside is black.

    Raises:
        OptionError: a setting is unknown or outside what it may be.
    """

    crop: int = Field(default=4, ge=0)
    flip: bool = True
    rotation: Literal["none", "steps", "range"] = "none"

    def apply(
        self, images: torch.Tensor, generator: torch.Generator, black: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Change each image of a batch.

        Args:
            images: [batch, channels, height, width].
            generator: where the chance comes from; it is used the same number of times for every batch of a size.
            black: what stands outside an image, [channels]; 0 for None.

        Returns:
            New images of the same shape.

        Raises:
            DataError: the samples are no images.
        """
        self.check(images.shape[1:])
        level = torch.zeros(images.shape[1]) if black is None else black
        level = level.to(images)[:, None, None]
        # Black is zero here, which is what padding and rotation put outside.
        out = images - level
        if self.rotation != "none":
            out = _rotated(out, self.angles(len(out), generator))
        if self.crop:
            out = _cropped(out, self.crop, generator)
        if self.flip:
            mirrored = torch.rand(len(out), generator=generator) < 0.5
            out = torch.where(mirrored.to(out.device)[:, None, None, None], out.flip(3), out)
        return out + level

    def check(self, shape: Sequence[int]) -> None:
        """Make sure that samples are images.

        Args:
            shape: that of one sample.

        Raises:
            DataError: they are not [channels, height, width].
        """
        if len(shape) != 3:
            raise DataError(
                f"samples of shape {tuple(shape)} cannot be cropped, mirrored or rotated: only images "
                "[channels, height, width] can"
            )

    def angles(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw angles.

        Args:
            count: how many.
            generator: where the chance comes from.

        Returns:
            Degrees, float64, [count].
        """
        if self.rotation == "none":
            return torch.zeros(count, dtype=torch.float64)
        if self.rotation == "steps":
            return 15.0 * torch.randint(1, 25, (count,), generator=generator).double()
        return 30 * torch.rand(count, generator=generator, dtype=torch.float64) - 15


def black_of(data: Data) -> torch.Tensor | None:
    """Find what a black pixel is after the normalisation of a data set.

    Args:
        data: the data set.

    Returns:
        Its value in each channel, [channels]; None where inputs were taken as they are.
    """
    if data.normalization is None:
        return None
    mean, std = (torch.tensor(part) for part in (data.normalization.mean, data.normalization.std))
    return -mean / std


def _rotated(images: torch.Tensor, degrees: torch.Tensor) -> torch.Tensor:
    angle = degrees * (math.pi / 180)
    cos, sin = angle.cos(), angle.sin()
    height, width = images.shape[2:]
    zero = torch.zeros_like(cos)
    # The grid's coordinates run from -1 to 1 along both sides, whatever their lengths.
    first = torch.stack((cos, -sin * height / width, zero), 1)
    second = torch.stack((sin * width / height, cos, zero), 1)
    grid = F.affine_grid(torch.stack((first, second), 1).to(images), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _cropped(images: torch.Tensor, edge: int, generator: torch.Generator) -> torch.Tensor:
    count, _, height, width = images.shape
    padded = F.pad(images, (edge, edge, edge, edge))
    top, left = torch.randint(0, 2 * edge + 1, (2, count), generator=generator).to(images.device)
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    picked: torch.Tensor = padded.gather(
        2, rows[:, None, :, None].expand(-1, padded.shape[1], -1, padded.shape[3])
    )
    return picked.gather(3, columns[:, None, None, :].expand(-1, padded.shape[1], height, -1))
