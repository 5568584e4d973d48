"""Second moments of the inputs of a network's layers, in one pass over data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eigentrail.errors import DataError, OptionError
from eigentrail.runs.selection import match


def input_covariances(
    model: nn.Module, inputs: Iterable[Any] | Tensor, layers: list[str] | str | None = None, batch: int = 256
) -> dict[str, Tensor]:
    """Find the second moment E[x x^T] of what each linear and convolutional layer is given.

    It is not centred: what a change of W does to the outputs is E|dW x|^2 = tr(dW E[x x^T] dW^T). The inputs of a
    convolution are its patches [in kh kw], padding included, as its kernel is seen flat.

    Args:
        model: in eval mode for the pass, and put back.
        inputs: a tensor of samples [n, ...], or batches: tensors, (inputs, targets) pairs, or dicts of
            keyword arguments.
        layers: globs over parameter names, where a module's name stands for its weight; None: all such layers.
        batch: samples at once where `inputs` is one tensor.

    Returns:
        {name of the weight: [m, m] float64 on the CPU}; layers that the pass does not reach are left out.

    Raises:
        OptionError: no such layer is chosen.
        DataError: there are no samples, or the moments are not finite.
    """
    names = [f"{name}.weight" if name else "weight" for name, part in model.named_modules() if _known(part)]
    globs = [layers] if isinstance(layers, str) else layers
    chosen = names if globs is None else [n for n in names if any(n in match(glob, names) for glob in globs)]
    if not chosen:
        raise OptionError("no linear or ungrouped convolutional layer is chosen, whose inputs could be seen.")
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def watch(name: str, part: nn.Module) -> Any:
        def hook(_: nn.Module, given: tuple[Any, ...]) -> None:
            x = _rows(part, given[0].detach())
            moment = (x.T @ x).double().cpu()
            sums[name] = sums[name] + moment if name in sums else moment
            counts[name] = counts.get(name, 0) + len(x)

        return part.register_forward_pre_hook(hook)

    parts = dict(model.named_modules())
    hooks = [watch(name, parts[name.removesuffix("weight").rstrip(".")]) for name in chosen]
    modes = {part: part.training for part in model.modules()}
    device = next(model.parameters()).device
    try:
        model.eval()
        with torch.no_grad():
            for given in torch.split(inputs, batch) if isinstance(inputs, Tensor) else inputs:
                if isinstance(given, dict):
                    model(**{key: value.to(device) for key, value in given.items()})
                else:
                    model((given[0] if isinstance(given, (tuple, list)) else given).to(device))
    finally:
        for hook in hooks:
            hook.remove()
        for part, mode in modes.items():
            part.training = mode
    if not sums:
        raise DataError("there are no samples to see the layers' inputs of.")
    found = {name: sums[name] / counts[name] for name in chosen if name in sums}
    for name, moment in found.items():
        if not bool(torch.isfinite(moment).all()):
            raise DataError(f"the inputs of {name} are not finite.")
    return found


def _known(part: nn.Module) -> bool:
    if isinstance(part, nn.Conv2d):
        return part.groups == 1 and part.padding_mode == "zeros"
    return isinstance(part, nn.Linear)


def _rows(part: nn.Module, x: Tensor) -> Tensor:
    """One row for each vector that the layer's matrix meets."""
    if isinstance(part, nn.Conv2d):
        # Padding in words ("same" may be uneven) as torch itself resolves it.
        padded = F.pad(x, part._reversed_padding_repeated_twice)
        patches = F.unfold(padded, part.kernel_size, part.dilation, 0, part.stride)
        return patches.transpose(1, 2).flatten(0, 1)
    return x.reshape(-1, x.shape[-1])
