"""The rows of an analysis' table, derived from its nodes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float64

from eigentrail.analyses.framework.contract import NULL, PERCENTILE, Analysis, P
from eigentrail.chance import Compared, compare


@dataclass(frozen=True)
class Row:
    """The numbers of one subject, or of one case of it.

    Attributes:
        analysis: whose.
        node: the subject's node.
        case: the value of each row dimension.
        name: the subject's name.
    """

    analysis: Analysis
    node: xr.DataTree
    case: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The subject's name."""
        return str(self.node.attrs["name"])

    @property
    def subject(self) -> str:
        """The subject's name with its case: "fc1.weight, right"."""
        return ", ".join([self.name, *map(str, self.case.values())])

    def __getitem__(self, key: str) -> Any:
        """Read a number: a variable of the node at this case, or an attribute; None where there is none."""
        if key in self.node.data_vars:
            return _plain(self._values(key))
        return _plain(self.node.attrs.get(key))

    @cached_property
    def _places(self) -> dict[str, int]:
        """Where the case is along each of its dimensions."""
        return {
            dim: int(np.flatnonzero(np.asarray(self.node.coords[dim].values) == value)[0])
            for dim, value in self.case.items()
        }

    def _values(self, key: str) -> np.ndarray[Any, Any]:
        # A page reads hundreds of numbers: by place a number takes a tenth of the time that its label takes.
        found = self.node.variables[key]
        return np.asarray(
            found.isel({dim: place for dim, place in self._places.items() if dim in found.dims}).values
        )

    def draws(self, key: str) -> Float64[np.ndarray, " d"]:
        """Read the null draws of a quantity.

        Args:
            key: the quantity.

        Returns:
            The finite draws; empty where there are none.
        """
        null = self.analysis.quantities[key].null
        if null is None or null not in self.node.data_vars:
            return np.zeros(0)
        draws = np.asarray(self._values(null), dtype=np.float64).ravel()
        return draws[np.isfinite(draws)]

    def compared(self, key: str) -> Compared | None:
        """Compare a quantity with its null.

        Args:
            key: the quantity.

        Returns:
            The comparison; None where the number or its null draws are missing.
        """
        value, draws = self[key], self.draws(key)
        if value is None or not len(draws):
            return None
        return compare(float(value), draws, self.analysis.quantities[key].side)

    def to_dict(self) -> dict[str, Any]:
        """Give the row of the table.

        Returns:
            A value for each of the analysis' columns; None for what is missing.
        """
        row: dict[str, Any] = {"name": self.name, **self.case}
        for key, quantity in self.analysis.quantities.items():
            row[key] = self[key]
            if quantity.null is not None:
                beside = self.compared(key)
                row[f"{key}{NULL}"] = None if beside is None else beside.median
                row[f"{key}{PERCENTILE}"] = None if beside is None else beside.percentile
                row[f"{key}{P}"] = None if beside is None else beside.p
        return row


def rows_of(analysis: Analysis, tree: xr.DataTree) -> Iterator[Row]:
    """Go through the rows of a result.

    Args:
        analysis: the analysis.
        tree: its result, a node per subject.

    Yields:
        A row per subject and case, in the order of the nodes; a case of which no tested quantity is known has none.
    """
    for node in tree.children.values():
        cases = [
            np.asarray(node.coords[dim].values).tolist() if dim in node.coords else []
            for dim in analysis.rows
        ]
        for values in itertools.product(*cases):
            row = Row(analysis, node, dict(zip(analysis.rows, values, strict=True)))
            tested = [key for key in analysis.quantities if _tested(row, key)]
            if not tested or any(row[key] is not None for key in tested):
                yield row


def table_of(analysis: Analysis, tree: xr.DataTree) -> pd.DataFrame:
    """Sum a result up.

    Args:
        analysis: the analysis.
        tree: its result.

    Returns:
        A row per subject and case with the analysis' columns; None for what is missing.
    """
    rows = [row.to_dict() for row in rows_of(analysis, tree)]
    return pd.DataFrame({c: pd.Series([row[c] for row in rows], dtype=object) for c in analysis.columns})


def _tested(row: Row, key: str) -> bool:
    """Tell whether a quantity has a null and differs from case to case."""
    return (
        row.analysis.quantities[key].null is not None
        and key in row.node.data_vars
        and bool(set(row.case) & set(map(str, row.node[key].dims)))
    )


def _plain(value: Any) -> Any:
    """Turn a number of numpy into Python's; what is not finite is None."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return None if value == "" else value
