"""How near vectors come to the left singular vectors of a matrix, from the Gram matrix of its shorter side."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

# Squares below this share of the largest are rounding in W W^T: their vectors would be turned among each other.
_SMALLEST = 1e-12


class LeftVectors:
    """The left singular vectors of a matrix, to compare others with.

    Args:
        matrix: [n, m].
    """

    def __init__(self, matrix: Float64[Tensor, "n m"]) -> None:
        wide = matrix.shape[0] <= matrix.shape[1]
        gram = matrix @ matrix.T if wide else matrix.T @ matrix
        squares, vectors = torch.linalg.eigh(gram)
        if float(squares[0]) <= _SMALLEST * float(squares[-1]):
            self._across: Tensor = torch.linalg.svd(matrix, full_matrices=False)[0]
            self._right: Tensor | None = None
        elif wide:
            self._across, self._right = vectors, None
        else:
            # U = W V / s is only ever met by a few vectors.
            self._across, self._right = matrix, vectors / squares.sqrt()

    def cosines(self, vectors: Float64[Tensor, "n k"]) -> Float64[Tensor, " k"]:
        """Tell how near unit vectors come to the nearest of the matrix's left singular vectors.

        Args:
            vectors: [n, k], of length 1.

        Returns:
            [k] largest absolute cosines.
        """
        met = vectors.T @ self._across
        if self._right is not None:
            met = met @ self._right
        return met.abs().amax(dim=1)
