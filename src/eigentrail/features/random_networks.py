"""Networks that training has not shaped: fresh weights, and random weights with the spectra of the trained ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import nn

from eigentrail.data.random_state import chance_kept, seed_all
from eigentrail.features.labelled import Labelled
from eigentrail.features.points import weighted

# Batches that the statistics of batch norm are measured on.
_BATCHES = 8


def untrained(model: nn.Module, batches: Iterable[Labelled], seed: int) -> nn.Module:
    """Copy a network and draw its weights anew.

    Each module draws as torch does for a new one. Where a module with parameters has no such law of its own, its
    parameters are shuffled, which keeps their scale.

    Args:
        model: the network.
        batches: samples, for the statistics of batch norm.
        seed: of the weights.

    Returns:
        The copy.
    """
    fresh = deepcopy(model)
    with chance_kept(), torch.no_grad():
        seed_all(seed, 11)
        for module in fresh.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
                continue
            for parameter in module._parameters.values():
                if parameter is not None and parameter.numel() > 1:
                    order = torch.randperm(parameter.numel()).to(parameter.device)
                    parameter.copy_(parameter.flatten()[order].view_as(parameter))
    return _normalised(fresh, batches)


def same_spectrum(model: nn.Module, batches: Iterable[Labelled], seed: int) -> nn.Module:
    """Copy a network and turn the singular vectors of each weight matrix into random ones.

    All singular values are kept (a convolution is the matrix [out, in * kh * kw]); biases and all else, too.

    Args:
        model: the network.
        batches: samples, for the statistics of batch norm.
        seed: of the singular vectors.

    Returns:
        The copy.
    """
    turned = deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in turned.modules():
            if not weighted(module):
                continue
            weight = module.weight
            assert isinstance(weight, torch.Tensor)
            singular = torch.linalg.svdvals(weight.flatten(1).double()).cpu()
            left, right = (
                torch.linalg.qr(torch.randn(side, len(singular), generator=generator, dtype=torch.float64))[0]
                for side in (weight.shape[0], weight[0].numel())
            )
            weight.copy_(((left * singular) @ right.T).view(weight.shape))
    return _normalised(turned, batches)


def _normalised(model: nn.Module, batches: Iterable[Labelled]) -> nn.Module:
    """Measure the statistics of batch norm anew: those of the trained weights do not belong to these."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    norms = [m for m in norms if m.track_running_stats]
    if not norms:
        return model
    momenta = [norm.momentum for norm in norms]
    for module in model.modules():
        module.training = False
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum, norm.training = None, True  # the plain mean over the batches
    with torch.no_grad():
        for batch in itertools.islice(batches, _BATCHES):
            batch.call(model)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum, norm.training = momentum, False
    return model
