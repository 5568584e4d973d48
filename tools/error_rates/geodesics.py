"""Paths of leading singular vectors beside great circles and 2-spheres."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from error_rates.motions import line, turning, walk
from error_rates.row import NULL, Row


def _geodesic(make: Callable[[int], np.ndarray], seed: int, **options: Any) -> bool:
    from eigentrail.trajectories import geodesic

    return geodesic(make(seed), null=NULL, seed=seed, **options).claimed


def _best_start(make: Callable[[int], np.ndarray], seed: int) -> bool:
    """Tell whether the start that suits the path best suits it better than walks' best starts suit them."""
    from eigentrail.trajectories.singular_path import singular_path

    path = singular_path(make(seed), null=NULL, seed=seed, lines=False)
    return float(path["best_percentile"].sel(side="right", dims=1)) > 95.0


def rows() -> Iterator[Row]:
    """List the rows of this subject."""
    says = "a geodesic (beyond walks and straight lines)"
    walks = {
        "walk, isotropic": functools.partial(walk, "isotropic"),
        "walk, sd i^-1.5 on both sides": functools.partial(walk, "anisotropic"),
        "straight line": functools.partial(line, walked=0.0),
        "straight line with a walk on top": functools.partial(line, walked=0.05),
    }
    for name, make in walks.items():
        yield Row("geodesics", says, name, 0.05, functools.partial(_geodesic, make))
    for name, make in walks.items():
        yield Row("geodesics", f"{says}, 2-sphere", name, 0.05, functools.partial(_geodesic, make, dims=2))
    for kind in ("isotropic", "anisotropic"):
        yield Row(
            "geodesics",
            "the best of several starts is better than walks' best",
            f"walk, {kind}",
            0.05,
            functools.partial(_best_start, functools.partial(walk, kind)),
        )
    yield Row(
        "geodesics",
        says,
        "walk with weight decay of 1% a step, told",
        0.05,
        functools.partial(_geodesic, functools.partial(walk, "isotropic", decay=0.01), weight_decay=0.01),
    )
    for noise, least in ((0.2, 0.2), (0.05, 0.6), (0.01, 0.6)):
        yield Row(
            "geodesics",
            says,
            f"one circle, arc 1.8, noise that walks by {noise:g} a step",
            least,
            functools.partial(_geodesic, functools.partial(turning, noise=noise)),
            power=True,
            draws=30,
        )
