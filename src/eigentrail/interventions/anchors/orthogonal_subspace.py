"""Orthogonal subspace fine-tuning: what a weight's leading singular vectors span stays as it is, on both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from eigentrail.errors import OptionError
from eigentrail.interventions.anchors.protected import Protected
from eigentrail.interventions.anchors.spectral_anchor import Anchor, weight_matrices
from eigentrail.interventions.decomposition import decompose


@dataclass(frozen=True)
class SingularSubspaces(Protected):
    """All changes of one weight that read from, or write to, its leading singular vectors.

    What is left free is (I - U U^T) change (I - V V^T).

    Attributes:
        name: the weight, [out, in, ...], seen as [out, in * ...].
        left: [out, k] orthonormal columns u_i.
        right: [k, in * ...] orthonormal rows v_i^T.
        weight: h of the penalty.
    """

    name: str
    left: Tensor
    right: Tensor
    weight: float = 1.0

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The one weight."""
        return (self.name,)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """See `Protected.tensors`."""
        return self.left, self.right

    @property
    def count(self) -> int:
        """How many singular vectors of each side are held."""
        return len(self.right)

    def penalty(self, change: Mapping[str, Tensor]) -> Tensor:
        """See `Protected.penalty`."""
        return self.weight * self.along(change)[self.name].square().sum()

    def penalty_gradient(self, change: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Protected.penalty_gradient`."""
        return {self.name: 2.0 * self.weight * self.along(change)[self.name]}

    def along(self, change: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Protected.along`."""
        flat = change[self.name].flatten(1)
        free = flat - self.left @ (self.left.T @ flat)
        free = free - (free @ self.right.T) @ self.right
        return {self.name: (flat - free).reshape(change[self.name].shape)}


def orthogonal_subspace(
    model: nn.Module, layers: str | Sequence[str] | None = None, share: float = 0.5, **options: Any
) -> Anchor:
    """Freeze the leading singular directions of weights, as PEFT's OSF does (Nayak et al. 2025).

    Args:
        model: the network after the first task.
        layers: globs over parameter names; None: all weights.
        share: of the singular directions of each weight that is frozen, the largest values first; at least one.
        options: `form` ("update" by default, which is exact), `strength`, `gamma` (see `Anchor`).

    Returns:
        The anchor.

    Raises:
        OptionError: the share is none.
    """
    if not 0.0 < share <= 1.0:
        raise OptionError(f"share is a share of the singular directions, 0 < share <= 1, not {share}.")
    protected = []
    for name, parameter in weight_matrices(model, layers).items():
        parts = decompose(parameter.detach().flatten(1))[0]
        k = max(1, round(share * len(parts.values)))
        protected.append(
            SingularSubspaces(name, parts.left[:, :k].to(parameter), parts.right[:k].to(parameter))
        )
    return Anchor(model, protected, **{"form": "update", **options})
