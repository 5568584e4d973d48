"""Fused weights cut into their parts.

Every fused layout of the field is a choice of rows of the natural matrix [out, in]: the rows come in equal
groups (one, if the parts lie one behind the other; one per head, if they alternate head by head), and a part
is the same stretch of each group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class RowPart:
    """Some rows of a matrix [out, in].

    Attributes:
        label: the part's name, such as "q", "gate" or "q.h0".
        groups: the number of equal groups that the rows come in.
        period: the rows of one group.
        start: the first row of the part within each group.
        stop: the row after the last one within each group.
        head_rows: the rows of one attention head, or None where that is not known.
        window: of the rows chosen so far, only those from the first to before the second; None for all.
    """

    label: str
    groups: int
    period: int
    start: int
    stop: int
    head_rows: int | None = None
    window: tuple[int, int] | None = None

    @property
    def role(self) -> str:
        """The part without its head: "q" for "q.h0", "" for "h0"."""
        first = self.label.split(".")[0]
        return "" if self.window and first == self.label else first

    @property
    def rows(self) -> int:
        """The number of rows of the part."""
        if self.window:
            return self.window[1] - self.window[0]
        return self.groups * (self.stop - self.start)

    def take(self, matrix: Tensor) -> Tensor:
        """Cut the part out.

        Args:
            matrix: [out, in] with out = groups * period.

        Returns:
            [rows, in]; only these rows are copied, if any.
        """
        import torch

        part = torch.unflatten(matrix, 0, (self.groups, self.period))[:, self.start : self.stop].flatten(0, 1)
        return part[slice(*self.window)] if self.window else part

    def heads(self) -> list[RowPart]:
        """Cut the part into attention heads.

        Returns:
            One part per head, labelled `label.h0`, `label.h1`, ...; the part itself where its heads are not
            known.
        """
        size = self.head_rows
        if not size or self.window or self.rows % size:
            return [self]
        return [
            replace(self, label=f"{self.label}.h{h}".lstrip("."), window=(h * size, (h + 1) * size))
            for h in range(self.rows // size)
        ]


def consecutive(
    labels: Sequence[str], sizes: Sequence[int], head_rows: int | None = None
) -> tuple[RowPart, ...]:
    """Parts that lie one behind the other.

    Args:
        labels: the parts' names.
        sizes: the rows of each.
        head_rows: the rows of one attention head, if known.

    Returns:
        The parts in that order.
    """
    return alternating(labels, sizes, 1, head_rows)


def alternating(
    labels: Sequence[str], sizes: Sequence[int], groups: int, head_rows: int | None = None
) -> tuple[RowPart, ...]:
    """Parts that alternate group by group.

    Args:
        labels: the parts' names in the order within one group.
        sizes: the rows of each part within one group.
        groups: how often the parts alternate.
        head_rows: the rows of one attention head, if known.

    Returns:
        The parts in that order.
    """
    parts, start = [], 0
    for label, size in zip(labels, sizes, strict=True):
        parts.append(RowPart(label, groups, sum(sizes), start, start + size, head_rows))
        start += size
    return tuple(parts)
