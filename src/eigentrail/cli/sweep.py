"""`eigentrail sweep FILE.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eigentrail.cli import options as opt
from eigentrail.cli.analyze import Jobs
from eigentrail.errors import OptionError

if TYPE_CHECKING:
    from eigentrail.api.sweep import SweepDone

# A summary fits on a screen; the page has all.
_MOST_FINDINGS = 8


def sweep(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE.toml|NAME",
            help="Preset or network, settings, [axes], seeds, measure; or the name of one that comes along.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many runs, how long, how much disk; do nothing.")
    ] = False,
    jobs: Jobs = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="auto|ADDRESS|slurm",
            help="A Ray cluster (auto: the one this machine is in), or Slurm.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Begin a very large grid too.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The sweep's folder; runs/FILE by default.")
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Describe the sweeps that come along and do nothing.")
    ] = False,
    quiet: opt.Quiet = False,
) -> int:
    """Train every point of a grid for every seed; started again it does only what is missing."""
    from eigentrail.api.sweep import sweep as run_sweep
    from eigentrail.api.sweep import sweep_cost
    from eigentrail.cli.tables import note

    if list_:
        from eigentrail.cli.sweep_list import print_sweeps

        if file is not None:
            raise OptionError(f'--list describes all sweeps that come along: leave out "{file}"')
        print_sweeps()
        return 0
    if file is None:
        raise OptionError("name a file, or a sweep that comes along: eigentrail sweep --list describes those")
    opt.import_from_here()
    if dry_run:
        typer.echo(sweep_cost(file, yes=yes).sentence)
        return 0
    try:
        done = run_sweep(file, out=out, jobs=jobs, cluster=cluster, yes=yes, progress=not quiet)
    except KeyboardInterrupt:
        note("interrupted: the same command goes on with it")
        return 1
    return print_sweep(done)


def print_sweep(done: SweepDone) -> int:
    """Print what a sweep found: its strongest findings, the effect of each axis, and where all of it lies.

    Args:
        done: the sweep.

    Returns:
        1 where no run finished, else 0.
    """
    from eigentrail.api.run_report import PAGE
    from eigentrail.cli.tables import note, print_frame
    from eigentrail.findings import strongest_first

    bad = done.table[done.table["status"] != "finished"]
    if len(bad):
        reason = bad["reason"].iloc[0]
        note(f"{len(bad)} of {len(done.table)} runs did not finish, the first because {reason}")
    for one in strongest_first(done.findings)[:_MOST_FINDINGS]:
        typer.echo(f"{one.verdict!s:<10} {one.sentence}")
    if len(done.effects):
        print_frame(done.effects, elsewhere=f"{PAGE} in the folder")
    note(f"{done.path / 'table.parquet'} has a row for each run")
    typer.echo(str(done.path / PAGE))
    return int(len(bad) == len(done.table))
