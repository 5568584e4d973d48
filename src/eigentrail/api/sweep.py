"""`sweep`: a grid of trainings from a short file to the table and the answers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from eigentrail._progress import Progress
from eigentrail._text import counted
from eigentrail.api.run_report import PAGE
from eigentrail.errors import OptionError, RunError
from eigentrail.findings import Finding
from eigentrail.report import origin_of, refuse_another
from eigentrail.report.page import write_page
from eigentrail.report.sections import Section
from eigentrail.report.sweep_page import sweep_page
from eigentrail.report.sweep_spectra import spectra_section
from eigentrail.report.sweeps_compared import ComparedSweep, sweeps_page
from eigentrail.sweeps.answers import Answers, answer, table_of_effects
from eigentrail.sweeps.blocks import axes_of
from eigentrail.sweeps.driving import carry_out, plan
from eigentrail.sweeps.estimate import Cost, estimate
from eigentrail.sweeps.folder import FILE, given_of, rows_of, table_of
from eigentrail.sweeps.spectra_of import axis_spectra


@dataclass(frozen=True)
class SweepDone:
    """A sweep that was carried out, as far as its folder tells.

    Attributes:
        path: the folder.
        table: a row for each run: axes, seed, status, reason, steps, epochs, measures, and the run's folder.
        curves: scores and ranks over epochs: `run`, `measure`, `epoch`, `value`.
        measures: what is measured.
        spectra: globs over the layers whose spectra the page shows.
    """

    path: Path
    table: pd.DataFrame
    curves: pd.DataFrame
    measures: tuple[str, ...]
    spectra: tuple[str, ...] = ()

    @cached_property
    def answers(self) -> Answers:
        """What each axis does to each measure."""
        return answer(self.table, self.measures)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The answers in sentences."""
        return self.answers.findings

    @property
    def effects(self) -> pd.DataFrame:
        """The answers in numbers: a row for each axis and measure."""
        return table_of_effects(self.answers.effects)

    def report(
        self,
        path: str | os.PathLike[str] | None = None,
        title: str = "",
        first: Sequence[Section] = (),
        origin: str = "",
    ) -> Path:
        """Write the page.

        Args:
            path: where; None for `report.html` in the folder.
            title: its title; empty for the folder's name.
            first: sections to show before all others.
            origin: what the page is made of, see `Page`.

        Returns:
            The path.
        """
        axes = axes_of(self.table, self.measures)
        how = f"{counted(len(self.table), 'run')} over {', '.join(axes)}"
        more = []
        if self.spectra:
            found, why = axis_spectra(self.path, self.table, axes, self.spectra)
            more.append(spectra_section(found, why))
        html = sweep_page(
            title or f"Sweep {self.path.name}",
            how,
            self.table,
            self.curves,
            self.measures,
            self.answers,
            first=first,
            more=more,
            origin=origin,
        )
        return write_page(html, self.path / PAGE if path is None else path)


def sweep(
    source: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
    yes: bool = False,
    progress: Progress | bool | None = None,
    **keys: Any,
) -> SweepDone:
    """Train every point of a grid for every seed, and measure each run. What is there already is kept.

    The same call goes on with a sweep that was interrupted in any way, and several calls may share one: each unit is
    claimed by one of them. Results do not depend on who does a unit, to the last bit on machines of one kind.

    Args:
        source: a TOML file, the name of one that comes along, or a mapping of its keys; None where all keys are given
            as arguments.
        out: the sweep's folder; None for the file's `out`, or `runs/NAME`.
        jobs: processes on this machine; None for one a core.
        cluster: None for this machine; "auto" or an address of a Ray cluster; "slurm", or "slurm:local" for a try
            without one.
        yes: True to begin a grid of more than 10,000 runs.
        progress: True to show it, False for silence, None for a bar on terminals, or a callable to report to.
        keys: keys that go before those of the source: `axes={"weight_decay": [0, 1e-3]}`, `seeds=3`, `epochs=20`.

    Returns:
        The table, also as `table.parquet` in the folder, and the answers, also as `report.html`.
    """
    given = {} if source is None else source if isinstance(source, Mapping) else Path(source)
    planned = plan(given, out=None if out is None else Path(out), yes=yes, **keys)
    carry_out(planned, cluster=cluster, jobs=jobs, progress=progress)
    # The file may show other spectra than when the sweep was begun.
    done = replace(open_sweep(planned.path), spectra=planned.spec.spectra)
    done.report()
    return done


def open_sweep(path: str | os.PathLike[str]) -> SweepDone:
    """Open the folder of a sweep, which may still be running.

    Args:
        path: the folder.

    Returns:
        What is done of it, rebuilt from the folders of its runs alone.

    Raises:
        RunError: no unit of a sweep is done there.
    """
    rows = rows_of(Path(path))
    if not rows:
        raise RunError(f"{path} holds no unit of a sweep that is done: name the folder of a sweep")
    table = table_of(rows)
    measures = tuple(name for name in rows[0]["values"] if name not in rows[0]["axes"])
    curves = [
        {"run": f"runs/{row['unit']}/{row['name']}", "measure": name, "epoch": epoch, "value": value}
        for row in rows
        for name, (epochs, values) in row["curves"].items()
        for epoch, value in zip(epochs, values, strict=True)
    ]
    return SweepDone(
        Path(path),
        table,
        pd.DataFrame(curves, columns=["run", "measure", "epoch", "value"]),
        measures,
        _spectra_of(Path(path)),
    )


def _spectra_of(path: Path) -> tuple[str, ...]:
    # The table needs the folders of the runs alone, and so it is there where the sweep's own file is not.
    if not (path / FILE).is_file():
        return ()
    shown = given_of(path).get("spectra", ())
    return (shown,) if isinstance(shown, str) else tuple(shown)


def compare_sweeps(
    paths: Sequence[str | os.PathLike[str]], path: str | os.PathLike[str] | None = None
) -> Path:
    """Write the page of several sweeps: what differs between them, and the effects of their axes side by side.

    Args:
        paths: their folders.
        path: the page; None for `report.html` in the working directory, where no other page is replaced.

    Returns:
        The path of the page.

    Raises:
        OptionError: fewer than two are given.
    """
    if len(paths) < 2:
        raise OptionError("name at least two folders of sweeps to compare")
    folders = [Path(one) for one in paths]
    names = [one.name for one in folders]
    called = [n if names.count(n) == 1 else str(one) for n, one in zip(names, folders, strict=True)]
    sweeps = []
    for name, folder in zip(called, folders, strict=True):
        done, given = open_sweep(folder), given_of(folder)
        axes = {axis: list(dict.fromkeys(done.table[axis])) for axis in axes_of(done.table, done.measures)}
        kept = {
            key: value for key, value in given.items() if key not in {"axes", "measure", "out", "spectra"}
        }
        finished = int((done.table["status"] == "finished").sum())
        sweeps.append(ComparedSweep(name, kept, axes, len(done.table), finished, done.answers))
    target = Path(PAGE) if path is None else Path(path)
    origin = origin_of("sweeps", *map(str, folders))
    if path is None:
        refuse_another(target, origin, "name a file for this one (-o FILE)")
    return write_page(sweeps_page(sweeps, origin), target)


def sweep_cost(
    source: str | os.PathLike[str] | Mapping[str, Any] | None = None, *, yes: bool = False, **keys: Any
) -> Cost:
    """Estimate what a sweep takes; nothing is trained or written.

    Args:
        source: as for `sweep`.
        yes: True to estimate a very large grid too.
        keys: as for `sweep`.

    Returns:
        Runs, steps, time and disk.
    """
    given = {} if source is None else source if isinstance(source, Mapping) else Path(source)
    return estimate(plan(given, yes=yes, **keys))
