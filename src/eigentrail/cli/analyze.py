"""`eigentrail analyze RUN`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from eigentrail.cli import options as opt


def _listed(wanted: bool) -> None:
    from eigentrail.cli.run_tables import print_analyses

    if wanted:
        print_analyses()
        raise typer.Exit


class Format(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="NAME",
        help="Which analyses to make, with commas between, or all; --list tells of them.",
    ),
]
List = Annotated[
    bool,
    typer.Option("--list", is_eager=True, callback=_listed, help="Say which analyses there are, and stop."),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Import and call what the run names for its network and samples: code that may be others'.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODULE:NAME",
        help="The network: a module of torch, or a class or function that gives one.",
    ),
]
OwnData = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="NAME|MODULE:NAME",
        help="The samples: a data set's name, or tensors (inputs, targets), a Dataset, a DataLoader, or "
        '{"train": ..., "test": ...} of these, or a function that gives them.',
    ),
]
Loss = Annotated[
    str | None,
    typer.Option(
        "--loss",
        metavar="NAME|MODULE:NAME",
        help="The loss: cross-entropy, squared-error, or loss(outputs, targets), a mean over samples.",
    ),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print everything: all columns, all that was left out.")
]
Budget = Annotated[
    float | None,
    typer.Option(
        "--budget", metavar="SECONDS", help="What each analysis that is not named may take on one core."
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        help="Workers that share layers and draws; by default one a core, -1: all cores.",
    ),
]


def analyze(
    run: Annotated[str, typer.Argument(help="Folder of a run, or of numbered checkpoints.")],
    only: Only = None,
    layers: opt.Layers = None,
    model: Model = None,
    data: OwnData = None,
    loss: Loss = None,
    format: Annotated[Format, typer.Option("--format", help="How the result is printed.")] = Format.TABLE,
    jobs: Jobs = None,
    trust: Trust = False,
    budget: Budget = None,
    log_to: opt.LogTo = None,
    verbose: Verbose = False,
    quiet: opt.Quiet = False,
    list_: List = False,
) -> int:
    """Analyse a recorded training; results are kept in the run and computed once."""
    from eigentrail.api.analysis import analyze as run_analysis
    from eigentrail.cli.run_tables import print_analysis

    del list_
    own = opt.own_objects(model, data, loss)
    if trust:
        opt.import_from_here()
    found = run_analysis(
        run,
        only or None,
        layers=layers or None,
        **own,
        jobs=jobs,
        progress=not quiet,
        trust=trust,
        budget=budget,
    )
    if log_to is not None:
        from eigentrail.runs.loggers import opened_logger
        from eigentrail.runs.showing import show_run

        opt.import_from_here()
        with opened_logger(log_to) as logger:
            show_run(found.run, logger, layers or None)
    if format is Format.JSON:
        typer.echo(found.to_json())
    else:
        print_analysis(found, verbose=verbose)
    return 0
