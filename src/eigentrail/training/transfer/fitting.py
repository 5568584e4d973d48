"""The training that all ways of transfer share: the same steps, and a rate that a validation part chooses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from eigentrail._numbers import whole
from eigentrail.data import Data
from eigentrail.errors import OptionError
from eigentrail.training.accuracy import Score, score


@dataclass(frozen=True)
class TransferSettings:
    """How a network is tuned on new data.

    The rule of the rate: of `rates` the one with the highest accuracy on the validation part, of equal ones the one
    with the smallest loss there.

    Attributes:
        steps: updates of Adam, the same for every way of transfer.
        batch_size: samples of each.
        rates: the rates that are tried, each from the same start.
        validation: the share of the training samples that is kept for choosing, the same for every way.
        batch_norm: "frozen" keeps the running statistics of the source and normalises by them, "updated" lets them
            follow the new data.
        seed: of the new head, the validation part and the order of the samples.
    """

    steps: int = 200
    batch_size: int = 64
    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2)
    validation: float = 0.2
    batch_norm: Literal["frozen", "updated"] = "frozen"
    seed: int = 0

    def __post_init__(self) -> None:
        whole("steps", self.steps, 1)
        whole("batch_size", self.batch_size, 1)
        if not self.rates or min(self.rates) <= 0:
            raise OptionError(f"rates are positive numbers, at least one, not {self.rates}")
        if not 0 < self.validation < 1:
            raise OptionError(f"validation is a share between 0 and 1, not {self.validation!r}")
        if self.batch_norm not in ("frozen", "updated"):
            raise OptionError(f'batch_norm is "frozen" or "updated", not {self.batch_norm!r}')


@dataclass(frozen=True)
class Split:
    """Training samples, divided.

    Attributes:
        inputs: [n, ...] to train on.
        targets: [n].
        held_inputs: [m, ...] to choose by.
        held_targets: [m].
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    held_inputs: torch.Tensor
    held_targets: torch.Tensor


def split(data: Data, settings: TransferSettings) -> Split:
    """Divide the training part at random.

    Args:
        data: the data set.
        settings: the share and the seed.

    Returns:
        The division; at least one sample on each side.

    Raises:
        OptionError: there are fewer than two samples.
    """
    count = len(data.train_inputs)
    if count < 2:
        raise OptionError(
            f"{data.name} has {count} training sample, and one is needed to choose the rate by: give more"
        )
    held = min(count - 1, max(1, round(settings.validation * count)))
    order = torch.randperm(count, generator=torch.Generator().manual_seed(settings.seed))
    parts = [data.train_inputs[order], data.train_targets[order]]
    return Split(parts[0][held:], parts[1][held:], parts[0][:held], parts[1][:held])


def fit(
    model: nn.Module, trained: Sequence[str], parts: Split, settings: TransferSettings
) -> tuple[nn.Module, float, Score]:
    """Train some parameters of copies of a network at several rates and keep the best.

    Args:
        model: the network; it is not changed.
        trained: the names of the parameters that are trained.
        parts: the samples.
        settings: the rule.

    Returns:
        The trained network in eval mode, its rate, and its score on the validation part.

    Raises:
        OptionError: no rate gives a finite loss.
    """
    best: tuple[tuple[float, float], nn.Module, float, Score] | None = None
    for rate in settings.rates:
        tuned = deepcopy(model)
        descend(
            tuned,
            parts.inputs,
            parts.targets,
            steps=settings.steps,
            rate=rate,
            batch_size=settings.batch_size,
            seed=settings.seed,
            trained=set(trained),
            batch_norm=settings.batch_norm,
        )
        found = score(tuned, parts.held_inputs, parts.held_targets)
        if found.loss - found.loss != 0:
            continue
        rank = (found.accuracy, -found.loss)
        if best is None or rank > best[0]:
            best = (rank, tuned, rate, found)
    if best is None:
        raise OptionError(f"the loss is not finite at any of the rates {settings.rates}: give smaller ones")
    return best[1:]


def descend(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    *,
    steps: int,
    rate: float,
    batch_size: int = 64,
    weight_decay: float = 0.0,
    seed: int = 0,
    trained: Collection[str] | None = None,
    batch_norm: Literal["frozen", "updated"] = "updated",
    see: Callable[[int], None] | None = None,
) -> None:
    """Train a network in place by Adam on batches drawn with replacement.

    Args:
        model: the network; left in eval mode.
        inputs: [n, ...].
        targets: [n] class numbers.
        steps: how many updates.
        rate: of Adam.
        batch_size: samples of each.
        weight_decay: the factor of w in the gradient.
        seed: of the batches.
        trained: the names of the parameters that are trained; None for all.
        batch_norm: as in `TransferSettings`.
        see: called with the number of updates, before the first and behind each.
    """
    chosen = []
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(trained is None or name in trained)
        if parameter.requires_grad:
            chosen.append(parameter)
    optimizer = torch.optim.Adam(chosen, lr=rate, weight_decay=weight_decay)
    generator = torch.Generator().manual_seed(seed)
    if see is not None:
        see(0)
    model.train()
    if batch_norm == "frozen":
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.training = False
    for step in range(1, steps + 1):
        batch = torch.randint(len(inputs), (min(batch_size, len(inputs)),), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(model(inputs[batch]), targets[batch]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if see is not None:
            see(step)
    model.eval()
