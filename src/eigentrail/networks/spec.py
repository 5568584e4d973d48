"""What a file keeps of a network so that it can be built again."""

from __future__ import annotations

from typing import Any

from torch import nn

from eigentrail.data.checked import Checked
from eigentrail.networks.registry import accepted_arguments, build, import_factory, resolve


class NetworkSpec(Checked):
    """A network by name: all that building it again takes.

    Attributes:
        name: a known name, or the import path "package.module:factory" of somebody's own.
        input_shape: the shape of one sample.
        classes: the number of classes.
        seed: of the initial weights.

    Raises:
        OptionError: one of them is lacking or no such thing.
    """

    name: str
    input_shape: tuple[int, ...]
    classes: int
    seed: int = 0

    def build(self) -> nn.Module:
        """Build the network with its initial weights.

        Returns:
            The network; the same one every time.
        """
        return build(self.name, self.input_shape, self.classes, self.seed)

    def rebuilding(self) -> tuple[str, dict[str, Any]]:
        """Say what a recorded run shall call to build the network again.

        Returns:
            An import path and its keyword arguments: for a known name those of `build_known`, else somebody's own
            factory itself.
        """
        if self.known:
            return "eigentrail.networks.registry:build_known", self.model_dump(mode="json")
        return self.name, accepted_arguments(import_factory(self.name), self.input_shape, self.classes)

    @property
    def known(self) -> bool:
        """Whether it is one of eigentrail's own networks, which needs nobody's code."""
        return ":" not in resolve(self.name)


def count_parameters(model: nn.Module) -> int:
    """Count the trained numbers of a network, tied ones once.

    Args:
        model: the network.

    Returns:
        The number of parameters.
    """
    return sum(parameter.numel() for parameter in model.parameters())
