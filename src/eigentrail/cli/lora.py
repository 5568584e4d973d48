"""`eigentrail lora extract|audit|shrink|merge-check|repair`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eigentrail.cli import options as opt
from eigentrail.cli.tables import note, print_frame
from eigentrail.errors import OptionError

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(help="Low-rank adapters: take them out, look into them, cut them.", no_args_is_help=True)

_Folder = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The new adapter's folder.")]
_Rank = Annotated[int | None, typer.Option("--rank", metavar="K", help="The same rank for every layer.")]
_Energy = Annotated[
    float | None,
    typer.Option(
        "--energy", metavar="F", help="The fewest values that make this share of each squared norm."
    ),
]


@app.command("extract")
def extract(
    base: Annotated[str, typer.Argument(help="The model before fine-tuning.")],
    tuned: Annotated[str, typer.Argument(help="The model after.")],
    output: _Folder,
    rank: _Rank = None,
    energy: _Energy = None,
    level: opt.Level = 0.01,
    task: Annotated[str | None, typer.Option("--task", help="PEFT's task type, such as CAUSAL_LM.")] = None,
    format: opt.FormatOption = opt.Format.TABLE,
) -> int:
    """Write what fine-tuning changed as an adapter, each layer at the rank that stands out of its noise."""
    from eigentrail.interventions.lora.extract import extract as take_out

    found = take_out(base, tuned, rank=rank, energy=energy, level=level)
    found.save(output, task=task)
    _show(found.table, format, found.skipped)
    note(f"wrote {output}")
    return 0


@app.command("audit")
def audit(
    adapter: Annotated[str, typer.Argument(help="An adapter's folder, or the folder of its checkpoints.")],
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="SOURCE", help="The base model: count intruder dimensions too."),
    ] = None,
    seed: opt.Seed = 0,
    format: opt.FormatOption = opt.Format.TABLE,
) -> int:
    """Tell how much of an adapter is structure, and from when on its training brought nothing new."""
    from eigentrail.interventions.lora.audit import audit as look_into
    from eigentrail.interventions.lora.intruders import intruders

    found = look_into(adapter, seed=seed)
    table = found.table
    if base is not None:
        if not found.steps.empty:
            raise OptionError("with --base give one adapter, not the folder of its checkpoints")
        table = table.merge(
            intruders(base, adapter=adapter, seed=seed), on="module", suffixes=("", "_intruders")
        )
    _show(table, format, [], [one.to_dict() for one in found.findings])
    if format is opt.Format.TABLE:
        few = sum(one.verdict == "yes" for one in found.findings if one.subject in set(table["module"]))
        typer.echo(f"{few} of {len(table)} updates use fewer directions than random adapters")
        if not found.steps.empty:
            typer.echo(found.findings[-1].sentence)
    return 0


@app.command("shrink")
def shrink(
    adapter: Annotated[str, typer.Argument(help="An adapter's folder.")],
    output: _Folder,
    rank: _Rank = None,
    energy: _Energy = None,
    level: opt.Level = 0.01,
    seed: opt.Seed = 0,
    format: opt.FormatOption = opt.Format.TABLE,
) -> int:
    """Cut an adapter to what stands out of random adapters, or to a rank or share; exact in its factors."""
    from eigentrail.interventions.lora.shrink import shrink as cut

    _show(cut(adapter, output, energy=energy, rank=rank, level=level, seed=seed), format)
    note(f"wrote {output}")
    return 0


@app.command("merge-check")
def merge_check(
    a: Annotated[str, typer.Argument(help="An adapter's folder.")],
    b: Annotated[str, typer.Argument(help="Another's.")],
    seed: opt.Seed = 0,
    format: opt.FormatOption = opt.Format.TABLE,
) -> int:
    """Compare the updates of two adapters of one base: which layers collide."""
    from eigentrail.interventions.lora.merge_check import merge_check as compare

    _show(compare(a, b, seed=seed), format)
    return 0


@app.command("repair")
def repair(
    base: Annotated[str, typer.Argument(help="The model before fine-tuning.")],
    tuned: Annotated[str, typer.Argument(help="The model after.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The new file or folder.")],
    keep: Annotated[
        float, typer.Option("--keep", metavar="F", help="Share of an intruder's singular value that stays.")
    ] = 0.0,
    format: opt.FormatOption = opt.Format.TABLE,
) -> int:
    """Scale the intruder dimensions of a fine-tuned model down: predicted, written, measured."""
    from eigentrail.interventions.lora.repair import repair as mend

    found = mend(base, tuned, keep=keep)
    found.save(output)
    _show(found.table, format)
    note(f"wrote {output}")
    return 0


def _show(table: pd.DataFrame, format: opt.Format, skipped: Any = (), findings: Any = None) -> None:
    if format is opt.Format.CSV:
        typer.echo(table.to_csv(index=False), nl=False)
        return
    if format is opt.Format.JSON:
        document: dict[str, Any] = {"layers": json.loads(table.to_json(orient="records"))}
        document["skipped"] = [{"name": left.name, "reason": left.reason} for left in skipped]
        if findings is not None:
            document["findings"] = findings
        typer.echo(json.dumps(document))
        return
    print_frame(table)
    for left in list(skipped)[:5]:
        note(f"left out: {left.name}: {left.reason}")
    if len(skipped) > 5:
        note(f"and {len(skipped) - 5} more")
