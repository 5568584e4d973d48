"""`eigentrail sweep FILE.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eigentrail.cli import options as opt
from eigentrail.cli.analyze import Jobs

# A summary fits on a screen; the page has all.
_MOST_FINDINGS = 8


def sweep(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.toml", help="Preset or network, settings, [axes], seeds, measure.")
    ],
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
    quiet: opt.Quiet = False,
) -> int:
    """Train every point of a grid for every seed; started again it does only what is missing."""
    from eigentrail.api.sweep import sweep as run_sweep
    from eigentrail.api.sweep import sweep_cost
    from eigentrail.cli.tables import note, print_frame
    from eigentrail.findings import strongest_first

    opt.import_from_here()
    if dry_run:
        typer.echo(sweep_cost(file, yes=yes).sentence)
        return 0
    try:
        done = run_sweep(file, out=out, jobs=jobs, cluster=cluster, yes=yes, progress=not quiet)
    except KeyboardInterrupt:
        note("interrupted: the same command goes on with it")
        return 1
    bad = done.table[done.table["status"] != "finished"]
    if len(bad):
        reason = bad["reason"].iloc[0]
        note(f"{len(bad)} of {len(done.table)} runs did not finish, the first because {reason}")
    for one in strongest_first(done.findings)[:_MOST_FINDINGS]:
        typer.echo(f"{one.verdict!s:<10} {one.sentence}")
    if len(done.findings):
        print_frame(done.effects, elsewhere="report.html in the folder")
    note(f"{done.path / 'table.parquet'} has a row for each run")
    typer.echo(str(done.path / "report.html"))
    return 0
