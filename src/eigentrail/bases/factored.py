"""Directions that are rank-one matrices u v^T, kept as u and v."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import xlogy

from eigentrail._arrays import kind_of, like, to_float64
from eigentrail.bases.basis import MEMORY_LIMIT, Basis, check_unit_rows, sorted_values
from eigentrail.errors import BasisError, OptionError
from eigentrail.spectra.vectors import Concentration, Participation, participation, porter_thomas

_BLOCK = 2**22


class FactoredBasis(Basis):
    """Unit directions vec(u_j v_j^T), row-major, in the space of the [rows, cols] matrices.

    <vec(u v^T), vec(A)> = u^T A v: no direction is ever written out, unless `directions` is asked for them.

    Args:
        left: [k, rows] unit rows u_j.
        right: [k, cols] unit rows v_j.
        values: [k] numbers; the directions are sorted with them, largest first.
        kind: an array or tensor of the kind, device included, in which results come out; None for that of `left`.

    Raises:
        BasisError: the shapes do not fit, or a vector is not finite or not of unit length.
    """

    def __init__(self, left: Any, right: Any, values: Any = None, *, kind: Any = None) -> None:
        u, v = to_float64(left), to_float64(right)
        if u.ndim != 2 or v.ndim != 2 or len(u) != len(v) or 0 in (*u.shape, *v.shape):
            raise BasisError(f"factors are [k, rows] and [k, cols], not of shapes {u.shape} and {v.shape}.")
        u, v = check_unit_rows(u, "left vector"), check_unit_rows(v, "right vector")
        self._values, order = sorted_values(values, len(u))
        self._left: np.ndarray[Any, Any] = u if order is None else u[order]
        self._right: np.ndarray[Any, Any] = v if order is None else v[order]
        self._kind = kind_of(left if kind is None else kind)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrices."""
        return self._left.shape[1], self._right.shape[1]

    @property
    def n(self) -> int:
        """Dimension of the space, rows times columns."""
        return int(self._left.shape[1] * self._right.shape[1])

    @property
    def left(self) -> Any:
        """The left vectors [k, rows]."""
        return like(self._left, self._kind)

    @property
    def right(self) -> Any:
        """The right vectors [k, cols]."""
        return like(self._right, self._kind)

    def directions(self, limit: int = MEMORY_LIMIT) -> Any:
        """Write the directions out, if that fits into memory.

        Args:
            limit: bytes that they may take.

        Returns:
            [k, n] unit rows, float64.

        Raises:
            BasisError: they would take more than `limit`.
        """
        need = 8 * self.k * self.n
        if need > limit:
            raise BasisError(
                f"{self.k} directions of {self.n} entries would take {need:,} bytes and the limit is {limit:,}: "
                "work with the factors `.left` and `.right`, keep fewer with `.leading(k)`, or raise the limit."
            )
        return like(self.rows(0, self.k), self._kind)

    def rows(self, start: int, stop: int) -> Float64[np.ndarray, "b n"]:
        """Write some of the directions out.

        Args:
            start: the first.
            stop: one past the last.

        Returns:
            [stop - start, n] unit rows.
        """
        u, v = self._left[start:stop], self._right[start:stop]
        return np.asarray((u[:, :, None] * v[:, None, :]).reshape(len(u), self.n))

    def _combined(
        self, weights: Float64[np.ndarray, " j"], places: Int64[np.ndarray, " j"]
    ) -> Float64[np.ndarray, " n"]:
        scaled = self._left[places] * weights[:, None]
        return np.asarray(scaled.T @ self._right[places]).reshape(self.n)

    def _taken(self, places: Int64[np.ndarray, " j"]) -> FactoredBasis:
        return FactoredBasis(self._left[places], self._right[places], self._values[places], kind=self._kind)

    def participation(self) -> Participation:
        """Compute the inverse participation ratio of each direction, that of u times that of v.

        Returns:
            The ratios; the chance level is that of the product of two random unit vectors.
        """
        left, right = participation(self._left), participation(self._right)
        inverse = left.inverse * right.inverse
        chance = left.chance * right.chance
        return Participation(
            inverse=like(inverse, self._kind),
            count=like(1.0 / inverse, self._kind),
            share=like(1.0 / (self.n * inverse), self._kind),
            chance=chance,
            chance_share=1.0 / (self.n * chance),
        )

    def porter_thomas(self, *, neighbours: int = 0, side: Literal["both", "left", "right"] = "both") -> Any:
        """Test u and v against random unit vectors.

        The entries of u v^T are products and never normal, so the factors are tested.

        Args:
            neighbours: average the p-values with those of so many directions before and after.
            side: "left" or "right" for one factor; "both" for Fisher's combination of the two.

        Returns:
            [k] p-values; uniform if the vectors are random.

        Raises:
            OptionError: `side` is none of the three.
        """
        if side not in {"both", "left", "right"}:
            raise OptionError(f'side is "both", "left" or "right", not {side!r}.')
        if side != "both":
            vectors = self._left if side == "left" else self._right
            return like(porter_thomas(vectors, neighbours=neighbours), self._kind)
        q = porter_thomas(self._left) * porter_thomas(self._right)
        p = q - xlogy(q, q)
        if neighbours:
            p = _windowed_mean(p, neighbours)
        return like(np.asarray(p), self._kind)

    def concentration(self, slices: Mapping[str, slice] | Sequence[slice]) -> Concentration:
        """Compute which share of each direction lies in each part of the row-major entries.

        Args:
            slices: parts by name, or a sequence of parts.

        Returns:
            The shares; the chance level is that of a random direction of the whole space.

        Raises:
            OptionError: there are no parts, or one has no entries.
        """
        parts = (
            dict(slices) if isinstance(slices, Mapping) else {str(i): part for i, part in enumerate(slices)}
        )
        if not parts:
            raise OptionError("concentration needs at least one slice.")
        u2, v2, cols = self._left**2, self._right**2, self.shape[1]
        shares = np.zeros((self.k, len(parts)))
        sizes = np.zeros(len(parts))
        step = max(1, _BLOCK // self.k)
        for column, (name, part) in enumerate(parts.items()):
            where = range(*part.indices(self.n))
            sizes[column] = len(where)
            if not where:
                raise OptionError(f"slice {name!r} holds none of the {self.n} entries.")
            for first in range(0, len(where), step):
                i, j = np.divmod(np.asarray(where[first : first + step]), cols)
                shares[:, column] += np.einsum("kb,kb->k", u2[:, i], v2[:, j])
        chance = sizes / self.n
        return Concentration(
            names=tuple(parts),
            shares=like(shares, self._kind),
            chance=like(chance, self._kind),
            chance_error=like(np.sqrt(chance * (1.0 - chance) * 2.0 / (self.n + 2.0)), self._kind),
        )

    def _products(self, flat: Float64[np.ndarray, "t n"]) -> Float64[np.ndarray, "t k"]:
        return np.stack([self._products_of_one(one.reshape(self.shape)) for one in flat])

    def _products_of_one(self, matrix: Float64[np.ndarray, "rows cols"]) -> Float64[np.ndarray, " k"]:
        return np.asarray(np.einsum("kc,kc->k", self._left @ matrix, self._right))


def _windowed_mean(p: Float64[np.ndarray, " k"], neighbours: int) -> Float64[np.ndarray, " k"]:
    total = np.concatenate([[0.0], np.cumsum(p)])
    index = np.arange(p.size)
    low, high = np.maximum(index - neighbours, 0), np.minimum(index + neighbours + 1, p.size)
    return np.asarray((total[high] - total[low]) / (high - low))
