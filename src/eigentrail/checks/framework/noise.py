"""Which layers carry anything beyond noise, and which are narrower than it: one test each, corrected for all layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from eigentrail.chance import LEVEL, adjust
from eigentrail.checks.framework.contract import Layer

#: Below half of noise's spread a spectrum is narrow; significance alone is met by what differs little from noise.
NARROW = 0.5
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


def p_above_others(values: dict[str, float]) -> dict[str, float]:
    """Test each of some positive numbers against the others: larger than they make likely?

    The logarithms of the others give median and spread (median absolute deviation); a value's distance is judged by
    Student's t with as many degrees of freedom as there are others, less one.

    Args:
        values: at least three, by name.

    Returns:
        p-values by name, corrected for their number; 1 for all of fewer than five values.
    """
    import scipy.stats

    if len(values) < 5:
        return dict.fromkeys(values, 1.0)
    logs = np.log(np.array(list(values.values())))
    found = {}
    for place, name in enumerate(values):
        others = np.delete(logs, place)
        centre = float(np.median(others))
        scale = max(1.4826 * float(np.median(np.abs(others - centre))), _SMALLEST_SCALE)
        found[name] = float(scipy.stats.t.sf((logs[place] - centre) / scale, len(others) - 1))
    return _corrected(found)


def _upper(z: float) -> float:
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def _corrected(p: dict[str, float]) -> dict[str, float]:
    return dict(zip(p, (float(x) for x in adjust(list(p.values()))), strict=True))
