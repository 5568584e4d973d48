"""The determinant condition: how many leading eigenvalues multiply to one, WeightWatcher's detX count."""

from __future__ import annotations

from typing import Any

import numpy as np

from eigentrail.spectra.ranks import positive_spectrum


def erg_count(eigenvalues: Any) -> int:
    """Count the leading eigenvalues whose product first falls below one.

    The eigenvalues are rescaled to mean one (WeightWatcher's "rescaled by the Frobenius norm": lambda * n /
    sum lambda). Going down from the largest, the product rises while they are above one and falls afterwards;
    the count is the number of eigenvalues taken when it falls below one, the one that does it included. By
    the inequality of arithmetic and geometric means it always does, unless all are equal: then the count is
    0.

    This is column `detX_num` (also `num_ERG_spikes`) of WeightWatcher 0.7.7 with `ERG=True`; its `ERG_gap` is
    this count minus the number of eigenvalues at or above xmin of the power law. The rescaling makes the
    count free of the convention for eigenvalues (W^T W or W^T W / N). One
    difference: here logarithms are added; there floating-point numbers are multiplied from the small end,
        which
    under- or overflows for some thousands of eigenvalues and then gives another count.

    Args:
        eigenvalues: all eigenvalues of W^T W, of any positive scale and in any order; those of pooled
            matrices together.

    Returns:
        The count, between 2 and n; 0 where there are fewer than two eigenvalues or all are equal.

    Raises:
        SpectrumError: if the eigenvalues are not finite, none, all zero, or negative beyond rounding.
    """
    values = np.sort(positive_spectrum(eigenvalues))[::-1]
    if values.size < 2 or values[0] == values[-1]:
        return 0
    with np.errstate(divide="ignore"):
        log_product = np.cumsum(np.log(values / values.mean()))
    below = np.flatnonzero(log_product < 0.0)
    # Eigenvalues equal up to rounding may never get there.
    return int(below[0]) + 1 if below.size else int(values.size)
