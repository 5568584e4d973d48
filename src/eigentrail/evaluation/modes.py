"""Evaluating a network as it is, and leaving no trace of it: eval mode, no mixed precision, buffers put back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn


@contextmanager
def full_precision() -> Iterator[None]:
    """Leave automatic mixed precision and inference mode, which also reach into backward passes.

    Yields:
        Nothing.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


@contextmanager
def eval_mode(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Put modules into eval mode, and put their modes and buffers back, after errors, too.

    The flags are set one by one, for `model.eval()` may do more than that (some adapters merge their weights).

    Args:
        modules: all modules of a network (`model.modules()`).

    Yields:
        Nothing.
    """
    training = [(module, module.training) for module in modules]
    buffers = [
        (b, b.detach().clone(), b._version)
        for module, _ in training
        for b in module._buffers.values()
        if b is not None and not b.is_meta
    ]
    try:
        for module, _ in training:
            module.training = False
        yield
    finally:
        for module, flag in training:
            module.training = flag
        with torch.no_grad():
            for buffer, value, version in buffers:
                if buffer._version != version:
                    buffer.copy_(value)
