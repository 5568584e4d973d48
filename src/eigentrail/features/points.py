"""The points of a network at which features are read: what modules give, and what they are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from eigentrail.errors import OptionError
from eigentrail.evaluation.modes import eval_mode, full_precision
from eigentrail.features.feature_rows import first_tensor
from eigentrail.runs.selection import clean_name, match, no_match

_INPUT = ":input"


@dataclass(frozen=True)
class Point:
    """One place in a network.

    Attributes:
        name: the module's name; "fc1:input" for what fc1 is given. The network itself is called "network".
        module: the module.
        side: which side of it.
    """

    name: str
    module: nn.Module
    side: Literal["input", "output"]


def weighted(module: nn.Module) -> bool:
    """Tell whether a module is a layer with weights: dense, a convolution, or a transformer's Conv1D.

    Args:
        module: any module.

    Returns:
        True if it is.
    """
    return isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)) or type(module).__name__ == "Conv1D"


def choose(model: nn.Module, layers: str | Sequence[str] | None) -> list[Point]:
    """Choose points by globs.

    Args:
        model: the network.
        layers: globs over the names of modules, of whose outputs features are made; with ":input" behind, of what they
            are given. None for what every layer with weights is given: the data, and all that is between the layers.

    Returns:
        The points, in the order of the modules.

    Raises:
        OptionError: a glob fits nothing; near names are offered.
    """
    modules = {clean_name(name) or "network": module for name, module in model.named_modules()}
    if layers is None:
        return [Point(name + _INPUT, one, "input") for name, one in modules.items() if weighted(one)]
    wanted: set[tuple[str, Literal["input", "output"]]] = set()
    for glob in [layers] if isinstance(layers, str) else layers:
        side: Literal["input", "output"] = "input" if glob.endswith(_INPUT) else "output"
        fitting = match(glob.removesuffix(_INPUT), modules)
        if not fitting:
            raise OptionError(no_match(glob.removesuffix(_INPUT), modules))
        wanted |= {(name, side) for name in fitting}
    return [
        Point(name + (_INPUT if side == "input" else ""), module, side)
        for name, module in modules.items()
        for side in ("input", "output")
        if (name, side) in wanted
    ]


See = Callable[[Point, int, torch.Tensor], None]


@contextmanager
def reading(model: nn.Module, points: Sequence[Point], see: See) -> Iterator[Callable[[], dict[str, int]]]:
    """Look at points of a network while it is called, in eval mode, without gradients, and leave no trace of it.

    Compiled parts run as written and transformer layers leave their fused path, which both pass by the modules. Hooks
    are removed and modes and buffers put back after errors, too.

    Args:
        model: the network.
        points: where to look.
        see: called with the point, the number of the call of this pass, and what is there, as soon as it is there.

    Yields:
        A function that ends a pass: it gives how often each point was passed, and counts from 0 again.
    """
    calls: dict[str, int] = {}
    handles: list[Any] = []

    def found(point: Point, value: Any) -> None:
        tensor = first_tensor(value)
        if tensor is not None:
            number = calls[point.name] = calls.get(point.name, 0) + 1
            see(point, number, tensor.detach())

    def end() -> dict[str, int]:
        counted = dict(calls)
        calls.clear()
        return counted

    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.enter_context(full_precision())
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(eval_mode(model.modules()))
        try:
            torch.backends.mha.set_fastpath_enabled(False)
            for point in points:
                handles.append(_hook(point, found))
            yield end
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
            for handle in handles:
                handle.remove()


def _hook(point: Point, found: Callable[[Point, Any], None]) -> Any:
    if point.side == "input":
        return point.module.register_forward_pre_hook(
            lambda _, args, kwargs: found(point, [*args, *kwargs.values()]), with_kwargs=True
        )
    return point.module.register_forward_hook(lambda _, args, output: found(point, output))
