"""A step of a run as a point in parameter space: network, samples, weights, and where the weights moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from eigentrail._arrays import to_float64
from eigentrail.errors import EigentrailError, RunError, TrajectoryError
from eigentrail.evaluation.of_run import samples_of
from eigentrail.runs import Run
from eigentrail.training.losses import Loss, loss_trained_with
from eigentrail.trajectories import joined

# Operations of a forward pass over all samples of a Hessian that is not written out, and the fewest of these.
_OPERATIONS, _FEWEST = 2 * 10**10, 200
#: What the target that holds all parameters is called.
WHOLE = "(whole network)"


@dataclass
class ParameterPoint:
    """One step of a run.

    Attributes:
        run: the run.
        step: which step.
        samples: at most how many training samples the loss is the mean over.
        test_samples: at most how many held-out samples accuracies are measured on.
        seed: of their choice.
    """

    run: Run
    step: int
    samples: int = 10_000
    test_samples: int = 2_000
    seed: int = 0

    @cached_property
    def model(self) -> nn.Module:
        """The network at this step."""
        return self.run.model(self.step).eval()

    @cached_property
    def first_model(self) -> nn.Module:
        """The network at the run's first step.

        Raises:
            RunError: the weights of the first step are not all there.
        """
        return self.run.model(int(self.run.steps[0])).eval()

    @cached_property
    def train(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The samples whose mean loss has the Hessian."""
        return samples_of(self.run, count=self.samples, seed=self.seed)

    @property
    def test(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Held-out samples; training samples where there are none."""
        return self._tested[0]

    @property
    def tested_on(self) -> str:
        """What `test` is: "held-out" or "training" samples."""
        return self._tested[1]

    @cached_property
    def _tested(self) -> tuple[tuple[torch.Tensor, torch.Tensor], str]:
        try:
            return samples_of(self.run, part="test", count=self.test_samples, seed=self.seed), "held-out"
        except EigentrailError:
            inputs, targets = self.train
            return (inputs[: self.test_samples], targets[: self.test_samples]), "training"

    def affordable(self) -> ParameterPoint:
        """Take fewer samples where the network is large: iterations multiply with the Hessian hundreds of times.

        Returns:
            The same step with so many samples that a forward pass over all takes 2 10^10 operations, but 200 at least;
            no more than here.
        """
        inputs = self.train[0]
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.model(inputs[:1])
        most = max(_FEWEST, int(_OPERATIONS / max(counter.get_total_flops(), 1)))
        return self if most >= len(inputs) else replace(self, samples=most)

    @property
    def loss(self) -> Loss | None:
        """The loss of the training; None for the cross-entropy."""
        return loss_trained_with(self.run)

    @property
    def setting(self) -> dict[str, Any]:
        """The settings that the run was trained with, as it tells them."""
        return self.run.settings

    def names(self, target: str) -> list[str]:
        """List the parameters of a target.

        Args:
            target: a parameter's name, or `WHOLE`.

        Returns:
            Names, in the order of `named_parameters`.
        """
        every = [name for name, _ in self.model.named_parameters()]
        return every if target == WHOLE else [target]

    def size(self, target: str) -> int:
        """Count the numbers of a target.

        Args:
            target: a parameter's name, or `WHOLE`.

        Returns:
            n.
        """
        known = dict(self.model.named_parameters())
        return sum(known[name].numel() for name in self.names(target))

    def weights(self, target: str, model: nn.Module | None = None) -> Float64[np.ndarray, " n"]:
        """Get the weights of a target as one vector.

        Args:
            target: a parameter's name, or `WHOLE`.
            model: of which network; None for this step's.

        Returns:
            [n], row-major, in the order of `named_parameters`.
        """
        known = dict((model or self.model).named_parameters())
        return np.concatenate([to_float64(known[name]).ravel() for name in self.names(target)])

    def path(self, target: str) -> tuple[xr.DataArray, str]:
        """Get the recorded steps of the second half of the training, in which S1 looks at the motion.

        Args:
            target: a parameter's name, or `WHOLE`.

        Returns:
            Weights over steps, [T, ...], and what they are in words.

        Raises:
            TrajectoryError: fewer than ten steps are recorded there.
            RunError: the target is not recorded.
        """
        if target == WHOLE:
            found = joined(self.run)
        elif target in self.run:
            found = self.run[target]
        else:
            raise RunError(f"{target} is not recorded in {self.run.path}")
        steps = found["step"].values
        first = int(np.searchsorted(steps, (int(steps[0]) + self.step) / 2))
        last = int(np.searchsorted(steps, self.step, side="right"))
        if last - first < 10:
            raise TrajectoryError(
                f"{target} has {last - first} recorded steps in the second half of the training; 10 are needed"
            )
        return found.isel(
            step=slice(first, last)
        ), f"{last - first} recorded steps {steps[first]} to {steps[last - 1]}"


def targets_of(point: ParameterPoint, layers: str | Sequence[str] | None) -> list[str]:
    """Choose the targets: parameters with at least two dimensions, and the whole network.

    Args:
        point: the step.
        layers: globs over parameter names; None or "*" for all weight matrices and kernels and the whole network.

    Returns:
        Names; `WHOLE` last.
    """
    known = dict(point.model.named_parameters())
    globs = [layers] if isinstance(layers, str) else layers
    if globs is not None and "*" not in globs:
        return [name for name in point.run.select(globs) if name in known]
    return [*(name for name, value in known.items() if value.ndim >= 2), WHOLE]
