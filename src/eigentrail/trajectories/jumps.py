"""Do the jumps of a singular vector of given rank come where singular values change places?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int64

from eigentrail._numbers import real
from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.linalg.singular_triples import leading_triples
from eigentrail.trajectories.following import MINIMUM_OVERLAP
from eigentrail.trajectories.geodesic import as_matrices
from eigentrail.trajectories.leading_vectors import SIDES, Side
from eigentrail.trajectories.rows import open_rows

#: Turns of more than so many degrees from one step to the next are jumps.
DEGREES = 30.0
_CANDIDATES = 8
# Bytes of the weights that are decomposed at once.
_BLOCK = 2**24
# With more unknown steps than this share the run was recorded too seldom to say who crossed whom.
_UNKNOWN = 0.1


@dataclass(frozen=True)
class Jumps:
    """The turns of the singular vector of one rank from step to step, and changes of the direction that has the rank.

    Attributes:
        table: a row for each recorded step but the first: `step`, `angle` (degrees from the vector of the step before),
            `jump`, `crossing` (another direction has the rank now), `known` (some direction of the step before is found
            again in it).
        degrees: what a jump is.
    """

    table: pd.DataFrame
    degrees: float

    @property
    def counts(self) -> Int64[np.ndarray, "2 2"]:
        """[jump or not, crossing or not] how many of the known steps are which."""
        known = self.table[self.table["known"]]
        jump, crossing = known["jump"].to_numpy(bool), known["crossing"].to_numpy(bool)
        return np.array([[int((a & b).sum()) for b in (crossing, ~crossing)] for a in (jump, ~jump)])

    @property
    def often_enough(self) -> bool:
        """Whether the run was recorded so often that directions are found again in nine of ten steps."""
        return float((~self.table["known"]).mean()) <= _UNKNOWN

    @property
    def p_value(self) -> float | None:
        """Fisher's exact test: so many jumps at crossings, were both independent; None where one of them is lacking.

        None too where the run was recorded too seldom.
        """
        counts = self.counts
        if not self.often_enough or not counts.sum(axis=0).all() or not counts.sum(axis=1).all():
            return None
        import scipy.stats

        return float(scipy.stats.fisher_exact(counts, alternative="greater").pvalue)

    @property
    def verdict(self) -> str:
        """How many of the jumps are crossings, in one sentence."""
        (both, alone), (quiet, _) = self.counts
        if not self.often_enough:
            unknown = int((~self.table["known"]).sum())
            return (
                f"Recorded too seldom: at {unknown} of {len(self.table)} steps the direction is that of none before: "
                "jumps and crossings cannot be told apart."
            )
        jumps = int(both + alone)
        if not jumps:
            return f"The vector never jumps by more than {self.degrees:g} degrees from one step to the next."
        p = self.p_value
        beside = "" if p is None else f" (Fisher's p = {p:.2g})"
        return (
            f"{both} of {jumps} jumps of more than {self.degrees:g} degrees are crossings, and {quiet} of "
            f"{int(self.counts[1].sum())} smaller turns{beside}."
        )


def jumps(x: Any, which: int = 0, side: Side = "right", *, degrees: float = DEGREES) -> Jumps:
    """Set the jumps of the singular vector of one rank beside the steps where another direction takes that rank.

    S0's path is that of the leading vector by rank. Where two singular values change places its vector jumps, which
    looks like the kink between two geodesics. A direction is known again by |u . u'| |v . v'| with all leading ones of
    the step before. Every recorded step is looked at: thinned ones say less.

    Args:
        x: [T, out, ...] weights over steps.
        which: the rank, 0 the largest singular value.
        side: whose turns are measured, "right" or "left".
        degrees: turns of more than this are jumps, above 0 and below 90.

    Returns:
        The turns and the crossings.

    Raises:
        OptionError: an argument is outside what it may be.
        TrajectoryError: there are too few steps, weights without a matrix form, or weights that are zero.
    """
    if side not in SIDES:
        raise OptionError(f'side is "left" or "right", not {side!r}.')
    if not 0.0 < real("degrees", degrees) < 90.0:
        raise OptionError(f"degrees is above 0 and below 90, not {degrees}.")
    rows = open_rows(x)
    if len(rows.shape) < 2:
        raise TrajectoryError("weights of one dimension have no singular vectors: choose a weight matrix.")
    most = min(rows.shape[0], rows.n // rows.shape[0])
    if isinstance(which, bool) or not isinstance(which, (int, np.integer)) or not 0 <= which < most:
        raise OptionError(f"which is the rank of a singular vector, 0 to {most - 1} here, not {which!r}.")
    found: list[pd.DataFrame] = []
    before: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None = None
    for start, stop, block in rows.blocks(_BLOCK):
        w = as_matrices(block, rows.shape)
        zero = np.flatnonzero(~w.any(axis=(1, 2)))
        if len(zero):
            raise TrajectoryError(
                f"the weights are zero at step {rows.steps[start + zero[0]]}: select other steps."
            )
        u, _, v = leading_triples(w, min(most, int(which) + 1 + _CANDIDATES))
        if before is not None:
            u, v = np.concatenate([before[0], u]), np.concatenate([before[1], v])
        before = u[-1:], v[-1:]
        # Of each step's vector along all leading ones of the step before.
        along = [np.einsum("tkn,tn->tk", one[:-1], one[1:, which]) for one in (u, v)]
        same = np.abs(along[0] * along[1])
        turn = np.minimum(np.abs(along[1 if side == "right" else 0][:, which]), 1.0)
        angle = np.degrees(np.arccos(turn))
        found.append(
            pd.DataFrame({
                "step": rows.steps[stop - len(angle) : stop],
                "angle": angle,
                "jump": angle > degrees,
                "crossing": same.argmax(axis=1) != which,
                "known": same.max(axis=1) >= MINIMUM_OVERLAP,
            })
        )  # fmt: skip
    return Jumps(pd.concat(found, ignore_index=True), float(degrees))
