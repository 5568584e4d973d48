"""Results that are kept with a run, so that each is computed once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import xarray as xr

from eigentrail.errors import DiskError, OptionError, RunError
from eigentrail.runs.labelled_store import read_labelled, write_labelled
from eigentrail.runs.layout import node_name
from eigentrail.runs.manifest import plain

Result: TypeAlias = "xr.DataTree | xr.Dataset | xr.DataArray | pd.DataFrame"
_ARRAY = "__array__"


class Analyses:
    """The results stored in a run, each keyed by its analysis, arguments and format version.

    A changed argument or a newer version of an analysis is never answered from an old result. Tables are kept as
    Parquet, everything over steps as Zarr.

    Args:
        folder: where they lie; None to keep them in memory only.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder
        self._memory: dict[str, Result] = {}

    def get(
        self, analysis: str, arguments: Mapping[str, Any] | None = None, version: int = 1
    ) -> Result | None:
        """Look up a result.

        Args:
            analysis: the analysis' name.
            arguments: all that the result depends on besides the run, as plain data.
            version: the version of the analysis' own format.

        Returns:
            The result as it was put, or None if there is none.

        Raises:
            RunError: it is there and cannot be read.
        """
        key, _ = _key(analysis, arguments, version)
        if self.folder is None:
            return self._memory.get(key)
        where = self.folder / key
        if not (where / "key.json").is_file():
            return None
        try:
            told = json.loads((where / "key.json").read_text(encoding="utf-8"))
            kind = told["kind"]
            if kind == "table":
                return pd.read_parquet(where / "result.parquet")
            store = where / "result.zarr"
            if kind == "tree":
                parts = read_labelled(store) or _read_by_xarray(store)
                # A folder has no order of its own.
                return xr.DataTree.from_dict({path: parts[path] for path in told["order"]})
            with xr.open_dataset(store, engine="zarr", consolidated=False) as data:
                loaded = data.load()
            if kind == "array":
                array = loaded[_ARRAY]
                return array.rename(array.attrs.pop("__name__", None))
            return loaded
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"the stored result {where} cannot be read ({error}): remove it to compute it again"
            ) from error

    def put(
        self, analysis: str, result: Result, arguments: Mapping[str, Any] | None = None, version: int = 1
    ) -> None:
        """Keep a result, in place of an older one of the same key.

        Args:
            analysis: the analysis' name.
            result: the result.
            arguments: all that the result depends on besides the run, as plain data.
            version: the version of the analysis' own format.

        Raises:
            DiskError: the run's folder cannot be written.
            OptionError: the result is neither a table nor labelled arrays.
        """
        key, told = _key(analysis, arguments, version)
        kinds: dict[type, str] = {
            pd.DataFrame: "table",
            xr.DataTree: "tree",
            xr.Dataset: "dataset",
            xr.DataArray: "array",
        }
        kind = next((name for of, name in kinds.items() if isinstance(result, of)), None)
        if kind is None:
            raise OptionError(f"a result must be a pandas table or of xarray, not {type(result).__name__}")
        if self.folder is None:
            self._memory[key] = result
            return
        # Written aside and moved in one step: a reader finds the old result or the new one.
        draft = self.folder / f".{key}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
        try:
            draft.mkdir(parents=True)
            _write(draft, result)
            told["kind"] = kind
            if isinstance(result, xr.DataTree):
                told["order"] = [node.path for node in result.subtree]
            (draft / "key.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
            self._replace(draft, self.folder / key)
        except OSError as error:
            raise DiskError(self.folder, error) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def keys(self) -> list[dict[str, Any]]:
        """List what is stored.

        Returns:
            The analysis, arguments, version and kind of each stored result, the latest one last.
        """
        if self.folder is None or not self.folder.is_dir():
            return []
        files = sorted(
            self.folder.glob("[!.]*/key.json"), key=lambda file: (file.stat().st_mtime_ns, file.parent.name)
        )
        return [json.loads(file.read_text(encoding="utf-8")) for file in files]

    @staticmethod
    def _replace(draft: Path, goal: Path) -> None:
        try:
            draft.rename(goal)
        except OSError:
            if not goal.exists():
                raise
            # A folder that is not empty cannot be replaced in one step; for a moment there is no result.
            old = draft.with_name(f"{draft.name}.old")
            goal.rename(old)
            draft.rename(goal)
            shutil.rmtree(old)


def _key(analysis: str, arguments: Mapping[str, Any] | None, version: int) -> tuple[str, dict[str, Any]]:
    told = {
        "analysis": analysis,
        "arguments": plain(dict(arguments or {}), f"an argument of {analysis}"),
        "version": version,
    }
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    return f"{node_name(analysis)}-{digest}", told


def _read_by_xarray(store: Path) -> dict[str, xr.Dataset]:
    with xr.open_datatree(store, engine="zarr", consolidated=False) as tree:
        return {node.path: node.to_dataset(inherit=False) for node in tree.load().subtree}


def _write(folder: Path, result: Result) -> None:
    if isinstance(result, pd.DataFrame):
        result.to_parquet(folder / "result.parquet")
        return
    if isinstance(result, xr.DataArray):
        array = result if result.name is None else result.assign_attrs(__name__=str(result.name))
        result = array.to_dataset(name=_ARRAY)
    if write_labelled(folder / "result.zarr", result):
        return
    with warnings.catch_warnings():
        # Texts (names of phases) are kept in a form that Zarr v3 has not yet written into its standard.
        warnings.filterwarnings("ignore", message=".*does not have a Zarr V3 specification.*")
        warnings.filterwarnings("ignore", message=".*[Uu]nstable.*")
        result.to_zarr(folder / "result.zarr", zarr_format=3, consolidated=False)
