"""Carry a sweep out: what is missing is handed to an engine until nothing is, whoever else works on it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eigentrail._progress import Progress, shown
from eigentrail._text import counted
from eigentrail.errors import OptionError, RunError, RunWarning
from eigentrail.linalg.workers import most_workers
from eigentrail.sweeps.engines import Engine, Task, engine_for
from eigentrail.sweeps.files import file_of
from eigentrail.sweeps.folder import SweepFolder
from eigentrail.sweeps.grid import points_of
from eigentrail.sweeps.spec import MANY, SweepSpec, read_file
from eigentrail.training.device import find_device

# Seconds between two looks at units that somebody else has.
_LOOK_SECONDS = 0.5
# Seconds between two tables while the sweep runs.
_TABLE_SECONDS = 10.0
# How often in a row all that is left may be lost with its worker.
_LOSSES = 3


@dataclass(frozen=True)
class SweepPlan:
    """A sweep that can begin.

    Attributes:
        spec: the sweep.
        given: what it was read from.
        path: its folder.
    """

    spec: SweepSpec
    given: Mapping[str, Any]
    path: Path


def plan(
    source: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    yes: bool = False,
    **changes: Any,
) -> SweepPlan:
    """Read a sweep and check it.

    Args:
        source: a TOML file, the name of one that comes along, or what one would hold.
        out: the folder; None for the file's own, or `runs/NAME`.
        yes: True to begin even where the grid is very large.
        changes: keys to take instead of the file's; None leaves one as it is.

    Returns:
        The plan.

    Raises:
        OptionError: something in it cannot be used; the text says what.
    """
    name = "sweep"
    if isinstance(source, Mapping):
        given: dict[str, Any] = dict(source)
    else:
        file = file_of(source)
        given, name = read_file(file), file.stem
    given |= {key: value for key, value in changes.items() if value is not None}
    given = {key: _as_data(value) for key, value in given.items()}
    if "data" in given:
        given["data"] = _whole_path(given["data"])
    if isinstance(given.get("axes"), dict) and isinstance(given["axes"].get("data"), list):
        given["axes"] |= {"data": [_whole_path(value) for value in given["axes"]["data"]]}
    spec = SweepSpec.from_dict(given, name)
    if spec.runs > MANY and not yes:
        raise OptionError(
            f"the grid has {spec.runs:,} runs: say yes to that with --yes (yes=True), or make it smaller"
        )
    path = Path(out) if out is not None else Path(spec.out) if spec.out else Path("runs") / name
    return SweepPlan(spec, given, path)


def carry_out(
    planned: SweepPlan,
    *,
    cluster: str | None = None,
    jobs: int | None = None,
    progress: Progress | bool | None = None,
) -> SweepFolder:
    """Do what is missing of a sweep.

    Args:
        planned: from `plan`.
        cluster: see `engine_for`.
        jobs: processes on this machine; None for one a core.
        progress: True to show it, False for silence, None for a bar on terminals, a callable to report to.

    Returns:
        The folder, with its table written.

    Raises:
        OptionError: this machine, where it is to train, lacks a device.
        RunError: workers were lost again and again with the same units.
    """
    if cluster is None:
        # Before there is a folder; the machines of a cluster may have other devices.
        for name in dict.fromkeys(one.settings.device for one in points_of(planned.spec)):
            find_device(name)
    folder = SweepFolder.begin(planned.path, planned.spec, planned.given)
    measure = planned.spec.measure
    with (
        _engine(cluster, most_workers(jobs), planned.spec.slurm) as engine,
        shown(f"sweep {planned.spec.name}", progress) as tell,
    ):
        books = _Books(folder, measure, tell)
        losses = 0
        while missing := books.missing():
            before = books.done
            lost = _round(engine, books, missing)
            losses = 0 if books.done > before or not lost else losses + 1
            if losses >= _LOSSES:
                first, why = next(iter(lost.items()))
                raise RunError(
                    f"{counted(len(lost), 'unit')} ended with its worker {_LOSSES} times, {first} first: {why}; the "
                    "rest is done, and started again the sweep tries them again"
                )
            if books.done == before and not lost:
                time.sleep(_LOOK_SECONDS)
        books.close()
    folder.write_table()
    return folder


def _as_data(value: Any) -> Any:
    """Make of what a caller gives what a file would hold."""
    if isinstance(value, Mapping):
        return {str(key): _as_data(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, range, set)):
        return [_as_data(part) for part in value]
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "tolist"):
        return value.tolist()
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _whole_path(data: Any) -> Any:
    """Name a folder so that processes elsewhere find it."""
    return str(Path(data).absolute()) if isinstance(data, str) and Path(data).is_dir() else data


def _round(engine: Engine, books: _Books, missing: Sequence[str]) -> dict[str, str]:
    """Hand all that is missing to the engine once; the units that were lost, with the reasons."""
    lost = {}
    for ended in engine.run([books.task(unit) for unit in missing], books.within):
        if ended.state == "lost":
            lost[ended.unit] = ended.why
            warnings.warn(f"{ended.unit}: {ended.why}; it is taken up again", RunWarning, stacklevel=3)
        books.ended(ended.unit)
    return lost


class _Books:
    """What is done, and how long the rest will take."""

    def __init__(self, folder: SweepFolder, measure: Sequence[str], tell: Progress):
        self._folder, self._measure, self._tell = folder, tuple(measure), tell
        self._work = {
            name: sum(one.settings.epochs / one.settings.batch_size for one in unit.points)
            for name, unit in folder.units.items()
        }
        self._open = {name: True for name in folder.units if not folder.is_done(name, self._measure)}
        self._runs = {name: len(unit.points) for name, unit in folder.units.items()}
        self._total = sum(self._runs.values())
        self._began, self._told = time.monotonic(), 0.0
        self._at_first = sum(self._work[name] for name in self._open)

    @property
    def done(self) -> int:
        return self._total - sum(self._runs[name] for name in self._open)

    def task(self, unit: str) -> Task:
        threads = self._folder.units[unit].points[0].settings.threads
        return Task(str(self._folder.path.absolute()), unit, self._measure, threads)

    def missing(self) -> list[str]:
        """Units that are not done, by what the folders say."""
        for name in [*self._open]:
            if self._folder.is_done(name, self._measure):
                del self._open[name]
        return list(self._open)

    def within(self, item: str, done: int, total: int) -> None:
        self._tell(f"{item}{self._left()}", self.done, self._total)

    def ended(self, unit: str) -> None:
        if unit in self._open and self._folder.is_done(unit, self._measure):
            del self._open[unit]
        self._tell(f"{unit}{self._left()}", self.done, self._total)
        now = time.monotonic()
        if now - self._told > _TABLE_SECONDS:
            self._told = now
            self._folder.write_table()

    def close(self) -> None:
        self._tell("done", self._total, self._total)

    def _left(self) -> str:
        left = sum(self._work[name] for name in self._open)
        made = self._at_first - left
        if made <= 0 or left <= 0:
            return ""
        return f", about {said(left / made * (time.monotonic() - self._began))} left"


def said(seconds: float) -> str:
    """Write a time as people read it.

    Args:
        seconds: the time.

    Returns:
        "40 s", "3 min", "2.5 h", "4.0 days".
    """
    for size, unit in ((1.0, "s"), (60.0, "min")):
        if seconds < 60.0 * size:
            return f"{max(1, round(seconds / size))} {unit}"
    hours = seconds / 3600.0
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


@contextmanager
def _engine(cluster: str | None, jobs: int, options: Mapping[str, Any]) -> Iterator[Engine]:
    found = engine_for(cluster, jobs, dict(options))
    try:
        yield found
    finally:
        found.close()
