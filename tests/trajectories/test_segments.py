"""Paths of one, two and three planted great circles."""

from __future__ import annotations

import numpy as np
import pytest
from planting_paths import frame, on_circle, spiked

from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.trajectories.segments import segments


def legs(seed: int, lengths: list[int], step: float = 0.03, n: int = 40) -> np.ndarray:
    """Unit vectors that turn into a new plane at the end of each leg."""
    axes = frame(n, len(lengths) + 1, seed)
    point, path = axes[0], []
    for axis, length in zip(axes[1:], lengths, strict=True):
        heading = axis - (axis @ point) * point
        heading /= np.linalg.norm(heading)
        leg = on_circle(np.stack([point, heading]), step * np.arange(length + 1))
        path.append(leg[:-1])
        point = leg[-1]
    return np.concatenate([*path, point[None]])


@pytest.mark.parametrize("change", [30, 50, 65])
def test_a_planted_change_is_found_within_one_step(change: int) -> None:
    for seed in range(5):
        w = spiked(legs(seed, [change, 90 - change]), 30, 0.01, seed)
        found = segments(w)
        assert len(found.changes) == 1, (seed, found.changes)
        assert abs(int(found.changes[0]) - change) <= 1
        assert found.intervals[0, 0] <= change + 1 and found.intervals[0, 1] >= change - 1
        assert found.rss < found.rss_single
        assert found.table["turn"][1] > 0.5 and (found.table["score"] > 0.95).all()


def test_two_changes_are_found() -> None:
    w = spiked(legs(1, [30, 30, 30]), 30, 0.01, 1)
    found = segments(w)
    assert np.abs(found.changes - np.array([30, 60])).max() <= 1
    assert found.table["steps"].sum() == 91 and len(found.fits) == 3
    assert len(segments(w, penalty=1e6).changes) == 0


@pytest.mark.parametrize("noise", [0.005, 0.02, 0.05])
def test_one_circle_is_not_cut(noise: float) -> None:
    cut = [
        len(segments(spiked(on_circle(frame(40, 2, s), np.linspace(0, 2, 90)), 30, noise, s)).changes)
        for s in range(7)
    ]
    assert sum(c > 0 for c in cut) <= 1


def test_wider_noise_gives_wider_intervals() -> None:
    widths = [
        np.mean(
            [
                np.ptp(found.intervals[0])
                for seed in range(4)
                if len((found := segments(spiked(legs(seed, [45, 45]), 30, noise, seed))).changes)
            ]
        )
        for noise in (0.005, 0.1)
    ]
    assert widths[0] <= widths[1]


def test_exact_paths_and_labels() -> None:
    import xarray as xr

    x = xr.DataArray(legs(0, [20, 20]), dims=("step", "n"), coords={"step": 10 * np.arange(41)})
    found = segments(x)
    assert abs(found.changes[0] - 200) <= 10 and found.rss < 1e-10
    assert found.table["start"][0] == 0 and found.table["stop"][1] == 400


def test_bad_input() -> None:
    with pytest.raises(TrajectoryError, match="too few for two"):
        segments(legs(0, [3, 3]))
    with pytest.raises(OptionError, match="penalty"):
        segments(legs(0, [20, 20]), penalty=0)


@pytest.mark.parametrize("noise", [0.004, 0.02])
def test_a_crossing_is_no_change(noise: float) -> None:
    # Where two singular values come close, noise mixes their vectors for a few steps.
    t = np.linspace(0, 1, 60)
    right, left = frame(24, 3, 0), frame(30, 2, 1)
    v = on_circle(right[:2], 1.5 * t)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        w = (
            (10 - 5 * t)[:, None, None] * left[0][None, :, None] * v[:, None, :]
            + (6 + 4 * t)[:, None, None] * (left[1][:, None] * right[2])[None]
            + noise * rng.standard_normal((60, 30, 24))
        )
        found = segments(w)
        assert found.count == len(found.table) == 1, (seed, found.changes)


def test_at_most_so_many_segments() -> None:
    w = spiked(legs(1, [30, 30, 30]), 30, 0.01, 1)
    found = segments(w, most=2)
    assert found.count == 3 and len(found.table) == 2
    assert segments(w).rss < found.rss < found.rss_single
    with pytest.raises(OptionError, match="most"):
        segments(w, most=0)
