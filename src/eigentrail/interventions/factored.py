"""A weight of low rank as two smaller layers, written and loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from eigentrail.errors import SourceError
from eigentrail.interventions.edited_matrix import EditedMatrix
from eigentrail.weights import EditedTensors, Weights, open_store


def factored_tensors(weights: Weights, matrices: Mapping[str, EditedMatrix]) -> dict[str, Tensor]:
    """Make the state dict in which edited weights are two layers.

    `fc.weight` [out, in] becomes `fc.0.weight` [k, in] and `fc.1.weight` [out, k], its bias `fc.1.bias`; a kernel [out,
    in, kh, kw] becomes [k, in, kh, kw] and [out, k, 1, 1]. That is the state dict of a network with
    `fc = nn.Sequential(nn.Linear(in, k, bias=False), nn.Linear(k, out))`. Weights whose factors need no fewer numbers,
    and kinds that are no such layer, are edited and stay whole.

    Args:
        weights: the source.
        matrices: the edited matrices.

    Returns:
        {name: tensor} of the whole network.
    """
    split: dict[str, tuple[Tensor, Tensor]] = {}
    for name, made in matrices.items():
        spec, (before, after) = weights.specs[name], made.parameters
        plain = spec.kind == "linear" or (spec.kind == "conv2d" and weights.conv == "flatten")
        if plain and spec.matrices == 1 and name.endswith(".weight") and after < before and not spec.aliases:
            split[name] = made.pieces[0]
    rest = [name for name in matrices if name not in split]

    def change(name: str, matrix: Any) -> Any:
        return replace(matrices[name], given=matrix).matrix

    whole = EditedTensors(weights, change, rest)
    made_tensors: dict[str, Tensor] = {}
    for name, entry in weights.store.entries.items():
        module = name.removesuffix(".bias")
        if name in split:
            stored = weights.store.read(name)
            left, right = (factor.to(stored.dtype) for factor in split[name])
            module = name.removesuffix(".weight")
            rest_shape = entry.shape[1:]
            made_tensors[f"{module}.0.weight"] = right.reshape(-1, *rest_shape).contiguous()
            made_tensors[f"{module}.1.weight"] = left.reshape(
                *left.shape, *[1] * (len(rest_shape) - 1)
            ).contiguous()
        elif module != name and f"{module}.weight" in split:
            made_tensors[f"{module}.1.bias"] = weights.store.read(name)
        else:
            made_tensors[name] = whole[name] if name in whole else weights.store.read(name)
    return made_tensors


def load_factored(model: nn.Module, path: str | os.PathLike[str]) -> nn.Module:
    """Load a factored checkpoint: layers that it holds as two are replaced by two in the network.

    Args:
        model: the network as it was before the edit; changed in place.
        path: the file that `Edit.save(path, factored=True)` wrote.

    Returns:
        The network.

    Raises:
        SourceError: the file does not fit the network.
    """
    store = open_store(path)
    parts = dict(model.named_modules())
    for name in list(store.entries):
        module = name.removesuffix(".0.weight")
        layer = parts.get(module)
        if module == name or not isinstance(layer, nn.Linear | nn.Conv2d):
            continue
        owner, _, leaf = module.rpartition(".")
        setattr(parts[owner], leaf, _two_layers(layer, store.entries[name].shape[0]))
    state = {name: store.read(name) for name in store.entries}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise SourceError(f"{path} does not fit the network: {' '.join(str(error).split())[:300]}") from error
    return model


def _two_layers(layer: nn.Linear | nn.Conv2d, rank: int) -> nn.Sequential:
    bias = layer.bias is not None
    place: dict[str, Any] = {"device": layer.weight.device, "dtype": layer.weight.dtype}
    if isinstance(layer, nn.Linear):
        return nn.Sequential(
            nn.Linear(layer.in_features, rank, bias=False, **place),
            nn.Linear(rank, layer.out_features, bias=bias, **place),
        )
    as_it_was: dict[str, Any] = {
        name: getattr(layer, name)
        for name in ("kernel_size", "stride", "padding", "dilation", "padding_mode")
    }
    first = nn.Conv2d(layer.in_channels, rank, bias=False, **as_it_was, **place)
    return nn.Sequential(first, nn.Conv2d(rank, layer.out_channels, 1, bias=bias, **place))
