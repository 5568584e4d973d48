"""A network at one point of its parameter space, with its loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from eigentrail.curvature.model_loss import ModelLoss, call
from eigentrail.curvature.parameters import Parameters
from eigentrail.curvature.setting import setting
from eigentrail.data.samples import Batch
from eigentrail.errors import CurvatureError, OptionError

Loss: TypeAlias = Callable[[Any, Any], torch.Tensor]


class Point:
    """Values of a network's parameters and buffers as they are when this is made, in one precision on one device.

    The network itself is only the recipe: its values are replaced while it is called, so that it may go on training and
    is never converted.

    Args:
        chosen: the parameters that the curvature is in.
        loss: loss(outputs, targets), or loss(outputs, batch) for dict batches, a mean over samples; None for the
            cross-entropy, or for a dict batch what the model gives as its `loss`.
        dtype: torch.float32 or torch.float64; None for that of the parameters.
        device: None for that of the parameters.

    Raises:
        CurvatureError: the precision will not do, or a parameter is not finite.
        OptionError: there is no such device.
    """

    def __init__(
        self,
        chosen: Parameters,
        loss: Loss | None,
        dtype: torch.dtype | None,
        device: torch.device | str | None,
    ) -> None:
        self.chosen, self.loss_function = chosen, loss
        named = dict(chosen.model.named_parameters())
        self.dtype = _precision(named, chosen, dtype)
        first = named[next(iter(chosen.paths.values()))]
        self.device = first.device if device is None else _device(device)
        with torch.inference_mode(False), torch.no_grad():
            taken = {path: self._taken(value) for path, value in named.items()}
            self._buffers = {path: self._taken(value) for path, value in chosen.model.named_buffers()}
        self._of_loss = {}
        if isinstance(loss, nn.Module) and not isinstance(loss, ModelLoss):
            # Weights of classes, for example, in another precision than the outputs.
            with torch.inference_mode(False), torch.no_grad():
                self._of_loss = {path: self._taken(value) for path, value in loss.named_buffers()}
        #: Whether the network takes derivatives on its way to its outputs, which needs gradients.
        self.differentiates = False
        self.values = tuple(taken.pop(path) for path in chosen.paths.values())
        self._rest = taken
        for name, value in zip(chosen.names, self.values, strict=True):
            if not bool(torch.isfinite(value).all()):
                raise CurvatureError(f"{name} holds NaN or infinity: there is no curvature there.")

    def _taken(self, value: torch.Tensor) -> torch.Tensor:
        dtype = self.dtype if value.is_floating_point() else value.dtype
        return value.detach().to(device=self.device, dtype=dtype, copy=True)

    def evaluating(self) -> AbstractContextManager[Any]:
        """Enter, within `setting()`, the surroundings for values alone.

        Returns:
            A context without gradients, unless the network takes derivatives on its way to its outputs.
        """
        return nullcontext() if self.differentiates else torch.no_grad()

    @contextmanager
    def setting(self) -> Iterator[None]:
        """Enter the surroundings in which `outputs` and `loss` may be called."""
        with setting(self.chosen.model, self.loss_function):
            yield

    def in_precision(self, dtype: torch.dtype) -> Point:
        """Copy this point in another precision, its values rounded as they are.

        Args:
            dtype: torch.float32 or torch.float64.

        Returns:
            The same network, loss and device.
        """
        found = copy(self)
        found.dtype = dtype

        def convert(value: torch.Tensor) -> torch.Tensor:
            return value.to(dtype) if value.is_floating_point() else value

        found.values = tuple(map(convert, self.values))
        found._rest = {path: convert(value) for path, value in self._rest.items()}
        found._buffers = {path: convert(value) for path, value in self._buffers.items()}
        found._of_loss = {path: convert(value) for path, value in self._of_loss.items()}
        return found

    def held(self) -> list[torch.Tensor]:
        """Give all values that are held here, those of other parameters and of buffers included."""
        return [*self.values, *self._rest.values(), *self._buffers.values()]

    def leaves(self) -> tuple[torch.Tensor, ...]:
        """Give the chosen parameters as new leaves that require gradients (the values are shared)."""
        return tuple(value.detach().requires_grad_() for value in self.values)

    def outputs(self, parameters: tuple[torch.Tensor, ...], batch: Batch) -> Any:
        """Call the network with other values of the chosen parameters.

        Args:
            parameters: one tensor for each chosen parameter.
            batch: the samples.

        Returns:
            What the network gives; of a loss that calls the network itself, the loss.
        """
        values = dict(self._rest)
        # Clones, for a module may write into its buffers, also in eval mode.
        values.update({path: value.clone() for path, value in self._buffers.items()})
        values.update(zip(self.chosen.paths.values(), parameters, strict=True))
        inputs = batch.inputs
        if isinstance(self.loss_function, ModelLoss):
            return call(self.chosen.model, self.loss_function, values, inputs, batch.targets)
        if isinstance(inputs, Mapping):
            return functional_call(self.chosen.model, values, (), dict(inputs))
        arguments = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
        return functional_call(self.chosen.model, values, arguments)

    def loss_of(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Compute the loss of outputs, the mean over the samples of the batch.

        Args:
            outputs: what the network gave.
            batch: the samples.

        Returns:
            A scalar.

        Raises:
            CurvatureError: it is no scalar tensor, or there is no loss for these outputs.
        """
        function = self.loss_function
        if isinstance(function, ModelLoss):
            found = outputs
        elif isinstance(function, nn.Module) and self._of_loss:
            found = functional_call(function, self._of_loss, (outputs, batch.targets))
        else:
            found = _usual(outputs, batch) if function is None else function(outputs, batch.targets)
        if not isinstance(found, torch.Tensor):
            raise CurvatureError(
                f"the loss gives {type(found).__name__}, not a tensor: return the mean over samples without .item()."
            )
        if found.numel() != 1:
            raise CurvatureError(
                f"the loss has shape {tuple(found.shape)} and a curvature is that of one number: take its mean over "
                'samples (reduction="mean").'
            )
        return found.reshape(())

    def loss(self, parameters: tuple[torch.Tensor, ...], batch: Batch) -> torch.Tensor:
        """Compute the mean loss of a batch.

        Args:
            parameters: one tensor for each chosen parameter.
            batch: the samples.

        Returns:
            A scalar.
        """
        return self.loss_of(self.outputs(parameters, batch), batch)


def _device(device: torch.device | str) -> torch.device:
    mend = 'give "cpu", or "cuda" where torch sees a GPU, or leave it out for that of the parameters'
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        raise OptionError(f"there is no device {device!r}: {mend}.") from None
    if found.type == "meta":
        raise OptionError(f'device="meta" computes nothing: {mend}.')
    if found.type == "cuda" and not torch.cuda.is_available():
        raise OptionError(f'device="{found}" is not there, for torch sees no CUDA device: {mend}.')
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise OptionError(
            f'device="{found}" is not there, for torch sees {torch.cuda.device_count()}, numbered from 0: {mend}.'
        )
    return found


def _precision(named: dict[str, nn.Parameter], chosen: Parameters, dtype: torch.dtype | None) -> torch.dtype:
    allowed = {torch.float32, torch.float64}
    if dtype is not None:
        if dtype not in allowed:
            raise CurvatureError(
                f"a curvature is computed in torch.float32 or torch.float64, not in {dtype}."
            )
        return dtype
    for path, parameter in named.items():
        if parameter.is_floating_point() and parameter.dtype not in allowed:
            raise CurvatureError(
                f"{path} is {parameter.dtype}, too coarse for second derivatives: take model.float(), or give "
                "dtype=torch.float32, which leaves the model as it is."
            )
    found = {named[path].dtype for path in chosen.paths.values()}
    if len(found) > 1:
        raise CurvatureError(
            "the chosen parameters have several precisions: give dtype=torch.float32 or dtype=torch.float64."
        )
    return found.pop()


def _usual(outputs: Any, batch: Batch) -> torch.Tensor:
    """Compute the loss where none was given."""
    own = getattr(outputs, "loss", None)
    if isinstance(own, torch.Tensor):
        return own
    logits = getattr(outputs, "logits", outputs)
    targets = batch.targets
    if isinstance(targets, Mapping):
        targets = targets.get("labels")
    if not isinstance(logits, torch.Tensor) or not isinstance(targets, torch.Tensor):
        raise CurvatureError(
            f"the network gives {type(outputs).__name__} and there is no loss for it: give loss(outputs, targets)."
        )
    if logits.ndim == 3 and logits.shape[:2] == targets.shape:
        logits, targets = logits.flatten(0, 1), targets.flatten()
    return F.cross_entropy(logits, targets)
