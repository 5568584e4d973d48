"""Finished layers of an inspection that is still going on, kept on disk so that an interruption loses none."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigentrail._files import output_folder, write_bytes
from eigentrail.errors import OptionError
from eigentrail.spectra.entry_statistics import EntryStatistics
from eigentrail.spectra.randomized import ShuffleNull
from eigentrail.spectra.spectrum import Spectrum
from eigentrail.spectra.vector_statistics import VectorStatistics

_FORMAT = 1


@dataclass
class PartialResults:
    """One file for each finished layer, under a key that says from what and how it was made.

    Attributes:
        folder: where the files are; it is removed when the inspection is complete.
        key: identity of source, options and format; results under another key are thrown away.
    """

    folder: Path
    key: str
    _count: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        self._count = sum(1 for _ in self.folder.glob("*.npz"))

    @classmethod
    def open(cls, out: Path, key: str) -> PartialResults:
        """Open what an earlier, interrupted inspection left in an output folder.

        Args:
            out: the output folder; it is made when it is not there.
            key: identity of the inspection.

        Returns:
            The results, empty when there are none under this key.

        Raises:
            OptionError: when the folder cannot be written to.
        """
        folder = output_folder(out) / ".partial"
        key = f"{_FORMAT}-{key}"
        marker = folder / "key"
        try:
            if folder.exists() and (not marker.exists() or marker.read_text(encoding="utf-8") != key):
                shutil.rmtree(folder)
            folder.mkdir(exist_ok=True)
            marker.write_text(key, encoding="utf-8")
        except OSError as error:
            msg = f"cannot write into the output folder {out}: {error.strerror or error}; give another one"
            raise OptionError(msg) from error
        return cls(folder, key)

    def add(self, name: str, row: dict[str, Any], spectrum: Spectrum) -> None:
        """Keep one finished layer.

        Args:
            name: of the matrix.
            row: its row.
            spectrum: its spectrum.
        """
        arrays = spectrum_arrays(spectrum)
        # Only `load` reads this text: it keeps infinities, such as the tail index of entries that tie.
        meta = json.dumps({"name": name, "row": row, "spectrum": spectrum_meta(spectrum)})
        number = self._count
        self._count += 1
        write_bytes(
            self.folder / f"{number:06d}.npz",
            lambda file: np.savez(file, allow_pickle=False, meta=np.array(meta), **arrays),
        )

    def load(self) -> dict[str, tuple[dict[str, Any], Spectrum]]:
        """Read all finished layers back.

        Returns:
            Row and spectrum by name.
        """
        found = {}
        for path in sorted(self.folder.glob("*.npz")):
            with np.load(path, allow_pickle=False) as arrays:
                meta = json.loads(str(arrays["meta"]))
                found[meta["name"]] = (meta["row"], rebuild_spectrum(meta["spectrum"], dict(arrays)))
        return found

    def remove(self) -> None:
        """Remove the files: the complete result stands beside them."""
        shutil.rmtree(self.folder)


def spectrum_arrays(spectrum: Spectrum) -> dict[str, NDArray[Any]]:
    """Collect the arrays that a spectrum can be rebuilt from.

    Args:
        spectrum: any spectrum.

    Returns:
        Arrays by name.
    """
    groups = spectrum.groups
    arrays = {"eigenvalues": np.asarray(spectrum.eigenvalues) if groups is None else groups}
    if spectrum.null is not None:
        arrays["null"] = spectrum.null.eigenvalues
        if spectrum.null.weights is not None:
            arrays["null_weights"] = spectrum.null.weights
    if spectrum.vectors is not None:
        arrays |= {f"vectors.{k}": v for k, v in spectrum.vectors.arrays().items()}
    return arrays


def spectrum_meta(spectrum: Spectrum) -> dict[str, Any]:
    """Collect the plain values that a spectrum can be rebuilt from.

    Args:
        spectrum: any spectrum.

    Returns:
        Values by name, JSON can hold them.
    """
    return {
        "rows": spectrum.rows,
        "cols": spectrum.cols,
        "matrices": spectrum.matrices,
        "known_below": spectrum.known_below,
        "null_seed": None if spectrum.null is None else spectrum.null.seed,
        "null_mean_square": None if spectrum.null is None else spectrum.null.mean_square,
        "entries": None if spectrum.entries is None else asdict(spectrum.entries),
    }


def rebuild_spectrum(meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Spectrum:
    """Rebuild a spectrum.

    Args:
        meta: from `spectrum_meta`.
        arrays: from `spectrum_arrays`.

    Returns:
        The spectrum with all that was stored of it.
    """
    null = None
    if "null" in arrays:
        null = ShuffleNull(
            arrays["null"],
            meta["rows"],
            meta["cols"],
            meta["matrices"],
            meta["null_seed"],
            arrays.get("null_weights"),
            meta["null_mean_square"],
        )
    vectors = {k.removeprefix("vectors."): v for k, v in arrays.items() if k.startswith("vectors.")}
    return Spectrum.restored(
        arrays["eigenvalues"],
        meta["rows"],
        meta["cols"],
        meta["matrices"],
        null=null,
        entries=EntryStatistics(**meta["entries"]) if meta["entries"] else None,
        vectors=VectorStatistics(**vectors) if vectors else None,
        known_below=meta["known_below"],
    )
