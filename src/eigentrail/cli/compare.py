"""`eigentrail compare SOURCE_A SOURCE_B`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from eigentrail.cli import options as opt
from eigentrail.errors import OptionError

if TYPE_CHECKING:
    from eigentrail.api.comparison import Comparison


def compare(
    source_a: Annotated[str, typer.Argument(help="Weights before: initial, base or earlier.")],
    source_b: Annotated[str, typer.Argument(help="Weights after.")],
    layers: opt.Layers = None,
    conv: opt.ConvOption = opt.Conv.FLATTEN,
    heads: opt.Heads = False,
    products: opt.Products = False,
    base: opt.Base = None,
    rename: Annotated[
        list[str] | None,
        typer.Option("--rename", metavar="OLD=NEW", help="Read OLD in A's names as NEW; may be repeated."),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on",
            metavar="EXPRESSION",
            help="Exit with 1 if it holds for a layer, e.g. 'relative_change > 0.5'.",
        ),
    ] = None,
    out: opt.Out = None,
    overwrite: opt.Overwrite = False,
    format: opt.FormatOption = opt.Format.TABLE,
    level: opt.Level = 0.01,
    seed: opt.Seed = 0,
    quiet: opt.Quiet = False,
) -> int:
    """Tell which layers moved between two checkpoints of one network, and how."""
    from eigentrail.api.compared_layer import comparison_columns
    from eigentrail.api.comparison import compare as run_comparison
    from eigentrail.api.saving import flat_table
    from eigentrail.cli.conditions import Condition, exit_code
    from eigentrail.cli.tables import note_written, print_comparison

    condition = Condition.parse(fail_on, comparison_columns()) if fail_on else None
    found = run_comparison(
        source_a,
        source_b,
        layers=layers or None,
        conv=conv.value,
        heads=heads,
        products=products,
        base=base,
        rename=_renamed(rename),
        level=level,
        seed=seed,
        out=out,
        overwrite=overwrite,
        progress=not quiet,
    )
    if format is opt.Format.JSON:
        typer.echo(found.to_json())
    elif format is opt.Format.CSV:
        typer.echo(flat_table(found.table).to_csv(index=False), nl=False)
    else:
        print_comparison(found, _next_steps(source_a, source_b, found, written=out is not None))
    if out is not None:
        note_written(out)
    return exit_code(condition, found.table.to_dict(orient="records"), found.not_finite)


# An adapter is worth while where so few of the directions hold 90% of the update.
_LOW = 0.25


def _next_steps(a: str, b: str, found: Comparison, *, written: bool) -> list[str]:
    named = f"{shlex.quote(a)} {shlex.quote(b)}"
    page = f"eigentrail compare {named} --out DIR   # a page with the figures of each layer"
    adapter = f"eigentrail lora extract {named} -o DIR   # the update as an adapter, a rank for each layer"
    share = (found.table["update_energy_90"] / found.table["cols"]).dropna().astype(float)
    low = len(share) > 0 and float(share.median()) <= _LOW
    after = adapter if low else f"eigentrail inspect {shlex.quote(b)}   # is anything wrong with B?"
    return [after] if written else [page, after]


def _renamed(pairs: list[str] | None) -> dict[str, str]:
    for pair in pairs or []:
        if pair.count("=") != 1 or pair.startswith("="):
            raise OptionError(f"--rename {pair!r}: write OLD=NEW, such as model.=encoder.")
    return dict(pair.split("=") for pair in pairs or [])
