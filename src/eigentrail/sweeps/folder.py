"""The folder of a sweep: what it is, its units, and the table that is rebuilt from them alone.

`sweep.json` says what the sweep is. A sweep that has grown, by seeds or by values of its axes, has `sweep.2.json` and
so on beside it, each with the units that came with it: nothing that is there is written again.
"""

from __future__ import annotations

import json
import os
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from eigentrail._files import write_bytes
from eigentrail.errors import OptionError, RunError
from eigentrail.runs.manifest import FILE as RUN_FILE
from eigentrail.sweeps.grid import Point, Unit, points_of, samples_of, units_of
from eigentrail.sweeps.ledger import read_done
from eigentrail.sweeps.spec import SweepSpec

FILE = "sweep.json"
#: A sweep is begun and finished by one version of this package.
VERSION = version("eigentrail")
RUNS = "runs"
TABLE = "table.parquet"


class SweepFolder:
    """A sweep on disk: `sweep.json`, a folder for each unit under `runs`, and `table.parquet`.

    Args:
        path: the folder.
        spec: the sweep.
        units: its units.
        fingerprints: of the samples of each data set, by its name in the sweep.
    """

    def __init__(
        self, path: Path, spec: SweepSpec, units: Sequence[Unit], fingerprints: Mapping[str, str]
    ) -> None:
        self.path = path
        self.spec = spec
        self.units = {one.name: one for one in units}
        self.fingerprints = dict(fingerprints)

    def of(self, unit: str) -> Path:
        """Name the folder of a unit.

        Args:
            unit: its name.

        Returns:
            The folder.
        """
        return self.path / RUNS / unit

    def is_done(self, unit: str, measure: Sequence[str]) -> bool:
        """Tell whether a unit is trained and measured.

        Args:
            unit: its name.
            measure: what must be measured.

        Returns:
            Whether nothing of it is missing.
        """
        found = read_done(self.of(unit))
        return found is not None and set(measure) <= set(found["measure"])

    @classmethod
    def begin(cls, path: Path, spec: SweepSpec, given: Mapping[str, Any]) -> SweepFolder:
        """Begin a sweep in a folder, or go on with the one that is there.

        Args:
            path: the folder.
            spec: the sweep.
            given: what `spec` was read from.

        Returns:
            The folder.

        Raises:
            OptionError: the folder holds another sweep; one with more seeds, or more values of the same axes, is the
                same that has grown.
            RunError: it holds a run, or a sweep of another version; or it cannot be written.
        """
        if (path / RUN_FILE).is_file():
            raise RunError(f"{path} is a run itself: give the sweep another folder with out")
        if not (path / FILE).is_file():
            _write_once(path / FILE, _told(spec, given, points_of(spec)))
        while True:
            found = cls.open(path)
            generations = _read(path)
            # As JSON keeps it.
            mine = json.loads(json.dumps(spec.identity, default=str))
            if mine == generations[-1]["identity"]:
                return found
            added = _added(path, found, generations[-1]["identity"], mine, points_of(spec))
            # Of two drivers that let it grow at once the first one's file stays, and the other looks again.
            _write_once(path / _file(len(generations) + 1), _told(spec, given, added))

    @classmethod
    def open(cls, path: Path) -> SweepFolder:
        """Open the sweep of a folder.

        Args:
            path: the folder.

        Returns:
            The sweep.

        Raises:
            RunError: there is none, or one of another version of this package.
        """
        generations = _read(path)
        for told in generations:
            if told["version"] != VERSION:
                raise RunError(
                    f"{path} was begun by eigentrail {told['version']}, and this is {VERSION}: go on with that "
                    "version, or give the sweep another folder"
                )
        return _opened(path.absolute(), json.dumps(generations))

    def rows(self) -> list[dict[str, Any]]:
        """Read what the units that are done have left.

        Returns:
            A row for each of their runs.
        """
        return rows_of(self.path)

    def write_table(self) -> pd.DataFrame:
        """Rebuild the table from the folders.

        Returns:
            A row for each run that is done; it is also in `table.parquet`.
        """
        table = table_of(self.rows())
        write_bytes(self.path / TABLE, lambda file: stored(table).to_parquet(file))
        return table


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Read what the units of a sweep have left, from their folders alone.

    Args:
        path: the sweep's folder.

    Returns:
        A row for each run of a unit that is done, by the unit's name.
    """
    found = []
    for unit in sorted((path / RUNS).iterdir()) if (path / RUNS).is_dir() else ():
        told = read_done(unit)
        found += [] if told is None else [row | {"unit": unit.name} for row in told["rows"]]
    return found


def table_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Put rows into a table.

    Args:
        rows: from `rows_of`.

    Returns:
        A row for each run: the value of each axis, `seed`, `status` ("finished", "diverged", "failed"), `reason`,
        `steps`, `epochs`, `seconds`, the measures and `run`, its folder; ordered by axes and seed.
    """
    made = []
    for row in rows:
        axes = {name: _shown(value) for name, value in row["axes"].items()}
        # A measure that has an axis' name, such as `steps`, is the axis.
        numbers = {name: value for name, value in row["values"].items() if name not in axes}
        about = {
            key: row[key] for key in ("seed", "status", "reason", "steps", "epochs", "seconds") if key not in axes
        }  # fmt: skip
        made.append(axes | about | numbers | {"run": f"{RUNS}/{row['unit']}/{row['name']}"})
    table = pd.DataFrame(made)
    if len(table):
        by = [*rows[0]["axes"], "seed"]
        table = table.sort_values(
            by, key=lambda column: column if _is_number(column) else column.astype(str)
        ).reset_index(drop=True)
    return table


def stored(table: pd.DataFrame) -> pd.DataFrame:
    """Give a table in a form that Parquet takes.

    Args:
        table: from `table_of`.

    Returns:
        The table, with columns of several sorts as text.
    """
    return table.assign(**{
        str(name): [None if value is None else str(value) for value in table[name]]
        for name in table.columns
        if table[name].dtype == object and name != "reason"
        and len({type(value) for value in table[name] if value is not None}) > 1
    })  # fmt: skip


def _is_number(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column))


def _shown(value: Any) -> Any:
    """A value of an axis as tables show it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value


def given_of(path: Path) -> dict[str, Any]:
    """Read the keys of a sweep's file.

    Args:
        path: the sweep's folder.

    Returns:
        What the sweep was read from, when it grew last.
    """
    found: dict[str, Any] = _read(path)[-1]["given"]
    return found


def _file(generation: int) -> str:
    return FILE if generation == 1 else FILE.replace(".", f".{generation}.")


def _told(spec: SweepSpec, given: Mapping[str, Any], points: Sequence[Point]) -> str:
    """What a file of the folder says of the sweep and of those of its points that come with it."""
    every = points_of(spec)
    twice, times = Counter(one.name for one in every).most_common(1)[0]
    if times > 1:
        raise OptionError(f"two points of the grid are called {twice}: their values are too much alike")
    place = {one.key: number for number, one in enumerate(every)}
    told = {
        "name": spec.name,
        "version": VERSION,
        "given": dict(given),
        "identity": spec.identity,
        "fingerprints": {
            str(data): samples_of(spec, data).fingerprint
            for data in dict.fromkeys(one.data for one in points)
        },
        "units": {unit.name: [place[one.key] for one in unit.points] for unit in units_of(spec, points)},
    }
    return json.dumps(told, indent=1, default=str)


def _added(
    path: Path, there: SweepFolder, before: Mapping[str, Any], now: Mapping[str, Any], points: Sequence[Point]
) -> list[Point]:
    """The points by which a sweep grows; it is another one where anything else differs."""
    known = {one.key for unit in there.units.values() for one in unit.points}
    mine, theirs = ({**one, **one["settings"]} for one in (now, before))
    differs = [
        key
        for key in dict.fromkeys([*mine, *theirs])
        if key not in {"axes", "seeds", "settings"} and mine.get(key) != theirs.get(key)
    ]
    if list(now["axes"]) != list(before["axes"]):
        differs.append("axes")
    lacking = known - {one.key for one in points}
    if differs or lacking:
        why = f"{', '.join(differs)} differ" if differs else f"{len(lacking)} of its runs are not among these"
        raise OptionError(
            f"{path} holds another sweep ({there.spec.name}, {there.spec.runs} runs; {why}): give this one another "
            "folder with out; a sweep grows by seeds and by values of its axes"
        )
    return [one for one in points if one.key not in known]


def _read(path: Path) -> list[dict[str, Any]]:
    """What the files of the folder say, the first one first."""
    import platform

    found: list[dict[str, Any]] = []
    try:
        while not found or (path / _file(len(found) + 1)).is_file():
            found.append(json.loads((path / _file(len(found) + 1)).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise RunError(
            f"{path} holds no sweep as {platform.node()} sees it: all machines of a sweep must share its folder"
        ) from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path / _file(len(found) + 1)} cannot be read: {error}") from error
    return found


@lru_cache(maxsize=4)
def _opened(path: Path, told: str) -> SweepFolder:
    units: list[Unit] = []
    fingerprints: dict[str, str] = {}
    for content in json.loads(told):
        spec = SweepSpec.from_dict(content["given"], content["name"])
        points = points_of(spec)
        units += [
            Unit(name, tuple(points[number] for number in numbers))
            for name, numbers in content["units"].items()
        ]
        fingerprints |= content["fingerprints"]
    return SweepFolder(path, spec, units, fingerprints)


def _write_once(path: Path, content: str) -> None:
    """Write a file that appears whole and once: of two that try, the first one's stays."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mine = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        mine.write_text(content, encoding="utf-8")
        try:
            os.link(mine, path)
        except FileExistsError:
            pass
        finally:
            mine.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(
            f"{path.parent} cannot be written ({error.strerror or error}): give another folder with out"
        ) from error
