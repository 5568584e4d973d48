"""The surroundings in which a network is evaluated for its curvature, and that leave no trace of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from eigentrail.evaluation.modes import eval_mode, full_precision


@contextmanager
def setting(model: nn.Module, loss: Any = None) -> Iterator[None]:
    """Evaluate a network in eval mode such that it can be differentiated twice, and put everything back.

    That is done after errors, too. Attention takes the MATH kernel and never the fast path of inference, recurrent
    layers leave cuDNN and oneDNN, compiled parts run as written, automatic mixed precision is off and gradients are on:
    the others have no second derivative, or a slow one.

    Args:
        model: the network.
        loss: a loss that is a module goes into eval mode, too.

    Yields:
        Nothing.
    """
    modules = list(model.modules())
    if isinstance(loss, nn.Module):
        modules += list(loss.modules())
    held = [
        (p, p.requires_grad, p.grad)
        for module in modules
        for p in module._parameters.values()
        if p is not None
    ]
    fast = torch.backends.mha.get_fastpath_enabled()
    recurrent = any(isinstance(module, nn.RNNBase) for module in modules)
    with ExitStack() as stack:
        stack.enter_context(full_precision())
        stack.enter_context(eval_mode(modules))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        # TF32 has ten bits, and a second derivative takes differences of what it rounds.
        stack.enter_context(torch.backends.cudnn.flags(enabled=not recurrent, allow_tf32=False))
        for module in modules:
            if isinstance(module, nn.RNNBase):
                stack.enter_context(_unfused(module))
        try:
            torch.backends.mha.set_fastpath_enabled(False)
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
            for parameter, required, grad in held:
                if parameter.requires_grad != required:
                    parameter.requires_grad_(required)
                if parameter.grad is not grad:
                    parameter.grad = grad


@contextmanager
def _unfused(module: nn.RNNBase) -> Iterator[None]:
    """Let a recurrent layer run step by step, where oneDNN would run it as one operation.

    That operation has no forward derivative, and its second derivative computes all steps once more. Convolutions keep
    oneDNN, so it is off only while the layer runs.
    """
    before: list[bool] = []
    flags: Any = torch.backends.mkldnn

    def leave(*_: Any) -> None:
        before.append(flags.enabled)
        flags.enabled = False

    def back(*_: Any) -> None:
        flags.enabled = before.pop()

    handles = [
        module.register_forward_pre_hook(leave),
        module.register_forward_hook(back, always_call=True),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        while before:
            back()
