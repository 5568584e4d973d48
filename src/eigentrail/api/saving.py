"""Results on disk: `layers.parquet`, `spectra.npz`, `summary.json` and the page."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eigentrail._files import output_folder, write_bytes
from eigentrail.spectra.spectrum import Spectrum

if TYPE_CHECKING:
    from eigentrail.api.inspection import Inspection


def typed_table(table: pd.DataFrame) -> pd.DataFrame:
    """Give each column of plain values its narrowest type with room for missing numbers.

    Args:
        table: object columns, None for what is missing.

    Returns:
        The same table with nullable integer, float and string columns.
    """
    return pd.DataFrame({c: table[c].convert_dtypes() for c in table.columns})


def flat_table(table: pd.DataFrame) -> pd.DataFrame:
    """Turn lists into text, for CSV.

    Args:
        table: as `Inspection.table`.

    Returns:
        The same rows; shapes as "64x3x3x3", aliases and warnings joined by "; ".
    """
    flat = table.copy()
    for column in flat.columns:
        if column == "shape":
            flat[column] = ["x".join(map(str, s)) for s in flat[column]]
        elif any(isinstance(v, list) for v in flat[column]):
            flat[column] = ["; ".join(map(str, v)) if isinstance(v, list) else v for v in flat[column]]
    return flat


def write_spectra(path: Path, spectra: Mapping[str, Spectrum]) -> Path:
    """Write eigenvalues by layer name, readable with `numpy.load`.

    Args:
        path: the npz file.
        spectra: by name.

    Returns:
        The path. Keys are the names of the matrices, and `null:NAME` for the shuffled matrices; a pool is [k, M].
    """

    def write(file: IO[bytes]) -> None:
        # Written member by member: numpy.savez takes names as keywords, and a layer may be called "file".
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, spectrum in spectra.items():
                groups = spectrum.groups
                values = np.asarray(spectrum.eigenvalues) if groups is None or len(groups) == 1 else groups
                _member(archive, name, values)
                if spectrum.null is not None:
                    _member(archive, f"null:{name}", spectrum.null.eigenvalues)

    return write_bytes(path, write)


def _member(archive: zipfile.ZipFile, name: str, values: NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)


def save_inspection(found: Inspection, folder: Path) -> Path:
    """Write everything that an inspection found.

    Args:
        found: the inspection.
        folder: where to; it is made when it is not there.

    Returns:
        The path of the page.
    """
    output_folder(folder)
    write_bytes(
        folder / "layers.parquet", lambda file: typed_table(found.table).to_parquet(file, index=False)
    )
    write_spectra(folder / "spectra.npz", found.spectra)
    document = {
        "source": found.source,
        "conv": found.conv,
        "options": asdict(found.options),
        "summary": found.summary,
        "skipped": [asdict(s) for s in found.skipped],
    }
    text = json.dumps(document, allow_nan=False, indent=2)
    write_bytes(folder / "summary.json", lambda file: file.write(text.encode()))
    return found.report(folder)
