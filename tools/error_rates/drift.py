"""Drift, persistence of updates, and how much of the motion one component holds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from error_rates.motions import walk
from error_rates.row import NULL, Row


def _drifts(make: Callable[[int], np.ndarray], seed: int, **options: Any) -> bool:
    from eigentrail.trajectories import drift

    compared = drift(make(seed), null=NULL, seed=seed, **options).walk.compared
    return compared is not None and compared.beyond


def _persists(make: Callable[[int], np.ndarray], seed: int, **options: Any) -> bool:
    from eigentrail.trajectories import drift

    compared = drift(make(seed), null=NULL, seed=seed, **options).walk.persistence_compared
    return compared is not None and compared.beyond


def _with_drift(strength: float, seed: int) -> np.ndarray:
    away = np.random.default_rng([seed, 6]).standard_normal((12, 8))
    # In units of what the walk covers.
    far = strength * 0.1 * np.sqrt(39)
    return walk("isotropic", seed) + far * np.linspace(0, 1, 40)[:, None, None] * away


def _components(make: Callable[[int], np.ndarray], seed: int) -> bool:
    from eigentrail.chance import compare
    from eigentrail.trajectories.scree import flipped_shares

    x = make(seed).reshape(40, -1)
    seen, drawn = flipped_shares(x @ x.T, 1, NULL, seed)
    return compare(float(seen[0]), drawn[:, 0]).beyond


def rows() -> Iterator[Row]:
    """List the rows of this subject."""
    says = "the weights drift, or return"
    for kind in ("isotropic", "anisotropic", "cosine rates"):
        make = functools.partial(walk, kind)
        yield Row("drift", says, f"walk, {kind}", 0.05, functools.partial(_drifts, make))
        yield Row("drift", "updates persist", f"walk, {kind}", 0.05, functools.partial(_persists, make))
        yield Row(
            "components",
            "one component holds more of the motion than a walk's",
            f"walk, {kind}",
            0.05,
            functools.partial(_components, make),
        )
    decayed = functools.partial(walk, "isotropic", decay=0.01)
    yield Row(
        "drift",
        says,
        "walk with weight decay of 1% a step, told",
        0.05,
        functools.partial(_drifts, decayed, weight_decay=0.01),
    )
    yield Row(
        "drift",
        "updates persist",
        "walk with weight decay of 1% a step, told",
        0.05,
        functools.partial(_persists, decayed, weight_decay=0.01),
    )
    for strength, least in ((0.5, 0.15), (0.7, 0.5), (1.0, 0.95)):
        yield Row(
            "drift",
            says,
            f"drift over {strength:g} of what the walk covers",
            least,
            functools.partial(_drifts, functools.partial(_with_drift, strength)),
            power=True,
        )
