"""A layer over its steps, as xarray, numpy and torch take it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from eigentrail.errors import RunError

if TYPE_CHECKING:
    from eigentrail.spectra import Spectrum


class LayerArray(xr.DataArray):  # type: ignore[no-untyped-call]
    """An xarray DataArray that numpy and torch take as well; so are parts of it and results of arithmetic.

    `torch.as_tensor(run["fc"][-1])` is a tensor with a copy of the values; `.numpy()` is a numpy array, `.to_pandas()`,
    for at most two dimensions, a table. bfloat16 and the eighth precisions are float32 here.
    """

    __slots__ = ()

    def numpy(self) -> np.ndarray[Any, Any]:
        """Read the values.

        Returns:
            A numpy array of the same shape, without labels.
        """
        return np.asarray(self.values)

    def at(self, step: int) -> LayerArray:
        """Read one step.

        Args:
            step: one at which the layer is recorded.

        Returns:
            The values of the step, `.sel(step=step)`.
        """
        return self.sel(step=step)

    def spectrum(self) -> Spectrum:
        """Diagnose the matrix of one step.

        Returns:
            Its spectrum.

        Raises:
            RunError: it has steps, or is no matrix.
        """
        from eigentrail.spectra import Spectrum

        if "step" in self.dims:
            raise RunError(f"these are {self.sizes['step']} steps: choose one, [-1].spectrum() for the last")
        if self.ndim != 2:
            raise RunError(f"a tensor of shape {list(self.shape)} is no matrix: inspect(run) sees it as one")
        return Spectrum.from_matrix(self.values)

    def to_xarray(self) -> xr.DataArray:
        """Give the plain xarray object.

        Returns:
            An `xarray.DataArray` of the same values and labels.
        """
        return xr.DataArray(self)

    def __dlpack__(self, **how: Any) -> Any:
        # A copy: what is read from a run is nobody's to change.
        return np.array(self.values).__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        return np.zeros(0).__dlpack_device__()
