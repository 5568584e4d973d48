"""The updates of a stored adapter, in their small cores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from eigentrail.errors import SourceError
from eigentrail.weights import FactoredMatrix, Weights, open_weights


@dataclass(frozen=True)
class AdapterUpdate:
    """One update scale * B A through its core.

    Attributes:
        module: the path of the module it belongs to.
        left: [out, r] orthonormal columns.
        values: [r] singular values, descending.
        right: [r, in] orthonormal rows.
    """

    module: str
    left: Tensor
    values: Tensor
    right: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self.left.shape[0], self.right.shape[1]

    @property
    def norm(self) -> float:
        """Frobenius norm."""
        return float(torch.linalg.vector_norm(self.values))

    @property
    def effective_rank(self) -> float:
        """Exponential of the entropy of the squared singular values' shares; 0 for an update that vanishes."""
        return float(effective_rank(self.values.numpy()))


def effective_rank(values: Float64[np.ndarray, "... r"]) -> Any:
    """Exponential of the entropy of the squared singular values' shares.

    Args:
        values: [..., r] singular values.

    Returns:
        [...] from 1 to r; 0 where all vanish.
    """
    squares = np.asarray(values, dtype=np.float64) ** 2
    total = squares.sum(axis=-1, keepdims=True)
    shares = np.divide(squares, total, out=np.zeros_like(squares), where=total > 0)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    found = np.where(total[..., 0] > 0, np.exp(-(shares * logs).sum(axis=-1)), 0.0)
    return float(found) if found.ndim == 0 else found


def open_adapter(source: Any, layers: Any = None) -> tuple[Weights, dict[str, AdapterUpdate]]:
    """Read an adapter.

    Args:
        source: its folder or file, or a state dict.
        layers: globs over names; None for all.

    Returns:
        The weights, and {module: update} without PEFT's prefix.

    Raises:
        SourceError: it holds no low-rank adapter.
    """
    weights = open_weights(source, layers)
    found: dict[str, AdapterUpdate] = {}
    for name, spec in weights.specs.items():
        if spec.factors is None:
            continue
        factors = weights[name]
        assert isinstance(factors, FactoredMatrix)
        module = name.rpartition(":")[0].removeprefix("base_model.model.")
        part = name.rpartition(":")[2].removeprefix("lora").strip(".")
        key = f"{module}:{part}" if part else module
        found[key] = core_of(key, factors)
    if not found:
        raise SourceError(
            f"{weights.source} holds no low-rank adapter (no lora_A and lora_B); give the adapter's folder."
        )
    return weights, found


def core_of(module: str, factors: FactoredMatrix) -> AdapterUpdate:
    """Decompose a product of thin factors without making it.

    Args:
        module: what it is called.
        factors: the product.

    Returns:
        Its singular values and vectors, float64.

    Raises:
        SourceError: the factors are not finite.
    """
    left, right = factors.left.detach().double(), factors.right.detach().double()
    if not (bool(torch.isfinite(left).all()) and bool(torch.isfinite(right).all())):
        raise SourceError(f"the adapter of {module} holds NaN or infinity; train or download it again.")
    q_left, r_left = torch.linalg.qr(left)
    q_right, r_right = torch.linalg.qr(right.T)
    u, s, vt = torch.linalg.svd(factors.scale * r_left @ r_right.T, full_matrices=False)
    return AdapterUpdate(module, q_left @ u, s, vt @ q_right.T)


def random_cores(
    rows: int, cols: int, rank: int, draws: int, rng: np.random.Generator
) -> Float64[np.ndarray, "d r"]:
    """Draw the singular values of random adapters: products of Gaussian factors of these shapes, at norm 1.

    Only the triangular factors of their QR decompositions are drawn (Bartlett 1933), never the factors.

    Args:
        rows: outputs.
        cols: inputs.
        rank: r.
        draws: how many.
        rng: source of the draws.

    Returns:
        [draws, r] singular values, descending, with unit sum of squares.
    """

    def triangles(n: int) -> Float64[np.ndarray, "d r r"]:
        r = np.triu(rng.normal(size=(draws, rank, rank)), 1)
        i = np.arange(rank)
        r[:, i, i] = np.sqrt(rng.chisquare(np.maximum(n - i, 1), size=(draws, rank)))
        return r

    cores = triangles(rows) @ np.swapaxes(triangles(cols), 1, 2)
    values = np.linalg.svd(cores, compute_uv=False)
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))
