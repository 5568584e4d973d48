"""What holds the weights of a stack of networks in each step: anchors of the networks, stacked.

A step of plain gradient descent takes `back^T inputs` off a weight: the outer products of what comes back to a layer's
outputs, times the rate, and the layer's inputs, one for each sample. Anchors that act on gradients or steps change
these two thin factors and never touch a whole weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from eigentrail.errors import OptionError
from eigentrail.interventions.anchors import (
    Anchor,
    Importance,
    InputSubspace,
    Protected,
    SingularPairs,
    SingularSubspaces,
)

Part = TypeVar("Part", bound=Protected)


class Hold:
    """Holds one weight of K networks, [K, out, in]; by itself it does nothing."""

    def pull(self, weight: Tensor) -> None:
        """Move a weight before the step, in place.

        Args:
            weight: [K, out, in].
        """
        del weight

    def factors(self, weight: Tensor, back: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Change the factors of a step, back^T inputs.

        Args:
            weight: [K, out, in] before the step.
            back: [K, batch, out], times the rate.
            inputs: [K, batch, in].

        Returns:
            The two that are used instead.
        """
        del weight
        return back, inputs


class Entries(Hold):
    """A penalty of each entry, rate * 2 * strength * h (w - w_1) for a step.

    Args:
        importance: [K, out, in] h.
        weight: [K, out, in] w_1.
        pace: [K, 1, 1] rate times strength.
    """

    def __init__(self, importance: Tensor, weight: Tensor, pace: Tensor) -> None:
        share = importance * (2.0 * pace)
        self._kept, self._pulled = 1.0 - share, share * weight

    def pull(self, weight: Tensor) -> None:
        """See `Hold.pull`."""
        torch.addcmul(self._pulled, weight, self._kept, out=weight)


@dataclass(frozen=True)
class ReadFrom(Hold):
    """No step answers to inputs of a subspace.

    Attributes:
        basis: [K, in, r] orthonormal columns, or zeros.
        gamma: [K, 1, 1] the share that is taken out.
    """

    basis: Tensor
    gamma: Tensor

    def free(self, inputs: Tensor) -> Tensor:
        """Take the subspace out of inputs.

        Args:
            inputs: [K, n, in].

        Returns:
            What is left of them.
        """
        return inputs - self.gamma * torch.bmm(torch.bmm(inputs, self.basis), self.basis.mT)

    def factors(self, weight: Tensor, back: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """See `Hold.factors`."""
        del weight
        return back, self.free(inputs)


@dataclass(frozen=True)
class BothSides(Hold):
    """No step reads from, or writes to, singular subspaces.

    Attributes:
        left: [K, out, k].
        right: [K, k, in].
    """

    left: Tensor
    right: Tensor

    def factors(self, weight: Tensor, back: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """See `Hold.factors`."""
        del weight
        back = back - torch.bmm(torch.bmm(back, self.left), self.left.mT)
        return back, inputs - torch.bmm(torch.bmm(inputs, self.right.mT), self.right)


@dataclass(frozen=True)
class PairsPenalty(Hold):
    """A penalty along singular matrices: one more outer product for each.

    Attributes:
        left: [K, out, k].
        right: [K, k, in].
        start: [K, k] u_i^T W_1 v_i.
        scale: [K, k] rate * 2 * strength * h_i.
    """

    left: Tensor
    right: Tensor
    start: Tensor
    scale: Tensor

    def factors(self, weight: Tensor, back: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """See `Hold.factors`."""
        moved = along_pairs(weight, self.left, self.right) - self.start
        more = (self.left * (self.scale * moved).unsqueeze(1)).mT
        return torch.cat([back, more], dim=1), torch.cat([inputs, self.right], dim=1)


@dataclass(frozen=True)
class PairsGradient(Hold):
    """Shares of the gradient along singular matrices are taken out.

    Attributes:
        left: [K, out, k].
        right: [K, k, in].
        shares: [K, k] gamma g_i.
    """

    left: Tensor
    right: Tensor
    shares: Tensor

    def factors(self, weight: Tensor, back: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """See `Hold.factors`."""
        del weight
        along = (torch.bmm(back, self.left) * torch.bmm(inputs, self.right.mT)).sum(dim=1)
        more = (self.left * (-self.shares * along).unsqueeze(1)).mT
        return torch.cat([back, more], dim=1), torch.cat([inputs, self.right], dim=1)


def along_pairs(weight: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Give u_i^T W v_i for each network.

    Args:
        weight: [K, out, in].
        left: [K, out, k].
        right: [K, k, in].

    Returns:
        [K, k].
    """
    return (torch.bmm(left.mT, weight) * right).sum(dim=2)


def stacked_hold(name: str, weight: Tensor, anchors: Sequence[Anchor], rates: Tensor) -> Hold:
    """Stack what holds one weight.

    Args:
        name: of the weight.
        weight: [K, out, in] as it is now, when the anchors have just been made.
        anchors: of each network.
        rates: [K] of plain gradient descent.

    Returns:
        What holds it.

    Raises:
        OptionError: such anchors are not stacked: none of their kind, in their form.
    """
    form = anchors[0].form
    strengths, gammas = (
        torch.tensor(numbers, dtype=torch.float64).to(weight)
        for numbers in ([one.strength for one in anchors], [one.gamma for one in anchors])
    )
    paces = rates * strengths
    held = [[part for part in one.protected if name in part.names] for one in anchors]
    if not held[0]:
        return Hold()
    if form == "penalty" and (entries := _only(held, Importance)):
        importance = torch.stack([torch.stack([part.weights for part in own]).sum(0) for own in entries])
        return Entries(importance, weight, paces[:, None, None])
    if form == "gradient" and (subspaces := _only(held, InputSubspace)):
        return ReadFrom(_padded([own[-1].inputs for own in subspaces]), gammas[:, None, None])
    if form == "update" and (sides := _only(held, SingularSubspaces)) and bool((gammas == 1.0).all()):
        return BothSides(
            _padded([own[-1].left for own in sides]), _padded([own[-1].right.mT for own in sides]).mT
        )
    if form in {"penalty", "gradient"} and (pairs := _only(held, SingularPairs)):
        left, right = (
            torch.stack([own[-1].left for own in pairs]),
            torch.stack([own[-1].right for own in pairs]),
        )
        if form == "gradient":
            return PairsGradient(
                left, right, gammas[:, None] * torch.stack([own[-1].shares for own in pairs])
            )
        scale = 2.0 * paces[:, None] * torch.stack([own[-1].weights for own in pairs])
        return PairsPenalty(left, right, along_pairs(weight, left, right), scale)
    kinds = ", ".join(sorted({type(part).__name__ for own in held for part in own}))
    raise OptionError(f"anchors of {kinds} in the form {form!r} are not stacked: train the networks singly.")


def _only(held: Sequence[Sequence[Protected]], kind: type[Part]) -> list[list[Part]]:
    """The parts of each network where all are of one kind; else nothing."""
    found = [[part for part in own if isinstance(part, kind)] for own in held]
    return found if [len(own) for own in found] == [len(own) for own in held] else []


def _padded(bases: Sequence[Tensor]) -> Tensor:
    most = max(basis.shape[1] for basis in bases)
    return torch.stack([torch.nn.functional.pad(basis, (0, most - basis.shape[1])) for basis in bases])
