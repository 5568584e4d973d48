"""The Hessian of one layer, written block by block into the order of the parameter vector."""

from __future__ import annotations

import torch
from jaxtyping import Float

# Side of the tiles that a large matrix is symmetrised by.
_TILE = 2048


class LayerBlocks:
    """A matrix over the parameters of a layer W [out, inputs], in the order that the parameter vector has them.

    The blocks count (o, i); the vector has the whole weight first, row-major, and then the bias, which is the last
    column of W.

    Args:
        matrix: [n, n] with n = out * inputs; written into.
        out: number of rows of W.
        columns: number of columns of W that are the weight.
        bias: whether W has the bias as one more column.
    """

    def __init__(self, matrix: Float[torch.Tensor, "n n"], out: int, columns: int, bias: bool) -> None:
        self.matrix, self.out, self.columns, self.bias = matrix, out, columns, bias
        parts = []
        if columns:
            parts.append((slice(0, out * columns), slice(0, columns), columns))
        if bias:
            parts.append((slice(out * columns, None), slice(columns, columns + 1), 1))
        self._views = [
            (here, there, _blocks(matrix[rows, cols], out, height, width))
            for rows, here, height in parts
            for cols, there, width in parts
        ]

    def put(self, o: int, rows: Float[torch.Tensor, "inputs outs inputs"], first: int = 0) -> None:
        """Write the blocks of one output.

        Args:
            o: which output.
            rows: [i, p, j] is the entry of W[o, i] and W[first + p, j].
            first: the output that `rows` begins with.
        """
        for here, there, view in self._views:
            view[o, :, first:] = rows[here, :, there]

    def add(
        self, o: int, part: slice, rows: Float[torch.Tensor, "some outs inputs"], first: int, stop: int
    ) -> None:
        """Add to the blocks of one output and some of its inputs.

        Args:
            o: which output.
            part: which inputs i, as `rows` counts them.
            rows: [i, p, j] is added to the entry of W[o, i] and W[first + p, j].
            first: the output that `rows` begins with.
            stop: the output before which it ends.
        """
        start, end = part.start, part.stop
        for here, there, view in self._views:
            low, high = max(here.start, start), min(here.stop, end)
            if low < high:
                within = rows[low - start : high - start, :, there]
                view[o, low - here.start : high - here.start, first:stop] += within


def _blocks(matrix: torch.Tensor, out: int, height: int, width: int) -> torch.Tensor:
    """See [out * height, out * width] as [out, height, out, width], without copying it."""
    rows, cols = matrix.stride()
    return matrix.as_strided(
        (out, height, out, width),
        (height * rows, rows, width * cols, cols),
        matrix.storage_offset(),
    )


def mirror(matrix: Float[torch.Tensor, "n n"]) -> None:
    """Add the transpose to a matrix in place, tile by tile: the result is symmetric to the last bit.

    Args:
        matrix: [n, n].
    """
    for low in range(0, len(matrix), _TILE):
        rows = slice(low, low + _TILE)
        for left in range(0, low + 1, _TILE):
            cols = slice(left, left + _TILE)
            both = matrix[rows, cols] + matrix[cols, rows].T
            matrix[rows, cols] = both
            matrix[cols, rows] = both.T


def reflect(matrix: Float[torch.Tensor, "n n"]) -> None:
    """Copy the part above the diagonal below it, in place, tile by tile.

    Args:
        matrix: [n, n]; what is below the diagonal is not read.
    """
    for low in range(0, len(matrix), _TILE):
        rows = slice(low, low + _TILE)
        for left in range(0, low, _TILE):
            cols = slice(left, left + _TILE)
            matrix[rows, cols] = matrix[cols, rows].T
        upper = matrix[rows, rows].triu()
        matrix[rows, rows] = upper + upper.triu(1).T
