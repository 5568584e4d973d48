"""Options that several commands share."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


def import_from_here() -> None:
    """Let modules be found beside which a command is called: last, so that they hide none."""
    sys.path.append(str(Path.cwd()))


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
Level = Annotated[float, typer.Option("--level", help="Chance that a pure noise matrix shows a spike.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]
Heads = Annotated[bool, typer.Option("--heads", help="Cut queries, keys and values into attention heads.")]
Base = Annotated[
    str | None,
    typer.Option(
        "--base", metavar="SOURCE", help="The model that an adapter was trained on: inspect their sum."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on standard error.")]
