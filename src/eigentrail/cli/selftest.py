"""`eigentrail selftest`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from eigentrail.cli import options as opt


def selftest(
    seed: opt.Seed = 0,
    format: Annotated[
        opt.Format, typer.Option("--format", help="How the result is printed.")
    ] = opt.Format.TABLE,
) -> int:
    """Plant known structures and print what is recovered of them on this machine."""
    from eigentrail.cli.fitting import TableColumn, print_fitting
    from eigentrail.cli.tables import console, number
    from eigentrail.testing.selftest import selftest as run_selftest

    checks = list(run_selftest(seed))
    failed = [c for c in checks if not c.passed]
    if format is opt.Format.JSON:
        typer.echo(json.dumps([asdict(c) | {"passed": c.passed} for c in checks]))
        return 1 if failed else 0
    if format is opt.Format.CSV:
        typer.echo("structure,quantity,true,recovered,tolerance,passed")
        for c in checks:
            typer.echo(f'"{c.structure}","{c.quantity}",{c.true},{c.recovered},{c.tolerance},{c.passed}')
        return 1 if failed else 0
    columns = (
        TableColumn("planted"),
        TableColumn("quantity"),
        TableColumn("true", right=True),
        TableColumn("recovered", right=True),
        TableColumn("within", 1, right=True),
        TableColumn("passed"),
    )
    rows = [
        (
            *(c.structure, c.quantity, number(c.true, 4), number(c.recovered, 4), number(c.tolerance)),
            "ok" if c.passed else "FAILED",
        )
        for c in checks
    ]
    out = console()
    print_fitting(out, columns, rows, ["" if c.passed else "bold red" for c in checks])
    out.print()
    out.print(Text(f"{len(checks) - len(failed)} of {len(checks)} planted structures recovered."))
    return 1 if failed else 0
