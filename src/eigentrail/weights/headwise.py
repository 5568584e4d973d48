"""Attention weights that are stored with an axis of heads, or with the input axis first.

TransformerLens and code like it keep `W_Q`, `W_K`, `W_V` as [head, d_head, d_model] or [head, d_model,
d_head] and `W_O` as [head, d_head, d_model]; XLNet keeps [d_model, head, d_head]; Flax and Keras keep dense
kernels as [in, out] and convolution kernels as [*kernel, in, out].
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from eigentrail.weights.matricize import view_convolution
from eigentrail.weights.split import RowPart
from eigentrail.weights.view import Context, Name, Source, View, transpose

if TYPE_CHECKING:
    from torch import Tensor

_ROLES = {"W_Q": "q", "W_K": "k", "W_V": "v", "W_O": "o"}


def view_headwise(context: Context, source: Source, shape: tuple[int, ...]) -> View | None:
    """See attention weights with an axis of heads as one matrix, all heads together (heads apart on request).

    Args:
        context: all that planning may look at.
        source: where the numbers come from.
        shape: the stored shape.

    Returns:
        The view, or None for any other parameter.
    """
    pieces = Name.of(source.name)
    if len(shape) != 3:
        return None
    role = _ROLES.get(pieces.leaf)
    if role == "o":
        heads, size, model = shape
        if size > model:  # [head, d_model, d_head]
            size, model = model, size
            return View("attention.o", source, (1, model, heads * size), _outputs_by_head)
        return View("attention.o", source, (1, model, heads * size), _outputs_of_heads)
    if role:
        heads, size, model = shape
        turn = _heads_together
        if size > model:
            size, model = model, size
            turn = _turned_heads_together
        rows = heads * size
        return View(
            f"attention.{role}", source, (1, rows, model), turn, parts=(RowPart("", 1, rows, 0, rows, size),)
        )
    if pieces.parent == "rel_attn" and pieces.leaf in {"q", "k", "v", "o", "r"}:
        model, heads, size = shape
        if pieces.leaf == "o":
            return View("attention.o", source, (1, model, heads * size), _inputs_together)
        parts = (RowPart("", 1, heads * size, 0, heads * size, size),)
        return View(
            f"attention.{pieces.leaf}", source, (1, heads * size, model), _outputs_together, parts=parts
        )
    return None


def view_kernel(context: Context, source: Source, shape: tuple[int, ...]) -> View | None:
    """See a `kernel` of Flax or Keras in natural orientation.

    Args:
        context: all that planning may look at.
        source: where the numbers come from.
        shape: the stored shape.

    Returns:
        The view, or None for a parameter of another name.
    """
    pieces = Name.of(source.name)
    if pieces.leaf != "kernel" or len(shape) < 2:
        return None
    if len(shape) == 2:
        return View(
            "linear", source, (1, shape[1], shape[0]), transpose, note="stored [in, out]: seen transposed"
        )
    if len(shape) == 3 and pieces.parent in {"query", "key", "value"}:
        rows = shape[1] * shape[2]
        parts = (RowPart("", 1, rows, 0, rows, shape[2]),)
        return View(
            f"attention.{pieces.parent[0]}", source, (1, rows, shape[0]), _outputs_together, parts=parts
        )
    if (
        len(shape) == 3
        and pieces.parent == "out"
        and pieces.block.rstrip(".").split(".")[-1].lower().find("att") >= 0
    ):
        return View("attention.o", source, (1, shape[2], shape[0] * shape[1]), _inputs_first_together)
    order = (len(shape) - 1, len(shape) - 2, *range(len(shape) - 2))
    seen = view_convolution(tuple(shape[axis] for axis in order), context.conv)
    return View(
        f"conv{len(shape) - 2}d", source, seen.matrices, partial(_permuted, order, seen), note=seen.note
    )


def stack_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """How a tensor of unknown kind with three or more axes is seen: a pool of its last two axes.

    Args:
        shape: the stored shape.

    Returns:
        Number of matrices, rows, columns.
    """
    return math.prod(shape[:-2]), shape[-2], shape[-1]


def flatten_leading(tensor: Tensor) -> Tensor:
    """See [..., rows, cols] as a stack.

    Args:
        tensor: two or more axes.

    Returns:
        [rows, cols], or [k, rows, cols].
    """
    stack = tensor.flatten(0, -3) if tensor.ndim > 2 else tensor[None]
    return stack[0] if stack.shape[0] == 1 else stack


def flatten_rows(tensor: Tensor) -> Tensor:
    """See [..., cols] as one matrix whose rows are all leading axes.

    Args:
        tensor: two or more axes.

    Returns:
        [rows, cols].
    """
    return tensor.flatten(0, -2)


def _heads_together(tensor: Tensor) -> Tensor:
    return tensor.flatten(0, 1)


def _turned_heads_together(tensor: Tensor) -> Tensor:
    return tensor.transpose(1, 2).flatten(0, 1)


def _outputs_of_heads(tensor: Tensor) -> Tensor:
    return tensor.flatten(0, 1).T


def _outputs_by_head(tensor: Tensor) -> Tensor:
    return tensor.transpose(0, 1).flatten(1)


def _outputs_together(tensor: Tensor) -> Tensor:
    return tensor.flatten(1).T


def _inputs_together(tensor: Tensor) -> Tensor:
    return tensor.flatten(1)


def _inputs_first_together(tensor: Tensor) -> Tensor:
    return tensor.flatten(0, 1).T


def _permuted(order: tuple[int, ...], seen, tensor: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
    return seen(tensor.permute(order))  # type: ignore[no-any-return]
