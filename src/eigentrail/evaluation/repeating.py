"""Does a network give the same again, and where in it does the difference begin?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

#: Relative differences that rounding explains, also where a GPU adds in any order.
ROUNDING = {torch.float32: 1e-4, torch.float64: 1e-9}
Prints = list[tuple[str, str, list[float], list[float]]]


@contextmanager
def watched(model: nn.Module) -> Iterator[Prints]:
    """Collect sums of what goes into and comes out of each module, in the order in which they finish.

    Args:
        model: a network.

    Yields:
        For each call of a module its name, its kind, and the sums of its inputs and outputs.
    """
    seen: Prints = []
    handles = []
    for name, module in model.named_modules():

        def hook(module: nn.Module, args: Any, kwargs: Any, output: Any, name: str = name) -> None:
            # Within a transform of torch.func there are no numbers to look at yet.
            if torch._C._functorch.peek_interpreter_stack() is None:
                seen.append((name, type(module).__name__, sums((args, kwargs)), sums(output)))

        handles.append(module.register_forward_hook(hook, with_kwargs=True))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def where_it_differs(prints: list[Prints], rounding: float) -> str:
    """Name the innermost module whose output differs for the same input.

    Args:
        prints: what was `watched` in two passes.
        rounding: the relative difference that counts as none.

    Returns:
        The module in words; "something" where none is found.
    """
    for one, other in zip(*prints, strict=False):
        if near(one[2], other[2], rounding) and not near(one[3], other[3], rounding):
            return f'its module "{one[0]}" ({one[1]})' if one[0] else f"{one[1]}.forward"
    return "something"


def alike(one: Any, other: Any, rounding: float) -> bool:
    """Tell whether two outputs are the same number by number; sums over samples would hide noise.

    Args:
        one: tensors, nested in any way.
        other: those of another pass.
        rounding: the difference that counts as none, relative to the largest number of a tensor.

    Returns:
        True if they are the same.
    """
    pairs = list(zip(pytree.tree_leaves(one), pytree.tree_leaves(other), strict=True))
    for a, b in pairs:
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and not a.is_meta:
            if a.shape != b.shape:
                return False
            scale = float(a.detach().abs().nan_to_num(0.0, 0.0, 0.0).max()) if a.numel() else 0.0
            if not torch.allclose(
                a.double(), b.double(), rtol=0.0, atol=rounding * max(scale, 1e-30), equal_nan=True
            ):
                return False
    return True


def sums(value: Any) -> list[float]:
    """Sum the numbers of tensors, and their absolute values.

    Args:
        value: tensors, nested in any way.

    Returns:
        Two numbers for each tensor.
    """
    found = []
    for one in pytree.tree_leaves(value):
        if isinstance(one, torch.Tensor) and not one.is_meta:
            numbers = one.detach().double()
            found += [float(numbers.sum()), float(numbers.abs().sum())]
    return found


def near(one: list[float], other: list[float], rounding: float) -> bool:
    """Tell whether numbers are the same within rounding.

    Args:
        one: numbers.
        other: as many others.
        rounding: the difference that counts as none, relative to the largest of them.

    Returns:
        True if they are the same; two that are no numbers are.
    """
    if len(one) != len(other):
        return False
    scale = max((abs(x) for x in [*one, *other] if math.isfinite(x)), default=0.0)
    return all(
        abs(a - b) <= rounding * max(scale, 1e-30) or (math.isnan(a) and math.isnan(b)) or a == b
        for a, b in zip(one, other, strict=True)
    )
