"""What a layer's name says: its role, which it shares with its siblings in other blocks, and its block."""

from __future__ import annotations

import re


def role(name: str) -> str:
    """Take the numbers out of a name: layers of one role do the same in different blocks.

    Args:
        name: of a parameter ("h.3.attn.c_proj.weight").

    Returns:
        "h.*.attn.c_proj.weight".
    """
    return re.sub(r"\d+", "*", name)


def block(name: str) -> str:
    """Give the block that a layer belongs to.

    Args:
        name: of a parameter ("layer2.0.conv1.weight").

    Returns:
        What stands before the end of its last number that other pieces follow ("layer2.0"); empty where no number does.
    """
    found = re.match(r"(.*\d)\.(?=.*[A-Za-z])", name.removesuffix(".weight"))
    return found.group(1) if found else ""


def within_block(name: str) -> str:
    """Say which layer of its block a layer is.

    Args:
        name: of a parameter ("layer2.0.conv1.weight").

    Returns:
        What follows its block, without ".weight": "conv1".
    """
    return name.removesuffix(".weight").removeprefix(f"{block(name)}.")


def unwrapped(name: str) -> str:
    """Give the name that a parametrised weight had before.

    Args:
        name: of a parameter ("fc.parametrizations.weight.original1", "fc.weight_v").

    Returns:
        "fc.weight".
    """
    name = re.sub(r"parametrizations\.(\w+)\.original\d?$", r"\1", name)
    return re.sub(r"(weight|bias)_(v|orig)$", r"\1", name)
