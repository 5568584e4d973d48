"""Tasks that follow each other: halves of the classes, permutations of the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from eigentrail.data import Data, select_classes

Samples = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: what it is called.
        train: inputs and class numbers to train on.
        held: those that strengths and epochs are chosen by.
        test: those that are reported.
    """

    name: str
    train: Samples
    held: Samples
    test: Samples


def class_tasks(data: Data, groups: Sequence[Sequence[int]], held: float, seed: int) -> list[Task]:
    """Make a task of each group of classes; classes keep their numbers.

    Args:
        data: the data set.
        groups: class numbers.
        held: the share of the training samples that is kept for choosing.
        seed: of which these are.

    Returns:
        The tasks.
    """
    return [
        _task(select_classes(data, list(group)), f"classes {', '.join(map(str, group))}", held, seed)
        for group in groups
    ]


def permuted_tasks(data: Data, count: int, held: float, seed: int) -> list[Task]:
    """Make tasks of the same samples whose pixels change places; the first is the data as they are.

    Args:
        data: the data set; inputs are seen flat.
        count: how many tasks.
        held: the share of the training samples that is kept for choosing.
        seed: of the permutations, and of which these are.

    Returns:
        The tasks.
    """
    first = _task(data, "pixels as they are", held, seed)
    width = first.train[0][0].numel()
    generator = torch.Generator().manual_seed(seed)
    tasks = []
    for number in range(count):
        order = torch.randperm(width, generator=generator) if number else torch.arange(width)
        train, kept, test = ((x.flatten(1)[:, order], y) for x, y in (first.train, first.held, first.test))
        tasks.append(Task(f"permutation {number}" if number else first.name, train, kept, test))
    return tasks


def joined(tasks: Sequence[Task]) -> Samples:
    """Put the training samples of tasks together, in an order that mixes them.

    Args:
        tasks: the tasks.

    Returns:
        Inputs and class numbers.
    """
    x = torch.cat([task.train[0] for task in tasks])
    y = torch.cat([task.train[1] for task in tasks])
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return x[order], y[order]


def _task(data: Data, name: str, held: float, seed: int) -> Task:
    order = torch.randperm(len(data.train_inputs), generator=torch.Generator().manual_seed(seed))
    count = max(1, round(held * len(order)))
    x, y = data.train_inputs[order], data.train_targets[order]
    return Task(name, (x[count:], y[count:]), (x[:count], y[:count]), (data.test_inputs, data.test_targets))
