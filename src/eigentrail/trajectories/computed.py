"""What has been computed of a matrix, step by step: all that the rest is put together from, and all that is stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Bool, Int64

from eigentrail.linalg.singular_values import singular_values
from eigentrail.trajectories.directions import Directions, kept_directions
from eigentrail.trajectories.series import MatrixSeries
from eigentrail.trajectories.snapshot import followed_numbers, followed_texts, snapshot

_PARTS = ("every", "diagnosis", "directions")


@dataclass(frozen=True)
class Computed:
    """Results of single steps, none of which depends on another step.

    Attributes:
        every: `singular_values` [step, value].
        diagnosis: the numbers and texts of the steps that were looked at closely [step].
        directions: their spikes, one behind the other [direction], with `step`, `value`, `matrix` and the unit
            vectors `long` and `short`, largest spike first within a step.
    """

    every: xr.Dataset
    diagnosis: xr.Dataset
    directions: xr.Dataset

    def to_tree(self, attributes: dict[str, str]) -> xr.DataTree:
        """Put it into a form that a run stores.

        Args:
            attributes: what to say about it.

        Returns:
            A tree with a node for each part.
        """
        parts = {f"/{name}": getattr(self, name) for name in _PARTS}
        tree = xr.DataTree.from_dict(parts)
        tree.attrs = dict(attributes)
        return tree

    @classmethod
    def from_tree(cls, tree: xr.DataTree) -> Computed:
        """Read what `to_tree` gave.

        Args:
            tree: as stored.

        Returns:
            The results.
        """
        every, diagnosis, directions = (tree.children[name].to_dataset(inherit=False) for name in _PARTS)
        # Stores hand texts back in a type of their own.
        texts = {
            name: ("step", np.array([str(t) for t in diagnosis[name].values], dtype=object))
            for name in followed_texts()
        }
        return cls(every, diagnosis.assign(texts), directions)

    def directions_at(self, steps: Int64[np.ndarray, " t"]) -> list[Directions | None]:
        """Give the spikes of some of the steps that were looked at closely.

        Args:
            steps: which.

        Returns:
            The spikes of each; None where they could not be told.
        """
        of = self.directions["step"].values
        columns = [self.directions[name].values for name in ("value", "matrix", "long", "short")]
        known = np.isfinite(self.diagnosis["spikes"].sel(step=steps).values)
        first, last = (np.searchsorted(of, steps, side=side) for side in ("left", "right"))
        return [
            Directions(*(column[a:b] for column in columns)) if fine else None
            for a, b, fine in zip(first, last, known, strict=True)
        ]


def merge(parts: list[Computed]) -> Computed:
    """Put results of different steps together; of a step that is there twice the first one counts.

    Args:
        parts: at least one.

    Returns:
        All of them, by step.
    """
    every, diagnosis = (
        xr.concat([getattr(p, name) for p in parts], dim="step").drop_duplicates("step").sortby("step")
        for name in ("every", "diagnosis")
    )
    seen: set[int] = set()
    fresh = []
    for part in parts:
        new = ~np.isin(part.directions["step"].values, list(seen))
        fresh.append(part.directions.isel(direction=new))
        seen.update(part.diagnosis["step"].values.tolist())
    directions = xr.concat(fresh, dim="direction")
    order = np.argsort(directions["step"].values, kind="stable")
    return Computed(every, diagnosis, directions.isel(direction=order))


def compute(
    series: MatrixSeries, rows: Int64[np.ndarray, " b"], close: Bool[np.ndarray, " b"], level: float
) -> Computed:
    """Compute some steps of a matrix.

    Args:
        series: the matrix over steps.
        rows: which of its steps.
        close: which of these to look at closely.
        level: chance that noise shows a spike.

    Returns:
        The results.
    """
    _, n, m = series.shape
    stack = series.read(rows)
    steps = series.steps[rows]
    every = xr.Dataset({"singular_values": (("step", "value"), singular_values(stack))}, {"step": steps})
    keep = kept_directions(n, m)
    shots = [snapshot(stack[place], level, keep) for place in np.flatnonzero(close)]
    columns = {
        name: ("step", np.array([s.numbers[name] for s in shots], dtype=np.float64))
        for name in followed_numbers()
    }
    texts = {
        name: ("step", np.array([s.texts[name] for s in shots], dtype=object)) for name in followed_texts()
    }
    diagnosis = xr.Dataset({**columns, **texts}, {"step": steps[close]})
    found = [shot.directions or Directions.none(n, m) for shot in shots]
    found.append(Directions.none(n, m))
    of = np.repeat(np.append(steps[close], 0), [len(one) for one in found])
    directions = xr.Dataset(
        {
            "step": ("direction", of),
            "value": ("direction", np.concatenate([one.values for one in found])),
            "matrix": ("direction", np.concatenate([one.matrix for one in found])),
            "long": (("direction", "row"), np.concatenate([one.long for one in found])),
            "short": (("direction", "column"), np.concatenate([one.short for one in found])),
        }
    )
    return Computed(every, diagnosis, directions)
