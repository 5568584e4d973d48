"""How much a computation has to do, counted and not timed, so that a choice by it is the same every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

# What one core, or one GPU, does in a second: floating-point operations of matrix products and convolutions, bytes read
# and written. The last is what it takes to begin an operation, in seconds.
_SPEED = {"cpu": (8e10, 3e10, 2e-6), "cuda": (2e13, 1e12, 5e-6)}


@dataclass(frozen=True)
class Work:
    """What a computation has to do.

    Attributes:
        operations: number of operations that compute something.
        bytes: read and written by them.
        flops: of matrix products and convolutions.
    """

    operations: float
    bytes: float
    flops: float

    def seconds(self, device: torch.device) -> float:
        """Estimate how long it takes.

        Args:
            device: where it is done.

        Returns:
            Seconds on a usual machine, good for comparing two computations.
        """
        flops, traffic, start = _SPEED.get(device.type, _SPEED["cuda"])
        return self.flops / flops + self.bytes / traffic + self.operations * start

    def at(self, more: Work, few: int, many: int, count: int) -> Work:
        """Extrapolate this work for `few` samples and `more` for `many` to `count` samples, on a straight line."""
        share = (count - few) / (many - few)
        return Work(
            *(
                max(one + share * (other - one), 0.0)
                for one, other in zip(_numbers(self), _numbers(more), strict=True)
            )
        )


def count_work(computation: Callable[[], Any]) -> Work:
    """Run a computation and count what it does.

    Args:
        computation: is called once.

    Returns:
        Its operations, bytes and floating-point operations.
    """
    with FlopCounterMode(display=False) as flops, Traffic() as traffic:
        computation()
    return Work(traffic.operations, traffic.bytes, flops.get_total_flops())


def _numbers(work: Work) -> tuple[float, float, float]:
    return work.operations, work.bytes, work.flops


class Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations and what they read and write; views do neither.

    Attributes:
        operations: their number.
        bytes: read and written.
        precisions: floating types of their results.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = self.bytes = 0
        self.precisions: set[torch.dtype] = set()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = operation(*args, **(kwargs or {}))
        if not operation.is_view:
            self.operations += 1
            results, read = _tensors(found), _tensors((args, kwargs))
            self.bytes += sum(one.numel() * one.element_size() for one in results + read)
            self.precisions.update(one.dtype for one in results if one.is_floating_point())
        return found


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [one for one in pytree.tree_leaves(tree) if isinstance(one, torch.Tensor)]
