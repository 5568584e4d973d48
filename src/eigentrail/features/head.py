"""The linear head of a classifier, and what is known of a network from one call of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from eigentrail.data.random_state import chance_kept, seed_all
from eigentrail.errors import FeatureError
from eigentrail.evaluation.repeating import ROUNDING, alike, watched, where_it_differs
from eigentrail.features.feature_rows import classes_last, first_tensor
from eigentrail.features.labelled import Labelled
from eigentrail.features.points import Point, reading
from eigentrail.runs.selection import clean_name


@dataclass(frozen=True)
class Head:
    """The linear layer whose outputs are the network's logits.

    Attributes:
        name: the module's name.
        module: the layer; its inputs are the penultimate features.
    """

    name: str
    module: nn.Linear

    @property
    def point(self) -> Point:
        """Its input: the penultimate features."""
        return Point(f"{self.name}:input", self.module, "input")


def find_head(model: nn.Module, batch: Labelled, name: str | None = None) -> Head | None:
    """Find the linear head of a network: the last dense layer that it calls and whose outputs leave it.

    Args:
        model: the network.
        batch: a few samples to call it with.
        name: the module's name, where it is known.

    Returns:
        The head; None where the logits come from something else.

    Raises:
        FeatureError: the named module is no dense layer of this network.
    """
    dense = {
        clean_name(key) or "network": one for key, one in model.named_modules() if isinstance(one, nn.Linear)
    }
    if name is not None:
        if name not in dense:
            raise FeatureError(
                f'the head "{name}" is no nn.Linear of this network: there are {", ".join(dense) or "none"}'
            )
        return Head(name, dense[name])
    last: list[tuple[str, torch.Tensor]] = []

    def see(point: Point, number: int, value: torch.Tensor) -> None:
        last[:] = [(point.name, value)]

    with reading(model, [Point(key, one, "output") for key, one in dense.items()], see):
        outputs = first_tensor(batch.call(model))
    if outputs is not None:
        outputs = classes_last(outputs, batch.labels)
    if not last or outputs is None or last[0][1].shape != outputs.shape:
        return None
    return Head(last[0][0], dense[last[0][0]])


def check_repeats(model: nn.Module, batch: Labelled) -> None:
    """Call a network twice with other random numbers, and say what differs.

    Args:
        model: the network.
        batch: a few samples.

    Raises:
        FeatureError: the outputs differ, and so would the features from pass to pass.
    """
    prints, found = [], []
    with reading(model, [], lambda *_: None), chance_kept():
        for turn in (0, 1):
            seed_all(turn)
            with watched(model) as seen:
                found.append(batch.call(model))
            prints.append(seen)
    rounding = ROUNDING.get(_precision(found[0]), 1e-2)
    if not alike(found[0], found[1], rounding):
        raise FeatureError(
            f"the network gives other outputs each time it is called: {where_it_differs(prints, rounding)} draws at "
            "random in eval mode, too: switch it off (dropout of functional form needs training=self.training)"
        )


def _precision(outputs: Any) -> torch.dtype:
    found = first_tensor(outputs)
    return torch.float32 if found is None else found.dtype
