"""`eigentrail complete FILE`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from eigentrail.cli import options as opt
from eigentrail.cli.tables import note
from eigentrail.errors import SourceError

if TYPE_CHECKING:
    from eigentrail.parsimony.completion import Completion

_KINDS = (".npy", ".csv", ".parquet")


def complete(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="Matrix as .npy, .csv or .parquet; NaN or empty: missing.")
    ],
    rank: Annotated[int | None, typer.Option("--rank", help="The rank, if it is known.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="The completed matrix; FILE-completed by default."),
    ] = None,
    header: Annotated[bool, typer.Option(help="Whether the first line of a .csv holds names.")] = True,
    format: opt.FormatOption = opt.Format.TABLE,
    seed: opt.Seed = 0,
    quiet: opt.Quiet = False,
) -> int:
    """Fill in the missing entries of a matrix of low rank, and tell how well."""
    from eigentrail.parsimony.completion import complete as run_completion

    matrix = _read(source, header)
    target = out or source.with_name(f"{source.stem}-completed{source.suffix}")
    if target.suffix not in _KINDS:
        raise SourceError(f"{target} is written as one of {', '.join(_KINDS)}: name it so.")
    found = run_completion(matrix, rank=rank, seed=seed, progress=False if quiet else None)
    _write(target, found.matrix, header)
    if format is opt.Format.JSON:
        typer.echo(json.dumps(_told(source, target, found)))
    elif format is opt.Format.CSV:
        typer.echo(found.history.to_csv(index=False), nl=False)
    else:
        rows, columns = found.observed.shape
        typer.echo(
            f"{source.name}: {rows} x {columns}, {found.observed.share:.1%} observed, rank {found.rank}"
        )
        typer.echo(found.finding.sentence)
    note(f"wrote {target}")
    return 0


def _read(path: Path, header: bool) -> Any:
    import numpy as np
    import pandas as pd

    if path.suffix not in _KINDS:
        raise SourceError(f"{path} is none of {', '.join(_KINDS)}: save the matrix as one of them.")
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        if path.suffix == ".csv":
            return pd.read_csv(path, header=0 if header else None)
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
        raise SourceError(f"{path} cannot be read: {said}.") from error


def _write(path: Path, matrix: Any, header: bool) -> None:
    import numpy as np
    import pandas as pd

    from eigentrail._files import write_bytes

    def write(file: IO[bytes]) -> None:
        if path.suffix == ".npy":
            np.save(file, np.asarray(matrix))
            return
        table = matrix if isinstance(matrix, pd.DataFrame) else pd.DataFrame(matrix)
        if path.suffix == ".csv":
            file.write(table.to_csv(index=False, header=header).encode())
        else:
            table.rename(columns=str).to_parquet(file)

    write_bytes(path, write)


def _told(source: Path, target: Path, found: Completion) -> dict[str, Any]:
    rows, columns = found.observed.shape
    history = found.history.to_dict(orient="records")
    return {
        "source": str(source),
        "written": str(target),
        "rows": rows,
        "columns": columns,
        "observed": len(found.observed),
        "rank": found.rank,
        "error": found.error,
        "interval": found.interval,
        "baseline": found.baseline,
        "held_out": found.held_out,
        "history": [
            {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in row.items()}
            for row in history
        ],
        "finding": found.finding.to_dict(),
    }
