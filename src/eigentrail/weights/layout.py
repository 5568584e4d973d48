"""Whether a bare file stores a weight with its outputs or its inputs first, told by the length of its bias.

A bias has one number per output. That is certain where a name such as `up_conv` only hints.
"""

from __future__ import annotations

import re

from eigentrail.weights.view import Context

_WEIGHT = re.compile(r"(^|\.)(parametrizations\.weight\.original1?|weight|weight_v|weight_orig|filters)$")


def inputs_first(context: Context, name: str, shape: tuple[int, ...]) -> tuple[bool, int] | None:
    """Tell by the bias which axis holds the outputs.

    Args:
        context: all that planning may look at.
        name: the weight.
        shape: [a, b, ...]: the outputs and the inputs, in the one order or the other.

    Returns:
        Whether the inputs come first, and the number of groups that a kernel [in, out / groups, ...] then has;
        None where there is no bias, or its length fits both orders or none.
    """
    found = _WEIGHT.search(name)
    if not found or len(shape) < 2:
        return None
    bias = context.shape(f"{name[: found.start()]}{found[1]}bias")
    if bias is None or len(bias) != 1:
        return None
    first, second = shape[:2]
    if bias[0] == first:
        return (False, 1) if first != second else None
    groups, rest = divmod(bias[0], second)
    if rest or not groups or first % groups or (len(shape) == 2 and groups > 1):
        return None
    return True, groups
