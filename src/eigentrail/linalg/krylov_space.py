"""A Krylov space that grows one direction at a time, is fully orthogonal, and can be shrunk to its Ritz vectors.

The space keeps H V = V S + F B: orthonormal rows V [m, n] that were multiplied, the small matrix S [m, m] in float64,
and orthonormal pending rows F [b, n] with their coupling B [b, m]. From one start vector this is Lanczos (b = 1); from
several it is the band Lanczos method (Ruhe 1979), with the choice which direction is multiplied next left open. S holds
the products as they came, rounding included: it is symmetric only as far as the operator is, and gives residuals of
the products themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float64

from eigentrail.errors import CurvatureError
from eigentrail.linalg.finite import all_finite

Apply: TypeAlias = Callable[[torch.Tensor], torch.Tensor]

_COLUMNS = 2**16  # columns of the basis that are rotated at a time, so that a restart needs no second basis
_SHORTER = 0.5**0.5  # share of its length that a row keeps in a pass that leaves it orthogonal to rounding
_ASYMMETRY = 1e-2  # of the largest product; rounding in float32 stays far below


class KrylovSpace:
    """Orthonormal vectors, the projection of a symmetric operator on them, and the directions to go on with.

    Args:
        apply: the operator, [k, n] -> [k, n].
        n: its dimension.
        dtype: float32 or float64, of the vectors.
        device: where the vectors live.
        seed: of the random directions.
        room: how many vectors there may become. Memory that is asked for at once and filled step by step is never
            there twice, as it is while a smaller basis is copied into a larger one.
    """

    def __init__(
        self,
        apply: Apply,
        n: int,
        *,
        dtype: torch.dtype,
        device: torch.device | str,
        seed: int,
        room: int = 0,
    ) -> None:
        self._apply, self.n = apply, n
        self._dtype, self._device = dtype, torch.device(device)
        # Only where what is not filled yet takes no memory.
        self._room = room if self._device.type == "cpu" else 0
        self._generator = torch.Generator().manual_seed(seed)
        self._rows = torch.empty(0, n, dtype=dtype, device=device)
        self.pending = torch.empty(0, n, dtype=dtype, device=device)
        self.images: Float64[np.ndarray, "m m"] = np.zeros((0, 0))
        self.coupling: Float64[np.ndarray, "b m"] = np.zeros((0, 0))
        self.products = 0
        self.scale = 0.0  # the largest ||H v|| met, a lower bound of the norm of H
        self.eps = float(torch.finfo(dtype).eps)
        self.unit = 0.0  # a power of two near the first product; in this unit no square underflows

    @property
    def m(self) -> int:
        """How many directions were multiplied."""
        return len(self.images)

    @property
    def small(self) -> Float64[np.ndarray, "m m"]:
        """The symmetric projection of the operator on the vectors [m, m]."""
        return np.asarray((self.images + self.images.T) / 2)

    @property
    def vectors(self) -> torch.Tensor:
        """The directions that were multiplied [m, n]."""
        return self._rows[: self.m]

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to go on with: the space is invariant."""
        return len(self.pending) == 0

    def clear(self) -> None:
        """Forget all directions, not the count of products."""
        self.images, self.coupling = np.zeros((0, 0)), np.zeros((0, 0))
        self.pending = self.pending[:0]

    def multiply(self, rows: torch.Tensor) -> torch.Tensor:
        """Apply the operator, count, and refuse what is not finite.

        Args:
            rows: [t, n].

        Returns:
            [t, n] products, in the unit of this space.

        Raises:
            CurvatureError: the products have another shape or are not finite.
        """
        self.products += len(rows)
        found = self._apply(rows)
        if found.shape != rows.shape:
            raise CurvatureError(
                f"the operator made {tuple(found.shape)} of {tuple(rows.shape)}: it has to keep the shape [k, n]."
            )
        if not all_finite(found):
            raise CurvatureError(
                "a product with the curvature holds NaN or infinity: check the loss and the weights, "
                "or compute in float64."
            )
        found = found.detach().to(self._device, self._dtype)
        if self.unit == 0.0:
            largest = float(found.abs().max())
            self.unit = 2.0 ** round(math.log2(largest)) if largest > 0.0 else 0.0
        return found / self.unit if self.unit > 0.0 else found

    def add(self, rows: torch.Tensor) -> int:
        """Add directions to go on with; what already lies in the space is dropped.

        Args:
            rows: [j, n].

        Returns:
            How many were new.
        """
        before = len(self.pending)
        for row in rows.to(self._device, self._dtype):
            length = _norm(row)
            if length > 0.0:
                self._append(row / length, 1e-4 if self._dtype == torch.float32 else 1e-10)
        return len(self.pending) - before

    def add_random(self) -> bool:
        """Add one random direction.

        Returns:
            False where the space is everything.
        """
        if self.m + len(self.pending) >= self.n:
            return False
        for _ in range(5):
            row = torch.randn(self.n, generator=self._generator, dtype=torch.float64)
            if self.add(row[None]):
                return True
        return False

    def expand(self, mix: Float64[np.ndarray, "t b"]) -> None:
        """Multiply t combinations of the pending directions and take them into the space.

        Args:
            mix: [t, b] orthonormal rows.

        Raises:
            CurvatureError: the operator is not symmetric, or changes from call to call.
        """
        t, m = len(mix), self.m
        whole = np.linalg.qr(mix.T, mode="complete")[0].T
        whole[:t] = mix
        pending = torch.from_numpy(whole).to(self._device, self._dtype) @ self.pending
        coupling = whole @ self.coupling
        taken = pending[:t]
        products = self.multiply(taken)
        self.scale = max(self.scale, float(lengths(products).max()))
        self._store(taken)
        self.pending, self.coupling = pending[t:], coupling[t:]

        # Against what is there already, all of the block at once; then within the block, row by row.
        grown = np.zeros((m + t, m + t))
        grown[:m, :m] = self.images
        self.images = grown
        expected = coupling[:t]
        along, across, left = self._orthogonalised(products, expected)
        if np.abs(along[:, :m] - expected).max(initial=0.0) > _ASYMMETRY * self.scale:
            raise CurvatureError(
                "the curvature is not symmetric, or its products change from call to call: the loss or the data "
                "are random; fix their seeds, or freeze the augmentation."
            )
        self.images[m:, :m] = expected
        self.images[:, m:] = along.T
        self.coupling = np.hstack([self.coupling, across.T])
        floor = 4 * self.eps * self.scale
        for i, row in enumerate(left):
            self._append(row, floor, column=m + i, clean=i == 0)

    def ritz(self) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, "m m"], Float64[np.ndarray, " m"]]:
        """Compute the Ritz pairs of the space.

        Returns:
            Values ascending [m], their coefficients as columns [m, m], and the residual norms ||B u|| [m].
        """
        values, mixes = np.linalg.eigh(self.small)
        return values, mixes, np.linalg.norm(self.coupling @ mixes, axis=0)

    def combine(self, mixes: Float64[np.ndarray, "m k"]) -> torch.Tensor:
        """Write out combinations of the vectors.

        Args:
            mixes: [m, k] coefficients, orthonormal columns.

        Returns:
            [k, n] unit rows.
        """
        found = torch.from_numpy(np.ascontiguousarray(mixes.T)).to(self._device, self._dtype) @ self.vectors
        return unit_rows(found)

    def residuals(
        self, values: Float64[np.ndarray, " k"], mixes: Float64[np.ndarray, "m k"]
    ) -> Float64[np.ndarray, " k"]:
        """Compute ||H x - l x|| of Ritz vectors from the products that were taken.

        Args:
            values: [k] the l.
            mixes: [m, k] coefficients of the x, orthonormal columns.

        Returns:
            [k] lengths, in the unit of this space.
        """
        inside = np.linalg.norm(self.images @ mixes - mixes * values, axis=0)
        return np.asarray(np.hypot(inside, np.linalg.norm(self.coupling @ mixes, axis=0)))

    def discrepancy(self, mixes: Float64[np.ndarray, "m k"]) -> float:
        """Multiply one random mixture of Ritz vectors, and compare with what the products before say it should be.

        The mixture has random signs, so that the mean of the squared difference is the sum over the vectors of theirs
        divided by k (Hutchinson): k times the square found stands for all of them together.

        Args:
            mixes: [m, k] coefficients, orthonormal columns.

        Returns:
            The estimated length of all k differences together, in the unit of this space. One product.
        """
        k = mixes.shape[1]
        signs = 2.0 * torch.randint(0, 2, (k,), generator=self._generator).numpy() - 1.0
        mixture = mixes @ signs / math.sqrt(k)
        found = self.multiply(self._sum(mixture, self.vectors)[None])[0]
        expected = self._sum(self.images @ mixture, self.vectors) + self._sum(
            self.coupling @ mixture, self.pending
        )
        return math.sqrt(k) * _norm(found - expected)

    def restart(self, mixes: Float64[np.ndarray, "m p"]) -> None:
        """Keep some Ritz vectors only; the relation H V = V S + F B stays, within rounding.

        Args:
            mixes: [m, p] their coefficients.
        """
        mix = torch.from_numpy(np.ascontiguousarray(mixes.T)).to(self._device, self._dtype)
        for start in range(0, self.n, _COLUMNS):
            part = slice(start, start + _COLUMNS)
            self._rows[: len(mix), part] = mix @ self._rows[: self.m, part]
        self.coupling = self.coupling @ mixes
        self.images = mixes.T @ self.images @ mixes

    def _sum(self, weights: Float64[np.ndarray, " j"], rows: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(weights)).to(self._device, self._dtype) @ rows

    def _store(self, rows: torch.Tensor) -> None:
        need = self.m + len(rows)
        if need > len(self._rows):
            larger = torch.empty(
                min(self.n, max(need, self._room, len(self._rows) + 16)),
                self.n,
                dtype=self._dtype,
                device=self._device,
            )
            larger[: self.m] = self.vectors
            self._rows = larger
        self._rows[self.m : need] = rows

    def _orthogonalised(
        self, rows: torch.Tensor, expected: Float64[np.ndarray, "t m0"] | None = None
    ) -> tuple[Float64[np.ndarray, "t m"], Float64[np.ndarray, "t b"], torch.Tensor]:
        """Take out what lies in the space: a pass over all of it, and another while one takes much away.

        What a pass leaves is orthogonal to rounding unless it is far shorter than what went in (Parlett 1998, 6.9,
        after Kahan: twice is enough). Of products nearly all that lies in the space is known before, from symmetry and
        from the vectors multiplied: it is taken out first, by the few vectors that it is of.

        Returns:
            What was taken out, along the vectors and along the pending rows, and what is left.
        """
        basis = [part for part in (self.vectors, self.pending) if len(part)]
        found = np.zeros((len(rows), sum(map(len, basis))))
        if expected is not None:
            m = expected.shape[1]
            shared = np.flatnonzero((expected != 0.0).any(axis=0))
            if len(shared):
                near = self.vectors[int(shared[0]) : int(shared[-1]) + 1]
                known = expected[:, int(shared[0]) : int(shared[-1]) + 1]
                rows = rows - torch.from_numpy(np.ascontiguousarray(known)).to(rows) @ near
                found[:, int(shared[0]) : int(shared[-1]) + 1] = known
            taken = self.vectors[m:]
            inner = rows @ taken.T
            rows = rows - inner @ taken
            found[:, m : self.m] = inner.double().cpu().numpy()
        before = lengths(rows)
        for _ in range(4):
            start = 0
            for part in basis:
                inner = rows @ part.T
                rows = rows - inner @ part
                found[:, start : start + len(part)] += inner.double().cpu().numpy()
                start += len(part)
            after = lengths(rows)
            if bool((after >= before * _SHORTER).all()):
                break
            before = after
        return found[:, : self.m], found[:, self.m :], rows

    def _append(
        self, row: torch.Tensor, floor: float, column: int | None = None, clean: bool = False
    ) -> None:
        """Make a row pending: what it shares with the pending ones becomes their coupling."""
        left = row[None]
        if column is None:
            left = self._orthogonalised(left)[2]
        elif not clean and len(self.pending):
            # It is orthogonal to all but what its own block has added.
            before = lengths(left)
            inner = left @ self.pending.T
            left = left - inner @ self.pending
            self.coupling[:, column] += inner[0].double().cpu().numpy()
            if bool((lengths(left) < before * _SHORTER).any()):
                _, across, left = self._orthogonalised(left)
                self.coupling[:, column] += across[0]
        length = _norm(left[0])
        if length <= floor or self.m + len(self.pending) >= self.n:
            return
        unit = left / length
        if length < 100 * floor:  # mostly rounding: once more at unit length
            unit = self._orthogonalised(unit)[2]
        self.pending = torch.cat([self.pending, unit_rows(unit)])
        fresh = np.zeros((1, self.m))
        if column is not None:
            fresh[0, column] = length
        self.coupling = np.vstack([self.coupling, fresh])


def lengths(rows: torch.Tensor) -> torch.Tensor:
    """Compute lengths, summed in float64: a float32 sum over a million squares is off by 1e-5.

    Args:
        rows: [..., n].

    Returns:
        [...] float64.
    """
    found: torch.Tensor = torch.linalg.vector_norm(rows, dim=-1, dtype=torch.float64)
    return found


def unit_rows(rows: torch.Tensor) -> torch.Tensor:
    """Bring rows to unit length.

    Args:
        rows: [j, n], none of them zero.

    Returns:
        [j, n].
    """
    return rows / lengths(rows)[:, None].to(rows.dtype)


def _norm(row: torch.Tensor) -> float:
    return float(lengths(row))
