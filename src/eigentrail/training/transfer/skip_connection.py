"""A skip connection from one layer to the penultimate features (S3's SCL), around a network that stays as it is."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from eigentrail.errors import FeatureError
from eigentrail.features.feature_rows import features_last, first_tensor, pooled


class SkipConnection(nn.Module):
    """Adds what a layer gives to what the linear head is given.

    S3 draws the connection and does not say how sizes are matched. Here the layer's features are the mean over
    positions (pixels, tokens), zeros are put behind where the head takes more of them, and neighbouring ones are
    averaged where it takes fewer. There is no parameter in it: the parameters and buffers are those of the network,
    under its own names.

    Args:
        base: the network.
        layer: the name of the module whose output is added.
        head: the name of the linear head.

    Raises:
        FeatureError: there is no such module, or the head is none.
    """

    base: nn.Module

    def __init__(self, base: nn.Module, layer: str, head: str) -> None:
        super().__init__()
        known = dict(base.named_modules())
        if layer not in known or not layer:
            raise FeatureError(
                f'no module is named "{layer}": a skip connection begins at one of the network\'s'
            )
        if not isinstance(known.get(head), nn.Linear):
            raise FeatureError(f'the head "{head}" is no nn.Linear of this network')
        object.__setattr__(self, "base", base)
        # The very dicts of the network, so that names, state_dict and optimizers see what they saw before.
        self._modules, self._parameters, self._buffers = base._modules, base._parameters, base._buffers
        self.layer, self.head = layer, head
        self.train(base.training)

    def train(self, mode: bool = True) -> SkipConnection:
        """Set the mode of the network, too.

        Args:
            mode: True for training.

        Returns:
            This.
        """
        self.training = mode
        self.base.train(mode)
        return self

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the network with the connection in place.

        Args:
            *args: of the network.
            **kwargs: of the network.

        Returns:
            What the network gives.
        """
        held: list[torch.Tensor] = []
        source, head = self.base.get_submodule(self.layer), self.base.get_submodule(self.head)

        def keep(module: nn.Module, _: Any, output: Any) -> None:
            found = first_tensor(output)
            if found is not None:
                held[:] = [pooled(found, features_last(found, module))]

        def add(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            return (inputs[0] + _of_length(held[0], inputs[0].shape[-1]), *inputs[1:]) if held else inputs

        # First of all, so that others who look at the head's inputs see the sum.
        handles = [source.register_forward_hook(keep), head.register_forward_pre_hook(add, prepend=True)]
        try:
            return self.base(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()


def _of_length(features: torch.Tensor, length: int) -> torch.Tensor:
    if features.shape[1] <= length:
        return F.pad(features, (0, length - features.shape[1]))
    return F.adaptive_avg_pool1d(features[:, None], length)[:, 0]
