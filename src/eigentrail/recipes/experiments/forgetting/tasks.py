"""Tasks that follow each other: halves of the classes, permutations of the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, overload

import torch
from torch import Tensor

from eigentrail.data import Data, select_classes

Samples = tuple[Tensor, Tensor]


class Task(Protocol):
    """One task: samples to train on, those that strengths and epochs are chosen by, and those that are reported."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def train(self) -> Samples:
        """Inputs and class numbers to train on."""

    @property
    def held(self) -> Samples:
        """Those that strengths and epochs are chosen by."""

    @property
    def test(self) -> Samples:
        """Those that are reported."""


@dataclass(frozen=True)
class OwnTask:
    """A task whose samples are its own.

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


def class_tasks(data: Data, groups: Sequence[Sequence[int]], held: float, seed: int) -> list[OwnTask]:
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


@dataclass(frozen=True)
class PermutedTask:
    """The samples of a data set with their pixels in other places; each part is made when it is asked for.

    Attributes:
        name: what it is called.
        first: the samples as they are, flat.
        order: [pixels] which pixel comes to each place.
    """

    name: str
    first: Task
    order: Tensor

    @cached_property
    def train(self) -> Samples:
        """See `Task.train`."""
        return self.first.train[0][:, self.order], self.first.train[1]

    @cached_property
    def held(self) -> Samples:
        """See `Task.held`."""
        return self.first.held[0][:, self.order], self.first.held[1]

    @cached_property
    def test(self) -> Samples:
        """See `Task.test`."""
        return self.first.test[0][:, self.order], self.first.test[1]


@dataclass(frozen=True)
class PermutedTasks(Sequence[PermutedTask]):
    """Tasks of the same samples whose pixels change places; a task is made when it is asked for, and not kept.

    Attributes:
        first: the samples as they are, flat.
        orders: [tasks, pixels] which pixel comes to each place.
    """

    first: OwnTask
    orders: Tensor

    def of_few(self, count: int) -> PermutedTasks:
        """Leave out training samples.

        Args:
            count: how many are kept of each task.

        Returns:
            The tasks with the first of them; what they are judged by stays.
        """
        inputs, labels = self.first.train
        return replace(self, first=replace(self.first, train=(inputs[:count], labels[:count])))

    def __len__(self) -> int:
        return len(self.orders)

    @overload
    def __getitem__(self, number: int) -> PermutedTask: ...
    @overload
    def __getitem__(self, number: slice) -> PermutedTasks: ...
    def __getitem__(self, number: int | slice) -> PermutedTask | PermutedTasks:
        if isinstance(number, slice):
            return replace(self, orders=self.orders[number])
        # A `for` ends where the tensor says so by an error.
        order = self.orders[number]
        as_they_are = torch.equal(order, torch.arange(len(order)))
        return PermutedTask(self.first.name if as_they_are else f"permutation {number}", self.first, order)


def permuted_tasks(data: Data, count: int, held: float, seed: int) -> PermutedTasks:
    """Make tasks of the same samples whose pixels change places; the first is the data as they are.

    Args:
        data: the data set; inputs are seen flat.
        count: how many tasks.
        held: the share of the training samples that is kept for choosing.
        seed: of the permutations, and of which these are.

    Returns:
        The tasks.
    """
    flat = replace(data, train_inputs=data.train_inputs.flatten(1), test_inputs=data.test_inputs.flatten(1))
    width = flat.train_inputs.shape[1]
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.arange(width), *(torch.randperm(width, generator=generator) for _ in range(count - 1))]
    return PermutedTasks(_task(flat, "pixels as they are", held, seed), torch.stack(orders))


def joined(tasks: Sequence[Task]) -> Samples:
    """Put the training samples of tasks together, in an order that mixes them.

    Args:
        tasks: the tasks, as many samples in each or not.

    Returns:
        Inputs and class numbers.
    """
    x = torch.cat([task.train[0] for task in tasks])
    y = torch.cat([task.train[1] for task in tasks])
    order = joined_order(len(x))
    return x[order], y[order]


def joined_order(count: int) -> Tensor:
    """Mix the samples of tasks.

    Args:
        count: of the samples of all tasks.

    Returns:
        [count] which sample, counted through all tasks, comes to each place.
    """
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))


def _task(data: Data, name: str, held: float, seed: int) -> OwnTask:
    order = torch.randperm(len(data.train_inputs), generator=torch.Generator().manual_seed(seed))
    count = max(1, round(held * len(order)))
    x, y = data.train_inputs[order], data.train_targets[order]
    return OwnTask(
        name, (x[count:], y[count:]), (x[:count], y[:count]), (data.test_inputs, data.test_targets)
    )
