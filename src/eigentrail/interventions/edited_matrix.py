"""What an edit makes of a matrix: the new matrix as two thin factors, and what was expected of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from eigentrail._arrays import is_tensor
from eigentrail.interventions.decomposition import Decomposition
from eigentrail.weights import FactoredMatrix


@dataclass(frozen=True)
class EditedMatrix:
    """An edited matrix, or pool of matrices, in factors.

    Attributes:
        pieces: for each matrix its two factors [n, k] and [k, m], float64; the product is the edited matrix.
        relative_error: |W - W'| / |W| (Frobenius), as the singular values predict it.
        output_error: root of the mean of |(W - W') x|^2 over that of |W x|^2 for inputs x of the given covariance, as
            theory predicts it; None where no covariance was given.
        spikes: how many singular values stand out of the noise, where the edit asked; else None.
        given: the array that was edited.
    """

    pieces: tuple[tuple[Tensor, Tensor], ...]
    relative_error: float
    given: Any
    output_error: float | None = None
    spikes: int | None = None

    @property
    def rank(self) -> int:
        """The largest rank of the edited matrices."""
        return max(left.shape[1] for left, _ in self.pieces)

    @property
    def matrix(self) -> Any:
        """The edited matrix: numpy or torch, with the shape and precision of the given one; factors stay factors.

        Of a `Decomposition` it is a float64 tensor.
        """
        if isinstance(self.given, FactoredMatrix):
            return FactoredMatrix(*self.pieces[0])
        whole = torch.stack([left @ right for left, right in self.pieces]).reshape(tuple(self.given.shape))
        if isinstance(self.given, Decomposition):
            return whole
        if is_tensor(self.given):
            return whole.to(device=self.given.device, dtype=self.given.dtype)
        array = whole.numpy()
        return array.astype(self.given.dtype) if self.given.dtype.kind == "f" else array

    @property
    def parameters(self) -> tuple[int, int]:
        """Numbers of the matrix as it is, and of its factors (or of the matrix again where factors need more).

        Twice these are the floating-point operations per input vector.
        """
        before = after = 0
        for left, right in self.pieces:
            (n, k), m = left.shape, right.shape[1]
            before += n * m
            after += min(n * m, k * (n + m))
        return before, after


def joined(pieces: Sequence[EditedMatrix], weights: Sequence[float]) -> EditedMatrix:
    """Join the edits of a pool's matrices to one.

    Args:
        pieces: an edit for each matrix.
        weights: |W|^2 of each.

    Returns:
        One edit; errors are those of the pool as a whole.
    """

    def together(errors: Sequence[float | None]) -> float | None:
        known = [error for error in errors if error is not None]
        if len(known) < len(pieces):
            return None
        lost = sum(w * e**2 for w, e in zip(weights, known, strict=True))
        return float((lost / sum(weights)) ** 0.5)

    spikes = [piece.spikes for piece in pieces if piece.spikes is not None]
    return replace(
        pieces[0],
        pieces=tuple(pair for piece in pieces for pair in piece.pieces),
        relative_error=together([piece.relative_error for piece in pieces]) or 0.0,
        output_error=together([piece.output_error for piece in pieces]),
        spikes=sum(spikes) if spikes else None,
    )
