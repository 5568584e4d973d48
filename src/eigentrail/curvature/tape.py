"""How much memory the graph of a product takes, measured on a few samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from eigentrail.curvature.point import Point
from eigentrail.curvature.work import Traffic
from eigentrail.data.samples import Batch, Samples
from eigentrail.errors import CurvatureError

#: Samples of the batches that are measured, at most.
FEW = 4
# What a product needs while it runs, in tapes of one batch: the tape itself and what flows back through it.
_RUNNING = 2.0
# What a linearised function keeps, in tapes: every intermediate result, not only those that a second pass reads.
_LINEARISED = 4.0
# A batch of which the tape is about this large fills a CPU or a GPU: much smaller ones are all overhead (recurrent
# layers, attention), much larger ones leave the caches (convolutions).
_PREFERRED = {"cpu": 3 * 2**24, "cuda": 2**29}
_FEWEST = 32


@dataclass(frozen=True)
class Tape:
    """Bytes of the graph of one batch: fixed + each * samples.

    Attributes:
        fixed: whatever the number of samples, the gradient included.
        each: for each sample.
        vectors: what the vectors of a product take.
        preferred: bytes of a batch at which products are fast.
    """

    fixed: float
    each: float
    vectors: float
    preferred: float

    def kept(self, count: int, *, linearised: bool = False) -> float:
        """Bytes that stay between products for a batch of `count` samples."""
        return (self.fixed + self.each * count) * (_LINEARISED if linearised else 1.0)

    def running(self, count: int) -> float:
        """Bytes that one product of a batch takes, its graph included."""
        return _RUNNING * self.kept(count) + self.vectors

    def fitting(self, limit: float) -> int:
        """Give how many samples a batch may have.

        Args:
            limit: bytes.

        Returns:
            A number of samples.

        Raises:
            CurvatureError: not even one fits.
        """
        room = (limit - self.vectors) / _RUNNING - self.fixed
        found = int(room // max(self.each, 1.0)) if room > 0 else 0
        if found < 1:
            raise CurvatureError(
                f"one sample takes about {self.running(1) / 2**20:.3g} MiB and memory_limit is {limit / 2**20:.3g} "
                "MiB: raise memory_limit or choose fewer layers."
            )
        return found

    def fast(self) -> int:
        """Give how many samples a batch should have where nothing else decides."""
        return max(_FEWEST, int(self.preferred // max(self.each, 1.0)))


def measure(point: Point, samples: Samples, make: Callable[[Point, Batch], Any]) -> Tape:
    """Measure what a graph keeps for a few samples.

    Args:
        point: the network and its loss.
        samples: the data; only the first few are used.
        make: builds the graph of a batch.

    Returns:
        Its size as a function of the number of samples.
    """
    count = min(FEW, samples.chunks[0].count)
    held = _held(point, samples.head(count, point.dtype, point.device), make)
    each = held / count
    if count > 1:
        fewer = count // 2
        less = _held(point, samples.head(fewer, point.dtype, point.device), make)
        each = max((held - less) / (count - fewer), 0.0)
    vector = point.chosen.n * point.dtype.itemsize
    preferred = _PREFERRED.get(point.device.type, _PREFERRED["cuda"])
    return Tape(held - each * count + vector, each, 4.0 * vector, preferred)


def _held(point: Point, batch: Batch, make: Callable[[Point, Batch], Any]) -> int:
    sizes: dict[int, int] = {}

    def pack(value: torch.Tensor) -> torch.Tensor:
        try:
            storage = value.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
        except RuntimeError:
            # What `torch.func` within the network wraps has no place of its own: each counts for itself.
            sizes[-1 - len(sizes)] = value.numel() * value.element_size()
        return value

    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            # Held until the end of the count: freed memory would be given out, and counted, again.
            graph = make(point, batch)
    except CurvatureError as error:
        if "saved tensor hooks" not in str(error):
            raise
        # A network that calls `torch.func.grad` itself takes no hooks: whatever is read and written may be kept.
        with Traffic() as seen:
            make(point, batch)
        return int(seen.bytes)
    own = {value.untyped_storage().data_ptr() for value in point.held()}
    found = sum(size for place, size in sizes.items() if place not in own)
    del graph
    return found
