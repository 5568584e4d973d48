"""What the principal components of a motion have in common with other directions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np

from error_rates.motions import walk
from error_rates.row import NULL, Row


def _shared(make: Callable[[int], np.ndarray], seed: int) -> bool:
    from eigentrail.trajectories.overlap_nulls import updates_null

    x = make(seed).reshape(40, -1)
    compared = updates_null(x @ x.T, 3, NULL, seed).compared
    return compared is not None and compared.beyond


def _singular(make: Callable[[int], np.ndarray], seed: int) -> bool:
    from eigentrail.trajectories.overlap_nulls import singular_null

    compared = singular_null(make(seed)[::2], NULL, seed)[0].compared
    return compared is not None and compared.beyond


def _low(make: Callable[[int], np.ndarray], seed: int) -> bool:
    from eigentrail.trajectories.overlap_nulls import singular_null

    compared = singular_null(make(seed)[::2], NULL, seed)[1].compared
    return compared is not None and compared.beyond


def _last(make: Callable[[int], np.ndarray], seed: int) -> bool:
    from eigentrail.trajectories import drift

    compared = drift(make(seed), null=NULL, seed=seed).end_overlap.compared
    return compared is not None and compared.beyond


def _largest(seed: int) -> bool:
    from eigentrail.bases import overlap, singular

    rng = np.random.default_rng([seed, 8])
    a, b = (singular(rng.standard_normal((20, 12)), 8) for _ in range(2))
    found = overlap(a, b)
    return bool(found.max() > found.attrs["chance_largest"])


def rows() -> Iterator[Row]:
    """List the rows of this subject."""
    for kind in ("isotropic", "anisotropic"):
        make = functools.partial(walk, kind)
        yield Row(
            "overlaps",
            "the first component lies in the updates' more than a walk's",
            f"walk, {kind}",
            0.05,
            functools.partial(_shared, make),
        )
        yield Row(
            "overlaps",
            "the first component lies along the last weights more, or less, than a walk's",
            f"walk, {kind}",
            0.05,
            functools.partial(_last, make),
        )
        yield Row(
            "overlaps",
            "the first component overlaps a singular matrix more than a walk's",
            f"walk, {kind}",
            0.05,
            functools.partial(_singular, make),
        )
        yield Row(
            "overlaps",
            "the first components lie in the largest singular matrices more than a walk's",
            f"walk, {kind}",
            0.05,
            functools.partial(_low, make),
        )

    yield Row(
        "overlaps",
        "the largest overlap of two sets of singular matrices is beyond chance",
        "eight singular matrices each of two Gaussian matrices, 20 x 12",
        0.01,
        _largest,
        draws=400,
    )
