"""The recorder: reads parameters inside anybody's training loop and keeps how they move."""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import shutil
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import nn

from eigentrail.errors import DiskError, OptionError, RunError, RunWarning
from eigentrail.runs import checkpoints as states
from eigentrail.runs import lock, manifest, trajectory
from eigentrail.runs.data_description import describe_data
from eigentrail.runs.estimate import estimate, human
from eigentrail.runs.manifest import BuildSpec, Manifest, ModelSpec, Overhead
from eigentrail.runs.meter import Meter, Moment, moment
from eigentrail.runs.monitor import Monitor
from eigentrail.runs.optimizers import describe_optimizer
from eigentrail.runs.packing import Group, adopt, groups_of, pack
from eigentrail.runs.recorded import RecordedRun
from eigentrail.runs.reported import number as as_number
from eigentrail.runs.reported import rank
from eigentrail.runs.reserve import Reserve
from eigentrail.runs.ring import Ring
from eigentrail.runs.schedules import Every, EveryEpochs, Schedule, as_schedule
from eigentrail.runs.selection import Layers, Source, clean_name, lacks_only_buffers, select_sources, unwrap
from eigentrail.runs.sessions import ANALYSES, check_same, find_existing, fresh_folder
from eigentrail.runs.termination import Termination
from eigentrail.runs.watching import Watch
from eigentrail.runs.writer import Amendment, BackgroundWriter, Block, Record

_RING_BYTES = 64 * 2**20
# How often a loop is looked at for parameters that were added to its network, in seconds.
_LOOK_SECONDS = 5.0
# What ends a loop from outside: its state is whole or known not to be, tensor by tensor.
_ENDED = (KeyboardInterrupt, SystemExit)
# The recorders of this process that are open, by their folders.
_OPEN: dict[Path, Recorder] = {}


def _to_stderr(line: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(line + "\n")


class Recorder:
    """Record how the weights of a network move while any loop trains it.

    Use it as a context manager around the loop (or `open` and `close` it) and call `step` after every optimizer step.
    The initial weights are step 0. A loop that tells only its epochs makes a step of each.
    Where the block ends without an error, or is ended by Ctrl-C or SIGTERM, every layer that is not recorded at the
    last step is recorded then, unless it has been changed since that step was told (other weights were loaded, for
    example).
    Weights that have changed at the end and were never told are an error, and the run does not count as finished.
    Several threads may tell steps; each is told whole.
    Parameters are read where they are; no hooks are installed. Wrappers (`torch.compile`, `DataParallel`,
    `DistributedDataParallel`) are looked through; in distributed training rank 0 records and the other ranks' recorders
    do nothing. float16, float32 and float64 are kept as they are, lower precisions exactly as float32.

    Args:
        model: the network.
        path: the run's folder; made if it is not there. None for a new one, `runs/NAME-1` with the name of the
            network's class.
        layers: None for every floating parameter; globs over parameter names, where a module's name stands for its
            weight; modules (for all of their parameters) and parameters of the network; or {glob: when}, of which the
            first that fits counts.
        every: when the layers are recorded besides the first and the last step: a number of steps, "epoch", a list of
            steps, `runs.epochs(n)` or `runs.log_spaced(per_decade)`; not used where `layers` is a mapping.
        checkpoints: when the full state (buffers too) is kept: as `every`, or "end" for the state in which the
            `with` block ends; None for only where `checkpoint` is called, and for "end" where all parameters but not
            the running means of batch norm are recorded, so that the last step's network is whole.
        steps: the planned number of optimizer steps, if known: makes the estimate of disk use one of the whole
            training.
        start: the number of the step that the network is at before the loop, for a new run.
        rebuild: how `Run.model` builds the network again: an import path "package.module:name", a class or
            function, or a `functools.partial` of one with plain arguments.
        data: what the run is trained on: a data set's name or `eigentrail.data.load(...)`, a pair of tensors, a
            Dataset, a DataLoader, {"train": ..., "test": ...} of these, or plain data. A description is kept, with a
            hash where the samples are small.
        optimizer: the optimizer, whose class and settings are kept; several, a schedule of one, anything with
            `param_groups`, or plain data.
        seed: the seed, kept.
        notes: anything else to keep, as plain data; for a run that goes on, beside what is kept of it.
        resume: True to go on with the run in the folder after its last step (a new run is begun where there is
            none); a number to go on from that step: later ones are taken back, and analyses stored in the run
            with them.
        overwrite: True to replace the run in the folder.
        takeover: True to end a recorder of this process that still records into the folder (one whose handle was
            lost in a notebook); its run then counts as interrupted.
        report: called with one line that says how much disk the recording will take; stderr by default, None for
            silence.
        ring_bytes: the memory in which copies wait for the disk; at least twice the largest recorded tensor.

    Raises:
        OptionError: an argument is not one of these.
    """

    def __init__(
        self,
        model: nn.Module,
        path: str | os.PathLike[str] | None = None,
        layers: Layers = None,
        every: Every = 1,
        *,
        checkpoints: Every | None = None,
        steps: int | None = None,
        start: int = 0,
        rebuild: str | Callable[..., nn.Module] | BuildSpec | None = None,
        data: Any = None,
        optimizer: Any = None,
        seed: int | None = None,
        notes: Mapping[str, Any] | None = None,
        resume: bool | int = False,
        overwrite: bool = False,
        takeover: bool = False,
        report: Callable[[str], None] | None = _to_stderr,
        ring_bytes: int = _RING_BYTES,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise OptionError(f"Recorder takes an nn.Module first, not a {type(model).__name__}")
        if resume is not False and overwrite:
            raise OptionError("resume continues the run in the folder, overwrite replaces it: choose one")
        for name, number in (("start", start), ("resume", resume), ("steps", steps or 0)):
            if not isinstance(number, int) or number < 0:
                raise OptionError(f"{name}={number!r}: give a step, counted from 0")
        self.active = rank() == 0
        self._model = unwrap(model)
        try:
            self.path = fresh_folder(self._model, Path("runs")) if path is None else Path(path)
        except TypeError as error:
            raise OptionError(f"path={path!r}: give the folder of the run") from error
        self._sources = select_sources(self._model, layers, every)
        self._at_end = checkpoints == "end" or (
            checkpoints is None and lacks_only_buffers(self._model, self._sources)
        )
        self._checkpoints: Schedule | None = (
            None if checkpoints is None or self._at_end else as_schedule(checkpoints)
        )
        pack(self._sources)
        self._planned = steps
        self._start = start
        self._spec = ModelSpec(
            class_name=manifest.import_path(type(self._model)),
            parameters={clean_name(n): list(p.shape) for n, p in self._model.named_parameters()},
            build=manifest.build_spec(rebuild),
        )
        self._about: dict[str, Any] = {
            "data": describe_data(data),
            "optimizer": describe_optimizer(optimizer),
            "seed": seed,
            "notes": manifest.plain(dict(notes or {}), "notes"),
        }
        self._resume = resume
        self._overwrite = overwrite
        self._takeover = takeover
        self._report = report
        self._ring_bytes = ring_bytes
        self._state = "new"
        self._step = start
        self._epoch = 0.0
        self._last: dict[str, int] = {}
        self._monitors: list[Monitor] = []
        self._not_finite: set[str] = set()
        self._added: set[str] = set()
        self._looked = 0.0
        self._guard = threading.RLock()
        self._termination = Termination()
        # Steps that `step` told, all steps since the last epoch, and epochs of this session.
        self._by_step = self._since_epoch = self._epochs = 0
        self._meter = Meter()

    # The training's verbs --------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Open the run and record the initial weights.

        Returns:
            The recorder.

        Raises:
            DiskError: the folder cannot be written.
            RunError: it holds a run that was not asked for, or is being recorded.
        """
        return self.open()

    def open(self) -> Self:
        """Open the run and record the initial weights; `close` ends it.

        Returns:
            The recorder.

        Raises:
            DiskError: the folder cannot be written.
            RunError: it holds a run that was not asked for, or is being recorded.
        """
        if self._state != "new":
            raise RunError("a recorder is used once: make a new one, with resume=True to go on")
        self._pid = os.getpid()
        if not self.active:
            self._state = "open"
            return self
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DiskError(self.path, error) from error
        self._key = self.path.resolve()
        if self._takeover and self._key in _OPEN:
            _OPEN[self._key].close(RunError("another recorder of the same process took over"))
        self._lock = lock.WriterLock(self.path)
        try:
            self._open()
        except OSError as error:
            self._lock.release()
            raise DiskError(self.path, error) from error
        except BaseException:
            self._lock.release()
            raise
        self._state = "open"
        _OPEN[self._key] = self
        self._termination.begin()
        atexit.register(self._at_exit)
        return self

    def step(self, step: int | None = None, *, epoch: float | None = None, **metrics: Any) -> None:
        """Tell that the optimizer has made a step.

        Args:
            step: its number, larger than the one before; counted on by one if left out.
            epoch: how many epochs are completed, whole or with a fraction; else as the method `epoch` told (use
                one of the two).
            metrics: numbers to keep for this step, such as the loss.

        Raises:
            RunError: the number goes backwards, a recorded layer has changed its shape, or the disk refuses.
            OptionError: a metric is not one number.
        """
        begin = moment()
        if not self._records():
            return
        with self._guard:
            number = self._step + 1 if step is None else int(step)
            if number <= self._step:
                raise RunError(
                    f"step {number} was told after step {self._step}: steps only go forward (to go back, begin a "
                    f"recorder with resume={number})"
                )
            now = self._epoch if epoch is None else self._checked_epoch(epoch)
            self._tell(number, now, {name: as_number(name, value) for name, value in metrics.items()})
            self._by_step += 1
            self._count(begin)

    def log(self, **metrics: Any) -> None:
        """Add metrics to the step that was told last, for example of an evaluation.

        Args:
            metrics: numbers; one that the step has already is replaced.

        Raises:
            OptionError: a metric is not one number.
        """
        if not self._records():
            return
        with self._guard:
            numbers = {name: as_number(name, value) for name, value in metrics.items()}
            self._writer.put(Amendment(self._step, self._epoch, numbers))
            self._warn_not_finite(numbers)

    def epoch(self, epoch: float | None = None, **metrics: Any) -> None:
        """Tell that an epoch has ended with the step that was told last.

        An epoch in which no step was told counts as one step, if the weights have changed.

        Args:
            epoch: how many are completed; counted on by one if left out.
            metrics: numbers to add to that step.

        Raises:
            RunError: the number goes backwards, or the disk refuses.
            OptionError: a metric is not one number.
        """
        begin = moment()
        if not self._records():
            return
        with self._guard:
            now = math.floor(self._epoch) + 1.0 if epoch is None else self._checked_epoch(epoch)
            numbers = {name: as_number(name, value) for name, value in metrics.items()}
            if now > self._epoch and self._is_a_step():
                self._tell(self._step + 1, now, numbers)
                self._count(begin)
            else:
                self._record(self._step, now, self._due_by_epoch(now, self._epoch), None)
                kept = self._checkpoints is not None and self._epoch_due(self._checkpoints, now)
                self._epoch = now
                self._writer.put(Amendment(self._step, now, numbers))
                if kept:
                    self.checkpoint()
                self._warn_not_finite(numbers)
                self._meter.count(begin, 0)
            self._since_epoch = 0
            self._epochs += 1
            self._look_for_added()

    def log_to(self, logger: Any, every: int = 100, layers: Layers = None) -> Self:
        """Show norms, ranks, spikes and phases of the weights as the training runs.

        Args:
            logger: TensorBoard's writer, MLflow, a W&B or trackio run, a logger of Lightning, or a callable, see
                `eigentrail.runs.sinks.as_sink`.
            every: look at the weights every so many steps.
            layers: as for the recorder; None for every matrix.

        Returns:
            The recorder.
        """
        if self.active:
            self._monitors.append(Monitor(self._model, every, layers, alarms=False, log_to=logger))
        return self

    def checkpoint(self, training: Mapping[str, Any] | None = None) -> None:
        """Keep the full state of the network, buffers included, as that of the step told last.

        All steps up to it are committed first, so that recording can always be resumed from a checkpoint.

        Args:
            training: what else is needed to go on from here (state dicts of the optimizer and the schedule, states
                of random generators); kept beside it for `Run.training_state`.

        Raises:
            DiskError: the disk refuses.
            RunError: something else went wrong.
        """
        if not self._records():
            return
        with self._guard:
            self._writer.flush()
            try:
                states.save_state(self.path, self._step, self._model, training)
            except OSError as error:
                raise DiskError(self.path, error) from error
            except Exception as error:
                # safetensors and torch have their own errors for a full disk.
                raise RunError(
                    f"the checkpoint of step {self._step} cannot be written to {self.path}: {error}"
                ) from error

    def flush(self) -> None:
        """Wait until everything told so far is on disk and can be read.

        Raises:
            RunError: the disk refuses.
        """
        if self._records():
            with self._guard:
                self._writer.flush()

    # For `Together`, which tells steps to many recorders at once -----------------------------------------------------

    @property
    def position(self) -> tuple[int, float]:
        """The step that was told last, and how many epochs were completed then."""
        return self._step, self._epoch

    @property
    def nodes(self) -> dict[str, list[Source]]:
        """What each node of the store holds: its tensors, in the order of their slices."""
        return {group.node: [self._sources[place] for place in group.places] for group in self._groups}

    def due(self, before: tuple[int, float], now: tuple[int, float]) -> list[str]:
        """List what is to be recorded at a step.

        Args:
            before: the step told before it, and the epochs completed then.
            now: the step, and the epochs that are completed.

        Returns:
            The nodes.
        """
        return [group.node for group in self._due(before, now)]

    def tell_block(self, block: Block) -> None:
        """Tell steps whose copies lie in memory of their own.

        Args:
            block: the steps and their records.
        """
        with self._guard:
            self._writer.put(block)
            for node, (steps, _, _) in block.nodes.items():
                self._last[node] = steps[-1]
            self._step, self._epoch = block.steps[-1], block.epochs[-1]
            self._watch.note()

    def count_cost(self, begin: Moment, steps: int, share: float) -> None:
        """Count what telling steps has cost.

        Args:
            begin: when the work on them began.
            steps: how many.
            share: this recorder's share of what has passed since.
        """
        self._meter.count(begin, steps, share, self._writer.cpu)

    def note(self) -> None:
        """Take the weights as they are for those of the step told last."""
        self._watch.note()

    @property
    def is_open(self) -> bool:
        """Whether steps can be told: from the beginning of the `with` block to its end."""
        return self._state == "open"

    @property
    def overhead(self) -> Overhead:
        """What recording has cost the loop so far."""
        if not self.active or self._state == "new":
            return self._meter.overhead(0.0, 0.0)
        return self._meter.overhead(self._writer.waited, self._writer.cpu)

    def close(self, error: BaseException | None = None, *, replaced: bool = False) -> None:
        """Commit everything and end the run; called by the `with` block.

        Layers that are not recorded at the last step are recorded now, unless they have been changed since.

        Args:
            error: what ended the loop, if something did: the run then counts as interrupted, and nothing is added but
                after Ctrl-C, SIGTERM and the end of the process.
            replaced: True where other weights may have been loaded after the last step, by a trainer that ends with its
                best ones.

        Raises:
            DiskError: the disk refuses; what was committed before stays.
            RunError: weights have changed and no step was told; or the last step or the last checkpoint could not be
                written.
        """
        with self._guard:
            if self._state != "open":
                return
            if not self.active or os.getpid() != self._pid:
                # A forked child leaves the block too; the run is its parent's.
                self._state = "closed"
                return
            atexit.unregister(self._at_exit)
            self._termination.end()
            failed: RunError | None = None
            try:
                if error is None and not replaced:
                    error = failed = self._untold()
                if error is None or isinstance(error, (*_ENDED, _ProcessEnd)):
                    self._record(self._step, self._epoch, self._lacking_last(), None)
                if error is None and self._at_end:
                    self.checkpoint()
                self._look_for_added()
            except RunError as failure:
                error = error or failure
                failed = failed or failure
            self._state = "closed"
            _OPEN.pop(self._key, None)
            try:
                self._writer.close()
                self._reserve.give_back()
                self._trajectory.finish()
                self._write_end(error)
            except OSError as failure:
                raise DiskError(self.path, failure) from failure
            finally:
                self._reserve.give_back()
                self._trajectory.close()
                self._lock.release()
            if isinstance(failed, _Untold) and failed.told:
                warnings.warn(str(failed), RunWarning, stacklevel=3)
            elif failed is not None:
                raise failed

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close(error)
        except RunError as failure:
            # The disk's refusal has usually ended the loop itself; it is said once.
            if error is None:
                raise
            if not isinstance(error, RunError):
                error.add_note(str(failure))

    # Inside ----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        found = find_existing(self.path, self._resume, self._overwrite)
        if found is not None:
            adopt(self._sources, found[0].layers)
        specs = [source.spec for source in self._sources]
        if found is None:
            self._manifest = Manifest(
                format=manifest.format_of(specs),
                run_id=uuid.uuid4().hex,
                created=datetime.now(UTC),
                status="running",
                model=self._spec,
                layers=specs,
                **self._about,
            )
            upto = self._start
        else:
            self._manifest, commit, upto = found
            check_same(self.path, self._manifest, self._spec, specs, self._sources, self._model, commit, upto)
        self._say_estimate()
        # What is told of a run that goes on is true of it now: it may be asked for more epochs.
        self._manifest.notes |= self._about["notes"]
        self._manifest.status, self._manifest.error = "running", None
        self._manifest.sessions.append(manifest.new_session(upto))
        self._manifest.packages = manifest.package_versions()
        self._manifest.write(self.path)
        store = self.path / trajectory.FOLDER
        self._trajectory = trajectory.TrajectoryWriter(store, specs, found and found[1], upto, self._planned)
        if found is not None and upto < found[1].attributes["last_step"]:
            # Results of steps that are taken back would be wrong.
            shutil.rmtree(self.path / ANALYSES, ignore_errors=True)
            states.remove_after(self.path, upto)
        self._step = upto
        self._epoch = float(self._trajectory.attributes["last_epoch"])
        self._watch = Watch(self._model, self._sources)
        self._groups = groups_of(self._sources)
        by_schedule: dict[Schedule, list[Group]] = {}
        for group in self._groups:
            by_schedule.setdefault(group.when, []).append(group)
        self._by_schedule = [(w, s) for w, s in by_schedule.items() if not isinstance(w, EveryEpochs)]
        self._by_epoch = [(w, s) for w, s in by_schedule.items() if isinstance(w, EveryEpochs)]
        largest = max(group.nbytes for group in self._groups)
        self._ring = Ring(max(2 * largest + 128, min(self._ring_bytes, self._useful_ring())))
        self._reserve = Reserve(self.path, self._trajectory.size)
        self._writer = BackgroundWriter(
            self.path, self._trajectory, self._ring, self._describe, self._reserve
        )
        try:
            if found is None:
                self._record(upto, self._epoch, self._groups, {})
                # A folder that cannot be written is noticed now, not an hour later.
                self._writer.flush()
                self._trajectory.write_members()
                if self._checkpoints is not None:
                    self._state = "open"
                    self.checkpoint()
            else:
                self._last = {g.node: self._trajectory.last_step(g.node) for g in self._groups}
        except BaseException:
            self._state = "closed"
            self._abort()
            raise

    def _abort(self) -> None:
        # The error that led here is the one that is raised.
        with contextlib.suppress(RunError):
            self._writer.close()
        self._reserve.give_back()
        self._trajectory.close()

    def _useful_ring(self) -> int:
        """The memory that as many records of everything take as may be waiting at all."""
        return 256 * sum(-(-group.nbytes // 64) * 64 for group in self._groups)

    def _say_estimate(self) -> None:
        state = sum(
            t.numel() * t.element_size() for t in self._model.state_dict().values() if torch.is_tensor(t)
        )
        count: int | None = 1 if self._at_end else 0
        if self._checkpoints is not None:
            count = self._checkpoints.count(1000 if self._planned is None else self._planned)
        line, missing = estimate(self.path, self._sources, self._planned, count, state)
        if self._report is not None:
            self._report(line)
        if missing:
            warnings.warn(
                f"{line}: {human(missing)} too few; the recording will stop when the disk is full",
                RunWarning,
                stacklevel=4,
            )

    def _records(self) -> bool:
        if self._state == "open":
            if self.active:
                self._refuse_in_child()
            return self.active
        why = "is not open yet: use it in a with block" if self._state == "new" else "is closed"
        raise RunError(f"the recorder of {self.path} {why}")

    def _checked_epoch(self, epoch: float) -> float:
        now = float(epoch)
        if not math.isfinite(now) or now < self._epoch:
            raise RunError(f"epoch {epoch} was told after epoch {self._epoch:g}: epochs only go forward")
        return now

    def _due(self, before: tuple[int, float], now: tuple[int, float]) -> list[Group]:
        due = [group for when, groups in self._by_schedule if when.due(before[0], now[0]) for group in groups]
        return due + self._due_by_epoch(now[1], before[1])

    def _due_by_epoch(self, now: float, before: float) -> list[Group]:
        return [group for when, groups in self._by_epoch if when.due_epoch(before, now) for group in groups]

    def _epoch_due(self, when: Schedule, now: float) -> bool:
        return isinstance(when, EveryEpochs) and when.due_epoch(self._epoch, now)

    def _record(
        self,
        step: int,
        epoch: float,
        due: list[Group],
        metrics: Mapping[str, float] | None,
        tensors: Sequence[torch.Tensor] | None = None,
    ) -> None:
        """Copy the weights that are due into the ring and hand them to the writer."""
        due = [group for group in due if self._last.get(group.node) != step]
        wanted = {place for group in due for place in group.places}
        if tensors is None:
            found = {place: self._sources[place].find(self._model) for place in wanted}
        else:
            found = {place: tensors[place] for place in wanted}
        pieces: list[tuple[str, int, int]] = []
        for group in due:
            begin = self._writer.take(group.nbytes)
            while begin is None:
                if pieces:
                    self._writer.put(Record(step, epoch, pieces, self._ring.head, None, whole=False))
                    pieces = []
                self._writer.wait_for_room()
                begin = self._writer.take(group.nbytes)
            if len(group.places) == 1:
                self._ring.copy(begin, found[group.places[0]], group.dtype)
            else:
                self._ring.copy_all(begin, [found[place] for place in group.places], group.nbytes, group.node)
            pieces.append((group.node, begin, group.nbytes))
        for group in due:
            self._last[group.node] = step
        if pieces or metrics is not None:
            self._writer.put(Record(step, epoch, pieces, self._ring.head, metrics))

    def _tell(self, number: int, epoch: float, metrics: Mapping[str, float]) -> None:
        """Record what is due at a step, and go on to it."""
        tensors = self._watch.find()
        due = self._due(self.position, (number, epoch))
        self._record(number, epoch, due, metrics, tensors)
        kept = self._checkpoints is not None and (
            self._checkpoints.due(self._step, number) or self._epoch_due(self._checkpoints, epoch)
        )
        self._step, self._epoch = number, epoch
        self._since_epoch += 1
        self._watch.note(tensors)
        if kept:
            self.checkpoint()
        self._warn_not_finite(metrics)
        for monitor in self._monitors:
            monitor.step(number)

    def _count(self, begin: Moment) -> None:
        """Count the time of a step that was told."""
        self._meter.count(begin, writer=self._writer.cpu)
        if time.perf_counter() - self._looked > _LOOK_SECONDS:
            self._look_for_added()

    def _is_a_step(self) -> bool:
        """Tell whether an epoch stands for a step that was not told."""
        if self._since_epoch:
            return False
        if self._watch.any_touched():
            return True
        # A loop that tells no steps; before training, an epoch may also be told of an evaluation alone.
        return not self._by_step and (self._epochs > 0 or bool(self._changed()))

    def _changed(self) -> list[Source]:
        """List what holds other numbers than at the step told last."""
        self._writer.flush()
        return self._watch.untold(RecordedRun(self.path), self._step)

    def _untold(self) -> _Untold | None:
        """Say that weights have changed since the step told last, unless they are those of an earlier step."""
        changed = self._changed()
        if not changed or (
            self._meter.told and self._watch.are_of_an_earlier_step(RecordedRun(self.path), changed)
        ):
            return None
        return _Untold(self.path, changed[0].spec.name, len(changed), self._step, self._meter.told)

    def _lacking_last(self) -> list[Group]:
        """List what is not recorded at the step told last and is still as it was then."""
        lacking = [group for group in self._groups if self._last.get(group.node) != self._step]
        untouched = self._watch.untouched() if lacking else set()
        return [group for group in lacking if untouched.issuperset(group.places)]

    def _look_for_added(self) -> None:
        """Warn of parameters that the network has got since the beginning."""
        self._looked = time.perf_counter()
        new = [name for name in self._watch.added() if name not in self._added]
        if new:
            self._added.update(new)
            more = f" and {len(new) - 1} more" if len(new) > 1 else ""
            warnings.warn(
                f"the model has got new parameters since {self.path} was begun ({new[0]}{more}): they are not "
                "recorded; record the grown model as a new run",
                RunWarning,
                stacklevel=4,
            )

    def _refuse_in_child(self) -> None:
        if self._state == "open" and os.getpid() != self._pid:
            raise RunError(
                f"{self.path} is recorded by process {self._pid}, of which this is a forked child: tell steps there, "
                "or record into another folder here"
            )

    def _warn_not_finite(self, metrics: Mapping[str, float]) -> None:
        for name, number in metrics.items():
            if not math.isfinite(number) and name not in self._not_finite:
                self._not_finite.add(name)
                warnings.warn(
                    f"{name} is {number} at step {self._step} of {self.path}: recorded as it is; the training has "
                    "probably diverged",
                    RunWarning,
                    stacklevel=3,
                )

    def _describe(self) -> dict[str, Any]:
        return {"overhead": self.overhead.model_dump()}

    def _write_end(self, error: BaseException | None) -> None:
        self._manifest.status = "finished" if error is None else "interrupted"
        self._manifest.error = None if error is None else f"{type(error).__name__}: {error}".rstrip(": ")
        self._manifest.overhead = self.overhead
        self._manifest.write(self.path)

    def _at_exit(self) -> None:
        # A loop without a with block, or an adapter whose trainer raised. A forked child has no thread to wait for.
        if os.getpid() == self._pid:
            self.close(_ProcessEnd("the process ended before the recorder was closed"))


class _ProcessEnd(RunError):
    """The process ends while a run is open."""


class _Untold(RunError):
    """Weights have changed, and no step was told."""

    def __init__(self, path: Path, name: str, count: int, step: int, told: int) -> None:
        self.told = told
        layers = name if count == 1 else f"{name} and {count - 1} more"
        since = f"since step {step}, the last one told," if told else "and no step was told,"
        super().__init__(
            f"{layers} changed {since} so that what {path} lacks is not recorded: call recorder.step() after every "
            "optimizer step"
        )
