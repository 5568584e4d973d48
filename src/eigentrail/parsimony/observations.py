"""Some entries of a matrix: which they are, what they are, and a part of them held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from eigentrail._arrays import to_numpy
from eigentrail.errors import CompletionError
from eigentrail.parsimony.initial import Matrix, stream

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Observations:
    """The observed entries of a matrix, in the order of rows.

    Attributes:
        shape: of the matrix.
        rows: [n] the row of each entry, ascending.
        columns: [n] its column.
        values: [n] its value, float64.
    """

    shape: tuple[int, int]
    rows: Places
    columns: Places
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def share(self) -> float:
        """Which share of the entries is observed."""
        return len(self) / (self.shape[0] * self.shape[1])

    def sparse(self, values: NDArray[np.float64] | None = None) -> scipy.sparse.csr_array:
        """Give the observed entries as a sparse array.

        Args:
            values: [n] other numbers at the same places; None for the values.

        Returns:
            [rows, columns], zero where nothing is observed; zeros that are observed are stored.
        """
        starts = np.searchsorted(self.rows, np.arange(self.shape[0] + 1))
        entries = self.values if values is None else values
        return scipy.sparse.csr_array((entries, self.columns, starts), shape=self.shape)

    def part(self, which: NDArray[Any]) -> Observations:
        """Take some of the entries.

        Args:
            which: [n] True for those to take.

        Returns:
            These.
        """
        return Observations(self.shape, self.rows[which], self.columns[which], self.values[which])

    def hold_out(self, share: float, seed: int = 0) -> tuple[Observations, Observations]:
        """Put a share of the entries aside, at random, so that no row or column is left empty.

        Args:
            share: of the entries.
            seed: of the choice.

        Returns:
            The entries that stay and those put aside.
        """
        rng = stream("held out", seed)
        aside = rng.random(len(self)) < share
        for places, count in ((self.rows, self.shape[0]), (self.columns, self.shape[1])):
            left = np.bincount(places[~aside], minlength=count)
            aside &= left[places] > 0
        return self.part(~aside), self.part(aside)


def observe(matrix: Any, mask: Any = None) -> Observations:
    """Read which entries of a matrix are known.

    Args:
        matrix: [n, m] array, table or tensor with NaN where an entry is missing; or one of scipy's sparse arrays,
            whose stored entries are the observed ones.
        mask: [n, m] True (or 1) for an observed entry, dense or sparse; None for what is not NaN. What the matrix
            holds elsewhere is not looked at.

    Returns:
        The observed entries.

    Raises:
        CompletionError: it is no matrix of real numbers, the mask does not fit, an observed entry is not finite, or
            nothing is observed.
    """
    sparse = scipy.sparse.issparse(matrix)
    found = _from_sparse(matrix, mask) if sparse else _from_dense(_numbers(matrix), mask)
    if not len(found):
        raise CompletionError("no entry is observed: give a matrix with numbers where they are known.")
    wrong = ~np.isfinite(found.values)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise CompletionError(
            f"the observed entry [{found.rows[first]}, {found.columns[first]}] is {found.values[first]}: mask it, or "
            "put NaN where an entry is missing."
        )
    return found


def check_rows_and_columns(observed: Observations) -> None:
    """Make sure that something is known of each row and each column.

    Args:
        observed: the entries.

    Raises:
        CompletionError: a row or a column has no observed entry.
    """
    for axis, places in (("row", observed.rows), ("column", observed.columns)):
        count = observed.shape[axis == "column"]
        empty = np.flatnonzero(np.bincount(places, minlength=count) == 0)
        if len(empty):
            raise CompletionError(
                f"{axis} {empty[0]} has no observed entry ({len(empty)} such {axis}s): nothing tells what it is; take "
                "it out."
            )


def _numbers(matrix: Any) -> Matrix:
    try:
        found = np.asarray(to_numpy(matrix), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CompletionError(f"the matrix does not hold numbers only: {error}.") from error
    if found.ndim != 2 or 0 in found.shape:
        raise CompletionError(f"a matrix [rows, columns] is completed, not an array of shape {found.shape}.")
    return found


def _from_dense(matrix: Matrix, mask: Any) -> Observations:
    if mask is None:
        known = ~np.isnan(matrix)
    else:
        given = mask.toarray() if scipy.sparse.issparse(mask) else to_numpy(mask)
        if given.shape != matrix.shape:
            raise CompletionError(
                f"the mask has shape {given.shape}, the matrix {matrix.shape}: give one for each."
            )
        if given.dtype != bool and not np.isin(given, (0, 1)).all():
            raise CompletionError("the mask holds other than 0 and 1: give True for an observed entry.")
        known = given.astype(bool)
    rows, columns = np.nonzero(known)
    return Observations((matrix.shape[0], matrix.shape[1]), rows, columns, matrix[rows, columns])


def _from_sparse(matrix: Any, mask: Any) -> Observations:
    if mask is not None:
        raise CompletionError(
            "a sparse matrix has its stored entries as the observed ones: leave the mask out."
        )
    entries = scipy.sparse.csr_array(matrix)
    entries.sum_duplicates()
    if entries.dtype.kind not in "biuf":
        raise CompletionError(f"real numbers are completed, not {entries.dtype}.")
    rows = np.repeat(np.arange(entries.shape[0]), np.diff(entries.indptr))
    return Observations(
        entries.shape, rows, entries.indices.astype(np.int64), entries.data.astype(np.float64)
    )
