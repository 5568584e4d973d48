"""Plans over tensors in memory, checked for what must hold of every plan."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import torch

from eigentrail.weights.plan import plan_matrices
from eigentrail.weights.store import TensorEntry
from eigentrail.weights.view import MatrixSpec


def entries_of(tensors: Mapping[str, torch.Tensor]) -> dict[str, TensorEntry]:
    """Describe tensors as a store does."""
    return {
        name: TensorEntry(name, tuple(t.shape), str(t.dtype).removeprefix("torch."), t.nbytes)
        for name, t in tensors.items()
    }


def plan(
    tensors: Mapping[str, torch.Tensor], config: Mapping[str, Any] | None = None, modules=None, **options: Any
) -> tuple[dict[str, MatrixSpec], dict[str, str]]:
    """Plan, and check: every tensor is planned or skipped with a reason, every shape is as announced."""
    specs, skipped = plan_matrices(entries_of(tensors), config, modules, **options)
    used = {name for spec in specs for name in spec.tensors}
    left_out = {left.name: left.reason for left in skipped}
    assert all(left_out.values())
    assert set(tensors) <= used | {name.partition(":")[0] for name in left_out}
    assert len({spec.name for spec in specs}) == len(specs)
    for spec in specs:
        matrix = pickle.loads(pickle.dumps(spec)).build(tensors.__getitem__)
        assert matrix.dtype in {torch.float32, torch.float64}
        if not spec.factored:
            sizes = (spec.matrices, spec.rows, spec.cols) if spec.matrices > 1 else (spec.rows, spec.cols)
            assert tuple(matrix.shape) == sizes, spec
    return {spec.name: spec for spec in specs}, left_out


def places(spec: MatrixSpec, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The positions, in the flattened stored tensor, of the numbers that a spec shows."""

    def numbered(name: str) -> torch.Tensor:
        shape = tensors[name].shape
        return torch.arange(shape.numel(), dtype=torch.float64).reshape(shape)

    return spec.build(numbered).long()


def assert_partition(specs: list[MatrixSpec], tensors: Mapping[str, torch.Tensor], name: str) -> None:
    """Every number of a stored tensor lies in exactly one of the specs made of it."""
    seen = torch.cat([places(spec, tensors).flatten() for spec in specs if spec.tensors == (name,)])
    assert torch.equal(seen.sort().values, torch.arange(tensors[name].numel())), name


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Gaussian numbers known by their seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def spike(rows: int, cols: int, strength: float, seed: int = 1) -> torch.Tensor:
    """A matrix of rank one with a chosen singular value."""
    left, right = noise(rows, seed=seed), noise(cols, seed=seed + 1000)
    return strength * torch.outer(left / left.norm(), right / right.norm())
