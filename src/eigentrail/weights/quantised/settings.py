"""What a model's configuration tells about its quantisation, under the keys of the libraries that write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eigentrail.weights.geometry import tower
from eigentrail.weights.view import Context

_KEYS = ("quantization_config", "compression_config", "quantization")


@dataclass(frozen=True)
class Told:
    """The settings that hold for one weight; None for what is not told.

    Attributes:
        method: the library or algorithm, in small letters; "" if not told.
        bits: bits of a code.
        group: how many weights along the inputs share a scale.
        block: rows and columns that share a scale.
        settings: all of them.
    """

    method: str
    bits: int | None
    group: int | None
    block: tuple[int, int] | None
    settings: Mapping[str, Any]


def told(context: Context, name: str) -> Told:
    """Read the settings of quantisation for a weight.

    Args:
        context: all that planning may look at.
        name: the weight.

    Returns:
        The settings; of several groups of layers (compressed-tensors) the first.
    """
    found: Mapping[str, Any] = {}
    for config in (tower(context.config, name), context.config):
        for key in _KEYS:
            if not found and isinstance(config.get(key), Mapping):
                found = config[key]
    own = found.get(name.rpartition(".")[0])  # MLX: settings of one module
    scheme = {**found, **own} if isinstance(own, Mapping) else dict(found)
    groups = found.get("config_groups")
    if isinstance(groups, Mapping):
        weights = [group.get("weights") for group in groups.values() if isinstance(group, Mapping)]
        scheme.update(next((group for group in weights if isinstance(group, Mapping)), {}))
    block = scheme.get("weight_block_size") or scheme.get("block_structure")
    return Told(
        method=str(found.get("quant_method") or scheme.get("mode") or "").lower(),
        bits=_whole(scheme.get("bits") or scheme.get("num_bits") or scheme.get("w_bit")),
        group=_whole(scheme.get("group_size") or scheme.get("q_group_size")),
        block=_pair(block),
        settings=scheme,
    )


def without_quantisation(config: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what a configuration tells about quantisation, in its towers as well.

    Args:
        config: of a model.

    Returns:
        What holds for its weights as plain numbers.
    """
    return {
        key: without_quantisation(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if key not in _KEYS
    }


def _whole(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None


def _pair(value: Any) -> tuple[int, int] | None:
    if isinstance(value, str):
        pieces = value.lower().split("x")  # older compressed-tensors: "128x128"
        value = [int(piece) for piece in pieces] if all(piece.isdecimal() for piece in pieces) else None
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(_whole(size) for size in value):
        return int(value[0]), int(value[1])
    return None
