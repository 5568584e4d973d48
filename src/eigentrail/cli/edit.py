"""`eigentrail edit SOURCE`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eigentrail.cli import options as opt
from eigentrail.cli.fitting import TableColumn, print_fitting
from eigentrail.cli.tables import console, note, number
from eigentrail.errors import OptionError, SourceError

if TYPE_CHECKING:
    from torch import Tensor, nn

_SAMPLES = 2000


def edit(
    source: Annotated[
        str, typer.Argument(help="Checkpoint, folder, index or archive of weights; or a recorded run.")
    ],
    truncate: Annotated[
        int | None, typer.Option("--truncate", metavar="K", help="Keep the K largest singular values.")
    ] = None,
    energy: Annotated[
        float | None,
        typer.Option(
            "--energy", metavar="F", help="Keep the fewest values that make this share of the squared norm."
        ),
    ] = None,
    spikes: Annotated[bool, typer.Option("--spikes", help="Keep what stands out of the noise bulk.")] = False,
    denoise: Annotated[
        bool, typer.Option("--denoise", help="Remove the noise bulk and shrink what stands out.")
    ] = False,
    shrink: Annotated[
        int | None,
        typer.Option("--shrink", metavar="K", help="James-Stein shrinkage of the K leading vectors."),
    ] = None,
    layers: opt.Layers = None,
    conv: opt.ConvOption = opt.Conv.FLATTEN,
    base: opt.Base = None,
    level: opt.Level = 0.01,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="The checkpoint's network: a known one, or an import path module:name.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="NAME",
            help="With --model: samples, a data set's name, a folder or an import path.",
        ),
    ] = None,
    whiten: Annotated[
        bool,
        typer.Option("--whiten", help="With samples: cut where it costs the layers' outputs least."),
    ] = False,
    dequantise: Annotated[
        bool,
        typer.Option("--dequantise", help="Edit what quantised weights stand for; written without codes."),
    ] = False,
    factored: Annotated[
        bool, typer.Option("--factored", help="Write two smaller layers where they need fewer numbers.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what to expect; write nothing.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="The new file or folder.")
    ] = None,
    format: opt.FormatOption = opt.Format.TABLE,
) -> int:
    """Cut, denoise or shrink the weights of a checkpoint: expected first, then written, then measured."""
    from eigentrail.interventions.edit import edit as plan_edit

    how, options = _chosen(truncate, energy, spikes, denoise, shrink, level)
    if output is None and not dry_run:
        raise OptionError("give the new file with -o FILE, or --dry-run to only see what to expect")
    is_run = (Path(source) / "run.json").is_file()
    if (model is None) != (data is None) or (is_run and model is not None):
        raise OptionError("give --model and --data together, with a checkpoint; a recorded run has its own")
    known = _Network.of_run(source) if is_run else _Network.of_checkpoint(source, model, data, dequantise)
    covariances = None
    if whiten:
        if known is None or how != "truncate":
            raise OptionError(
                "--whiten needs samples that tell the inputs (a recorded run, or --model and --data), and --truncate "
                "or --energy"
            )
        covariances = known.covariances(layers)
    planned = plan_edit(
        known.model if known is not None and is_run else source,
        how,
        layers or None,
        conv=conv.value,
        base=base,
        covariances=covariances,
        dequantise=dequantise,
        **options,
    )
    scores = None if known is None else known.scores(planned)
    if not dry_run and output is not None:
        planned.save(output, factored=factored)
    table = planned.table
    before, after = planned.parameters
    if format is opt.Format.CSV:
        typer.echo(table.to_csv(index=False), nl=False)
    elif format is opt.Format.JSON:
        document = {
            "source": source,
            "edit": planned.intervention.name,
            "layers": json.loads(table.to_json(orient="records")),
            "summary": {"parameters": before, "parameters_factored": after, **(scores or {})},
            "skipped": [{"name": left.name, "reason": left.reason} for left in planned.skipped],
        }
        typer.echo(json.dumps(document))
    else:
        _print(planned, table)
        typer.echo(f"{before} numbers in the edited matrices, {after} in factors ({after / before:.0%})")
        if scores:
            typer.echo(
                f"test accuracy {scores['accuracy_before']:.2%} before, {scores['accuracy_after']:.2%} after; "
                f"loss {scores['loss_before']:.4g} before, {scores['loss_after']:.4g} after"
            )
    if output is not None and not dry_run:
        note(f"wrote {output}")
    return 0


def _chosen(
    truncate: int | None, energy: float | None, spikes: bool, denoise: bool, shrink: int | None, level: float
) -> tuple[str, dict[str, Any]]:
    ways: list[tuple[str, dict[str, Any]]] = []
    if truncate is not None:
        ways.append(("truncate", {"k": truncate}))
    if energy is not None:
        ways.append(("truncate", {"energy": energy}))
    if spikes:
        ways.append(("truncate", {"spikes": True, "level": level}))
    if denoise:
        ways.append(("denoise", {"level": level}))
    if shrink is not None:
        ways.append(("james_stein", {"k": shrink}))
    if len(ways) != 1:
        raise OptionError("give exactly one of --truncate, --energy, --spikes, --denoise and --shrink")
    return ways[0]


class _Network:
    """A network with the source's weights, and samples.

    Args:
        model: the network.
        inputs: training samples, which tell what the layers are given.
        tested: held-out samples and their classes; training samples where there are none.
    """

    def __init__(self, model: nn.Module, inputs: Tensor, tested: tuple[Tensor, Tensor]) -> None:
        self.model, self.inputs, self.tested = model, inputs, tested

    @classmethod
    def of_run(cls, path: str) -> _Network:
        """The network of a recorded run at its last step."""
        from eigentrail.evaluation.of_run import samples_of
        from eigentrail.runs import open_run

        run = open_run(path)
        inputs, _ = samples_of(run, count=_SAMPLES)
        return cls(run.model(int(run.steps[-1])), inputs, samples_of(run, part="test"))

    @classmethod
    def of_checkpoint(
        cls, source: str, model: str | None, data: str | None, dequantise: bool
    ) -> _Network | None:
        """A network that is named, with the weights of a checkpoint; None where none is named."""
        if model is None or data is None:
            return None
        from eigentrail import networks
        from eigentrail.data import as_data
        from eigentrail.data.own import is_import_path
        from eigentrail.runs.given import Given
        from eigentrail.weights import dequantised, open_store

        samples = as_data(opt.own_objects(None, data, None)["data"])
        if is_import_path(model):
            network = Given(model=opt.own_objects(model, None, None)["model"]).network()
        else:
            network = networks.build(model, samples.input_shape, samples.classes)
        store = dequantised(source) if dequantise else open_store(source)
        state = {name: store.read(name) for name in store.entries}
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            said = str(error).strip().splitlines()[-1].strip()
            raise SourceError(f"{source} does not fit the network {model}: {said}") from error
        tested = (samples.test_inputs, samples.test_targets)
        if not len(tested[0]):
            tested = (samples.train_inputs, samples.train_targets)
        return cls(network.eval(), samples.train_inputs[:_SAMPLES], tested)

    def covariances(self, layers: list[str] | None) -> dict[str, Any]:
        """Second moments of the layers' inputs over training samples."""
        from eigentrail.interventions.covariance import input_covariances

        return dict(input_covariances(self.model, self.inputs, layers))

    def scores(self, planned: Any) -> dict[str, float]:
        """Loss and accuracy on the test samples before and after."""
        from eigentrail.training.accuracy import score

        before = score(self.model, *self.tested)
        with planned.applied(self.model):
            after = score(self.model, *self.tested)
        return {
            "accuracy_before": before.accuracy,
            "accuracy_after": after.accuracy,
            "loss_before": before.loss,
            "loss_after": after.loss,
        }


_EDITED = (
    TableColumn("layer"),
    TableColumn("size", 3, right=True),
    TableColumn("rank", right=True),
    TableColumn("spikes", 4, right=True),
    TableColumn("error expected", 5, right=True),
    TableColumn("of outputs", 2, right=True),
    TableColumn("measured", 1, right=True),
    TableColumn("rounding", 6, right=True),
    TableColumn("factors", 3, right=True),
)


def _print(planned: Any, table: Any) -> None:
    shown = []
    for row in table.to_dict(orient="records"):
        pooled = f"{row['matrices']}x" if row["matrices"] > 1 else ""
        cells = [row[key] for key in ("relative_error", "output_error", "measured_error", "rounding")]
        shown.append(
            (
                row["name"],
                f"{pooled}{row['rows']}x{row['cols']}",
                str(row["rank"]),
                *("-" if _lacks(value) else number(value) for value in (row["spikes"], *cells)),
                f"{row['parameters_factored'] / row['parameters']:.0%}",
            )
        )
    print_fitting(console(), _EDITED, shown, elsewhere="--format csv")
    left = [one for one in planned.skipped if one.name in planned.weights.specs]
    for one in left[:5]:
        note(f"left as it is: {one.name}: {one.reason}")
    if len(left) > 5:
        note(f"and {len(left) - 5} more")


def _lacks(value: float | None) -> bool:
    # Pandas has NaN where a column of numbers lacks one.
    return value is None or math.isnan(value)
