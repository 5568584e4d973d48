"""Tables and spectra on disk."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eigentrail._files import output_folder, write_bytes
from eigentrail._numbers import finite
from eigentrail.spectra.spectrum import Spectrum

#: The page in a folder of results.
PAGE = "report.html"


def typed_table(table: pd.DataFrame) -> pd.DataFrame:
    """Give each column of plain values its narrowest type with room for missing numbers.

    Args:
        table: object columns, None for what is missing.

    Returns:
        The same table with nullable integer, float and string columns; what is not finite is missing.
    """
    return pd.DataFrame(
        {c: pd.Series(_plain(finite(list(table[c]))), dtype=object).convert_dtypes() for c in table.columns}
    )


def _plain(values: list[Any]) -> list[Any]:
    """Write numbers by name, as the errors of a sketch are, as JSON: their names differ from row to row."""
    return [json.dumps(one) if isinstance(one, dict) else one for one in values]


def flat_table(table: pd.DataFrame) -> pd.DataFrame:
    """Turn lists into text, for CSV.

    Args:
        table: as `Inspection.table`.

    Returns:
        The same rows; shapes as "64x3x3x3", aliases and warnings joined by "; ", errors as JSON.
    """
    flat = table.copy()
    for column in flat.columns:
        if column == "shape":
            flat[column] = ["x".join(map(str, s)) for s in flat[column]]
        elif any(isinstance(v, list) for v in flat[column]):
            flat[column] = ["; ".join(map(str, v)) if isinstance(v, list) else v for v in flat[column]]
        else:
            flat[column] = _plain(list(flat[column]))
    return flat


def results_folder(path: str | Path, origin: str, *, overwrite: bool = False) -> Path:
    """Make the folder that the results of one source go into.

    Args:
        path: the folder; it may exist.
        origin: of the results, from `origin_of`.
        overwrite: whether a page of another source in it may be replaced.

    Returns:
        The folder. It is an error where it holds a page of something else.
    """
    from eigentrail.report.origin import refuse_another

    folder = Path(path)
    if not overwrite:
        refuse_another(folder / PAGE, origin, "give another folder, or overwrite (--overwrite)")
    return output_folder(folder)


def write_spectra(path: Path, spectra: Mapping[str, Spectrum]) -> Path:
    """Write eigenvalues by layer name, readable with `numpy.load`.

    Args:
        path: the npz file.
        spectra: by name.

    Returns:
        The path. Keys are the names of the matrices, and `null:NAME` for the shuffled matrices, where all of
        their eigenvalues were computed; a pool is [k, M].
    """

    def write(file: IO[bytes]) -> None:
        # Written member by member: numpy.savez takes names as keywords, and a layer may be called "file".
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, spectrum in spectra.items():
                groups = spectrum.groups
                values = np.asarray(spectrum.eigenvalues) if groups is None or len(groups) == 1 else groups
                _member(archive, name, values)
                if spectrum.null is not None and spectrum.null.complete:
                    _member(archive, f"null:{name}", spectrum.null.eigenvalues)

    return write_bytes(path, write)


def _member(archive: zipfile.ZipFile, name: str, values: NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)
