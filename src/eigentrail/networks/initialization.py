"""How the weights of a fresh network are drawn."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

Draw = Callable[[torch.Tensor], torch.Tensor]


def glorot_uniform(model: nn.Module) -> nn.Module:
    """Draw the weights of every layer from U(-a, a) with a = sqrt(6 / (n_in + n_out)); biases become zero.

    The variance of an entry is 2 / (n_in + n_out). For a convolution n_in and n_out count the kernel's entries too.
    S1 eq. 5.1; Glorot & Bengio 2010.

    Args:
        model: a network; its linear and convolution layers are changed in place.

    Returns:
        The same network.
    """
    return _initialize(model, nn.init.xavier_uniform_)


def glorot_normal(model: nn.Module) -> nn.Module:
    """Draw the weights of every layer from N(0, 2 / (n_in + n_out)); biases become zero.

    S1 eq. 5.2; Glorot & Bengio 2010.

    Args:
        model: a network; its linear and convolution layers are changed in place.

    Returns:
        The same network.
    """
    return _initialize(model, nn.init.xavier_normal_)


def he_normal(model: nn.Module) -> nn.Module:
    """Draw the weights of every layer from N(0, 2 / n_in); biases become zero.

    He et al. 2015, the initialisation of residual networks that S1 names as the alternative to Glorot's.

    Args:
        model: a network; its linear and convolution layers are changed in place.

    Returns:
        The same network.
    """
    return _initialize(model, nn.init.kaiming_normal_)


@torch.no_grad()
def scaled_orthogonal(model: nn.Module, scale: float) -> nn.Module:
    """Draw the weights of every layer as orthogonal matrices at a scale; biases become zero.

    W^T W = scale^2 I where W [n_out, n_in] has at least as many rows as columns, else W W^T = scale^2 I: all singular
    values are the scale. They are drawn in double precision and rounded to that of the weights. S3, part 2; Saxe et
    al. 2014.

    Args:
        model: a network; its linear and convolution layers are changed in place.
        scale: epsilon in S3.

    Returns:
        The same network.
    """

    def draw(weight: torch.Tensor) -> torch.Tensor:
        return weight.copy_(nn.init.orthogonal_(torch.empty_like(weight, dtype=torch.float64), gain=scale))

    return _initialize(model, draw)


@torch.no_grad()
def _initialize(model: nn.Module, draw: Draw) -> nn.Module:
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            draw(module.weight)
            if module.bias is not None:
                module.bias.zero_()
    return model
