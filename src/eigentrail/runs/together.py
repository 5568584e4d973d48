"""Recording many networks in step, whose tensors are rows of stacked ones."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from eigentrail.errors import RunError
from eigentrail.runs.meter import moment
from eigentrail.runs.recorder import Recorder
from eigentrail.runs.selection import Source
from eigentrail.runs.writer import Block

# What may wait for the writers: as many steps as kill -9 may cost, in as much memory as this.
_STEPS = 64
_BACKLOG = 4 * _STEPS
_SECONDS = 0.5
_MEMORY = 512 * 2**20


class Together:
    """Tell steps to the recorders of many networks at once.

    Telling each recorder by itself would take longer than training small networks does. Here every tensor of all
    networks is copied at once, and each recorder is handed many steps at a time. Whatever else is told to a recorder
    (`epoch`, `checkpoint`, `close`) comes after a `flush`. Where copies of all networks would take too much memory,
    each recorder is told by itself.

    Args:
        recorders: open recorders [K], which record the same tensors on the same schedules.
        find: gives the stacked tensor of a parameter's name as it is now, [K, ...]; None where it is not stacked.
    """

    def __init__(self, recorders: Sequence[Recorder], find: Callable[[str], torch.Tensor | None]) -> None:
        self.recorders = list(recorders)
        self._find = find
        first = self.recorders[0]
        self._sources = first.nodes
        sources = [source for group in self._sources.values() for source in group]
        row = len(self.recorders) * sum(source.nbytes for source in sources)
        self._stacked = row * _BACKLOG <= _MEMORY and all(map(self._is_stacked, sources))
        self._forget()
        for recorder in self.recorders:
            recorder.note()

    def _is_stacked(self, source: Source) -> bool:
        tensor = self._find(source.spec.name)
        # numpy, which cuts the stacks into rows, knows no bfloat16.
        return tensor is not None and source.dtype == source.stored != torch.bfloat16

    def step(self, number: int, epoch: float, metrics: Sequence[dict[str, float]]) -> None:
        """Tell that all networks have made a step.

        Args:
            number: its number, larger than the one before.
            epoch: how many epochs are completed.
            metrics: what to keep for this step, of each network [K].

        Raises:
            RunError: the number goes backwards, or the disk refuses.
        """
        if not self._stacked:
            for recorder, numbers in zip(self.recorders, metrics, strict=True):
                recorder.step(number, epoch=epoch, **numbers)
            return
        begin = moment()
        first = self.recorders[0]
        before = (self._steps[-1], self._epochs[-1]) if self._steps else first.position
        if number <= before[0] or not math.isfinite(epoch) or epoch < before[1]:
            raise RunError(f"step {number} was told after step {before[0]}: steps and epochs only go forward")
        for node in first.due(before, (number, epoch)):
            self._copy(node, number, epoch)
        if not self._steps:
            self._since = time.monotonic()
        self._steps.append(number)
        self._epochs.append(epoch)
        self._metrics.append(metrics)
        now = moment()
        self._spent = (self._spent[0] + now[0] - begin[0], self._spent[1] + now[1] - begin[1])  # type: ignore[has-type]
        if len(self._steps) >= _STEPS or time.monotonic() - self._since >= _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Hand everything told so far to the recorders, so that they can be told other things."""
        if not self._steps:
            return
        now = moment()
        # What the steps have taken, as if it had been without a break.
        begin = (now[0] - self._spent[0], now[1] - self._spent[1])
        for k, recorder in enumerate(self.recorders):
            nodes = {}
            for node, (told, times, block) in self._rows.items():
                # A cast to bytes row by row: each is contiguous, their column is not.
                rows = [memoryview(block[i, k]).cast("B") for i in range(len(told))]
                nodes[node] = (told, times, rows)
            metrics: list[Mapping[str, float]] = [numbers[k] for numbers in self._metrics]
            told_all = Block(nodes, self._steps, self._epochs, metrics, self._since)
            recorder.tell_block(told_all)
        for recorder in self.recorders:
            recorder.count_cost(begin, len(self._steps), 1.0 / len(self.recorders))
        self._forget()

    def _copy(self, node: str, number: int, epoch: float) -> None:
        parts = []
        for source in self._sources[node]:
            tensor = self._find(source.spec.name)
            if tensor is None:
                raise RunError(
                    f"{source.spec.name} is no longer a tensor of the model: record the changed model as a new run"
                )
            # From a GPU one copy brings the tensor of all networks.
            parts.append(tensor.detach().cpu().numpy().reshape(len(self.recorders), -1))
        if node not in self._rows:
            # New memory each time: the writers still read the old. Rows of a scalar are kept as arrays too.
            shape = (_STEPS, len(self.recorders), sum(part.shape[1] for part in parts))
            self._rows[node] = ([], [], np.empty(shape, parts[0].dtype))
        told, times, block = self._rows[node]
        begin = 0
        for part in parts:
            block[len(told), :, begin : begin + part.shape[1]] = part
            begin += part.shape[1]
        told.append(number)
        times.append(epoch)

    def _forget(self) -> None:
        self._rows: dict[str, tuple[list[int], list[float], np.ndarray]] = {}
        self._steps: list[int] = []
        self._epochs: list[float] = []
        self._metrics: list[Sequence[dict[str, float]]] = []
        self._since = time.monotonic()
        self._spent = (0.0, 0.0)
