"""Sums of Kronecker products of symmetric matrices, sum_i P_i (x) a_i a_i^T, as one matrix product."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int

# Samples whose half-vectorised products are multiplied at once: enough for a full-speed matrix product.
_BLOCK = 4096
# Blocks that wait for one another where few of their entries count, so that no more of those are added up at once.
_WAITING = 4
# What an entry that is looked at by itself costs beside one of a full-speed product, and a row of them beside all that
# (both in multiplications; measured on one core, where they meet at an entry in four).
_ALONE, _ROW = 1.8, 2_000_000


class KhatriRaoSum:
    """The sum over samples of P_i (x) a_i a_i^T, for symmetric P_i [out, out] and vectors a_i [inputs].

    Both factors are symmetric, so the upper triangles carry everything: with vech(P_i) as rows of one matrix and
    vech(a_i a_i^T) as rows of another, the distinct entries of the sum are the product of the two (the half-vectorised
    Khatri-Rao product), one matrix product of a quarter of the multiplications that the Kronecker products take. The
    samples are taken in blocks: within a block the product is formed in the working precision, and the blocks are
    added up in float64, so that rounding grows with the size of a block and not with the number of samples (relative
    error of the sum about 1e-7 in float32).

    Behind a rectifier most entries of P_i are exactly zero: those of every pair of units of which one is off. Where
    few are left, each row of the first factor is multiplied with the samples that it needs and no others.

    Args:
        out: the number of rows of P_i.
        inputs: the length of a_i.
        dtype: precision in which products are formed, and that of the blocks.
        device: where.
    """

    def __init__(self, out: int, inputs: int, dtype: torch.dtype, device: torch.device) -> None:
        self.out, self.inputs, self.dtype, self.device = out, inputs, dtype, device
        self._total = torch.zeros(_half(out), _half(inputs), dtype=torch.float64, device=device)
        self._waiting: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._held = self._entries = 0
        # One product's room, for fresh memory costs more than adding it up.
        self._product = torch.empty(0)

    @staticmethod
    def workspace(out: int, inputs: int, itemsize: int) -> int:
        """Give the memory that a sum takes besides its result.

        Args:
            out: the number of rows of P_i.
            inputs: the length of a_i.
            itemsize: bytes of a number in the working precision.

        Returns:
            Bytes: the accumulator, one product, and the half-vectorised factors of one block.
        """
        distinct = _half(out) * _half(inputs)
        waiting = max(_WAITING * _half(out), _half(out) + _half(inputs))
        return distinct * (8 + itemsize) + 2 * _BLOCK * waiting * itemsize

    def add(
        self,
        triangles: Float[torch.Tensor, "half_out samples"],
        vectors: Float[torch.Tensor, "inputs samples"],
    ) -> None:
        """Add samples; the last axis counts them, which makes every half-vectorised row contiguous.

        Args:
            triangles: the upper triangle of each P_i, row by row.
            vectors: a_i.
        """
        triangles, vectors = triangles.to(self.dtype), vectors.to(self.dtype)
        for start in range(0, vectors.shape[-1], _BLOCK):
            part = slice(start, start + _BLOCK)
            self._waiting.append((triangles[:, part], vectors[:, part]))
            self._held += vectors[:, part].shape[-1]
            self._entries += int(torch.count_nonzero(triangles[:, part])) if self.device.type == "cpu" else 0
            if self._held >= _WAITING * _BLOCK or (self._held >= _BLOCK and not self._few()):
                self._flush()

    def _few(self) -> bool:
        """Tell whether so few entries of the waiting P_i differ from zero that they are better taken one by one."""
        alone = _ALONE * self._entries * self.inputs**2 + _ROW * _half(self.out)
        return self.device.type == "cpu" and alone < self._held * _half(self.out) * _half(self.inputs)

    def _flush(self) -> None:
        """Multiply the samples that wait, and add the product to the total."""
        if self._held:
            triangles, vectors = (_join(parts) for parts in zip(*self._waiting, strict=True))
            if self._few():
                self._add_few(triangles, vectors.T.contiguous())
            else:
                if not self._product.numel():
                    self._product = torch.empty(self._total.shape, dtype=self.dtype, device=self.device)
                self._total += torch.mm(triangles, _products(vectors).T, out=self._product)
        self._waiting, self._held, self._entries = [], 0, 0

    def _add_few(
        self,
        triangles: Float[torch.Tensor, "half_out samples"],
        vectors: Float[torch.Tensor, "samples inputs"],
    ) -> None:
        """Add each row's sum over the samples at which it is not zero."""
        rows, cols = torch.triu_indices(self.inputs, self.inputs)
        triangle = rows * self.inputs + cols
        square = vectors.new_empty(self.inputs, self.inputs)
        for row in range(len(triangles)):
            entries = triangles[row]
            samples = entries.nonzero().squeeze(1)
            if len(samples):
                chosen = vectors.index_select(0, samples)
                torch.mm(chosen.T, chosen * entries[samples, None], out=square)
                self._total[row] += square.view(-1).index_select(0, triangle)

    def total(self) -> Float[torch.Tensor, "half_out half_inputs"]:
        """Give the distinct entries of the sum.

        Returns:
            The accumulator itself, float64: row (o <= p), column (i <= j), both in row-major order of the triangle.
        """
        self._flush()
        return self._total

    def blocks(self) -> Iterator[Float[torch.Tensor, "inputs out inputs"]]:
        """Unfold the sum, the blocks of one row of P after the other, which keeps what is unfolded at a time small.

        Yields:
            For o = 0, 1, ...: [i, p, j] is the entry of (o, i) and (p, j), in the working precision. The two entries
            of a mirrored pair are one number, so what is made of them is symmetric to the last bit.
        """
        total = self.total()
        pair, place = _places(self.out, self.device), _places(self.inputs, self.device).flatten()
        for o in range(self.out):
            rows = total[pair[o]].to(self.dtype).index_select(1, place)
            yield rows.view(self.out, self.inputs, self.inputs).transpose(0, 1)


def _half(n: int) -> int:
    """Count the entries of a triangle with its diagonal."""
    return n * (n + 1) // 2


def _join(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Put samples side by side."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=1)


def _products(vectors: Float[torch.Tensor, "n samples"]) -> Float[torch.Tensor, "half samples"]:
    """Give the upper triangle of a a^T for each a, row by row."""
    n, samples = vectors.shape
    half = vectors.new_empty(_half(n), samples)
    start = 0
    for i in range(n):
        torch.mul(vectors[i], vectors[i:], out=half[start : start + n - i])
        start += n - i
    return half


def _places(n: int, device: torch.device) -> Int[torch.Tensor, "n n"]:
    """Give the row of the triangle that holds entry (i, j), for both orders of i and j."""
    rows, cols = torch.triu_indices(n, n, device=device)
    places = torch.empty(n, n, dtype=torch.long, device=device)
    order = torch.arange(len(rows), device=device)
    places[rows, cols] = order
    places[cols, rows] = order
    return places
