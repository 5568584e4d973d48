"""Weights that are in memory already: a module, a state dict, a mapping of arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from eigentrail._arrays import to_numpy
from eigentrail.errors import SourceError
from eigentrail.weights.nesting import find_state_dict
from eigentrail.weights.readers.npz_file import tensor_of, torch_dtype, why_no_tensor
from eigentrail.weights.slot_store import SlotStore
from eigentrail.weights.slots import Slot, TensorSlot
from eigentrail.weights.store import ModuleHint, Skipped


def why_unreadable(value: Tensor) -> str | None:
    """Say why a tensor's numbers cannot be read.

    Args:
        value: the tensor.

    Returns:
        The reason, or None for a tensor that can be read.
    """
    if isinstance(value, nn.UninitializedParameter | nn.UninitializedBuffer):
        return "not initialised yet: run the network on one batch first"
    if type(value).__torch_dispatch__ is not Tensor.__torch_dispatch__:
        return f"a {type(value).__name__}, which is no plain tensor; unpack it to float32 first"
    if value.is_quantized:
        return f"quantised by torch ({value.dtype}); take `.dequantize()` of it first"
    if value.layout != torch.strided:
        return f"sparse ({value.layout}); take `.to_dense()` of it first"
    if value.is_meta:
        return "on the meta device, without numbers: load the weights first"
    return None


def open_state_dict(
    mapping: Mapping[Any, Any], source: str = "state dict", config: Mapping[str, Any] | None = None
) -> SlotStore:
    """Open a mapping of tensors or arrays, nested as in checkpoints or flat.

    Args:
        mapping: names to torch tensors or numpy arrays.
        source: what people call it.
        config: the settings of the network that they belong to, as in a `config.json`.

    Returns:
        The store; nothing is copied.

    Raises:
        SourceError: it holds no tensor at all.
    """
    found, skipped = find_state_dict(mapping)
    if not found and not skipped:
        raise SourceError(
            f"{source}: there is no tensor or array in it; give a mapping of names to tensors, such as "
            "model.state_dict()."
        )
    return _store(source, found.items(), skipped, config or {}, {})


def open_module(module: nn.Module) -> SlotStore:
    """Open the parameters and buffers of a module.

    Args:
        module: any module, on any device and in any precision.

    Returns:
        The store; nothing is copied, and what the modules say about their parameters is in `.modules`.

    Raises:
        SourceError: it has no parameter.
    """
    hints: dict[str, ModuleHint] = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        hint = _hint(part)
        for name, _ in part.named_parameters(recurse=False):
            hints[f"{prefix}.{name}" if prefix else name] = hint
        for name, value in part.named_buffers(recurse=False):
            # Masks and the vectors of normalisations are vectors or belong to a parameter of the same name.
            if value.ndim > 1 and not name.endswith("_mask"):
                hints[f"{prefix}.{name}" if prefix else name] = replace(hint, buffer=True)
    source = f"module {type(module).__name__}"
    values = [
        (name, value)
        for name, value in module.state_dict(keep_vars=True).items()
        if isinstance(value, Tensor)
    ]
    if not values:
        raise SourceError(f"{source}: it has no parameters; give the network itself.")
    return _store(source, values, [], _config(module), hints)


def _store(
    source: str,
    values: Iterable[tuple[str, Any]],
    skipped: list[Skipped],
    config: Mapping[str, Any],
    hints: Mapping[str, ModuleHint],
) -> SlotStore:
    slots: list[Slot] = []
    skipped = list(skipped)
    for name, value in values:
        if isinstance(value, np.ndarray):
            if torch_dtype(value.dtype) is None:
                skipped.append(Skipped(name, why_no_tensor(value.dtype)))
            else:
                slots.append(TensorSlot.of(name, tensor_of(value)))
        elif (reason := why_unreadable(value)) is not None:
            skipped.append(Skipped(name, reason))
        else:
            slots.append(TensorSlot.of(name, value.detach()))
    return SlotStore(source, slots, skipped, config, hints, stamp=partial(_digest, slots), in_memory=True)


def _digest(slots: list[Slot]) -> str:
    digest = hashlib.sha256()
    for slot in slots:
        digest.update(f"{slot.name}{tuple(slot.shape)}{slot.dtype}".encode("utf-8", "surrogatepass"))
        digest.update(np.ascontiguousarray(to_numpy(slot.read())).tobytes())
    return digest.hexdigest()


def _hint(module: nn.Module) -> ModuleHint:
    kinds = (kind for kind in type(module).__mro__ if kind is not nn.Module)
    torch_kind = next(
        (kind for kind in kinds if kind.__module__.startswith("torch.nn.modules.")), type(module)
    )
    heads = getattr(module, "num_heads", None)
    hidden = getattr(module, "hidden_size", None)
    return ModuleHint(
        class_name=torch_kind.__name__,
        groups=int(getattr(module, "groups", 1)) if isinstance(module, nn.modules.conv._ConvNd) else 1,
        transposed=isinstance(module, nn.modules.conv._ConvTransposeNd),
        num_heads=heads if type(heads) is int else None,
        hidden_size=hidden
        if isinstance(module, nn.RNNBase | nn.RNNCellBase) and type(hidden) is int
        else None,
    )


def _config(module: nn.Module) -> dict[str, Any]:
    # Take the settings that networks of the `transformers` library carry with them.
    to_dict = getattr(getattr(module, "config", None), "to_dict", None)
    config = to_dict() if callable(to_dict) else {}
    return dict(config) if isinstance(config, Mapping) else {}
