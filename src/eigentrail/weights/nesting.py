"""Find the state dict inside a checkpoint, and take the wrappers' prefixes off its names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from eigentrail.weights.readers.inert import InertArray
from eigentrail.weights.readers.stand_ins import StoredTensor, Unreadable
from eigentrail.weights.store import Skipped

# Under these keys training scripts and frameworks keep the network's weights, the usual ones first.
_NESTS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "module",
    "network",
    "net",
    "params",
    "weights",
)
# Under keys with these words they keep what is not the network's weights.
_OTHERS = ("optim", "schedul", "scaler", "callbacks", "loops", "rng")
# A wrapper as the whole network puts its prefix in front of every name; the others may sit anywhere.
_OUTER = ("module.", "_orig_mod.", "_forward_module.")
_INNER = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
_DEPTH = 32


def is_array(value: object) -> bool:
    """Tell whether a value of a checkpoint is a tensor.

    Args:
        value: anything.

    Returns:
        True for torch tensors and numpy arrays, pickled ones included (numpy's single numbers are none).
    """
    return isinstance(value, (Tensor, np.ndarray, InertArray, StoredTensor, Unreadable))


def find_state_dict(checkpoint: Mapping[Any, Any]) -> tuple[dict[str, Any], list[Skipped]]:
    """Find the named tensors of a checkpoint.

    Descends into `state_dict`, `model_state_dict`, `model`, ... while there is one that holds tensors; what
    else holds tensors beside it is skipped with a reason. Without such a key every mapping is descended into,
    and names are joined by dots.

    Args:
        checkpoint: a mapping as training scripts save it; values that are no tensors are left out.

    Returns:
        The tensors (torch or numpy) by name, and what was left out.
    """
    skipped: list[Skipped] = []
    seen: set[int] = set()
    while id(checkpoint) not in seen:
        seen.add(id(checkpoint))
        nest = next((key for key in _NESTS if _holds_arrays(checkpoint.get(key))), None)
        if nest is None:
            break
        for key, value in checkpoint.items():
            if key == nest or not _holds_arrays(value) or _is_number(value):
                continue
            if _is_other(key):
                skipped.append(Skipped(str(key), "the state of the training, not weights of the network"))
            else:
                skipped.append(
                    Skipped(
                        str(key), f"stands beside `{nest}`; pass this part alone to `open_weights` to see it"
                    )
                )
        checkpoint = checkpoint[nest]
    found: dict[str, Any] = {}
    _flatten(checkpoint, "", 0, found, skipped, set())
    return found, skipped


def clean_names(names: Sequence[str], also: Sequence[str] = ()) -> dict[str, str]:
    """Take the prefixes of `DataParallel`, `torch.compile` and sharding wrappers off parameter names.

    Args:
        names: the names of all tensors; an outer prefix goes only if all of them have it.
        also: more names to clean in the same way (tied names).

    Returns:
        {name: clean name}; where two clean names would meet, all names stay as they are.
    """
    clean = {name: name for name in (*names, *also)}
    while names and (prefix := next((p for p in _OUTER if all(clean[n].startswith(p) for n in names)), None)):
        clean = {name: short.removeprefix(prefix) for name, short in clean.items()}
    for part in _INNER:
        clean = {name: short.replace(part, "") for name, short in clean.items()}
    unique = len(set(clean.values())) == len(clean) and all(clean.values())
    return clean if unique else {name: name for name in clean}


def _is_number(value: object) -> bool:
    if isinstance(value, StoredTensor):
        return not value.shape
    return isinstance(value, (Tensor, np.ndarray)) and value.ndim == 0


def _is_other(key: object) -> bool:
    return any(word in str(key).lower() for word in _OTHERS)


def _holds_arrays(value: object) -> bool:
    # Tell whether there is a tensor somewhere in nested mappings and lists, visiting each of them once.
    seen: set[int] = set()
    open_ends = [value]
    while open_ends:
        value = open_ends.pop()
        if id(value) in seen:
            continue
        if is_array(value):
            return True
        if isinstance(value, Mapping):
            seen.add(id(value))
            open_ends.extend(value.values())
        elif isinstance(value, (list, tuple)):
            seen.add(id(value))
            open_ends.extend(
                part for part in value if isinstance(part, (Mapping, list, tuple)) or is_array(part)
            )
    return False


def _flatten(
    branch: Mapping[Any, Any] | Sequence[Any],
    prefix: str,
    depth: int,
    found: dict[str, Any],
    skipped: list[Skipped],
    seen: set[int],
) -> None:
    # A hostile pickle may build a mapping that holds itself, or one that doubles at every level: each is
    # visited once.
    if id(branch) in seen or depth > _DEPTH:
        return
    seen.add(id(branch))
    for key, value in branch.items() if isinstance(branch, Mapping) else enumerate(branch):
        name = prefix + (key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key))
        if is_array(value):
            if name in found:
                skipped.append(Skipped(name, "a second tensor of the same name"))
            else:
                found[name] = value
        elif depth == 0 and _is_other(key) and _holds_arrays(value):
            skipped.append(Skipped(name, "the state of the training, not weights of the network"))
        elif isinstance(value, Mapping) or (isinstance(value, (list, tuple)) and _holds_arrays(value)):
            _flatten(value, name + ".", depth + 1, found, skipped, seen)
