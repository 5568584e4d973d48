"""The spectra of a layer at the end of the runs of a sweep: one for each value of an axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eigentrail.errors import EigentrailError
from eigentrail.linalg.singular_values import singular_values as decomposed
from eigentrail.metrics.framework.diagnose import diagnose_spectrum
from eigentrail.runs import open_run
from eigentrail.runs.selection import match
from eigentrail.spectra import Spectrum
from eigentrail.trajectories.series import matrix_series

#: Columns of `inspect` that the table of the spectra has.
COLUMNS = ("spikes", "mp_edge_high", "alpha", "effective_rank", "stable_rank", "phase")


@dataclass(frozen=True)
class AxisSpectrum:
    """The spectrum of a matrix of one run.

    Attributes:
        layer: the matrix.
        axis: the axis along which it is shown.
        value: the run's value of the axis.
        run: the run's folder within the sweep's.
        spectrum: at the last recorded step.
    """

    layer: str
    axis: str
    value: Any
    run: str
    spectrum: Spectrum


def axis_spectra(
    path: Path, table: pd.DataFrame, axes: Sequence[str], globs: Sequence[str]
) -> tuple[list[AxisSpectrum], str]:
    """Read the spectra along each axis.

    Args:
        path: the sweep's folder.
        table: its table.
        axes: its axes.
        globs: over the matrices.

    Returns:
        For each axis the finished run of the first seed for each of its values, the other axes at their first values;
        ordered by axis, layer and value. And why one is lacking; empty where none is.
    """
    found: list[AxisSpectrum] = []
    why = ""
    finished = table[table["status"] == "finished"]
    for axis in axes:
        others = [name for name in axes if name != axis]
        rows = finished.sort_values([*others, "seed"], kind="stable").drop_duplicates(axis)
        for value, run in zip(rows[axis], rows["run"], strict=True):
            try:
                series, _ = matrix_series(open_run(path / run))
            except EigentrailError as error:
                why = why or f"{run}: {error}"
                continue
            by_name = {one.name: one for one in series}
            for name in dict.fromkeys(name for glob in globs for name in match(glob, by_name)):
                one = by_name[name]
                k, n, m = one.shape
                sigma = np.sort(decomposed(one.read(np.array([len(one.steps) - 1])))[0].ravel())
                found.append(
                    AxisSpectrum(name, axis, value, run, Spectrum(sigma**2 / n, rows=n, cols=m, matrices=k))
                )
    order = {value: place for place, value in enumerate(dict.fromkeys((a.axis, str(a.value)) for a in found))}
    layers = list(dict.fromkeys(one.layer for one in found))
    found.sort(key=lambda a: (axes.index(a.axis), layers.index(a.layer), order[a.axis, str(a.value)]))
    return found, why


def spectra_table(spectra: Sequence[AxisSpectrum]) -> pd.DataFrame:
    """Sum spectra up as `inspect` does.

    Args:
        spectra: from `axis_spectra`.

    Returns:
        A row for each: layer, axis, value, `COLUMNS`, and the run.
    """
    rows = []
    for one in spectra:
        row = diagnose_spectrum(one.spectrum).row
        rows.append(
            {"layer": one.layer, "axis": one.axis, "value": one.value}
            | {name: row.get(name) for name in COLUMNS}
            | {"run": one.run}
        )
    return pd.DataFrame(rows)


def singular_values(spectra: Sequence[AxisSpectrum]) -> pd.DataFrame:
    """List singular values as shares of the norm, which S4's figures 16 and 17 show.

    Args:
        spectra: of one layer along one axis.

    Returns:
        `value`, `index` from 1 on and `share`, sigma / ||W||_F, largest first; zeros are left out.
    """
    parts = []
    for one in spectra:
        sigma = np.sqrt(
            np.sort(np.maximum(np.asarray(one.spectrum.eigenvalues, dtype=np.float64), 0.0))[::-1]
        )
        share = sigma[sigma > 0] / np.linalg.norm(sigma)
        parts.append(
            pd.DataFrame({"value": one.value, "index": np.arange(1, len(share) + 1), "share": share})
        )
    return pd.concat(parts, ignore_index=True)
