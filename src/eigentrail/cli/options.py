"""Options that several commands share."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


def import_from_here() -> None:
    """Let modules be found beside which a command is called: last, so that they hide none."""
    sys.path.append(str(Path.cwd()))


def own_objects(model: str | None, data: str | None, loss: str | None) -> dict[str, Any]:
    """Import a network, samples and a loss of one's own.

    Args:
        model: an import path, "package.module:name".
        data: an import path, or the name of a data set.
        loss: an import path, or the name of a loss.

    Returns:
        What is not None, by its name; what is no import path as it is. A function of samples is called.

    Raises:
        OptionError: it cannot be imported, or the network's is no import path.
        DataError: a function of samples does not give any.
    """
    given = {"model": model, "data": data, "loss": loss}
    own = {what: path for what, path in given.items() if path is not None}
    if not own:
        return {}
    from eigentrail._names import FOREIGN, first_line, import_object
    from eigentrail.data.own import is_import_path
    from eigentrail.errors import DataError, OptionError

    import_from_here()
    found: dict[str, Any] = {}
    for what, path in own.items():
        if is_import_path(path):
            found[what] = import_object(path, {"model": "network"}.get(what, what), OptionError)
        elif what == "model":
            raise OptionError(f'--model {path} is no import path: write "package.module:name"')
        else:
            found[what] = path
    samples = found.get("data")
    if callable(samples):
        try:
            found["data"] = samples()
        except FOREIGN as error:
            raise DataError(
                f"{data}() does not give samples ({type(error).__name__}: {first_line(error)}): name an object, or a "
                "class or function that is called without arguments"
            ) from error
    return found


class Format(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Conv(StrEnum):
    """How convolution kernels become matrices."""

    FLATTEN = "flatten"
    SPATIAL = "spatial"
    SLICES = "slices"


Layers = Annotated[
    list[str] | None,
    typer.Option(
        "--layers", metavar="GLOB", help="Parameter names to take, as globs; may be given several times."
    ),
]
ConvOption = Annotated[Conv, typer.Option("--conv", help="How convolution kernels become matrices.")]
FormatOption = Annotated[Format, typer.Option("--format", help="How the result is printed.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Also write layers.parquet, spectra.npz and report.html there."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what --out holds of another source.")]
Level = Annotated[float, typer.Option("--level", help="Chance that a pure noise matrix shows a spike.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]
Heads = Annotated[bool, typer.Option("--heads", help="Cut queries, keys and values into attention heads.")]
Products = Annotated[
    bool, typer.Option("--products", help="Add query-key and output-value products of attention heads.")
]
Base = Annotated[
    str | None,
    typer.Option(
        "--base", metavar="SOURCE", help="The model that an adapter was trained on: inspect their sum."
    ),
]
LogTo = Annotated[
    str | None,
    typer.Option(
        "--log-to",
        metavar="LOGGER",
        help="Show metrics, norms, ranks, spikes and phases over steps in tensorboard[:DIR], mlflow[:URI], "
        "wandb[:PROJECT], trackio[:PROJECT], or a logger of one's own, MODULE:NAME.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on standard error.")]
