"""The walks beside a trajectory: its own updates with random signs, Gaussian ones where these are not to be had."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from eigentrail.chance.optimizer_memory import Memory
from eigentrail.trajectories.geodesic import walk_norms
from eigentrail.trajectories.leading_vectors import Side
from eigentrail.trajectories.path_walks import GaussianWalks, Motions, NullModel, observed_motion
from eigentrail.trajectories.rows import Rows


def null_motions(
    rows: Rows,
    places: Int64[np.ndarray, " t"],
    seed: int,
    memory: Memory,
    which: int = 0,
    side: Side = "right",
    null_shape: tuple[int, int] | None = None,
    model: NullModel = "signs",
) -> Motions:
    """Make the walks that a trajectory is compared with.

    Args:
        rows: weights that are matrices, or unit vectors.
        places: numbers of the steps.
        seed: seed of the walks.
        memory: how updates remember each other and how weights decay.
        which: rank of the followed vector at the first step, for unit vectors.
        side: its side, for unit vectors.
        null_shape: rows and columns of the weights, needed for unit vectors.
        model: "signs" for the observed updates with random signs; "walks" for Gaussian ones with their norms, which
            unit vectors have in any case, and updates that take more than 1 GiB.

    Returns:
        The walks.

    Raises:
        OptionError: `null_shape` or `which` does not fit.
        TrajectoryError: the weights are zero, not finite or far too large at one of the steps, or vectors are no unit
            vectors.
    """
    colour, kept = memory.colour_of(rows.steps[places]), memory.kept(rows.steps[places])
    first, norms, shape = walk_norms(rows, places, which, side, null_shape, seed, colour, kept)
    if model == "signs" and len(rows.shape) > 1:
        motion = observed_motion(rows, places, seed, colour, kept)
        if motion is not None:
            return motion
    return GaussianWalks(shape, first, norms, seed, colour, kept)
