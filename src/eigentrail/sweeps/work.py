"""One unit of a sweep, from the claim to the mark that it is done: what every engine calls, in whatever process."""

from __future__ import annotations

import platform
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from eigentrail._names import first_line
from eigentrail._progress import Progress
from eigentrail.errors import DataError, DiskError, EigentrailError, RunError
from eigentrail.runs import open_run
from eigentrail.sweeps.folder import VERSION, SweepFolder
from eigentrail.sweeps.grid import Point, Unit, samples_of, train_unit
from eigentrail.sweeps.ledger import claim, held, mark_done
from eigentrail.sweeps.measures import measure as measure_run
from eigentrail.training.ensemble_result import diverged

#: What became of a unit: it is done, or somebody else has it.
State: TypeAlias = Literal["done", "busy"]
# These are faults of the machine, not of the training: the unit is left for a better one.
_OF_THE_MACHINE = (DiskError, OSError, MemoryError)


def do_unit(path: str, name: str, measure: Sequence[str], progress: Progress | bool = False) -> State:
    """Do a unit, unless it is done or somebody else does it.

    Args:
        path: the sweep's folder.
        name: the unit's.
        measure: what is measured.
        progress: as for `train_many`.

    Returns:
        What became of it.

    Raises:
        RunError: this process cannot do it: the package has another version, the folder is not there, the data are
            absent or others. The unit is left as it is.
    """
    folder = SweepFolder.open(Path(path))
    if folder.is_done(name, measure):
        return "done"
    mine = claim(folder.of(name), VERSION)
    if mine is None:
        return "busy"
    with held(mine):
        # Somebody may have finished it between the look and the claim.
        if folder.is_done(name, measure):
            return "done"
        unit = folder.units[name]
        _check_data(folder, unit)
        began = time.monotonic()
        why = _trained(folder, unit, progress)
        trained = time.monotonic() - began
        rows = [_row(folder.of(name) / one.name, one, measure, why) for one in unit.points]
        told = {
            "version": VERSION,
            "host": platform.node(),
            "seconds": time.monotonic() - began,
            "measure": list(measure),
            "rows": [row | {"seconds": trained / len(rows)} for row in rows],
        }
        return "done" if mark_done(mine, told) else "busy"


def _check_data(folder: SweepFolder, unit: Unit) -> None:
    data = unit.points[0].data
    where = f"{platform.node()}: unit {unit.name}"
    try:
        found = samples_of(folder.spec, data).fingerprint
    except DataError as error:
        raise RunError(f"{where} was not begun there, which lacks the data: {error}") from error
    if found != folder.fingerprints[str(data)]:
        raise RunError(
            f"{where} was not begun there, where {data or 'the data set'} holds other samples than where the sweep was "
            "begun: give all machines the same files"
        )


def _trained(folder: SweepFolder, unit: Unit, progress: Progress | bool) -> str:
    """Train a unit; the reason where that failed as a whole."""
    try:
        with warnings.catch_warnings():
            # A member that diverges is told in its row.
            warnings.simplefilter("ignore")
            train_unit(folder.spec, unit, folder.of(unit.name), progress)
    except _OF_THE_MACHINE as error:
        raise RunError(
            f"{platform.node()}: unit {unit.name} was not finished there ({first_line(error)}): the sweep goes on with "
            "it when it is started again"
        ) from error
    except Exception as error:
        # Whatever else a network or its settings do is a result of the sweep: a row with its reason.
        return first_line(error)
    return ""


def _row(path: Path, point: Point, names: Sequence[str], why: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "key": point.key,
        "name": point.name,
        "axes": {name: _plain(value) for name, value in point.axes.items()},
        "seed": point.settings.seed,
        "batch_size": point.settings.batch_size,
        "lr": point.settings.lr,
        "weight_decay": point.settings.weight_decay,
        "status": "failed",
        "reason": why or None,
        "steps": None,
        "epochs": None,
        "values": dict.fromkeys(names),
        "curves": {},
    }
    try:
        run = open_run(path)
        row["steps"] = int(run.steps[-1])
        row["epochs"] = float(run.metrics["epoch"].values[-1])
        if diverged(run):
            said = run.manifest.error if run.manifest is not None else None
            return row | {
                "status": "diverged",
                "reason": (said or "").partition(": ")[2] or "the loss diverged",
            }
        if run.status != "finished":
            return row | {"reason": why or f"the run is {run.status}"}
        found = measure_run(run, names)
    except EigentrailError as error:
        return row | {"reason": why or str(error)}
    missing = "; ".join(f"{name}: {said}" for name, said in found.why.items())
    return row | {
        "status": "finished",
        "reason": missing or None,
        "values": found.values,
        "curves": {name: [list(part) for part in curve] for name, curve in found.curves.items()},
    }


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
