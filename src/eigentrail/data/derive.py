"""Other data sets out of one: some classes, fewer samples, wrong labels."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch

from eigentrail._names import look_up
from eigentrail._numbers import seed_of
from eigentrail.data.dataset import Data
from eigentrail.errors import DataError


def select_classes(data: Data, classes: Sequence[int | str], relabel: bool = False) -> Data:
    """Take the samples of some classes, of both parts.

    Args:
        data: the data set.
        classes: class numbers or names, in any spelling.
        relabel: True to number the chosen classes 0, 1, ... as given, so that a network has an output for these only;
            False to keep all classes and their numbers.

    Returns:
        The data set of these samples, in their order.

    Raises:
        DataError: there is no such class, one is named twice or has no training sample.
    """
    data.check_by_sample("chosen classes")
    try:
        given = [] if isinstance(classes, str) else list(classes)
    except TypeError:
        given = []
    chosen = [_class_number(data, each) for each in given]
    if not chosen or len(set(chosen)) < len(chosen):
        raise DataError(f"classes {classes!r} of {data.name}: name at least one, each once, such as [0, 1]")
    wanted = torch.tensor(chosen)
    parts = []
    for inputs, targets in ((data.train_inputs, data.train_targets), (data.test_inputs, data.test_targets)):
        there = torch.isin(targets, wanted)
        kept = targets[there]
        if relabel:
            kept = (kept[:, None] == wanted).int().argmax(1)
        parts += [inputs[there], kept]
    if lacking := [data.class_names[each] for each in chosen if not bool((data.train_targets == each).any())]:
        raise DataError(f"{data.name} has no training sample of class {lacking[0]}")
    names = tuple(data.class_names[each] for each in chosen)
    return data.derived(
        f"only the classes {', '.join(names)}",
        {"do": "select_classes", "classes": chosen, "relabel": relabel},
        train_inputs=parts[0],
        train_targets=parts[1],
        test_inputs=parts[2],
        test_targets=parts[3],
        class_names=names if relabel else data.class_names,
    )


def take(data: Data, train: int | None = None, test: int | None = None, seed: int = 0) -> Data:
    """Take a random subset of N samples, without replacement.

    Args:
        data: the data set.
        train: how many training samples; None for all.
        test: how many held-out samples; None for all.
        seed: of the choice, from 0 to 2^63 - 1. A larger subset of the same seed holds the smaller one.

    Returns:
        The data set of these samples, in their order.

    Raises:
        DataError: there are not so many, or a number is not whole.
    """
    train, test = (
        wanted if wanted is None else _whole(wanted, f"{wanted!r} {what} samples of {data.name}")
        for wanted, what in ((train, "training"), (test, "test"))
    )
    seed = seed_of(seed)
    parts = []
    for number, (wanted, inputs, targets, what) in enumerate((
        (train, data.train_inputs, data.train_targets, "training"),
        (test, data.test_inputs, data.test_targets, "test"),
    )):  # fmt: skip
        if wanted is None:
            parts += [inputs, targets]
            continue
        if not 1 - number <= wanted <= len(inputs):
            raise DataError(f"{wanted} {what} samples of {data.name}: there are {len(inputs)}")
        generator = torch.Generator().manual_seed(2 * seed + number)
        chosen = torch.randperm(len(inputs), generator=generator)[:wanted].sort().values
        parts += [inputs[chosen], targets[chosen]]
    counts = [f"{n} {what} samples" for n, what in ((train, "training"), (test, "test")) if n is not None]
    if not counts:
        return data
    return data.derived(
        f"a random {' and '.join(counts)} (seed {seed})",
        {"do": "take", "train": train, "test": test, "seed": seed},
        train_inputs=parts[0],
        train_targets=parts[1],
        test_inputs=parts[2],
        test_targets=parts[3],
    )


def label_noise(data: Data, share: float, seed: int = 0) -> Data:
    """Give a share of the training samples a wrong label, each other class of training samples equally likely.

    Classes without a training sample, such as those that `select_classes` took away, are given to none.

    Args:
        data: the data set; its held-out part stays right.
        share: the share of wrong labels, 0 to 1; exactly round(share n) labels become wrong.
        seed: of the choice, from 0 to 2^63 - 1.

    Returns:
        The data set with these labels.

    Raises:
        DataError: the share is no number from 0 to 1, or all training samples are of one class.
    """
    try:
        number = float("nan") if isinstance(share, (str, bytes, bool)) else float(share)
    except (TypeError, ValueError, RuntimeError):
        number = float("nan")
    if not 0 <= number <= 1:
        raise DataError(f"label noise {share!r}: give the share of wrong labels, from 0 to 1")
    data.check_by_sample("wrong labels")
    share, seed = number, seed_of(seed)
    there, places = torch.unique(data.train_targets, return_inverse=True)
    if len(there) < 2:
        raise DataError(f"{data.name} has training samples of one class only: no label can be wrong")
    generator = torch.Generator().manual_seed(seed)
    count = round(share * len(data.train_targets))
    chosen = torch.randperm(len(data.train_targets), generator=generator)[:count]
    shift = torch.randint(1, len(there), (count,), generator=generator)
    targets = data.train_targets.clone()
    targets[chosen] = there[(places[chosen] + shift) % len(there)]
    step = {"do": "label_noise", "share": share, "seed": seed}
    return data.derived(f"{share:.0%} wrong labels (seed {seed})", step, train_targets=targets)


def _class_number(data: Data, given: int | str) -> int:
    if isinstance(given, str):
        return data.class_names.index(look_up(given, data.class_names, f"class of {data.name}", DataError))
    number = _whole(given, f"class {given!r} of {data.name}")
    if not 0 <= number < data.classes:
        raise DataError(
            f"there is no class {number} of {data.name}: they are numbered 0 to {data.classes - 1}"
        )
    return number


def _whole(given: Any, what: str) -> int:
    try:
        if isinstance(given, bool):
            raise TypeError
        return operator.index(given)
    except TypeError:
        raise DataError(f"{what}: give a whole number") from None
