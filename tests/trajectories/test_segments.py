"""Paths of one, two and three planted great circles."""

from __future__ import annotations

import numpy as np
import pytest
from planting_paths import frame, on_circle, spiked

from eigentrail.chance.weight_walks import weight_walks
from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.trajectories.segments import segments, walk_counts


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
        found = segments(w, null=0)
        assert len(found.changes) == 1, (seed, found.changes)
        assert abs(int(found.changes[0]) - change) <= 1
        assert found.intervals[0, 0] <= change + 1 and found.intervals[0, 1] >= change - 1
        assert found.rss < found.rss_single
        assert found.table["turn"][1] > 0.5 and (found.table["score"] > 0.95).all()


def test_two_changes_are_found() -> None:
    w = spiked(legs(1, [30, 30, 30]), 30, 0.01, 1)
    found = segments(w, null=0)
    assert np.abs(found.changes - np.array([30, 60])).max() <= 1
    assert found.table["steps"].sum() == 91 and len(found.fits) == 3
    assert len(segments(w, penalty=1e6, null=0).changes) == 0


@pytest.mark.parametrize("noise", [0.005, 0.02, 0.05])
def test_one_circle_is_not_cut(noise: float) -> None:
    cut = [
        len(segments(spiked(on_circle(frame(40, 2, s), np.linspace(0, 2, 90)), 30, noise, s), null=0).changes)
        for s in range(7)
    ]
    assert sum(c > 0 for c in cut) <= 1


def test_wider_noise_gives_wider_intervals() -> None:
    widths = [
        np.mean(
            [
                np.ptp(found.intervals[0])
                for seed in range(4)
                if len((found := segments(spiked(legs(seed, [45, 45]), 30, noise, seed), null=0)).changes)
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
        found = segments(w, null=0)
        assert found.count == len(found.table) == 1, (seed, found.changes)


def test_at_most_so_many_segments() -> None:
    w = spiked(legs(1, [30, 30, 30]), 30, 0.01, 1)
    found = segments(w, most=2, null=0)
    assert found.count == 3 and len(found.table) == 2
    assert segments(w, null=0).rss < found.rss < found.rss_single
    with pytest.raises(OptionError, match="most"):
        segments(w, most=0)


def test_walks_are_cut_as_often_as_walks_and_planted_circles_less() -> None:
    shape, count, step = (30, 40), 60, 0.02
    drawn = []
    for seed in range(12):
        steps = np.stack(
            [np.array(w[0]) for w in weight_walks(shape, 1.0, np.full(count - 1, step), [seed], 99)]
        )
        drawn.append(segments(steps, null=40 if seed == 0 else drawn[0].null_counts))
    percentiles = [one.percentile for one in drawn if one.percentile is not None]
    # The mean of 12 uniform percentiles lies outside with a probability below 1%.
    assert len(percentiles) == 12 and 28 < np.mean(percentiles) < 72
    assert np.ptp(drawn[0].null_counts) > 0 and drawn[0].null_counts.min() >= 1
    # Two circles with a change every 30 steps: a walk with such steps bends more often.
    planted = segments(spiked(legs(0, [30, 30]), 30, 0.01, 0), null=40)
    assert planted.count == 2 and planted.percentile is not None and planted.percentile < 5


def test_counts_of_walks_serve_both_sides_and_come_again_with_their_seed() -> None:
    w = spiked(legs(0, [30, 30]), 30, 0.01, 0)
    counts = walk_counts(w, 12, seed=3)
    assert len(counts["left"]) == len(counts["right"]) == 12
    found = segments(w, side="left", null=12, seed=3)
    assert np.array_equal(found.null_counts, counts["left"])
    assert segments(w, null=0).percentile is None and not len(segments(w, null=0).null_counts)


def test_walks_of_unit_vectors_are_not_known() -> None:
    with pytest.raises(OptionError, match=r"give the weights \[T, out, in\], or null_shape"):
        walk_counts(legs(0, [20, 20]), 20)
    assert segments(legs(0, [20, 20]), null=20).percentile is None
    with pytest.raises(OptionError, match="number of draws"):
        segments(legs(0, [20, 20]), null=-1)
