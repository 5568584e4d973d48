"""Anybody's own data: pairs of tensors and torch Datasets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from eigentrail.data.dataset import Data
from eigentrail.errors import DataError


def from_tensors(
    train: Any, test: Any = None, *, name: str = "own data", classes: int | Sequence[str] | None = None
) -> Data:
    """Make a data set of what is already there. Inputs are taken as they are, integers as float32.

    Args:
        train: a pair of tensors or arrays (inputs [n, ...], targets [n]), or a `torch.utils.data.Dataset` of
            (input, target), which is read once, in order.
        test: the held-out part, likewise; None for none.
        name: what to call it.
        classes: the number of classes or their names; one more than the largest label by default.

    Returns:
        The data set.

    Raises:
        DataError: it is no such thing, or inputs and targets do not belong together.
    """
    train_inputs, train_targets = _tensors(train, f"the training part of {name}")
    if test is None:
        test_inputs, test_targets = train_inputs[:0], train_targets[:0]
    else:
        test_inputs, test_targets = _tensors(test, f"the test part of {name}")
    if classes is None:
        largest = max((int(part.max()) for part in (train_targets, test_targets) if part.numel()), default=0)
        classes = max(largest, 0) + 1
    names = tuple(map(str, range(classes))) if isinstance(classes, int) else tuple(classes)
    return Data(
        name, train_inputs, train_targets, test_inputs, test_targets, names, about="inputs as they were given"
    )


def _tensors(source: Any, where: str) -> tuple[torch.Tensor, torch.Tensor]:
    if isinstance(source, DataLoader):
        raise DataError(f"{where} is a DataLoader, which has its own order: give its dataset")
    if isinstance(source, TensorDataset):
        source = source.tensors
    if isinstance(source, Dataset):
        source = _collect(source, where)
    if not isinstance(source, (tuple, list)) or len(source) != 2:
        kind = f"{len(source)} things" if isinstance(source, (tuple, list)) else f"a {type(source).__name__}"
        raise DataError(f"{where} is {kind}: give a pair (inputs, targets) or a Dataset of such pairs")
    try:
        inputs, targets = (torch.as_tensor(part) for part in source)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{where} cannot be made tensors: {error}") from error
    if not inputs.is_floating_point() and not inputs.is_complex():
        inputs = inputs.float()
    if not targets.is_floating_point() and targets.dtype != torch.bool and not targets.is_complex():
        targets = targets.long()
    # A copy in memory of torch's own: later changes of the caller's arrays do not reach a training.
    return inputs.detach().clone(), targets.detach().clone()


def _collect(source: Dataset[Any], where: str) -> tuple[torch.Tensor, torch.Tensor]:
    try:
        count = len(source)  # type: ignore[arg-type]
    except TypeError as error:
        raise DataError(f"{where} is a Dataset without a length: collect its samples into tensors") from error
    if not count:
        raise DataError(f"{where} is empty")
    inputs, targets = [], []
    for place in range(count):
        sample = source[place]
        if not isinstance(sample, (tuple, list)) or len(sample) != 2:
            raise DataError(
                f"sample {place} of {where} is a {type(sample).__name__}: give pairs (input, target)"
            )
        try:
            inputs.append(torch.as_tensor(sample[0]))
            targets.append(torch.as_tensor(sample[1]))
        except (TypeError, ValueError, RuntimeError) as error:
            raise DataError(f"sample {place} of {where} cannot be made a tensor: {error}") from error
        if inputs[-1].shape != inputs[0].shape:
            raise DataError(
                f"sample {place} of {where} has shape {tuple(inputs[-1].shape)}, the first one "
                f"{tuple(inputs[0].shape)}: they must be the same"
            )
    return torch.stack(inputs), torch.stack(targets)
