"""A set of unit directions, each with a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float64, Int64

from eigentrail._arrays import kind_of, like, to_float64, to_numpy
from eigentrail._text import html_table
from eigentrail.errors import BasisError, OptionError
from eigentrail.spectra.vectors import (
    Concentration,
    Participation,
    concentration,
    participation,
    porter_thomas,
)

#: Bytes that the directions of a factored basis may take when they are written out.
MEMORY_LIMIT = 2**30
Order: TypeAlias = Literal["value", "magnitude", "product"]
_UNIT = 1e-5
# Rows of a notebook's table.
_SHOWN = 10


class Basis:
    """Unit directions in a space of n parameters, each with a value, largest value first.

    The directions need not be orthogonal. Statistics are float64; what comes out is of the kind (numpy or torch) of
    the directions that were given, and of the kind of `w` where one is taken.

    Args:
        directions: [k, n] rows of unit length.
        values: [k] numbers, in any order; the directions are sorted with them, largest first. Without them every
            value is 1 and the order stays.
        kind: an array or tensor of the kind, device included, in which results come out; None for that of `directions`.

    Raises:
        BasisError: the shapes do not fit, a direction is not finite or not of unit length, or a value is not finite.
    """

    def __init__(self, directions: Any, values: Any = None, *, kind: Any = None) -> None:
        rows = to_numpy(directions)
        if rows.ndim != 2 or 0 in rows.shape:
            raise BasisError(
                f"the directions of a basis are [k, n] with k, n >= 1, not of shape {rows.shape}."
            )
        rows = check_unit_rows(to_float64(rows), "direction")
        self._values, order = sorted_values(values, len(rows))
        self._rows = rows if order is None else rows[order]
        self._kind = kind_of(directions if kind is None else kind)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.k} directions in {self.n} dimensions>"

    def _repr_html_(self) -> str:
        first = [(place, f"{value:.4g}") for place, value in enumerate(to_numpy(self.values)[:_SHOWN])]
        more = f"the first {_SHOWN} of {self.k}" if self.k > _SHOWN else ""
        return html_table(repr(self)[1:-1], ("direction", "value"), first, more)

    @property
    def k(self) -> int:
        """Number of directions."""
        return len(self._values)

    @property
    def n(self) -> int:
        """Dimension of the space."""
        return int(self._rows.shape[1])

    @property
    def values(self) -> Any:
        """The value of each direction [k], largest first."""
        return like(self._values, self._kind)

    def directions(self, limit: int = MEMORY_LIMIT) -> Any:
        """Give the directions.

        Args:
            limit: bytes that they may take where they have to be written out first (a factored basis).

        Returns:
            [k, n] unit rows, float64.
        """
        del limit
        return like(self._rows, self._kind)

    def rows(self, start: int, stop: int) -> Float64[np.ndarray, "b n"]:
        """Give some of the directions, so that work in blocks never needs all of them at once.

        Args:
            start: the first.
            stop: one past the last.

        Returns:
            [stop - start, n] unit rows.
        """
        return self._rows[start:stop]

    def leading(self, k: int) -> Basis:
        """Keep the directions of the k largest values.

        Args:
            k: how many, 1 to all.

        Returns:
            A basis of k directions.
        """
        return self._taken(np.arange(check_count(k, self.k)))

    def _taken(self, places: Int64[np.ndarray, " j"]) -> Basis:
        return Basis(self._rows[places], self._values[places], kind=self._kind)

    def order(self, by: Order = "value", w: Any = None) -> Int64[np.ndarray, " k"]:
        """Give the order in which directions are added.

        Args:
            by: "value" for the largest value first, "magnitude" for the largest absolute value first, "product" for the
                largest weight product |w . b_j| first.
            w: n numbers in any shape; needed for "product".

        Returns:
            [k] places of the directions.

        Raises:
            OptionError: `by` is none of them, or "product" without `w`.
            BasisError: `w` does not fit the space.
        """
        if by == "value":
            return np.arange(self.k, dtype=np.int64)
        if by == "magnitude":
            return np.argsort(-np.abs(self._values), kind="stable").astype(np.int64)
        if by == "product":
            if w is None:
                raise OptionError(
                    'by="product" needs w, the weights whose products with the directions count.'
                )
            products = np.abs(self._products(self._vectors(w)[0])[0])
            return np.argsort(-products, kind="stable").astype(np.int64)
        raise OptionError(f'by is "value", "magnitude" or "product", not {by!r}.')

    def coordinates(self, w: Any) -> Any:
        """Compute the coordinates w . b_j.

        Args:
            w: n numbers in any shape, or [T, ...] with n numbers at each of T > 1 steps.

        Returns:
            [k], or [T, k]; float64 in the kind of `w`.

        Raises:
            BasisError: `w` does not fit the space or is not finite.
        """
        flat, batched = self._vectors(w)
        found = self._products(flat)
        return like(found if batched else found[0], w)

    def weight_product(self, w: Any) -> Any:
        """Compute the weight product b_j . w / ||w||.

        Args:
            w: n numbers in any shape.

        Returns:
            [k] cosines; random directions have 0 +- 1 / sqrt(n).

        Raises:
            BasisError: `w` does not fit the space, is not finite, or is zero.
        """
        flat, batched = self._vectors(w)
        norm = float(np.linalg.norm(flat))
        if batched or norm == 0.0:
            raise BasisError(
                f"the weight product needs one vector of {self.n} numbers that are not all zero: "
                "check the shape and the values of w."
            )
        return like(self._products(flat)[0] / norm, w)

    def partial_sum(self, w: Any, k: int | None = None, *, by: Order = "value") -> Any:
        """Add back the first k directions: sum over j < k of (w . b_j) b_j.

        Args:
            w: n numbers in any shape.
            k: how many directions, 0 (zeros) to all; None for all.
            by: see `order`.

        Returns:
            The sum in the shape and kind of `w`, float64.

        Raises:
            BasisError: `w` does not fit the space, or is not finite.
        """
        flat, batched = self._vectors(w)
        if batched:
            raise BasisError(f"a partial sum is that of one vector of {self.n} numbers, not of {len(flat)}.")
        count = self.k if k is None else check_count(k, self.k, fewest=0)
        places = self.order(by, w)[:count]
        found = self.combine(self._products(flat)[0][places], places)
        return like(found.reshape(np.shape(w)), w)

    def combine(
        self, weights: Float64[np.ndarray, " j"], places: Int64[np.ndarray, " j"]
    ) -> Float64[np.ndarray, " n"]:
        """Combine some of the directions linearly; those of a factored basis are never written out.

        Args:
            weights: what each of them is multiplied by [j].
            places: which directions [j], each at most once; none give zeros.

        Returns:
            sum_j weights_j b_(places_j), [n].

        Raises:
            BasisError: there is not one weight for each place, or a place is none of the directions or stands twice.
        """
        weights, places = np.asarray(weights), np.asarray(places)
        if weights.shape != places.shape or weights.ndim != 1:
            raise BasisError(
                f"a combination needs one weight for each direction, not {weights.shape} for {places.shape}."
            )
        if len(places) and not (
            places.min() >= 0 and places.max() < self.k and len(np.unique(places)) == len(places)
        ):
            raise BasisError(f"places are numbers of directions, 0 to {self.k - 1}, each at most once.")
        return self._combined(weights, places)

    def _combined(
        self, weights: Float64[np.ndarray, " j"], places: Int64[np.ndarray, " j"]
    ) -> Float64[np.ndarray, " n"]:
        if len(places) == self.k:
            # All of them: no copy of the rows.
            full = np.empty(self.k)
            full[places] = weights
            return np.asarray(full @ self._rows)
        return np.asarray(weights @ self._rows[places])

    def participation(self) -> Participation:
        """Compute the inverse participation ratio of each direction, beside that of a random one.

        Returns:
            The ratios with their chance level.
        """
        return participation(self.directions())

    def porter_thomas(self, *, neighbours: int = 0) -> Any:
        """Test the entries of each direction against those of a random one.

        Args:
            neighbours: average the p-values with those of so many directions before and after, which shows where
                among the indices directions are random.

        Returns:
            [k] p-values; uniform for random directions.
        """
        return porter_thomas(self.directions(), neighbours=neighbours)

    def concentration(self, slices: Mapping[str, slice] | Sequence[slice]) -> Concentration:
        """Compute which share of each direction lies in each part of the parameters, for example in each layer.

        Args:
            slices: parts by name, or a sequence of parts.

        Returns:
            The shares with their chance level.
        """
        return concentration(self.directions(), slices)

    def _vectors(self, w: Any) -> tuple[Float64[np.ndarray, "t n"], bool]:
        x = to_float64(w)
        if x.ndim >= 2 and x.size != self.n and x[0].size == self.n:
            flat, batched = x.reshape(len(x), self.n), True
        elif x.size == self.n:
            flat, batched = x.reshape(1, self.n), False
        else:
            raise BasisError(
                f"w has shape {x.shape} and the basis lives in {self.n} dimensions: "
                "give the parameters that the directions were made of."
            )
        if not np.isfinite(flat).all():
            raise BasisError("w holds NaN or infinity: leave that step out.")
        return flat, batched

    def _products(self, flat: Float64[np.ndarray, "t n"]) -> Float64[np.ndarray, "t k"]:
        return np.asarray(flat @ self._rows.T)


def check_basis(value: Any, what: str) -> Basis:
    """Check that something is a basis.

    Args:
        value: what was given.
        what: what needs one, for the error.

    Returns:
        The basis.

    Raises:
        BasisError: it is something else.
    """
    if not isinstance(value, Basis):
        raise BasisError(
            f"{what}, not {type(value).__name__}: make one of unit rows with et.bases.Basis(directions)."
        )
    return value


def check_unit_rows(rows: Float64[np.ndarray, "k n"], what: str) -> Float64[np.ndarray, "k n"]:
    """Check that rows have unit length and bring their lengths to 1 exactly.

    Args:
        rows: [k, n].
        what: what a row is, for the error.

    Returns:
        The rows, divided by their lengths where these are off by rounding.

    Raises:
        BasisError: a row is not finite, or its length is not 1 to 1e-5.
    """
    norms = np.sqrt(np.einsum("kn,kn->k", rows, rows))
    bad = np.flatnonzero(~(np.abs(norms - 1.0) <= _UNIT))
    if len(bad):
        raise BasisError(
            f"{what} {bad[0]} has length {norms[bad[0]]:.4g} and a basis needs finite rows of unit length: "
            "divide each row by its norm."
        )
    return rows if np.abs(norms - 1.0).max() < 1e-14 else rows / norms[:, None]


def sorted_values(values: Any, k: int) -> tuple[Float64[np.ndarray, " k"], Int64[np.ndarray, " k"] | None]:
    """Sort values, largest first.

    Args:
        values: [k] or None for ones.
        k: how many there have to be.

    Returns:
        The sorted values, and the order that sorts them; None where they are sorted already.

    Raises:
        BasisError: there are not k of them, or one is not finite.
    """
    if values is None:
        return np.ones(k), None
    found = to_float64(values)
    if found.shape != (k,) or not np.isfinite(found).all():
        raise BasisError(f"a basis of {k} directions needs {k} finite values, got shape {found.shape}.")
    if (np.diff(found) <= 0).all():
        return found.copy(), None
    order = np.argsort(-found, kind="stable").astype(np.int64)
    return found[order], order


def check_count(k: int, most: int, fewest: int = 1) -> int:
    """Check a number of directions.

    Args:
        k: the number.
        most: the largest it may be.
        fewest: the smallest it may be.

    Returns:
        The number.

    Raises:
        OptionError: it is outside, or not a whole number.
    """
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not fewest <= k <= most:
        raise OptionError(f"k is a whole number from {fewest} to {most} here, not {k}.")
    return int(k)
