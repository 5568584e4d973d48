"""The rank of a layer's gradient, for single samples and for a batch (S4, Lemma 3.1)."""

from __future__ import annotations

import copy
from typing import Any

import pandas as pd
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from eigentrail.errors import DataError
from eigentrail.runs.selection import match

# Singular values below this share of the largest are rounding: float32 gradients are summed over a layer's inputs.
_ROUNDING = 1e-5


def gradient_ranks(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    loss: Any = nn.functional.cross_entropy,
    layers: str = "*",
    rounding: float = _ROUNDING,
) -> pd.DataFrame:
    """Count the ranks of the gradients of dense layers and convolutions, and the bounds on them.

    The gradient of one sample is a sum of one outer product for each place that a layer is applied at: 1 for a dense
    layer on vectors, the number of patches for a convolution. Batch norm mixes samples while it trains, and then a
    sample has no gradient of its own; the network is therefore looked at in evaluation mode, in a copy.

    Args:
        model: the network.
        inputs: [B, ...] samples.
        targets: [B] their targets.
        loss: loss(outputs, targets), a mean over samples.
        layers: a glob over parameter names.
        rounding: singular values below this share of the largest count as zero.

    Returns:
        A row for each weight: `name`, `rows`, `cols` (as matrices [out, in x kernel]), `patches` m, `sample_rank`, the
        largest over the samples, `sample_bound` min(m, M), `batch_rank`, `batch_bound` min(m B, M).

    Raises:
        DataError: there are no samples, or no such layer.
    """
    if not len(inputs) or len(inputs) != len(targets):
        raise DataError(f"{len(inputs)} samples and {len(targets)} targets: give some of both, as many")
    net = copy.deepcopy(model).eval()
    places = _places(net, inputs[:1])
    names = [name for name in match(layers, places) if name in places]
    if not names:
        raise DataError(f"no dense layer or convolution is called {layers}: there are {', '.join(places)}")
    held = {name: value.detach() for name, value in net.named_parameters()}
    buffers = dict(net.named_buffers())
    chosen = {name: held[name] for name in names}

    def one(own: dict[str, torch.Tensor], sample: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        found = functional_call(net, ({**held, **own}, buffers), (sample[None],))
        result: torch.Tensor = loss(found, target[None])
        return result

    each = vmap(grad(one), in_dims=(None, 0, 0))(chosen, inputs, targets)
    rows = []
    for name in names:
        gradients = each[name].flatten(2).double()
        n, m = gradients.shape[1:]
        full, patches = min(n, m), places[name]
        rows.append({
            "name": name,
            "rows": n,
            "cols": m,
            "patches": patches,
            "sample_rank": max(_rank(gradient, rounding) for gradient in gradients),
            "sample_bound": min(patches, full),
            "batch_rank": _rank(gradients.mean(0), rounding),
            "batch_bound": min(patches * len(inputs), full),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _rank(gradient: torch.Tensor, rounding: float) -> int:
    values = torch.linalg.svdvals(gradient)
    return int((values > rounding * values[0]).sum()) if float(values[0]) > 0 else 0


@torch.no_grad()
def _places(net: nn.Module, sample: torch.Tensor) -> dict[str, int]:
    """How often each dense layer and convolution is applied to a sample."""
    found: dict[str, int] = {}

    def counting(name: str) -> Any:
        def hook(module: nn.Module, given: Any, made: torch.Tensor) -> None:
            count = made[0, ..., 0].numel() if isinstance(module, nn.Linear) else made[0, 0].numel()
            found[name] = found.get(name, 0) + count

        return hook

    handles = [
        module.register_forward_hook(counting(f"{name}.weight" if name else "weight"))
        for name, module in net.named_modules()
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))
    ]
    try:
        net(sample)
    finally:
        for handle in handles:
            handle.remove()
    return found
