"""How many geodesics a path consists of."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np

from error_rates.motions import turning, walk
from error_rates.row import Row


def _count(make: Callable[[int], np.ndarray], seed: int) -> int:
    from eigentrail.trajectories import segments

    return segments(make(seed), null=0, seed=seed).count


def _several(make: Callable[[int], np.ndarray], seed: int) -> bool:
    from eigentrail.trajectories import segments

    return segments(make(seed), null=39, seed=seed).claimed


def rows() -> Iterator[Row]:
    """List the rows of this subject."""
    says = "more than one segment"
    yield Row(
        "segments",
        says,
        "one circle, noise that walks by .05 a step",
        0.05,
        functools.partial(lambda seed: _count(functools.partial(turning, noise=0.05), seed) > 1),
    )
    yield Row(
        "segments",
        says,
        "walk, 16 x 24, steps of 2% of the entries",
        0.15,
        lambda seed: _count(functools.partial(walk, "isotropic", shape=(16, 24), size=0.02), seed) > 1,
    )
    yield Row(
        "segments",
        says,
        "walk, 12 x 8, steps of 10%: the vector turns far, through crossings",
        0.5,
        lambda seed: _count(functools.partial(walk, "isotropic"), seed) > 1,
    )
    yield Row(
        "segments",
        "several segments, more than walks of the same updates have",
        "walk, 16 x 24, steps of 2% of the entries",
        0.05,
        functools.partial(_several, functools.partial(walk, "isotropic", shape=(16, 24), size=0.02)),
    )
    for legs, least in ((2, 0.8), (3, 0.6), (4, 0.2)):
        planted = functools.partial(turning, noise=0.02, legs=legs, count=24 * legs)
        where = f"{legs} circles of 24 steps, noise that walks by .02 a step"
        yield Row(
            "segments",
            f"{legs} segments",
            where,
            least,
            functools.partial(lambda make, legs, seed: _count(make, seed) == legs, planted, legs),
            power=True,
        )
        yield Row(
            "segments",
            "more segments than there are",
            where,
            0.1,
            functools.partial(lambda make, legs, seed: _count(make, seed) > legs, planted, legs),
        )
