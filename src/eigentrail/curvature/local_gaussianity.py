"""Are products with eigenvectors Gaussian within a window of indices, whatever their variance is there?"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64
from scipy.special import erf

from eigentrail._arrays import to_float64
from eigentrail._numbers import seed_of, whole
from eigentrail.errors import OptionError

_SHORTEST = 8


def local_gaussianity(products: Any, window: int = 500, *, draws: int = 2000, seed: int = 0) -> xr.Dataset:
    """Test products of successive directions against a Gaussian of the window's own variance (S1 figure 7.2).

    The sign of a direction is arbitrary, so the sizes |p_i| are compared with the half-normal law. Their root
    mean square is that of the window, which makes the distance smaller than the textbook one: p-values are
    those of simulated windows of random numbers, and uniform under the null.

    Args:
        products: [k] weight products, in the order of the eigenvalues.
        window: directions in a window; the last one takes what is left over. S1 finds Gaussians from about 500.
        draws: simulated windows for the p-values, which therefore are at least 1 / (draws + 1).
        seed: of the simulation.

    Returns:
        For each window [window]: `start`, `stop`, the indices; `scale`, the root mean square; `kurtosis`, that
        of the sizes about zero less 3 (0 for a Gaussian), with standard error about sqrt(24 / length);
        `distance`, the Kolmogorov-Smirnov distance; `p`. Attributes `whole_p` and `whole_kurtosis`: the same
        for all products as one window, which fails where the variance changes along the spectrum;
        `scale_ratio`, the largest scale over the smallest one.

    Raises:
        OptionError: the products are not finite numbers [k], are all zero in a window, or the window is
            shorter than 8 or longer than k; a number is not whole.
    """
    p = to_float64(products.values if isinstance(products, xr.DataArray) else products)
    if p.ndim != 1 or not np.isfinite(p).all():
        raise OptionError(f"products are finite numbers [k], one for each direction, not of shape {p.shape}.")
    window, draws, seed = whole("window", window), whole("draws", draws, 1), seed_of(seed)
    if not _SHORTEST <= window <= p.size:
        raise OptionError(f"a window holds {_SHORTEST} to {p.size} directions here, not {window}.")
    starts = np.arange(p.size // window) * window
    stops = np.append(starts[1:], p.size)
    found = [_test(p[a:b], draws, seed) for a, b in zip(starts, stops, strict=True)]
    scale, kurtosis, distance, p_value = np.array(found).T
    overall = _test(p, draws, seed)
    return xr.Dataset(
        {
            "start": ("window", starts),
            "stop": ("window", stops),
            "scale": ("window", scale),
            "kurtosis": ("window", kurtosis),
            "distance": ("window", distance),
            "p": ("window", p_value),
        },
        coords={"window": np.arange(len(starts))},
        attrs={
            "whole_p": overall[3],
            "whole_kurtosis": overall[1],
            "scale_ratio": float(scale.max() / scale.min()),
        },
    )


def _test(p: Float64[np.ndarray, " l"], draws: int, seed: int) -> tuple[float, float, float, float]:
    largest = float(np.abs(p).max())
    if largest == 0.0:
        raise OptionError(
            "all products of a window are zero: take a longer window, or leave the null space out."
        )
    scale = largest * float(np.sqrt(np.mean((p / largest) ** 2)))
    x = np.abs(p) / scale
    distance = float(_distances(x[None])[0])
    null = _null(p.size, draws, seed)
    p_value = float((1 + np.count_nonzero(null >= distance)) / (1 + draws))
    return scale, float(np.mean(x**4)) - 3.0, distance, p_value


@lru_cache(maxsize=16)
def _null(length: int, draws: int, seed: int) -> Float64[np.ndarray, " d"]:
    rng = np.random.default_rng([seed, length])
    block = max(1, 2**22 // length)
    found = []
    for first in range(0, draws, block):
        x = np.abs(rng.standard_normal((min(block, draws - first), length)))
        found.append(_distances(x / np.sqrt(np.mean(x**2, axis=1))[:, None]))
    return np.concatenate(found)


def _distances(x: Float64[np.ndarray, "d l"]) -> Float64[np.ndarray, " d"]:
    law = erf(np.sort(x, axis=1) / np.sqrt(2.0))
    step = np.arange(x.shape[1]) / x.shape[1]
    above = (law - step).max(axis=1)
    return np.asarray(np.maximum(above, (step + 1.0 / x.shape[1] - law).max(axis=1)))
