"""Accuracy of each way of transfer against the size of the downstream training set."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
from torch import nn

from eigentrail.data import Data, take
from eigentrail.training.transfer.fitting import TransferSettings
from eigentrail.training.transfer.methods import (
    Transferred,
    linear_probe,
    tune_all,
    tune_layer,
    tune_layer_with_skip,
)


def all_methods(
    model: nn.Module,
    data: Data,
    layer: str | Sequence[str] | None = None,
    settings: TransferSettings | None = None,
) -> list[Transferred]:
    """Transfer in all four ways, from the same start, with the same steps and samples.

    Args:
        model: the source.
        data: the downstream data.
        layer: as for `tune_layer`.
        settings: how; None for the defaults.

    Returns:
        Linear probe, layer, layer with skip, full.
    """
    return [
        linear_probe(model, data, settings),
        tune_layer(model, data, layer, settings),
        tune_layer_with_skip(model, data, layer, settings),
        tune_all(model, data, settings),
    ]


def accuracy_against_size(
    model: nn.Module,
    data: Data,
    sizes: Sequence[int],
    layer: str | Sequence[str] | None = None,
    settings: TransferSettings | None = None,
    see: Callable[[int, Transferred], None] | None = None,
) -> pd.DataFrame:
    """Transfer with downstream training sets of several sizes; the smaller ones are parts of the larger.

    Args:
        model: the source.
        data: the downstream data.
        sizes: numbers of training samples, the validation part among them.
        layer: as for `tune_layer`.
        settings: how; its seed chooses the samples, too. None for the defaults.
        see: called with each size and result.

    Returns:
        A row per size and way, with the fields of `Transferred.row`.
    """
    settings = TransferSettings() if settings is None else settings
    rows = []
    for size in sizes:
        for found in all_methods(model, take(data, size, seed=settings.seed), layer, settings):
            rows.append({"size": size, **found.row()})
            if see is not None:
                see(size, found)
    return pd.DataFrame(rows)
