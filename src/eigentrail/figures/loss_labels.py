"""What a loss is called on an axis, and the parts of a node that figures read."""

from __future__ import annotations

import xarray as xr


def loss_label(name: str) -> tuple[str, str]:
    """Say what a loss is.

    Args:
        name: "cross-entropy", "squared-error", or the name of a loss of one's own.

    Returns:
        Its name in words, and its unit; without one, an empty text.
    """
    known = {"cross-entropy": ("cross-entropy", "nats"), "squared-error": ("half the squared error", "")}
    return known.get(name, (name, ""))


def loss_label_of(node: xr.DataTree) -> tuple[str, str]:
    """Say what the loss of an analysis is.

    Args:
        node: a layer of the analysis; its attribute `loss_name` names the loss.

    Returns:
        Its name in words, and its unit in brackets with a space before, or nothing.
    """
    name, unit = loss_label(str(node.attrs.get("loss_name", "cross-entropy")))
    return name, f" ({unit})" if unit else ""


def part_of(node: xr.DataTree, name: str) -> xr.Dataset:
    """Take a child of a layer's node.

    Args:
        node: the node.
        name: the child.

    Returns:
        Its arrays.
    """
    child = node[name]
    assert isinstance(child, xr.DataTree)
    return child.to_dataset(inherit=False)
