"""What a run keeps of the data that it is trained on: a description, never the samples."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler, TensorDataset

from eigentrail.data import Data, from_tensors
from eigentrail.errors import DataError, OptionError
from eigentrail.runs.manifest import import_path, plain

# Samples up to this size are hashed, so that they can be told from others later.
_HASHED_BYTES = 64 * 2**20


def describe_data(data: Any) -> dict[str, Any] | None:
    """Describe what a network is trained on.

    Args:
        data: the name of a data set, a `Data`, a pair of tensors (inputs, targets), a Dataset, a DataLoader,
            {"train": ..., "test": ...} of these, or a description as plain data.

    Returns:
        Plain data. Of a `Data` what `Data.describe` gives, and the same of a pair of tensors (or a TensorDataset) of at
        most 64 MB that are samples with classes; of others the kind, shapes and number of samples; of a loader its
        dataset, the size of its batches and whether it shuffles. None for None.

    Raises:
        OptionError: it is none of these.
    """
    if data is None:
        return None
    if isinstance(data, str):
        return {"name": data}
    if isinstance(data, Mapping) and "train" in data and all(map(_are_samples, data.values())):
        rest = {part: describe_data(samples) for part, samples in data.items() if part != "train"}
        return {**(describe_data(data["train"]) or {}), **rest}
    if isinstance(data, Mapping):
        return dict(plain(data, "data"))
    if isinstance(data, Data):
        return data.describe()
    if isinstance(data, DataLoader):
        shuffled = isinstance(data.sampler, RandomSampler)
        return {
            **(describe_data(data.dataset) or {}),
            "batch_size": data.batch_size,
            "shuffled": shuffled,
            "drop_last": data.drop_last,
        }
    pair = data.tensors if isinstance(data, TensorDataset) else data
    if isinstance(pair, (tuple, list)) and pair and all(isinstance(part, torch.Tensor) for part in pair):
        return _describe_tensors(tuple(pair))
    if isinstance(data, Dataset):
        size = len(data) if isinstance(data, Sized) else None
        return {"name": "own data", "kind": import_path(type(data)), "samples": size}
    raise OptionError(
        f"data is a {type(data).__name__}: give a data set's name, tensors (inputs, targets), a Dataset, a DataLoader, "
        "eigentrail.data.load(...), or a description as plain data"
    )


def _are_samples(data: Any) -> bool:
    if isinstance(data, (tuple, list)):
        return bool(data) and all(isinstance(part, torch.Tensor) for part in data)
    return isinstance(data, (Data, Dataset, DataLoader))


def _describe_tensors(tensors: tuple[torch.Tensor, ...]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": "own data",
        "samples": len(tensors[0]) if tensors[0].ndim else 1,
        "shapes": [list(part.shape) for part in tensors],
        "dtypes": [str(part.dtype).removeprefix("torch.") for part in tensors],
    }
    nbytes = sum(part.numel() * part.element_size() for part in tensors)
    if len(tensors) == 2 and nbytes <= _HASHED_BYTES:
        try:
            return {**told, **from_tensors(tensors).describe()}
        except DataError:
            # Targets that are no classes: told by their shapes alone.
            pass
    return told


def samples_in(data: Any) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Take the samples out of what somebody trains on.

    Args:
        data: a pair of tensors, a Dataset of (input, target), or a DataLoader, whose dataset is taken in its own order.

    Returns:
        Inputs [n, ...] and targets [n]; None where it is none of these.

    Raises:
        DataError: it is one of them and does not hold pairs of tensors.
    """
    if isinstance(data, DataLoader):
        data = data.dataset
    if isinstance(data, TensorDataset):
        data = data.tensors
    if isinstance(data, (tuple, list)) and len(data) == 2 and isinstance(data[0], torch.Tensor):
        return data[0], data[1]
    if not isinstance(data, Dataset):
        return None
    if not isinstance(data, Sized):
        raise DataError(f"a {type(data).__name__} has no length: give its samples as a pair of tensors")
    pairs = [data[i] for i in range(len(data))]
    if not pairs or not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs):
        raise DataError(f"a {type(data).__name__} does not give pairs (input, target): give tensors")
    try:
        inputs = torch.stack([torch.as_tensor(x) for x, _ in pairs])
        targets = torch.stack([torch.as_tensor(y) for _, y in pairs])
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"the samples of a {type(data).__name__} do not make one tensor: {error}") from error
    return inputs, targets
