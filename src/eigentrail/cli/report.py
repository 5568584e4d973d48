"""`eigentrail report RUN...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eigentrail.cli import options as opt
from eigentrail.cli.analyze import Jobs


def report(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Folders of runs, or of sweeps; several are compared."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="The page to write; report.html in the run by default."
        ),
    ] = None,
    layers: opt.Layers = None,
    jobs: Jobs = None,
    quiet: opt.Quiet = False,
) -> int:
    """Write the page of a recorded training or of a sweep, or of several compared."""
    from eigentrail.api.run_report import report_runs

    page = report_runs(list(runs), output, layers=layers or None, jobs=jobs, progress=not quiet)
    typer.echo(str(page))
    return 0
