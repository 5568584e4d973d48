"""Both ends of a Hessian's spectrum beside components of the motion, planted."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr

from eigentrail.analyses.hessian.both_ends import KINDS, both_ends
from eigentrail.analyses.hessian.eigen import Eigen
from eigentrail.bases import Basis

N, CURVED, STEPS = 60, 50, 90


def hessian_along_the_axes() -> Eigen:
    """Curvature falls along the axes; the last ten have none."""
    values = np.concatenate([np.arange(CURVED, 0.0, -1.0), np.zeros(N - CURVED)])
    return Eigen(Basis(np.eye(N), values), True, {}, np.zeros(N), 0.0, xr.Dataset(), {})


def motion(directions: np.ndarray, of: str = "weights") -> xr.DataArray:
    """Weights, or updates, whose components are these in this order."""
    count = STEPS - (of == "updates")
    scores = np.random.default_rng(0).standard_normal((count, len(directions)))
    scores = np.linalg.qr(scores - scores.mean(axis=0))[0] * 0.8 ** np.arange(len(directions))
    moved = scores @ directions
    if of == "updates":
        moved = np.concatenate([np.zeros((1, N)), np.cumsum(moved, axis=0)])
    return xr.DataArray(moved, dims=("step", "n"), coords={"step": np.arange(STEPS)})


def mixed_in_the_middle(seed: int = 1) -> np.ndarray:
    """The axes, of which those between the first and the last ten curved ones are mixed with each other."""
    out = np.eye(N)[:CURVED].copy()
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((30, 30)))[0]
    out[10:40] = turn @ out[10:40]
    return out


@pytest.mark.parametrize("of", KINDS)
def test_ends_that_are_components_and_a_mixed_middle_are_found_though_some_directions_never_move(
    of: str,
) -> None:
    told = both_ends(motion(mixed_in_the_middle(), of), hessian_along_the_axes())
    assert "no_ends" not in told and told["parts"] == 10
    assert told[f"{of}_share_steepest"] == pytest.approx(1.0, abs=1e-6)
    assert told[f"{of}_share_flattest"] == pytest.approx(1.0, abs=1e-6)
    # Two of the eight parts between are components too; of the others 5 of 30 mixed directions lie in each.
    assert told[f"{of}_share_middle"] == pytest.approx((2 + 6 * 5 / 30) / 8, abs=0.06)
    assert told[f"{of}_share_middle"] < told[f"{of}_share_band"] < 0.7


@pytest.mark.parametrize("of", KINDS)
def test_weights_that_move_in_fewer_directions_than_are_curved_are_compared_in_these(of: str) -> None:
    told = both_ends(motion(np.eye(N)[:44], of), hessian_along_the_axes())
    assert [told[f"{of}_share_{part}"] for part in ("steepest", "flattest")] == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (motion(np.eye(N)[:CURVED])[:20], "20 recorded steps are fewer than the 50 curved directions"),
        (motion(np.eye(N)[:30]), "move in 30 curved directions"),
        (xr.DataArray(np.outer(np.arange(STEPS), np.ones(N)), dims=("step", "n")), "curved directions|constant"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_says_why(path: xr.DataArray, why: str) -> None:
    assert set(found := both_ends(path, hessian_along_the_axes())) == {"no_ends"}
    assert re.search(why, found["no_ends"])
