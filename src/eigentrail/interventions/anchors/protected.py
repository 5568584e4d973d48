"""What an anchor protects: directions in the space of some parameters, each with a weight.

All of them know three things: the penalty for having left the anchored weights along their directions, its gradient in
closed form, and the part of any change that lies along them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from eigentrail.errors import BasisError


class Protected(ABC):
    """Directions that are kept.

    Attributes:
        names: the parameters whose changes are seen.
    """

    names: tuple[str, ...]

    @property
    @abstractmethod
    def tensors(self) -> tuple[Tensor, ...]:
        """What the directions and their weights are stored as."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many directions are held."""

    @abstractmethod
    def penalty(self, change: Mapping[str, Tensor]) -> Tensor:
        """Weigh a change.

        Args:
            change: {name: w - w_anchored}, of the parameters' shapes.

        Returns:
            sum_i h_i <d_i, change>^2, a number with a gradient.
        """

    @abstractmethod
    def penalty_gradient(self, change: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The gradient of the penalty, without autograd.

        Args:
            change: as for `penalty`.

        Returns:
            2 sum_i h_i <d_i, change> d_i for each parameter.
        """

    def pull(
        self,
        now: Mapping[str, Tensor],
        anchored: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        strength: float,
    ) -> None:
        """Add the gradient of the penalty, times a strength, to gradients in place.

        Args:
            now: the parameters as they are.
            anchored: as they were.
            gradients: those that are there; others are left out.
            strength: what the penalty's gradient is multiplied with.
        """
        change = {name: now[name] - anchored[name] for name in self.names}
        for name, gradient in self.penalty_gradient(change).items():
            if name in gradients:
                gradients[name].add_(gradient, alpha=strength)

    @abstractmethod
    def along(self, change: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The part of a change that lies along the protected directions.

        Args:
            change: {name: a gradient or a step}.

        Returns:
            sum_i g_i <d_i, change> d_i with the shares g_i, 0 to 1, of each direction that are held.
        """


@dataclass(frozen=True)
class SingularPairs(Protected):
    """Singular matrices u_i v_i^T of one weight, which are never made.

    Attributes:
        name: the weight, [out, in, ...], seen as [out, in * ...].
        left: [out, k] columns u_i.
        right: [k, in * ...] rows v_i^T.
        weights: [k] h_i of the penalty.
        shares: [k] g_i of the projection.
    """

    name: str
    left: Tensor
    right: Tensor
    weights: Tensor
    shares: Tensor
    # W_1 and u_i^T W_1 v_i, which every step needs.
    _start: list[Tensor] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The one weight."""
        return (self.name,)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """See `Protected.tensors`."""
        return self.left, self.right, self.weights, self.shares

    @property
    def count(self) -> int:
        """See `Protected.count`."""
        return len(self.right)

    def coordinates(self, change: Mapping[str, Tensor]) -> Tensor:
        """Give u_i^T change v_i.

        Args:
            change: as for `penalty`.

        Returns:
            [k].
        """
        flat = change[self.name].flatten(1)
        return torch.sum((self.left.T @ flat) * self.right, dim=1)

    def penalty(self, change: Mapping[str, Tensor]) -> Tensor:
        """See `Protected.penalty`."""
        return torch.sum(self.weights * self.coordinates(change).square())

    def penalty_gradient(self, change: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Protected.penalty_gradient`."""
        return self._sum(2.0 * self.weights * self.coordinates(change), change)

    def pull(
        self,
        now: Mapping[str, Tensor],
        anchored: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        strength: float,
    ) -> None:
        """See `Protected.pull`: the weight is read once, its gradient changed once, and nothing of their size made."""
        gradient = gradients.get(self.name)
        if gradient is None:
            return
        # Differences of products keep too few digits of half precision, and a view is needed.
        if gradient.dtype not in {torch.float32, torch.float64} or not gradient.is_contiguous():
            super().pull(now, anchored, gradients, strength)
            return
        if not self._start or self._start[0] is not anchored[self.name]:
            self._start[:] = [anchored[self.name], self.coordinates(anchored)]
        moved = self.coordinates(now) - self._start[1]
        flat = gradient.view(len(gradient), -1)
        flat.addmm_(self.left * (2.0 * strength * self.weights * moved), self.right)

    def along(self, change: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Protected.along`."""
        return self._sum(self.shares * self.coordinates(change), change)

    def _sum(self, coefficients: Tensor, change: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {self.name: ((self.left * coefficients) @ self.right).reshape(change[self.name].shape)}


@dataclass(frozen=True)
class ParameterDirections(Protected):
    """Orthonormal directions over several parameters together: Hessian eigenvectors, principal components.

    Attributes:
        sizes: {parameter: its number of entries}, in the order in which they lie one behind the other.
        directions: [k, n] unit rows.
        weights: [k] h_i of the penalty.
        shares: [k] g_i of the projection.
    """

    sizes: Mapping[str, int]
    directions: Tensor
    weights: Tensor
    shares: Tensor

    def __post_init__(self) -> None:
        n = sum(self.sizes.values())
        if self.directions.ndim != 2 or self.directions.shape[1] != n:
            raise BasisError(
                f"the directions are {list(self.directions.shape)}, the anchored parameters have {n} entries."
            )

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The parameters."""
        return tuple(self.sizes)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """See `Protected.tensors`."""
        return self.directions, self.weights, self.shares

    @property
    def count(self) -> int:
        """See `Protected.count`."""
        return len(self.directions)

    def coordinates(self, change: Mapping[str, Tensor]) -> Tensor:
        """Give <d_i, change>.

        Args:
            change: as for `penalty`.

        Returns:
            [k].
        """
        return self.directions @ torch.cat([change[name].reshape(-1) for name in self.sizes])

    def penalty(self, change: Mapping[str, Tensor]) -> Tensor:
        """See `Protected.penalty`."""
        return torch.sum(self.weights * self.coordinates(change).square())

    def penalty_gradient(self, change: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Protected.penalty_gradient`."""
        return self._sum(2.0 * self.weights * self.coordinates(change), change)

    def along(self, change: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Protected.along`."""
        return self._sum(self.shares * self.coordinates(change), change)

    def _sum(self, coefficients: Tensor, change: Mapping[str, Tensor]) -> dict[str, Tensor]:
        parts = torch.split(coefficients @ self.directions, list(self.sizes.values()))
        return {name: part.reshape(change[name].shape) for name, part in zip(self.sizes, parts, strict=True)}


@dataclass(frozen=True)
class Importance(Protected):
    """A weight for each entry of one parameter (elastic weight consolidation and its like): no directions but the axes.

    Attributes:
        name: the parameter.
        weights: h of each entry, of its shape.
    """

    name: str
    weights: Tensor

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The one parameter."""
        return (self.name,)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """See `Protected.tensors`."""
        return (self.weights,)

    @property
    def count(self) -> int:
        """Each entry with a weight is a direction."""
        return int((self.weights != 0).sum())

    def penalty(self, change: Mapping[str, Tensor]) -> Tensor:
        """See `Protected.penalty`."""
        return torch.sum(self.weights * change[self.name].square())

    def penalty_gradient(self, change: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Protected.penalty_gradient`."""
        return {self.name: 2.0 * self.weights * change[self.name]}

    def along(self, change: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Protected.along`."""
        top = self.weights.max()
        return {self.name: change[self.name] * (self.weights / top if top > 0 else self.weights)}


@dataclass(frozen=True)
class InputSubspace(Protected):
    """All changes of one weight that answer to inputs of a subspace (gradient projection memory).

    Attributes:
        name: the weight, [out, in, ...], seen as [out, in * ...].
        inputs: [in * ..., r] orthonormal columns that span the inputs.
        weight: h of the penalty.
    """

    name: str
    inputs: Tensor
    weight: float = 1.0

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The one weight."""
        return (self.name,)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """See `Protected.tensors`."""
        return (self.inputs,)

    @property
    def count(self) -> int:
        """Directions of the inputs; each holds as many of the weight as there are outputs."""
        return self.inputs.shape[1]

    def penalty(self, change: Mapping[str, Tensor]) -> Tensor:
        """See `Protected.penalty`."""
        return self.weight * torch.sum((change[self.name].flatten(1) @ self.inputs).square())

    def penalty_gradient(self, change: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Protected.penalty_gradient`."""
        return {self.name: 2.0 * self.weight * self.along(change)[self.name]}

    def along(self, change: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Protected.along`."""
        flat = change[self.name].flatten(1)
        return {self.name: ((flat @ self.inputs) @ self.inputs.T).reshape(change[self.name].shape)}
