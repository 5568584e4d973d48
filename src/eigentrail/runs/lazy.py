"""Arrays over steps whose rows are read when they are looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from eigentrail.runs.layer_array import LayerArray


class RowsArray(BackendArray):  # type: ignore[misc,unused-ignore]
    """An array that reads only those rows (first axis) that are asked for.

    Args:
        shape: its shape.
        dtype: its precision.
        read: gives the rows of given numbers, [n] -> [n, ...]; to be sent to other processes it must be picklable.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        read: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]],
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self._read = read

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._get)

    def _get(self, key: tuple[Any, ...]) -> Any:
        wanted = np.arange(self.shape[0])[key[0]]
        rows = self._read(np.atleast_1d(wanted))
        # The other axes one after the other: each is indexed by itself.
        for axis, part in reversed(list(enumerate(key[1:], start=1))):
            rows = rows[(slice(None),) * axis + (part,)]
        return rows if wanted.ndim else rows[0]


def lazy_array(
    name: str,
    rows: RowsArray,
    dims: tuple[str, ...],
    steps: np.ndarray[Any, Any],
    epochs: np.ndarray[Any, Any],
    attributes: dict[str, Any],
) -> LayerArray:
    """Make a labelled array over steps that is read when its values are looked at.

    Args:
        name: its name.
        rows: its values [T, ...].
        dims: the names of the dimensions behind the steps.
        steps: the steps [T].
        epochs: the completed epochs [T].
        attributes: what else to say about it.

    Returns:
        The array with dimensions ("step", *dims) and coordinates `step` and `epoch`.
    """
    values = xr.Variable(("step", *dims), indexing.LazilyIndexedArray(rows))
    return LayerArray(values, coords={"step": steps, "epoch": ("step", epochs)}, name=name, attrs=attributes)
