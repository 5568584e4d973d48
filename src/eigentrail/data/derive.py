"""Other data sets out of one: some classes, fewer samples, wrong labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from eigentrail._names import look_up
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
    chosen = [_class_number(data, each) for each in classes]
    if not chosen or len(set(chosen)) < len(chosen):
        raise DataError(f"classes {list(classes)} of {data.name}: name at least one, each once")
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
        seed: of the choice. A larger subset of the same seed holds the smaller one.

    Returns:
        The data set of these samples, in their order.

    Raises:
        DataError: there are not so many.
    """
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
    """Give a share of the training samples a wrong label, each of the other classes equally likely.

    Args:
        data: the data set; its held-out part stays right.
        share: the share of wrong labels, 0 to 1; exactly round(share n) labels become wrong.
        seed: of the choice.

    Returns:
        The data set with these labels.

    Raises:
        DataError: the share is outside 0 to 1, or there is only one class.
    """
    if not 0 <= share <= 1:
        raise DataError(f"label noise {share}: give the share of wrong labels, from 0 to 1")
    if data.classes < 2:
        raise DataError(f"{data.name} has one class: no label can be wrong")
    generator = torch.Generator().manual_seed(seed)
    count = round(share * len(data.train_targets))
    chosen = torch.randperm(len(data.train_targets), generator=generator)[:count]
    shift = torch.randint(1, data.classes, (count,), generator=generator)
    targets = data.train_targets.clone()
    targets[chosen] = (targets[chosen] + shift) % data.classes
    step = {"do": "label_noise", "share": share, "seed": seed}
    return data.derived(f"{share:.0%} wrong labels (seed {seed})", step, train_targets=targets)


def _class_number(data: Data, given: int | str) -> int:
    if isinstance(given, str):
        return data.class_names.index(look_up(given, data.class_names, f"class of {data.name}", DataError))
    if not 0 <= given < data.classes:
        raise DataError(
            f"there is no class {given} of {data.name}: they are numbered 0 to {data.classes - 1}"
        )
    return int(given)
