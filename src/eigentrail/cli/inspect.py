"""`eigentrail inspect SOURCE`."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from eigentrail.cli import options as opt


def inspect(
    source: Annotated[
        str,
        typer.Argument(
            help="Checkpoint, folder, index or archive of weights, hf://org/name[@revision], or a run."
        ),
    ],
    layers: opt.Layers = None,
    conv: opt.ConvOption = opt.Conv.FLATTEN,
    heads: opt.Heads = False,
    products: opt.Products = False,
    base: opt.Base = None,
    step: Annotated[
        int | None, typer.Option("--step", metavar="N", help="Of a run: which step; by default the last.")
    ] = None,
    out: opt.Out = None,
    overwrite: opt.Overwrite = False,
    format: opt.FormatOption = opt.Format.TABLE,
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", metavar="B", help="Draws for the tail's p-value.")
    ] = 0,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", metavar="N", help="At most so many processes; by default one a core."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="auto|ADDRESS|slurm",
            help="Spread the layers over a Ray cluster (auto: the one this machine is in), or Slurm.",
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu or cuda.")] = "cpu",
    no_null: Annotated[
        bool, typer.Option("--no-null", help="Draw no shuffled copies: a third faster for large matrices.")
    ] = False,
    fast: Annotated[
        bool,
        typer.Option("--fast", help="Sketch matrices from order 2048 on, with errors; no shuffled copies."),
    ] = False,
    level: opt.Level = 0.01,
    seed: opt.Seed = 0,
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on", metavar="EXPRESSION", help="Exit 1 when it holds for a layer: 'alpha > 6'."
        ),
    ] = None,
    quiet: opt.Quiet = False,
) -> int:
    """Diagnose every weight matrix of a checkpoint, without data."""
    from eigentrail.api.inspection import inspect as run_inspection
    from eigentrail.api.saving import flat_table
    from eigentrail.cli.conditions import Condition, exit_code
    from eigentrail.cli.tables import note_written, print_inspection

    condition = Condition.parse(fail_on) if fail_on else None
    found = run_inspection(
        source,
        layers=layers or None,
        conv=conv.value,
        heads=heads,
        products=products,
        base=base,
        step=step,
        bootstrap=bootstrap,
        level=level,
        seed=seed,
        null=not no_null,
        fast=fast,
        jobs=jobs,
        cluster=cluster,
        device=device,
        out=out,
        overwrite=overwrite,
        progress=not quiet,
    )
    if format is opt.Format.JSON:
        typer.echo(found.to_json())
    elif format is opt.Format.CSV:
        typer.echo(flat_table(found.table).to_csv(index=False), nl=False)
    else:
        print_inspection(found, _next_steps(source, found.flagged, written=out is not None))
    if out is not None:
        note_written(out)
    return exit_code(condition, found.table.to_dict(orient="records"), found.not_finite)


def _next_steps(source: str, flagged: list[str], *, written: bool) -> list[str]:
    named = shlex.quote(source)
    steps = (
        [] if written else [f"eigentrail inspect {named} --out DIR   # a page with the figures of each layer"]
    )
    if flagged:
        steps.append(f"eigentrail compare EARLIER {named}   # since when {flagged[0]} is so")
    else:
        steps.append(
            f"eigentrail edit {named} --spikes -o FILE --dry-run   # the rank that its spikes justify"
        )
    return steps
