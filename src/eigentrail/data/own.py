"""Anybody's own data: pairs of tensors and torch Datasets."""

from __future__ import annotations

import itertools
import operator
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from eigentrail._names import FOREIGN, first_line, import_object
from eigentrail._numbers import written
from eigentrail.data.dataset import DTYPES, Data, check_dense, int64_labels, too_large
from eigentrail.errors import DataError

_IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")

# Samples of a Dataset that are read at once.
_AT_ONCE = 256

# So many classes in a row without a sample: their labels are rather marks, such as 255, or no class numbers at all.
_EMPTY_CLASSES = 100

_MOST_CLASSES = 1_000_000
_LARGEST = 2**63 - 1

# What has been asked for by import path in this process.
_asked: set[str] = set()


def is_import_path(text: str) -> bool:
    """Tell an import path from a name or a folder.

    Args:
        text: what was given.

    Returns:
        True for "package.module:name", unless there is a folder of that name.
    """
    return _IMPORT_PATH.fullmatch(text) is not None and not Path(text).is_dir()


def load_own(path: str) -> Data:
    """Import somebody's own data set.

    Args:
        path: "package.module:name" of a `Data`, a pair of tensors, a torch Dataset, a pair (train, test) of either, or
            of a class or function that gives one of these when it is called without arguments.

    Returns:
        The data set, with the import path for its name.

    Raises:
        DataError: it cannot be imported or called, or it is none of these.
    """
    found = import_object(path, "data set", DataError)
    if callable(found) and not isinstance(found, Dataset):
        try:
            found = found()
        except FOREIGN as error:
            raise DataError(
                f"{path}() does not give a data set ({type(error).__name__}: {first_line(error)}): name an object, or "
                "a class or function that is called without arguments"
            ) from error
    data = from_object(found, path)
    _asked.add(path)
    return data


def was_asked(path: str) -> bool:
    """Say whether this process has been asked to import a data set.

    Args:
        path: its import path.

    Returns:
        True after `load_own`.
    """
    return path in _asked


def from_object(found: Any, name: str = "own data") -> Data:
    """Make a data set of whatever holds samples and labels.

    Args:
        found: a `Data`, a pair of tensors (inputs, targets), a torch Dataset of such pairs, or a pair (train, test) of
            either.
        name: what to call it.

    Returns:
        The data set.

    Raises:
        DataError: it is none of these.
    """
    if isinstance(found, Data):
        # How it was made is the business of the code that its name stands for.
        return replace(found, name=name, about=f"{found.name}: {found.about}".rstrip(": "), derivation=())
    if isinstance(found, (tuple, list)) and len(found) == 2 and all(_is_part(part) for part in found):
        return from_tensors(found[0], found[1], name=name)
    return from_tensors(found, name=name)


def _is_part(part: Any) -> bool:
    return isinstance(part, Dataset) or (isinstance(part, (tuple, list)) and len(part) == 2)


def from_tensors(
    train: Any, test: Any = None, *, name: str = "own data", classes: int | Sequence[str] | None = None
) -> Data:
    """Make a data set of what is already there. Inputs are taken as they are, integers and bfloat16 as float32.

    Integers [n, positions] with targets of the same shape are sequences of tokens, each with the next ones.

    Args:
        train: a pair of tensors or arrays (inputs [n, ...], targets [n]), or a `torch.utils.data.Dataset` of
            (input, target), which is read once, in order.
        test: the held-out part, likewise; None for none.
        name: what to call it.
        classes: the number of classes or their names; one more than the largest label by default, which is refused
            where a hundred classes in a row or more would have no sample.

    Returns:
        The data set.

    Raises:
        DataError: it is no such thing, inputs and targets do not belong together, or the labels do not tell the
            number of classes.
    """
    train_inputs, train_targets = _tensors(train, f"the training part of {name}")
    if test is None:
        test_inputs, test_targets = train_inputs[:0], train_targets[:0]
    else:
        test_inputs, test_targets = _tensors(test, f"the test part of {name}")
    if classes is None:
        classes = _count_classes(train_targets, test_targets, name)
    names = _class_names(classes, name)
    return Data(
        name, train_inputs, train_targets, test_inputs, test_targets, names, about="inputs as they were given"
    )


def _count_classes(train: torch.Tensor, test: torch.Tensor, name: str) -> int:
    # Negative labels, and targets that are no labels, are left to the checks of the data set.
    parts = [part for part in (train, test) if part.dtype == torch.int64]
    there = sorted({-1}.union(*(torch.unique(part[part >= 0]).tolist() for part in parts)))
    for below, label in itertools.pairwise(there):
        if label - below > _EMPTY_CLASSES:
            part, targets = ("training", train) if bool((train == label).any()) else ("test", test)
            place = int((targets.flatten() == label).nonzero()[0])
            raise DataError(
                f"the {part} part of {name} labels sample {place} as class {label} and no sample as class {below + 1} "
                f"to {label - 1}: give the number of classes, eigentrail.data.from_tensors(..., classes=...), or take "
                "out samples whose label is no class"
            )
    return max(there[-1], 0) + 1


def _class_names(classes: Any, name: str) -> tuple[str, ...]:
    try:
        count = 0 if isinstance(classes, bool) else operator.index(classes)
    except TypeError:
        try:
            if not isinstance(classes, (str, bytes)):
                return tuple(classes)
        except TypeError:
            pass
        count = 0
    if not 1 <= count <= _MOST_CLASSES:
        raise DataError(
            f"classes={written(classes)} of {name}: give the number of classes, 1 to {_MOST_CLASSES}, or their names"
        )
    return tuple(map(str, range(count)))


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
    except FOREIGN as error:
        raise DataError(f"{where} cannot be made tensors: {first_line(error)}") from error
    check_dense(inputs, f"{where} has inputs that are")
    check_dense(targets, f"{where} has targets that are")
    if not inputs.ndim or not targets.ndim:
        what = "targets" if inputs.ndim else "inputs"
        raise DataError(
            f"{where} has {what} that are one number: give inputs [n, ...] and targets [n], or a Dataset of samples"
        )
    whole = not (inputs.is_floating_point() or inputs.is_complex() or inputs.dtype == torch.bool)
    if whole and inputs.ndim == targets.ndim == 2 and inputs.shape == targets.shape:
        inputs = inputs.long()  # tokens, and the next ones
    elif inputs.dtype not in DTYPES and not inputs.is_complex():
        inputs = inputs.float()
    if not targets.is_floating_point() and targets.dtype != torch.bool and not targets.is_complex():
        targets = _long(targets, where)
    # A copy in memory of torch's own: later changes of the caller's arrays do not reach a training.
    return inputs.detach().clone(), targets.detach().clone()


def _long(targets: torch.Tensor, where: str, start: int = 0) -> torch.Tensor:
    if targets.dtype != torch.uint64:
        return targets.long()
    # torch compares no such numbers.
    return torch.from_numpy(np.asarray(int64_labels(targets.cpu().numpy(), where, start)))


def read_pair(source: Dataset[Any] | DataLoader[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Read the samples of a Dataset or a DataLoader once, values as they are.

    Random numbers of torch's, which a loader that shuffles draws, are put back.

    Args:
        source: a Dataset of pairs (input, target), or a DataLoader of pairs (inputs, targets).

    Returns:
        Inputs [n, ...] and targets [n, ...].

    Raises:
        DataError: it gives other things, or these do not go into one tensor.
    """
    loader = source if isinstance(source, DataLoader) else DataLoader(source, batch_size=_AT_ONCE)
    kept = None if loader.generator is None else loader.generator.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            pairs = [_pair_of(batch) for batch in loader]
        if not pairs:
            raise DataError("there are no samples in the data")
        inputs, targets = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    except DataError:
        raise
    except FOREIGN as error:
        raise DataError(
            f"the samples of the data do not go into one tensor ({type(error).__name__}: {first_line(error)}): give "
            "pairs of inputs of one shape and targets"
        ) from error
    finally:
        if kept is not None:
            loader.generator.set_state(kept)
    return inputs.detach(), targets.detach()


def _pair_of(batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        many = f" of {len(batch)}" if isinstance(batch, (tuple, list)) else ""
        raise DataError(
            f"a batch of the data is a {type(batch).__name__}{many}: give pairs (inputs, targets)"
        )
    inputs, targets = (torch.as_tensor(part) for part in batch)
    check_dense(inputs, "the inputs of the data are")
    check_dense(targets, "the targets of the data are")
    # A loader that does not make batches gives single samples.
    return (inputs, targets) if targets.ndim else (inputs[None], targets[None])


def _collect(source: Dataset[Any], where: str) -> tuple[torch.Tensor, torch.Tensor]:
    try:
        count = len(source)  # type: ignore[arg-type]
    except TypeError as error:
        raise DataError(f"{where} is a Dataset without a length: collect its samples into tensors") from error
    except FOREIGN as error:
        raise DataError(
            f"{where} does not tell its length ({type(error).__name__}: {first_line(error)}): mend its __len__"
        ) from error
    if not count:
        raise DataError(f"{where} is empty")
    inputs, targets = [], []
    for place in range(count):
        try:
            sample = source[place]
        except FOREIGN as error:
            raise DataError(
                f"sample {place} of {where}, which tells of {count} samples, cannot be read ({type(error).__name__}: "
                f"{first_line(error)}): mend its __getitem__ or its __len__"
            ) from error
        if not isinstance(sample, (tuple, list)) or len(sample) != 2:
            raise DataError(
                f"sample {place} of {where} is a {type(sample).__name__}: give pairs (input, target)"
            )
        try:
            inputs.append(_tensor(sample[0]))
            if type(sample[1]) is int and sample[1] > _LARGEST:
                raise DataError(too_large(where, place, sample[1]))
            targets.append(_tensor(sample[1]))
        except DataError:
            raise
        except FOREIGN as error:
            raise DataError(
                f"sample {place} of {where} cannot be made a tensor: {first_line(error)}"
            ) from error
        check_dense(inputs[-1], f"the input of sample {place} of {where} is")
        check_dense(targets[-1], f"the target of sample {place} of {where} is")
        if targets[-1].dtype == torch.uint64:
            targets[-1] = _long(targets[-1], where, place)
        if inputs[-1].shape != inputs[0].shape:
            raise DataError(
                f"sample {place} of {where} has shape {tuple(inputs[-1].shape)}, the first one "
                f"{tuple(inputs[0].shape)}: they must be the same"
            )
        if targets[-1].shape != targets[0].shape:
            raise DataError(
                f"sample {place} of {where} has a target of shape {tuple(targets[-1].shape)}, the first one of "
                f"{tuple(targets[0].shape)}: give one class number for each sample"
            )
    try:
        return torch.stack(inputs), torch.stack(targets)
    except RuntimeError as error:
        raise DataError(
            f"the samples of {where} do not go into one tensor ({first_line(error)}): give all of one type, on one "
            "device"
        ) from error


def _tensor(part: Any) -> torch.Tensor:
    # torch takes numpy's arrays of all integers, but not all its single ones.
    return torch.as_tensor(np.asarray(part) if isinstance(part, np.generic) else part)
