"""Layers of a fresh network that need a look."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from error_rates.noise import noise_of
from error_rates.row import Row


def _network(kind: str, seed: int) -> dict[str, Any]:
    shapes = {"q": (64, 64), "proj": (64, 64), "fc": (256, 64), "out": (64, 256)}
    return {
        f"h.{block}.{name}.weight": 0.02 * noise_of(kind, shape, 100 * seed + 7 * block + place)
        for block in range(4)
        for place, (name, shape) in enumerate(shapes.items())
    }


def _alerts(kind: str, seed: int) -> bool:
    import eigentrail as et

    found = et.inspect(_network(kind, seed), progress=False, jobs=1)
    return any(one.subject != "network" for one in found.alerts)


def rows() -> Iterator[Row]:
    """List the rows of this subject."""
    for kind, rate in (("Gaussian", 0.02), ("uniform", 0.02), ("Laplace", 0.05)):
        yield Row(
            "checks",
            "any layer of sixteen needs a look",
            f"fresh network, {kind} entries",
            rate,
            functools.partial(_alerts, kind),
        )
