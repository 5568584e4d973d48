"""What a network that is known by name tells of itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

Factory = Callable[[Sequence[int], int], nn.Module]

#: [channels, height, width] of the colour images that most sources train on.
COLOUR = (3, 32, 32)
#: torch's own initial weights, in words.
TORCH = "torch's own initialisation, U(-1/sqrt n_in, 1/sqrt n_in)"


@dataclass(frozen=True)
class Entry:
    """A network that is known by name.

    Attributes:
        name: its name, on every level the same.
        factory: builds it from the shape of one sample and the number of classes, drawing its weights from torch's
            global random generator.
        title: the name that the source gives it.
        source: where it comes from.
        input_shape: the shape of one sample in the source, [channels, height, width].
        classes: the number of classes in the source.
        parameters: the number of parameters for these.
        initialization: the law of its weights.
        chosen: what the source leaves open or contradicts itself in, and what was chosen.
    """

    name: str
    factory: Factory
    title: str
    source: str
    input_shape: tuple[int, ...]
    classes: int
    parameters: int
    initialization: str = "glorot-uniform"
    chosen: str = ""
