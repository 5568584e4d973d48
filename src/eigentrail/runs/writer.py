"""The thread that brings recorded steps to the disk while training goes on."""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eigentrail.errors import DiskError, RunError, RunWarning
from eigentrail.runs.reserve import Reserve
from eigentrail.runs.ring import Ring
from eigentrail.runs.trajectory import TrajectoryWriter

# What kill -9 may cost at most; training waits rather than exceed it.
MAX_STEPS = 256
MAX_SECONDS = 2.0
# The writer commits well before, so that training need not wait.
_COMMIT_STEPS = MAX_STEPS // 2
_COMMIT_SECONDS = MAX_SECONDS / 2
_POLL_SECONDS = 0.25
# Waiting this long in all, and for this share of the time, means that the disk, not chance, holds training up.
_TELL_SECONDS = 1.0
_TELL_SHARE = 0.05


def _now() -> float:
    return time.monotonic()


@dataclass(slots=True)
class Record:
    """Copies of weights at one step.

    Attributes:
        step: the step.
        epoch: the completed epochs.
        pieces: (node, where its copy begins in the ring, its bytes).
        head: the ring's position behind them.
        metrics: the metrics, None if the step has its row of metrics already.
        whole: False if more pieces of the same step follow.
        told: when it was handed over, as `time.monotonic` says.
    """

    step: int
    epoch: float
    pieces: list[tuple[str, int, int]]
    head: int
    metrics: Mapping[str, float] | None
    whole: bool = True
    told: float = field(default_factory=_now)


@dataclass(slots=True)
class Block:
    """Whole steps at once, whose copies lie in memory of their own.

    Attributes:
        nodes: for each node its steps, the completed epochs at them, and the bytes of each record.
        steps: all steps [n], ascending.
        epochs: the completed epochs at each of them [n].
        metrics: the metrics of each of them [n].
        told: when the first of them was told.
    """

    nodes: dict[str, tuple[list[int], list[float], list[memoryview]]]
    steps: list[int]
    epochs: list[float]
    metrics: list[Mapping[str, float]]
    told: float = field(default_factory=_now)

    @property
    def size(self) -> int:
        """How many steps it holds."""
        return len(self.steps)


@dataclass(slots=True)
class Amendment:
    """More about the step that was recorded last: its epoch and metrics."""

    step: int
    epoch: float
    metrics: Mapping[str, float]
    told: float = field(default_factory=_now)


class BackgroundWriter:
    """Write records in a thread of its own, and make the training wait where the disk is too slow.

    Args:
        path: the run's folder, for messages.
        trajectory: where the records go.
        ring: where the copies wait.
        describe: attributes to keep with every commit, asked for in the writer's thread.
        reserve: room on the disk for the last commit.

    Attributes:
        waited: the seconds that the training has waited for the disk.
        cpu: the seconds of CPU that writing has taken.
    """

    def __init__(
        self,
        path: Path,
        trajectory: TrajectoryWriter,
        ring: Ring,
        describe: Callable[[], dict[str, Any]],
        reserve: Reserve,
    ) -> None:
        self.waited = 0.0
        self.cpu = 0.0
        self._reserve = reserve
        self._path = path
        self._trajectory = trajectory
        self._ring = ring
        self._describe = describe
        self._queue: deque[Record | Amendment | Block] = deque()
        self._wake = threading.Event()
        self._moved = threading.Condition()
        self._put = 0
        self._taken = 0
        self._committed = 0
        self._pending_since: float | None = None
        self._flush = False
        self._closing = False
        self._open = False
        self._open_step = -1
        self._kept = -1
        self._error: BaseException | None = None
        self._told_slow = False
        self._begun = time.perf_counter()
        self._thread = threading.Thread(target=self._run, name="eigentrail-recorder", daemon=True)
        self._thread.start()

    # The training's side ---------------------------------------------------------------------------------------

    def put(self, item: Record | Amendment | Block) -> None:
        """Hand over a record; wait while the disk is too far behind.

        Args:
            item: what to write.
        """
        self.check()
        self._queue.append(item)
        self._put += item.size if isinstance(item, Block) else 1
        if self._pending_since is None:
            self._pending_since = item.told
        behind = self._put - self._committed
        if behind >= _COMMIT_STEPS or self._ring.used > self._ring.size // 2:
            self._wake.set()
        # A part cannot be committed before the rest of its step has come; it waits for room instead.
        whole = not isinstance(item, Record) or item.whole
        if whole and self._too_far_behind():
            self._wait(lambda: not self._too_far_behind())

    def take(self, nbytes: int) -> int | None:
        """Take room for a copy, if there is some.

        Args:
            nbytes: its size.

        Returns:
            Where it begins in the ring, or None.
        """
        return self._ring.try_take(nbytes)

    def wait_for_room(self) -> None:
        """Wait until the writer has taken everything that was handed over, and its room is free."""
        self._wait(lambda: self._taken == self._put)

    def flush(self) -> None:
        """Wait until everything that was handed over is committed."""
        self.check()
        self._flush = True
        self._wait(lambda: self._committed >= self._put, tell=False)

    def check(self) -> None:
        """Raise what the writer ran into.

        Raises:
            DiskError: the disk refused.
            RunError: something else went wrong.
        """
        error = self._error
        if isinstance(error, OSError):
            raise DiskError(self._path, error, f"; what was recorded up to step {self._kept} is kept")
        if error is not None:
            raise RunError(f"recording into {self._path} failed: {error!r}") from error

    def close(self) -> None:
        """Write and commit everything, and end the thread."""
        self._closing = True
        self._wake.set()
        self._thread.join()
        self.check()

    def _too_far_behind(self) -> bool:
        since = self._pending_since
        late = since is not None and _now() - since > MAX_SECONDS
        return late or self._put - self._committed >= MAX_STEPS

    def _wait(self, ready: Callable[[], bool], tell: bool = True) -> None:
        begin = time.perf_counter()
        with self._moved:
            while not ready():
                self.check()
                self._wake.set()
                self._moved.wait(0.05)
        if not tell:
            return
        self.waited += time.perf_counter() - begin
        share = self.waited / (time.perf_counter() - self._begun)
        if self.waited > _TELL_SECONDS and share > _TELL_SHARE and not self._told_slow:
            self._told_slow = True
            warnings.warn(
                f"the disk of {self._path} cannot keep up with the recording: training waits for it, no step is "
                "lost; record fewer layers or less often to train at full speed",
                RunWarning,
                stacklevel=4,
            )

    # The writer's side -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while True:
                self._wake.wait(_POLL_SECONDS)
                self._wake.clear()
                closing, flush = self._closing, self._flush
                self._flush = False
                self._drain()
                if self._due() or flush or closing:
                    self._commit()
                self.cpu = time.thread_time()
                if closing and not self._queue:
                    return
        except BaseException as error:
            # The steps that were written whole can still be made to count; if the disk does not even take the room that
            # was kept for that, the commit before stands. `check` raises the first error.
            self._reserve.give_back()
            with contextlib.suppress(OSError):
                self._trajectory.give_back()
                self._commit()
            # Only now, because it tells up to which step everything is kept.
            self._error = error
        finally:
            with self._moved:
                self._moved.notify_all()

    def _drain(self) -> None:
        while self._queue:
            first = self._queue.popleft()
            if isinstance(first, Amendment):
                self._trajectory.amend(first.step, first.epoch, first.metrics)
                self._moved_on(1)
                continue
            if isinstance(first, Block):
                self._write_block(first)
                self._moved_on(first.size)
                if self._due():
                    self._commit()
                continue
            batch = [first]
            while self._queue and len(batch) < _COMMIT_STEPS and batch[-1].whole:
                following = self._queue[0]
                if not isinstance(following, Record) or not following.whole:
                    break
                batch.append(following)
                self._queue.popleft()
            try:
                self._write(batch)
            except OSError:
                if len(batch) == 1:
                    raise
                # Of a batch each layer's rows are written at once: one by one more whole steps find room.
                self._trajectory.give_back()
                for record in batch:
                    self._write([record])
                    self._moved_on(1)
                batch = []
            self._moved_on(len(batch))
            if self._due():
                self._commit()

    def _write(self, batch: list[Record]) -> None:
        # A part stands alone in its batch; an unfinished step that another one follows is dropped.
        if self._open and batch[0].step != self._open_step:
            self._trajectory.abandon_step()
        nodes: dict[str, tuple[list[int], list[float], list[memoryview]]] = {}
        for record in batch:
            for node, begin, nbytes in record.pieces:
                steps, epochs, values = nodes.setdefault(node, ([], [], []))
                steps.append(record.step)
                epochs.append(record.epoch)
                values.append(self._ring.bytes(begin, nbytes))
        for node, (steps, epochs, values) in nodes.items():
            self._trajectory.append(node, steps, epochs, values)
        rows = [record for record in batch if record.metrics is not None]
        if rows:
            self._trajectory.append_metrics(
                [r.step for r in rows],
                [r.epoch for r in rows],
                [r.metrics for r in rows if r.metrics is not None],
            )
        last = batch[-1]
        self._open, self._open_step = not last.whole, last.step
        if last.whole:
            self._trajectory.close_step(last.step, last.epoch)
        self._ring.release(last.head)

    def _write_block(self, block: Block) -> None:
        if self._open:
            self._trajectory.abandon_step()
            self._open = False
        for node, (steps, epochs, values) in block.nodes.items():
            self._trajectory.append(node, steps, epochs, values)
        self._trajectory.append_metrics(block.steps, block.epochs, block.metrics)
        self._trajectory.close_step(block.steps[-1], block.epochs[-1])

    def _moved_on(self, count: int) -> None:
        with self._moved:
            self._taken += count
            self._moved.notify_all()

    def _due(self) -> bool:
        if self._taken == self._committed:
            return False
        since = self._pending_since
        late = since is not None and _now() - since >= _COMMIT_SECONDS
        return late or self._taken - self._committed >= _COMMIT_STEPS

    def _commit(self) -> None:
        # Counted before the commit: what is taken in between belongs to the next one.
        taken = self._taken
        self._trajectory.attributes.update(self._describe())
        self._trajectory.commit()
        self._kept = self._trajectory.attributes["last_step"]
        with self._moved:
            self._committed = taken
            try:
                self._pending_since = self._queue[0].told
            except IndexError:
                self._pending_since = None
            self._moved.notify_all()
