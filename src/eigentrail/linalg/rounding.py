"""What storing numbers in a narrower format changes in them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

#: Significant binary digits and the exponent of the smallest normal number, the narrowest format first.
_FORMATS = {
    torch.bfloat16: (8, -126),
    torch.float16: (11, -14),
    torch.float32: (24, -126),
    torch.float64: (53, -1022),
}


def narrowest_format(x: Float[np.ndarray, "..."]) -> torch.dtype:
    """Tell in which number format an array was stored at its narrowest: a file in float32 may hold bfloat16 numbers.

    Args:
        x: finite numbers of float32 or float64.

    Returns:
        The first of bfloat16, float16, float32 and float64 that holds all of them exactly.
    """
    tensor = torch.as_tensor(x)
    for known in (torch.bfloat16, torch.float16, torch.float32):
        if bool((tensor.to(known).to(tensor.dtype) == tensor).all()):
            return known
    return torch.float64


def rounding_distance(a: Any, b: Any) -> float:
    """Give the distance between two copies of the same numbers that rounding makes where their formats differ.

    Rounding to the nearest number of a format leaves an error that is uniform over its spacing u at each entry, of
    variance u^2 / 12. Two copies in one format do not differ at all.

    Args:
        a: finite numbers.
        b: of the same shape.

    Returns:
        The expected Frobenius norm of the difference; 0 where both are stored in one format.
    """
    formats = [narrowest_format(np.asarray(x)) for x in (a, b)]
    if formats[0] == formats[1]:
        return 0.0
    return math.sqrt(sum(_variance(np.asarray(x), known) for x, known in zip((a, b), formats, strict=True)))


def _variance(x: Float[np.ndarray, "..."], known: torch.dtype) -> float:
    digits, smallest = _FORMATS[known]
    # frexp writes x = m 2^e with 0.5 <= |m| < 1: neighbours of the format are 2^(e - digits) apart
    exponents = np.maximum(np.frexp(x[x != 0])[1], smallest + 1) - digits
    return float((np.ldexp(1.0, 2 * exponents) / 12.0).sum())
