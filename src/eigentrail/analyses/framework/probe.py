"""A run's network at its last step, with samples: what the analyses that evaluate the network share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import xarray as xr
from torch import nn

from eigentrail.analyses.framework.memory import optimizer_groups
from eigentrail.errors import DataError
from eigentrail.evaluation.of_run import samples_of
from eigentrail.runs import Run
from eigentrail.training.losses import Loss, loss_trained_with, name_of_loss
from eigentrail.trajectories import PrincipalComponents, joined
from eigentrail.trajectories.geodesic import thinned
from eigentrail.trajectories.pca import components_of as principal_components
from eigentrail.trajectories.rows import open_rows

#: The name under which the whole network is analysed.
WHOLE = "(whole network)"
#: At most so many samples of a part are evaluated.
SAMPLES = 1000
# Numbers that the directions of a basis may take, and the most steps and components that are looked at.
_NUMBERS = 2**25
MOST_STEPS = 2000
MOST_COMPONENTS = 1000

_PARTS: tuple[Literal["train", "test"], ...] = ("train", "test")

Samples = tuple[torch.Tensor, torch.Tensor]


class Probe:
    """A run's network at its last step, with samples; both are made when they are first asked for.

    Args:
        run: the run.
        count: at most how many samples of each part.
    """

    def __init__(self, run: Run, count: int = SAMPLES):
        self.run = run
        self.count = count
        self._model: nn.Module | None = None
        self._parts: dict[str, Samples] | None = None

    @property
    def model(self) -> nn.Module:
        """The network with its last weights, in eval mode."""
        if self._model is None:
            self._model = self.run.model(int(self.run.steps[-1])).eval()
        return self._model

    @property
    def parts(self) -> dict[str, Samples]:
        """Samples by part, "train" and, where there are any, "test"."""
        if self._parts is None:
            dtype = next(self.model.parameters()).dtype
            found: dict[str, Samples] = {}
            for part in _PARTS:
                try:
                    inputs, targets = samples_of(self.run, part=part, count=self.count)
                except DataError:
                    if part == "train":
                        raise
                    continue
                # Numbers of tokens stay whole.
                found[part] = (inputs.to(dtype) if inputs.is_floating_point() else inputs, targets)
            self._parts = found
        return self._parts

    @property
    def loss(self) -> Loss | None:
        """The loss of the training; None for the cross-entropy."""
        return loss_trained_with(self.run)

    @property
    def loss_name(self) -> str:
        """The name of the loss of the training."""
        return name_of_loss(self.run)

    @property
    def weight_decay(self) -> float:
        """The weight decay of the training, in torch's convention; 0 where the run does not tell."""
        settings = self.run.settings
        if "weight_decay" in settings:
            return float(settings["weight_decay"])
        # An optimizer that decays some groups only has no one number.
        decays = {group.get("weight_decay") for group in optimizer_groups(self.run)}
        [decay] = decays if len(decays) == 1 else [0.0]
        return float(decay or 0.0)


def probed_layers(run: Run, layers: str | Sequence[str] | None) -> list[str]:
    """Choose what is analysed.

    Args:
        run: the run.
        layers: globs over parameter names; None for all weights and the whole network.

    Returns:
        Names of layers with two or more dimensions; the whole network comes last, where all layers are meant.
    """
    names = [name for name in run.select(layers) if len(run.layers[name].shape) > 1]
    return [*names, WHOLE] if layers is None else names


def own_layers(run: Run, name: str) -> list[str]:
    """Say which parameters a name of `probed_layers` stands for.

    Args:
        run: the run.
        name: the name.

    Returns:
        Parameter names.
    """
    return list(run.layers) if name == WHOLE else [name]


def components_of(run: Run, name: str, most: int = MOST_COMPONENTS) -> PrincipalComponents:
    """Find the principal components of a layer's or the whole network's weights.

    Args:
        run: the run.
        name: a layer, or the whole network.
        most: at most how many; fewer where the weights move in fewer directions or their directions fill the memory.

    Returns:
        The components; of more than 2000 steps evenly thinned ones are taken.

    Raises:
        TrajectoryError: the weights are constant or not finite, or there are too few steps.
    """
    x = trajectory_of(run, name)
    n = int(np.prod(x.shape[1:]))
    k = max(1, min(len(x) - 1, n, _NUMBERS // n, most))
    return principal_components(open_rows(x), k, "weights", at_most=True)


def trajectory_of(run: Run, name: str) -> xr.DataArray:
    """Read the weights over steps of a layer or the whole network.

    Args:
        run: the run.
        name: a layer, or the whole network.

    Returns:
        [step, ...], lazily, evenly thinned where there are more than 2000 steps.
    """
    x = joined(run) if name == WHOLE else run[name]
    return x if len(x) <= MOST_STEPS else x.isel(step=thinned(len(x), MOST_STEPS))
