"""From changed matrices back to the tensors that they were seen in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from eigentrail.errors import LayerError, SourceError
from eigentrail.weights.factored import FactoredMatrix
from eigentrail.weights.weights import Weights

if TYPE_CHECKING:
    from eigentrail.weights.view import MatrixSpec

Matrix: TypeAlias = Tensor | FactoredMatrix
Change: TypeAlias = Callable[[str, Matrix], Matrix]


class EditedTensors(Mapping[str, Tensor]):
    """The stored tensors behind some matrices, after a change of these matrices.

    A tensor is made when it is asked for, so that one weight at a time is in memory. A change that gives back what it
    was given, bit for bit, leaves the stored numbers bit for bit.

    Attributes:
        rounding: for each matrix that was written, |stored - wanted| / |wanted| (Frobenius): what the stored
            precision (and a pruning mask) took from the change; filled as tensors are asked for.

    Args:
        weights: where the matrices come from.
        change: takes a matrix's name and the matrix, [rows, cols] or [matrices, rows, cols] (a `FactoredMatrix` for
            adapters), and returns the matrix that shall be there.
        names: the matrices to change; None: all.
    """

    def __init__(self, weights: Weights, change: Change, names: Iterable[str] | None = None) -> None:
        self.rounding: dict[str, float] = {}
        self._weights = weights
        self._change = change
        self._specs: dict[str, list[MatrixSpec]] = {}
        for name in weights if names is None else names:
            spec = weights.specs[name]
            for tensor in spec.tensors:
                self._specs.setdefault(tensor, []).append(spec)
        self._last: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._last:
            self._last = self._make(name)
        return self._last[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def __contains__(self, name: object) -> bool:
        # Mapping's own would make the tensor to find out.
        return name in self._specs

    def _make(self, name: str) -> dict[str, Tensor]:
        specs = self._specs[name]
        stored = {each: self._weights.tensor(each) for spec in specs for each in spec.tensors}
        tensors = {
            each: tensor.detach().clone(memory_format=torch.contiguous_format)
            for each, tensor in stored.items()
        }
        for spec in specs:
            before = self._weights[spec.name]
            after = self._change(spec.name, before)
            if _same(before, after):
                self.rounding[spec.name] = 0.0
                continue
            if spec.put is None:
                raise SourceError(
                    f"{self._weights.source}: `{spec.name}` ({spec.kind}) cannot be written back: what is stored "
                    "gives it by a formula that no changed matrix has. Merge it into its base, and edit that."
                )
            _check(spec, after)
            spec.put(tensors, after)
            self.rounding[spec.name] = _difference(spec, tensors, after)
        return tensors


def _same(before: Matrix, after: Matrix) -> bool:
    if isinstance(before, FactoredMatrix) or isinstance(after, FactoredMatrix):
        return before is after
    return before is after or (before.dtype == after.dtype and torch.equal(before, after))


def _check(spec: MatrixSpec, matrix: Matrix) -> None:
    sizes = (spec.matrices, spec.rows, spec.cols) if spec.matrices > 1 else (spec.rows, spec.cols)
    if tuple(matrix.shape) != sizes:
        raise LayerError(f"`{spec.name}` is {list(sizes)} and cannot become {list(matrix.shape)}.")
    parts = (matrix.left, matrix.right) if isinstance(matrix, FactoredMatrix) else (matrix,)
    if not all(bool(torch.isfinite(part).all()) for part in parts):
        raise LayerError(f"the change of `{spec.name}` makes numbers that are not finite.")


def _difference(spec: MatrixSpec, tensors: Mapping[str, Tensor], wanted: Matrix) -> float:
    """What was lost between a matrix and what is seen of the tensors that store it."""
    if isinstance(wanted, FactoredMatrix):
        assert spec.factors is not None
        found = spec.factors(tensors.__getitem__)
        both = FactoredMatrix(
            torch.cat([found.left.double() * found.scale, -wanted.left.double() * wanted.scale], dim=1),
            torch.cat([found.right.double(), wanted.right.double()], dim=-2),
        )
        lost, size = both.core(), wanted.core()
    else:
        found_matrix = spec.build(tensors.__getitem__)
        if not bool(torch.isfinite(found_matrix).all()):
            raise LayerError(f"`{spec.name}` is stored as {spec.dtype}, whose range the change leaves.")
        lost, size = found_matrix.double() - wanted.double(), wanted.double()
    norm = float(torch.linalg.vector_norm(size))
    return float(torch.linalg.vector_norm(lost)) / norm if norm else float(torch.linalg.vector_norm(lost))
