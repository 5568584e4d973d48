"""S3's three panels: singular values of a layer, and how far its left and right singular vectors leave the subspace."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eigentrail.parsimony.descent import descend
from eigentrail.parsimony.invariant import rho_recursion
from eigentrail.parsimony.law_networks import NETWORKS, STEPS, LawNetwork
from eigentrail.trajectories.subspaces import subspaces

_EVERY = 50


def law_panels(dimension: int, seed: int) -> pd.DataFrame:
    """Follow the first layer of each network of `NETWORKS`.

    Angles are to the *invariant* subspace, in which all learning takes place where the theorem holds: the leading
    directions of the first step, which S3 compares with, are arbitrary, since all singular values are equal there. For
    the same reason the first step has no angles.

    Args:
        dimension: d.
        seed: of data and weights.

    Returns:
        A row for each network, singular value (1 the largest) and fiftieth step: `network`, `value`, `moves` (whether
        it differs from rho(t) at the end), `step`, `singular value`, `rho` (what the recursion gives; not a number
        where the theorem does not hold), `left` and `right`, the angles in degrees.
    """
    return pd.concat([_followed(network, dimension, seed) for network in NETWORKS], ignore_index=True)


def _followed(network: LawNetwork, dimension: int, seed: int) -> pd.DataFrame:
    weights, loss, settings, subspace = network.begin(dimension, seed)
    layers, steps = [], []
    for state in descend(weights, loss, settings, STEPS):
        if state.step % _EVERY == 0:
            layers.append(state.weights[0].copy())
            steps.append(state.step)
    k = subspace.width
    inside = (subspace.left[0][:, :k].T, subspace.right[0][:, :k].T)
    found = subspaces(np.array(layers), subspace.rank, null=0, against=inside)
    values = found["singular_values"].values
    rho = np.full(len(steps), np.nan)
    if network.covered:
        rho = rho_recursion(network.eps, network.depth, settings.rate, STEPS, momentum=network.momentum)[
            steps
        ]
    # Where the theorem does not hold, those that moved are told by their distance from the median.
    rest = rho[-1] if network.covered else float(np.median(values[-1]))
    moves = np.abs(values[-1] - rest) > 0.01 * rest
    left, right = (np.degrees(found[f"against_{side}"].values) for side in ("left", "right"))
    left[0], right[0] = np.nan, np.nan
    return pd.DataFrame(
        {
            "network": network.name,
            "value": np.repeat(np.arange(1, dimension + 1), len(steps)),
            "moves": np.repeat(np.where(moves, "moves", "follows the others"), len(steps)),
            "step": np.tile(steps, dimension),
            "singular value": values.T.ravel(),
            "rho": np.tile(rho, dimension),
            "left": left.T.ravel(),
            "right": right.T.ravel(),
        }
    )
