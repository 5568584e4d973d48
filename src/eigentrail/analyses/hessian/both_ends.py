"""Are both ends of a Hessian's spectrum more like components of the motion than its middle (S1 7.1)?"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr

from eigentrail._arrays import to_float64
from eigentrail.analyses.hessian.eigen import Eigen
from eigentrail.bases import overlap
from eigentrail.curvature import block_shares, even_band
from eigentrail.errors import TrajectoryError
from eigentrail.trajectories.pca import components_of
from eigentrail.trajectories.rows import open_rows

#: What components are of.
KINDS: tuple[Literal["weights", "updates"], ...] = ("weights", "updates")
#: Into how many parts the ranks are divided.
PARTS = 10
# Up to so many parameters all components are computed; parts of fewer directions than these tell nothing.
_LARGEST, _FEWEST = 3000, 4


def both_ends(path: xr.DataArray, eigen: Eigen) -> dict[str, Any]:
    """Compare both ends of the spectrum with its middle.

    Directions without curvature have no gradient, hence no motion: that both agree there is no finding. Weights of a
    softmax or behind dead units move in fewer directions than there are weights, and what is recorded in single
    precision shows fewer still: as many directions of both are compared as both have.

    Args:
        path: [T, ...] the recorded weights.
        eigen: the eigenpairs of the Hessian.

    Returns:
        `parts`, and for each of `KINDS` `..._share_steepest`, `..._share_middle` (the mean of the parts between) and
        `..._share_flattest`: the share of such eigenvectors in the components of the same ranks, and `..._share_band`,
        what a band as wide as between gives at either end; `no_ends` with the reason where there is none.
    """
    values = to_float64(eigen.basis.values)
    n = eigen.basis.n
    curved = np.flatnonzero(np.abs(values) > n * np.finfo(np.float64).eps * np.abs(values).max())
    if not eigen.exact or n > _LARGEST:
        return {"no_ends": f"the whole Hessian of at most {_LARGEST:,} parameters is needed"}
    if len(path) - 2 < len(curved):
        return {"no_ends": f"{len(path)} recorded steps are fewer than the {len(curved)} curved directions"}
    told: dict[str, Any] = {"parts": PARTS}
    rows = open_rows(path)
    for of in KINDS:
        try:
            moved = components_of(rows, len(curved), of, at_most=True).basis
        except TrajectoryError as error:  # weights on a straight line have no components of updates
            return {"no_ends": str(error)}
        count = min(len(curved), moved.k)
        if count < _FEWEST * PARTS:
            return {"no_ends": f"the {of} move in {count} curved directions, {_FEWEST * PARTS} are needed"}
        found = to_float64(overlap(eigen.basis, moved).values)
        found = found[np.ix_(curved[:count], np.arange(count))]
        shares = block_shares(found, PARTS)
        told |= {
            f"{of}_share_steepest": float(shares[0]),
            f"{of}_share_middle": float(shares[1:-1].mean()),
            f"{of}_share_flattest": float(shares[-1]),
            f"{of}_share_band": float(even_band(found, PARTS)[0]),
        }
    return told
