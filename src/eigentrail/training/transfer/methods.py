"""Four ways to bring a trained classifier to other data: how little of it has to be tuned (S3, part 1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import nn

from eigentrail.data import Data
from eigentrail.errors import FeatureError
from eigentrail.features.features import Features
from eigentrail.features.head import find_head
from eigentrail.features.labelled import Labelled
from eigentrail.features.points import weighted
from eigentrail.training.accuracy import Score, score
from eigentrail.training.transfer.fitting import Split, TransferSettings, fit, split
from eigentrail.training.transfer.skip_connection import SkipConnection


@dataclass(frozen=True)
class Transferred:
    """A classifier brought to other data.

    Attributes:
        method: "linear probe", "layer", "layer with skip" or "full".
        layer: the tuned layer; empty for the probe and for full tuning.
        model: the tuned network, in eval mode; the source is unchanged.
        rate: the rate that was chosen.
        trained: how many parameters were trained, those of the new head among them.
        parameters: how many there are.
        validation: accuracy on the validation part, by which rate and layer were chosen.
        accuracy: on the held-out part; None where the data has none.
        settings: how it was trained.
    """

    method: str
    layer: str
    model: nn.Module
    rate: float
    trained: int
    parameters: int
    validation: float
    accuracy: float | None
    settings: TransferSettings

    @property
    def share(self) -> float:
        """The share of the parameters that was trained."""
        return self.trained / self.parameters

    def collapse(self, data: Data, layers: str | Sequence[str] | None = None, **options: Any) -> pd.DataFrame:
        """Measure the collapse of the tuned network by layer.

        Args:
            data: samples, such as those that it was tuned on.
            layers: as for `Features`.
            **options: of `Features`.

        Returns:
            As `Features.collapse`.
        """
        return Features(self.model, data, layers, **options).collapse()

    def row(self) -> dict[str, Any]:
        """Give it as plain values, a row of a table.

        Returns:
            Without the network.
        """
        return {
            "method": self.method,
            "layer": self.layer,
            "rate": self.rate,
            "share": self.share,
            "trained": self.trained,
            "steps": self.settings.steps,
            "batch_norm": self.settings.batch_norm,
            "validation": self.validation,
            "accuracy": self.accuracy,
        }


def linear_probe(model: nn.Module, data: Data, settings: TransferSettings | None = None) -> Transferred:
    """Train a new head only.

    Args:
        model: the source, a classifier with a linear head.
        data: the downstream data.
        settings: how; None for the defaults.

    Returns:
        The result.
    """
    start = _Start(model, data, settings)
    return start.tuned("linear probe", "", start.model, start.of_head)


def tune_layer(
    model: nn.Module,
    data: Data,
    layer: str | Sequence[str] | None = None,
    settings: TransferSettings | None = None,
) -> Transferred:
    """Train one layer and a new head.

    Args:
        model: the source.
        data: the downstream data.
        layer: the layer's module, or several of which the best on the validation part is kept; None to try each with
            weights.
        settings: how; None for the defaults.

    Returns:
        The best.
    """
    start = _Start(model, data, settings)
    return _best(
        start.tuned("layer", one, start.model, [*start.of_layer(one), *start.of_head])
        for one in start.layers(layer)
    )


def tune_layer_with_skip(
    model: nn.Module,
    data: Data,
    layer: str | Sequence[str] | None = None,
    settings: TransferSettings | None = None,
) -> Transferred:
    """Train one layer and a new head, with a skip connection from the layer to the penultimate features (SCL).

    Args:
        model: the source.
        data: the downstream data.
        layer: the layer's module, or several of which the best on the validation part is kept; None to try each with
            weights.
        settings: how; None for the defaults.

    Returns:
        The best; its network is a `SkipConnection`, whose state_dict has the source's names.
    """
    start = _Start(model, data, settings)
    return _best(
        start.tuned(
            "layer with skip",
            one,
            SkipConnection(deepcopy(start.model), one, start.head),
            [*start.of_layer(one), *start.of_head],
        )
        for one in start.layers(layer)
    )


def tune_all(model: nn.Module, data: Data, settings: TransferSettings | None = None) -> Transferred:
    """Train all parameters and a new head.

    Args:
        model: the source.
        data: the downstream data.
        settings: how; None for the defaults.

    Returns:
        The result.
    """
    start = _Start(model, data, settings)
    return start.tuned("full", "", start.model, [name for name, _ in start.model.named_parameters()])


class _Start:
    """A copy of the source with a new head: where every way of transfer begins.

    Raises:
        FeatureError: the network has no linear head.
    """

    def __init__(self, model: nn.Module, data: Data, settings: TransferSettings | None) -> None:
        self.settings = TransferSettings() if settings is None else settings
        self.data = data
        self.model = deepcopy(model)
        found = find_head(self.model, Labelled(data.train_inputs[:2], data.train_targets[:2]))
        if found is None or found.name == "network":
            raise FeatureError(
                f"{type(model).__name__} has no linear head that could be replaced: wrap it so that an nn.Linear gives "
                "its outputs"
            )
        self.head = found.name
        old = found.module
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.settings.seed)
            fresh = nn.Linear(old.in_features, data.classes)
        parent, _, last = self.head.rpartition(".")
        setattr(self.model.get_submodule(parent), last, fresh.to(old.weight))
        self.parts: Split = split(data, self.settings)

    @property
    def of_head(self) -> list[str]:
        """The names of the head's parameters."""
        return self.of_layer(self.head)

    def of_layer(self, layer: str) -> list[str]:
        """The names of a module's parameters."""
        return [name for name, _ in self.model.named_parameters() if name.startswith(f"{layer}.")]

    def layers(self, given: str | Sequence[str] | None) -> list[str]:
        """The layers to try."""
        if given is None:
            return [name for name, one in self.model.named_modules() if weighted(one) and name != self.head]
        names = [given] if isinstance(given, str) else list(given)
        for name in names:
            if not self.of_layer(name):
                raise FeatureError(
                    f'no layer with parameters is named "{name}" in {type(self.model).__name__}'
                )
        return names

    def tuned(self, method: str, layer: str, model: nn.Module, trained: list[str]) -> Transferred:
        """Train and judge."""
        tuned, rate, held = fit(model, trained, self.parts, self.settings)
        sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
        tested: Score | None = (
            score(tuned, self.data.test_inputs, self.data.test_targets)
            if len(self.data.test_inputs)
            else None
        )
        return Transferred(
            method,
            layer,
            tuned,
            rate,
            sum(sizes[name] for name in dict.fromkeys(trained)),
            sum(sizes.values()),
            held.accuracy,
            None if tested is None else tested.accuracy,
            self.settings,
        )


def _best(tried: Iterable[Transferred]) -> Transferred:
    return max(tried, key=lambda one: one.validation)
