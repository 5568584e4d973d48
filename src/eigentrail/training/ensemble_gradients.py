"""The losses and gradients of all networks of a stack, each on its own batch, by one program."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import torch
from torch.func import functional_call, vmap
from torch.nn import functional as F

from eigentrail.networks import MLP
from eigentrail.training.ensemble_kernels import SameKernels
from eigentrail.training.ensemble_stack import Stack
from eigentrail.training.losses import losses_of

Found: TypeAlias = tuple[torch.Tensor, list[torch.Tensor | None]]


class Gradients(Protocol):
    """What computes a step of all networks."""

    def __call__(self, chosen: torch.Tensor, inputs: torch.Tensor | None = None) -> Found:
        """Compute the mean loss of each network's batch, and its gradient.

        Args:
            chosen: the numbers of the samples of each network's batch, [K, batch], where the samples are.
            inputs: the samples, [K, batch, ...], where they are not as they were; None to look them up.

        Returns:
            The losses [K], and the gradient of each parameter, [K, ...]; None for one that no loss depends on.
        """


def gradients_of(
    stack: Stack, inputs: torch.Tensor, targets: torch.Tensor, loss: str = "cross-entropy"
) -> Gradients:
    """Choose the program for the networks of a stack.

    Args:
        stack: the networks.
        inputs: all training samples, [n, ...]; batches are brought to the device of the networks.
        targets: their classes, [n], on the device of the networks.
        loss: the name of the loss.

    Returns:
        A program written out by hand for perceptrons, which are so small that most of a step's time is Python's and
        autograd's; else the network itself, mapped over the stack by torch.func.
    """
    if type(stack.models[0]) is MLP and all(stack.trained) and loss == "cross-entropy":
        return DenseGradients(stack, inputs, targets)
    return MappedGradients(stack, inputs, targets, loss)


class MappedGradients:
    """Any network, called once with its stacked parameters; buffers (running statistics) are moved in place.

    Args:
        stack: the networks.
        inputs: all training samples, [n, ...].
        targets: their classes, [n].
        loss: the name of the loss.
    """

    def __init__(self, stack: Stack, inputs: torch.Tensor, targets: torch.Tensor, loss: str):
        self._inputs = inputs
        self._targets = targets
        self._losses = losses_of(loss)
        self._base = stack.template
        # The same memory, seen by autograd.
        self._leaves = [
            value.detach().requires_grad_(trained)
            for value, trained in zip(stack.values, stack.trained, strict=True)
        ]
        self._named = dict(zip(stack.names, self._leaves, strict=True))
        self._buffers = stack.buffers
        self._trained = [leaf for leaf in self._leaves if leaf.requires_grad]
        self._forward = vmap(self._one)

    def _one(
        self, parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor], inputs: torch.Tensor
    ) -> torch.Tensor:
        logits: torch.Tensor = functional_call(self._base, (parameters, buffers), (inputs,))
        return logits

    def __call__(self, chosen: torch.Tensor, inputs: torch.Tensor | None = None) -> Found:
        """Compute the losses and gradients, as the protocol says.

        Args:
            chosen: the numbers of the samples, [K, batch].
            inputs: changed samples, [K, batch, ...], or None.

        Returns:
            The losses and gradients.
        """
        members, batch = chosen.shape
        flat = chosen.flatten()
        if inputs is None:
            inputs = self._inputs.index_select(0, flat).view(members, batch, *self._inputs.shape[1:])
        device = self._targets.device
        with SameKernels():
            logits = self._forward(self._named, self._buffers, inputs.to(device))
        labels = self._targets.index_select(0, flat.to(device))
        each = self._losses(logits.flatten(0, 1), labels)
        losses = each.view(members, batch).mean(1)
        found = iter(torch.autograd.grad(losses.sum(), self._trained, allow_unused=True))
        return losses.detach(), [next(found) if leaf.requires_grad else None for leaf in self._leaves]


class DenseGradients:
    """Dense layers with ReLU between them and the cross-entropy, forwards and backwards as batched matrix products.

    Args:
        stack: `MLP` networks.
        inputs: all training samples, [n, ...].
        targets: their classes, [n].
    """

    def __init__(self, stack: Stack, inputs: torch.Tensor, targets: torch.Tensor):
        self._inputs = inputs.flatten(1)
        named = dict(zip(stack.names, stack.values, strict=True))
        self._depth = len(stack.values) // 2
        numbers = range(1, self._depth + 1)
        self._weights = [named[f"fc{i}.weight"] for i in numbers]
        self._biases = [named[f"fc{i}.bias"].unsqueeze(1) for i in numbers]
        # Kept as rows of ones and zeros: gathering those is quicker than scattering into small rows.
        self._labels = F.one_hot(targets, self._weights[-1].shape[1]).to(inputs.dtype)
        self._device = targets.device

    @torch.no_grad()
    def __call__(self, chosen: torch.Tensor, inputs: torch.Tensor | None = None) -> Found:
        """Compute the losses and gradients, as the protocol says.

        Args:
            chosen: the numbers of the samples, [K, batch].
            inputs: changed samples, [K, batch, ...], or None.

        Returns:
            The losses and gradients.
        """
        members, batch = chosen.shape
        flat = chosen.flatten()
        labels = self._labels.index_select(0, flat.to(self._device)).view(members, batch, -1)
        first = self._inputs.index_select(0, flat) if inputs is None else inputs
        hidden = [first.reshape(members, batch, -1).to(self._device)]
        for weight, bias in zip(self._weights[:-1], self._biases[:-1], strict=True):
            hidden.append(torch.baddbmm(bias, hidden[-1], weight.mT).relu_())
        logits = torch.baddbmm(self._biases[-1], hidden[-1], self._weights[-1].mT)
        logarithms = torch.log_softmax(logits, 2)
        losses = (logarithms * labels).sum(2).mean(1).neg_()
        # What autograd calls for a network alone, for the same rounding.
        back = torch.ops.aten._log_softmax_backward_data(
            labels.mul_(-1.0 / batch), logarithms, 2, logarithms.dtype
        )
        gradients: list[torch.Tensor | None] = []
        for layer in range(self._depth - 1, -1, -1):
            gradients += [back.sum(1), torch.bmm(back.mT, hidden[layer])]
            if layer:
                back = torch.ops.aten.threshold_backward(
                    torch.bmm(back, self._weights[layer]), hidden[layer], 0
                )
        return losses, gradients[::-1]
