"""Samples in batches that stay the same from pass to pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from eigentrail.errors import DataError


@dataclass(frozen=True)
class Batch:
    """Some of the samples.

    Attributes:
        inputs: what the network is called with: a tensor, a mapping (keyword arguments) or a tuple (arguments).
        targets: what the loss gets beside the outputs; the mapping itself for dict batches.
        weight: its share of all samples (of all processes).
        count: how many samples it has.
    """

    inputs: Any
    targets: Any
    weight: float
    count: int


@dataclass(frozen=True)
class Chunk:
    """Samples as they were read, on the host: (inputs, targets), with targets None for dict batches."""

    inputs: Any
    targets: Any
    count: int

    def part(self, start: int, stop: int) -> Chunk:
        """Take the samples from `start` to `stop`."""
        if (start, stop) == (0, self.count):
            return self
        return self._cut(slice(start, stop), stop - start)

    def take(self, places: torch.Tensor) -> Chunk:
        """Take the samples at some places, in that order."""
        return self._cut(places, len(places))

    def joined(self, other: Chunk) -> Chunk | None:
        """Put the samples of another behind these; None where their tensors do not fit together."""
        mine, parts = self._tensors(), other._tensors()
        if len(mine) != len(parts) or any(
            a.shape[1:] != b.shape[1:] or a.dtype != b.dtype for a, b in zip(mine, parts, strict=True)
        ):
            return None
        more = iter(parts)

        def join(value: Any) -> Any:
            return torch.cat([value, next(more)]) if self._by_sample(value) else value

        return Chunk(_each(join, self.inputs), _each(join, self.targets), self.count + other.count)

    def _by_sample(self, value: Any) -> bool:
        return isinstance(value, torch.Tensor) and value.ndim > 0 and len(value) == self.count

    def _tensors(self) -> list[torch.Tensor]:
        found: list[torch.Tensor] = []

        def note(value: Any) -> None:
            if self._by_sample(value):
                found.append(value)

        _each(note, self.inputs)
        _each(note, self.targets)
        return found

    def _cut(self, places: slice | torch.Tensor, count: int) -> Chunk:
        def cut(value: Any) -> Any:
            if isinstance(value, list) and len(value) == self.count:
                numbers = range(self.count)[places] if isinstance(places, slice) else places.tolist()
                return [value[number] for number in numbers]
            return value[places] if self._by_sample(value) else value

        return Chunk(_each(cut, self.inputs), _each(cut, self.targets), count)

    def batch(self, total: int, dtype: torch.dtype, device: torch.device) -> Batch:
        """Bring it where the network is, floating values in its precision."""

        def move(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return value
            return value.to(device=device, dtype=dtype if value.is_floating_point() else None)

        inputs = _each(move, self.inputs)
        targets = inputs if self.targets is None else _each(move, self.targets)
        return Batch(inputs, targets, self.count / total, self.count)


def _each(change: Callable[[Any], Any], value: Any) -> Any:
    """Change the leaves of nested mappings and tuples; lists of other things than tensors are leaves."""
    if isinstance(value, Mapping):
        return {key: _each(change, one) for key, one in value.items()}
    if isinstance(value, tuple) or (
        isinstance(value, list) and value and all(isinstance(one, torch.Tensor) for one in value)
    ):
        return tuple(_each(change, one) for one in value)
    return change(value)


def chunk_of(item: Any) -> Chunk:
    """See a batch of the user's as samples.

    Args:
        item: a pair (inputs, targets) or a mapping.

    Returns:
        The samples.

    Raises:
        DataError: it is neither, or inputs and targets are not as many.
    """
    if isinstance(item, Mapping):
        inputs = _each(_as_tensor, dict(item))
        return Chunk(inputs, None, _count(inputs))
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise DataError(
            f"a batch is a pair (inputs, targets) or a dict, not {type(item).__name__}"
            + (f" of {len(item)}" if isinstance(item, (tuple, list)) else "")
            + ": give data that yields those."
        )
    inputs, targets = (_each(_as_tensor, one) for one in item)
    counts = _count(inputs), _count(targets)
    if counts[0] != counts[1]:
        raise DataError(f"{counts[0]} inputs and {counts[1]} targets do not make a data set: give as many.")
    return Chunk(inputs, targets, counts[0])


def _as_tensor(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, np.ndarray) or (
        isinstance(value, list) and value and isinstance(value[0], (int, float, list))
    ):
        return torch.as_tensor(np.asarray(value))
    return value


def _count(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        if not value.ndim:
            raise DataError("inputs and targets have samples along their first axis, not a single number.")
        return len(value)
    parts = (
        list(value.values())
        if isinstance(value, Mapping)
        else list(value)
        if isinstance(value, tuple)
        else []
    )
    for part in parts:
        if isinstance(part, (Mapping, tuple)) or (isinstance(part, torch.Tensor) and part.ndim):
            return _count(part)
    raise DataError(f"the data holds {type(value).__name__} and no tensors: give tensors with samples first.")


class Samples:
    """All samples of this process, in fixed batches.

    Args:
        chunks: the samples in their order.
        total: how many there are in all processes; None for those here.
        divisible: whether they may be divided freely; else only where memory demands it.
        counts: how much each sample of each chunk counts in the mean, [count]; None for all the same.
        counted: the sum of all of these in all processes; needed with `counts`.
    """

    def __init__(
        self,
        chunks: list[Chunk],
        total: int | None = None,
        *,
        divisible: bool = True,
        counts: list[torch.Tensor] | None = None,
        counted: float | None = None,
    ) -> None:
        self.divisible = divisible
        self.chunks = [chunk for chunk in chunks if chunk.count]
        self.count = sum(chunk.count for chunk in self.chunks)
        self.total = self.count if total is None else total
        self._counts, self._counted = counts, counted

    def share(self, place: int, start: int, stop: int) -> float:
        """Give the share of some samples of a chunk in the mean over all."""
        if self._counts is None or not self._counted:
            return (stop - start) / self.total
        return float(self._counts[place][start:stop].sum()) / self._counted

    def batch(self, place: int, start: int, stop: int, dtype: torch.dtype, device: torch.device) -> Batch:
        """Give the samples `start` to `stop` of a chunk as a batch."""
        found = self.chunks[place].part(start, stop).batch(self.total, dtype, device)
        return replace(found, weight=self.share(place, start, stop))

    def by_count(self, counts: list[torch.Tensor], counted: float) -> Samples:
        """Let samples count by other numbers than 1; those that count nothing are left out.

        Args:
            counts: [count] of each chunk.
            counted: the sum of all of them, in all processes.

        Returns:
            The samples, in the same batches.
        """
        kept = [each.nonzero().flatten() for each in counts]
        pairs = [(i, chunk) for i, chunk in enumerate(self.chunks) if len(kept[i])]
        return Samples(
            [chunk if len(kept[i]) == chunk.count else chunk.take(kept[i]) for i, chunk in pairs],
            self.total,
            divisible=self.divisible,
            counts=[counts[i][kept[i]] for i, _ in pairs],
            counted=counted,
        )

    def sizes(self, most: int | None) -> list[tuple[int, int, int]]:
        """Divide the samples: (chunk, start, stop) of batches of at most `most` samples, never across chunks."""
        found = []
        for place, chunk in enumerate(self.chunks):
            step = chunk.count if most is None else most
            found += [(place, start, min(start + step, chunk.count)) for start in range(0, chunk.count, step)]
        return found

    def batches(self, most: int | None, dtype: torch.dtype, device: torch.device) -> Iterator[Batch]:
        """Give the samples in batches of at most `most`, the same at every call."""
        for place, start, stop in self.sizes(most):
            yield self.batch(place, start, stop, dtype, device)

    def head(self, count: int, dtype: torch.dtype, device: torch.device) -> Batch:
        """Give the first samples, at most `count` and of the first chunk only."""
        return self.batch(0, 0, min(count, self.chunks[0].count), dtype, device)

    def halves(self, count: int, half: int, dtype: torch.dtype, device: torch.device) -> tuple[Batch, Batch]:
        """Give the first `half` samples, and those behind them up to `count`."""
        return self.batch(0, 0, half, dtype, device), self.batch(0, half, count, dtype, device)
