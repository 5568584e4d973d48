"""Crossings of leading singular values, and jumps of the leading rank's vector."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np

from error_rates.motions import walk
from error_rates.row import NULL, Row


def _crosses(make: Callable[[int], np.ndarray], seed: int) -> bool:
    from eigentrail.trajectories import crossings

    found = crossings(make(seed)[::2], 3, null=NULL, seed=seed).chance.leading_p
    return found is not None and found[0] <= 0.05


def _jumps(tied: bool, seed: int) -> bool:
    """Plant jumps of the leading vector: by crossings, each of which is one, or by turns without any."""
    from eigentrail.trajectories import jumps

    rng = np.random.default_rng([seed, 26])
    u = np.linalg.qr(rng.standard_normal((16, 2)))[0].T
    v = np.linalg.qr(rng.standard_normal((12, 2)))[0].T
    crossed = (rng.random(60) < 0.08) if tied else np.zeros(60, dtype=bool)
    # A turn of both leading vectors in a plane of their own, by 35 degrees, which leaves who they are.
    turned = np.zeros(60, dtype=bool) if tied else rng.random(60) < 0.08
    values, out = np.array([6.0, 5.0]), []
    for place in range(60):
        if crossed[place]:
            values = values[::-1]
        if turned[place]:
            turn = np.radians(35.0)
            v = np.stack(
                [np.cos(turn) * v[0] + np.sin(turn) * v[1], np.cos(turn) * v[1] - np.sin(turn) * v[0]]
            )
        w = sum(values[i] * np.outer(u[i], v[i]) for i in (0, 1))
        out.append(w + 1e-3 * rng.standard_normal((16, 12)))
    found = jumps(np.array(out)).p_value
    return found is not None and found <= 0.05


def rows() -> Iterator[Row]:
    """List the rows of this subject."""
    for kind in ("isotropic", "anisotropic"):
        yield Row(
            "crossings",
            "the leading direction changes more often than a walk's",
            f"walk, {kind}",
            0.05,
            functools.partial(_crosses, functools.partial(walk, kind)),
        )
    says = "jumps come at crossings (Fisher's test)"
    yield Row(
        "jumps", says, "turns by 35 degrees alone make the jumps", 0.05, functools.partial(_jumps, False)
    )
    yield Row(
        "jumps", says, "crossings alone make the jumps", 0.9, functools.partial(_jumps, True), power=True
    )
