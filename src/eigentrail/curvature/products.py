"""Products with the curvature of all samples, batch by batch, each in the way that suits number and memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import torch

from eigentrail.curvature.graphs import GaussNewtonGraph, HessianGraph
from eigentrail.curvature.linearised import LinearisedGaussNewton, LinearisedHessian, rehearse
from eigentrail.curvature.point import Point
from eigentrail.curvature.tape import FEW, Tape, measure
from eigentrail.curvature.work import Work, count_work
from eigentrail.data.samples import Samples
from eigentrail.errors import CurvatureError
from eigentrail.evaluation.modes import full_precision
from eigentrail.linalg.memory import ENOUGH, allowance

Way: TypeAlias = Literal["cached", "linearised", "recomputed"]
WAYS = ("cached", "linearised", "recomputed")
#: What multiplies a batch's matrix from its graph, by kind.
GRAPHS: dict[str, Any] = {"hessian": HessianGraph, "gauss-newton": GaussNewtonGraph}
_LINEARISED: dict[str, Any] = {"hessian": LinearisedHessian, "gauss-newton": LinearisedGaussNewton}
# What tracing takes: seconds for each operation of a product, and passes over the batch. It is tried where that is at
# most this share of all the products to come.
_TRACED = 5e-3
_PASSES = 10
_SHARE = 0.05
# Tracing and its larger memory are kept where they save at least this share of the work.
_SAVES = 0.05
# Up to so many numbers in the graph of a batch a product is all overhead, and several at once take as long as one.
_SMALL = {"cpu": 2**14, "cuda": 2**22}
_AT_ONCE = 64


class _NoGain(Exception):
    """A linearised function has as much to do as the graph."""


@dataclass(frozen=True)
class Plan:
    """How products are made.

    Attributes:
        way: how those of most batches are made. "linearised" is a trial until the first product, unless it was asked
            for: where the kept graph turns out to have no more to do, that is taken.
        size: the most samples of a batch; None for the batches as they were read.
        batches: number of batches of this process.
        kept: number of batches whose graph or linearised function is kept.
        at_once: number of vectors that are multiplied in one pass.
        held: bytes that are kept between products, estimated.
        note: why something was not done as planned; empty otherwise.
    """

    way: Way
    size: int | None
    batches: int
    kept: int
    at_once: int
    held: int
    note: str = ""


class Products:
    """The sum over the samples of this process of weighted products, always over the same batches.

    Args:
        point: the network and its loss.
        samples: the data.
        kind: "hessian" or "gauss-newton".
        limit: bytes that graphs and batches may take; None for 2 GiB, and for what one sample needs beyond that.
        batch_size: the most samples of a batch; None to choose.
        whole: whether batches are what the loss is of, and must not be divided for the sake of memory.

    Raises:
        CurvatureError: they would have to be.
    """

    def __init__(
        self,
        point: Point,
        samples: Samples,
        kind: str,
        limit: int | None,
        batch_size: int | None,
        whole: bool = False,
    ) -> None:
        self._point, self._samples, self._kind = point, samples, kind
        self._kept: dict[int, Any] = {}
        self._together = self._traced = True
        self._tape: Tape | None = None
        self._work: tuple[Work, Work] | None = None
        self._asked: Way | None = None
        self.size = batch_size
        self.note = ""
        if samples.count:
            self._tape = measure(point, samples, GRAPHS[kind])
            if limit is None:
                limit = allowance(math.ceil(self._tape.running(1)), point.device)
            fitting = self._tape.fitting(limit)
            largest = max(chunk.count for chunk in samples.chunks)
            wanted = batch_size or (
                min(self._tape.fast(), largest) if samples.divisible and not whole else largest
            )
            if whole and fitting < wanted:
                raise CurvatureError(
                    f"the loss is no mean over samples, so that its {wanted} samples have to stay together, and they "
                    f"take more than {limit / 2**30:.2g} GiB ({fitting} would fit): raise memory_limit, or give a loss "
                    "that is a mean (and weights= for what it counts)."
                )
            self.size = min(wanted, fitting)
        self._limit = ENOUGH if limit is None else limit
        self._places = samples.sizes(self.size)
        self.plan = self._planned(2, None)

    def expect(self, count: int | None, way: Way | None) -> None:
        """Say how many products are to come, or in which way they are to be made.

        Args:
            count: their number; None if that is not known: some.
            way: the way, as far as memory allows; None for what suits the number.
        """
        self._asked = way
        plan = self._planned(10 if count is None else count, way)
        if plan.way != self.plan.way or plan.kept < self.plan.kept:
            self._kept = {}
        self.plan = plan

    def release(self) -> None:
        """Drop what is kept between products."""
        self._kept = {}

    @full_precision()
    def sum(self, vectors: torch.Tensor) -> torch.Tensor:
        """Multiply vectors.

        Args:
            vectors: [k, n].

        Returns:
            The weighted sum over the batches of this process, [k, n].
        """
        total = torch.zeros_like(vectors)
        for place, (chunk, start, stop) in enumerate(self._places):
            maker = self._maker(place, chunk, start, stop)
            weight = self._samples.share(chunk, start, stop)
            keep = place < self.plan.kept
            step = self.plan.at_once
            for low in range(0, len(vectors), step):
                rows = vectors[low : low + step]
                last = low + step >= len(vectors)
                total[low : low + step] += weight * self._product(maker, rows, keep=keep or not last)
        return total

    def _product(self, maker: Any, rows: torch.Tensor, *, keep: bool) -> torch.Tensor:
        chosen = self._point.chosen
        if len(rows) > 1 and self._together:
            try:
                return chosen.join(maker.product(chosen.split(rows), keep=True, many=True), batched=True)
            except RuntimeError as error:
                # Some operations cannot be vectorised; one vector after the other can be multiplied.
                self.note = f"vectors one by one ({str(error).splitlines()[0][:200]})"
                self._together, self.plan = False, replace(self.plan, at_once=1, note=self.note)
        one_by_one = [
            maker.product(chosen.split(row), keep=keep or place + 1 < len(rows), many=False)
            for place, row in enumerate(rows)
        ]
        return torch.stack([chosen.join(found) for found in one_by_one])

    def _maker(self, place: int, chunk: int, start: int, stop: int) -> Any:
        found = self._kept.get(place)
        if found is not None:
            return found
        point = self._point
        batch = self._samples.batch(chunk, start, stop, point.dtype, point.device)
        kept = place < self.plan.kept
        if kept and self.plan.way == "linearised":
            try:
                if place == 0:
                    rehearse(point, self._samples.head(2, point.dtype, point.device))
                found = _LINEARISED[self._kind](point, batch)
                if place == 0:
                    self._compare(found, batch)
            except CurvatureError:
                raise
            except _NoGain:
                self._take_graph("not linearised, for the kept graph has no more to do")
                found = None
            except Exception as error:  # the tracer does not know every operation; the graph does
                self._take_graph(
                    f"not linearised ({type(error).__name__}: {str(error).splitlines()[0][:200]})"
                )
                found = None
        if found is None:
            found = GRAPHS[self._kind](point, batch)
        if kept:
            self._kept[place] = found
        return found

    def _take_graph(self, note: str) -> None:
        """Keep graphs from now on, and say why."""
        self.note, self._traced, self._kept = note, False, {}
        self.plan = replace(self.plan, way="cached", note=note)

    def _compare(self, linearised: Any, batch: Any) -> None:
        """Compare a linearised product with one of the graph: its numbers, and what there is to do."""
        chosen = self._point.chosen
        generator = torch.Generator().manual_seed(0)
        probe = torch.randn(chosen.n, generator=generator, dtype=torch.float64).to(self._point.values[0])
        graph = GRAPHS[self._kind](self._point, batch)
        made: list[torch.Tensor] = []

        def multiply(maker: Any, *, keep: bool) -> None:
            made.append(chosen.join(maker.product(chosen.split(probe), keep=keep, many=False)))

        work = [count_work(lambda: multiply(graph, keep=False))]
        scale = float(made[0].abs().max())
        rounding = 1e-8 if self._point.dtype == torch.float64 else 1e-3
        # Twice: the first one also computes what does not depend on the vector, and a program that writes into its own
        # constants would be right only then.
        for _ in range(2):
            work.append(count_work(lambda: multiply(linearised, keep=True)))
            if not float((made[-1] - made[0]).abs().max()) <= rounding * max(scale, 1e-30):
                raise ArithmeticError("its products differ from those of the graph")
        before, after = (one.seconds(self._point.device) for one in (work[0], work[-1]))
        if self._asked is None and after > (1 - _SAVES) * before:
            raise _NoGain

    def _worth_tracing(self, count: int, size: int) -> bool:
        """Whether products are so many that tracing one batch of `size` samples hardly adds to them."""
        if count * _SHARE < _PASSES or not self._traced:
            return False
        few, many = FEW // 2, min(FEW, self._samples.chunks[0].count)
        if many <= few:
            return False
        if self._work is None:
            self._work = self._work_of(few), self._work_of(many)
        work = self._work[0].at(self._work[1], few, many, size)
        product = work.seconds(self._point.device)
        return _SHARE * count * product >= _TRACED * work.operations + _PASSES * product

    def _work_of(self, count: int) -> Work:
        """Count what a product from the graph of a few samples does."""
        point = self._point
        graph = GRAPHS[self._kind](point, self._samples.head(count, point.dtype, point.device))
        vector = tuple(torch.ones_like(value) for value in point.values)
        return count_work(lambda: graph.product(vector, keep=False, many=False))

    def _planned(self, count: int, way: Way | None) -> Plan:
        tape, places = self._tape, self._places
        if tape is None:
            return Plan("recomputed", self.size, 0, 0, 1, 0)
        sizes = [stop - start for _, start, stop in places]
        largest = max(sizes)
        numbers = tape.kept(largest) / self._point.dtype.itemsize
        small = _SMALL.get(self._point.device.type, _SMALL["cuda"])
        at_once = max(1, min(_AT_ONCE, int(4 * small // max(numbers, 1)))) if numbers <= small else 1
        note = self.note
        if way is None:
            if count <= 1:
                way = "recomputed"
            else:
                way = "linearised" if at_once == 1 and self._worth_tracing(count, largest) else "cached"
        asked, kept, held = way, 0, 0.0
        if way != "recomputed":
            for linearised in (True, False) if way == "linearised" and self._traced else (False,):
                kept, held = self._room([tape.kept(size, linearised=linearised) for size in sizes], largest)
                way = "linearised" if linearised else "cached"
                if kept == len(sizes):
                    break
        if not kept:
            way = "recomputed"
        if way != asked and not note:
            note = f"not {asked}, for that does not fit the memory limit"
        return Plan(way, self.size, len(places), kept, at_once, int(held), note)

    def _room(self, bytes_kept: list[float], largest: int) -> tuple[int, float]:
        """Count how many batches can be kept beside what a running product takes."""
        assert self._tape is not None
        room, kept, held = self._limit - self._tape.running(largest), 0, 0.0
        for one in bytes_kept:
            if held + one > room:
                break
            held, kept = held + one, kept + 1
        return kept, held
