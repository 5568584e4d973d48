"""Which rows of a layer's outputs belong to one sample, found from what the loss mixes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

# Relative size below which a derivative between two samples is rounding, in units of the precision's epsilon.
_ROUNDING = 16


@dataclass(frozen=True)
class Arrangement:
    """The rows [*axes] of a layer's outputs seen as [groups, positions], where groups do not meet in the loss.

    Attributes:
        name: "rows" (every row is a group of its own), "leading" (the first axis counts the groups), "samples" (the
            rows are the samples' positions, one sample behind the other), "second" (the second axis counts the
            samples, as in a sequence-first network) or "whole" (one group of all rows).
    """

    name: str

    def groups(self, axes: Sequence[int], samples: int) -> int:
        """Give the number of groups.

        Args:
            axes: shape of the rows.
            samples: number of samples in the batch.

        Returns:
            The number of groups; 0 where these rows cannot be seen this way.
        """
        rows = math.prod(axes)
        if self.name in {"rows", "whole"}:
            return rows if self.name == "rows" else 1
        if self.name == "leading":
            return axes[0] if axes else 1
        if self.name == "samples":
            return samples if rows % samples == 0 else 0
        return axes[1] if len(axes) > 1 and axes[1] == samples else 0

    def split(self, rows: torch.Tensor, axes: int, groups: int) -> torch.Tensor:
        """Bring rows into groups.

        Args:
            rows: [.., *axes, width].
            axes: number of the rows' axes.
            groups: see `groups`.

        Returns:
            [.., groups, positions, width].
        """
        front = rows.shape[: rows.ndim - axes - 1]
        if self.name == "second":
            rows = rows.transpose(len(front), len(front) + 1)
        return rows.reshape(*front, groups, -1, rows.shape[-1])

    def join(self, blocks: torch.Tensor, axes: Sequence[int]) -> torch.Tensor:
        """Undo `split`.

        Args:
            blocks: [.., groups, positions, width].
            axes: shape of the rows.

        Returns:
            [.., *axes, width].
        """
        front, width = blocks.shape[:-3], blocks.shape[-1]
        if self.name != "second":
            return blocks.reshape(*front, *axes, width)
        return blocks.reshape(*front, axes[1], axes[0], *axes[2:], width).transpose(
            len(front), len(front) + 1
        )


CANDIDATES = tuple(Arrangement(name) for name in ("rows", "leading", "samples", "second"))
WHOLE = Arrangement("whole")


def separates(
    arrangement: Arrangement,
    apply: Callable[[torch.Tensor], torch.Tensor],
    axes: Sequence[int],
    width: int,
    samples: int,
    like: torch.Tensor,
    seed: int,
) -> bool:
    """Tell whether the groups of an arrangement do not meet in the loss, by one product with the tail's Hessian.

    A random tangent on a random half of the groups must leave no derivative on the others.

    Args:
        arrangement: the arrangement asked about.
        apply: product with the Hessian of the loss in the rows, [*axes, width] -> the same.
        axes: shape of the rows.
        width: number of outputs of a row.
        samples: number of samples in the batch.
        like: a tensor of the precision and device to work in.
        seed: which half is drawn.

    Returns:
        True when the groups are separate as far as this product shows.
    """
    groups = arrangement.groups(axes, samples)
    if groups < 1:
        return False
    if groups == 1:
        return True
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.zeros(groups, dtype=torch.bool)
    chosen[torch.randperm(groups, generator=generator)[: groups // 2]] = True
    chosen = chosen.to(like.device)
    tangent = torch.randn(*axes, width, generator=generator, dtype=like.dtype).to(like.device)
    blocks = arrangement.split(tangent, len(axes), groups) * chosen[:, None, None]
    found = arrangement.split(apply(arrangement.join(blocks, axes)), len(axes), groups)
    inside, outside = found[chosen].abs().max(), found[~chosen].abs().max()
    return bool(outside <= _ROUNDING * torch.finfo(like.dtype).eps * inside)
