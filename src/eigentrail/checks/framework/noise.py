"""Which layers carry anything beyond noise, and which are narrower than it: one test each, corrected for all layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import chdtrc, stdtr

from eigentrail.chance import LEVEL, adjust
from eigentrail.checks.framework.contract import Layer
from eigentrail.spectra.lower_edge import lower_threshold

#: Below half of noise's spread a spectrum is narrow; significance alone is met by what differs little from noise.
NARROW = 0.5
# A layer drawn anew is to be missed in one of a thousand networks at most, all layers of one together.
_MISSED = 0.001
# Estimating the scale of a few values from these values leaves at least this much uncertainty, in log units.
_SMALLEST_SCALE = 0.1


def p_wider(layers: Sequence[Layer]) -> dict[str, float]:
    """Test the spectra of layers against noise: wider?

    Args:
        layers: of a checkpoint.

    Returns:
        p-values by name, corrected for their number; layers without a spread are left out.
    """
    return _corrected({one.name: _upper(z) for one in layers if (z := one.number("spread_z")) is not None})


def p_narrower(layers: Sequence[Layer]) -> dict[str, float]:
    """Test the spectra of layers against noise: narrower?

    Args:
        layers: of a checkpoint.

    Returns:
        p-values by name, corrected for their number; layers without a spread are left out.
    """
    return _corrected({one.name: _upper(-z) for one in layers if (z := one.number("spread_z")) is not None})


def beyond_noise(layers: Sequence[Layer]) -> dict[str, bool]:
    """Tell which layers carry structure that independent entries of their size do not give.

    Args:
        layers: of a checkpoint.

    Returns:
        By name; layers without a spread are left out.
    """
    return {name: p <= LEVEL for name, p in p_wider(layers).items()}


def like_noise(layer: Layer, among: int) -> bool:
    """Tell whether nothing in a layer's eigenvalues is beyond what noise shows now and then among so many layers.

    Asked are the spread, the largest eigenvalues and the smallest, each at a thousandth over the number of layers:
    where siblings carry far more, chance in the noise must not save a layer that was drawn anew.

    Args:
        layer: one with a spread.
        among: how many layers are asked.

    Returns:
        Whether independent entries of its size explain it.
    """
    level = _MISSED / among
    z, cols = layer.number("spread_z") or 0.0, layer.number("cols") or 1.0
    if _upper(z, cols * (cols + 1.0) / 2.0 * (layer.number("matrices") or 1.0)) <= level:
        return False
    if not layer.number("spikes") and layer.number("mp_sigma") is None:
        return True
    rows, matrices = int(layer.number("rows") or 1), int(layer.number("matrices") or 1)
    bulk = layer.spectrum.marchenko_pastur(level=level)
    least = float(np.min(np.asarray(layer.spectrum.eigenvalues)))
    return not bulk.spikes and least > lower_threshold(rows, int(cols), bulk.sigma, level, matrices)


def p_above_others(values: dict[str, float]) -> dict[str, float]:
    """Test each of some positive numbers against the others: larger than they make likely?

    The logarithms of the others give median and spread (median absolute deviation); a value's distance is judged by
    Student's t with as many degrees of freedom as there are others, less one.

    Args:
        values: at least three, by name.

    Returns:
        p-values by name, corrected for their number; 1 for all of fewer than five values.
    """
    if len(values) < 5:
        return dict.fromkeys(values, 1.0)
    logs = np.log(np.array(list(values.values())))
    found = {}
    for place, name in enumerate(values):
        others = np.delete(logs, place)
        centre = float(np.median(others))
        scale = max(1.4826 * float(np.median(np.abs(others - centre))), _SMALLEST_SCALE)
        found[name] = float(stdtr(len(others) - 1, (centre - logs[place]) / scale))
    return _corrected(found)


def _upper(z: float, freedom: float = math.inf) -> float:
    """Give the chance of a z as large: normal, or of a chi-square law with so many degrees of freedom (John 1971)."""
    if math.isinf(freedom):
        return 0.5 * math.erfc(z / math.sqrt(2.0))
    return float(chdtrc(freedom, freedom + z * math.sqrt(2.0 * freedom)))


def _corrected(p: dict[str, float]) -> dict[str, float]:
    return dict(zip(p, (float(x) for x in adjust(list(p.values()))), strict=True))
