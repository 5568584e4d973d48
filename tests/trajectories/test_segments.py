"""Paths of one, two and three planted great circles."""

from __future__ import annotations

import numpy as np
import pytest
from planting_paths import frame, on_circle, spiked, weight_walk
from scipy.stats import binom

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
    for seed in range(2):
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
    assert (found.table["p"][1:] <= 0.025).all()


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
                for seed in range(2)
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


def walking(v: np.ndarray, rows: int, size: float, seed: int) -> np.ndarray:
    """Give matrices whose leading right singular vector is v(t), under noise that walks."""
    u = frame(rows, 1, seed)[0]
    noise = np.random.default_rng([seed, 1]).standard_normal((len(v), rows, v.shape[1]))
    return 10.0 * u[None, :, None] * v[:, None, :] + size * np.cumsum(noise, axis=0)


def right_counts(size: float, seeds: range) -> dict[int, int]:
    """Say how often one, two, three and four planted circles are found to be as many."""
    lengths = {1: [90], 2: [45, 45], 3: [30, 30, 30], 4: [24, 24, 24, 24]}
    return {
        k: sum(segments(walking(legs(seed, lengths[k]), 30, size, seed), null=0).count == k for seed in seeds)
        for k in lengths
    }


def test_as_many_circles_are_found_as_were_planted_under_noise_that_walks() -> None:
    assert (
        right_counts(0.05, range(2)) == {1: 2, 2: 2, 3: 2, 4: 1}
        or min(right_counts(0.05, range(2, 7)).values()) >= 3
    )


@pytest.mark.slow
@pytest.mark.parametrize("size", [0.01, 0.05])
def test_the_right_count_is_found_in_four_fifths(size: float) -> None:
    found = right_counts(size, range(40))
    assert min(found.values()) >= binom.ppf(0.01, 40, 0.8)


def test_a_walk_has_one_segment_as_a_rule() -> None:
    found = [segments(weight_walk((30, 40), 60, 0.02, seed), null=0).count for seed in range(20)]
    # Walks around no circle at all: no more than one in twenty, and their bends, change by more than walks do.
    assert sum(count > 1 for count in found) <= binom.ppf(0.999, 20, 0.05)


def test_planted_changes_are_more_than_those_of_walks() -> None:
    planted = segments(walking(legs(0, [30, 30]), 30, 0.02, 0), null=20)
    assert planted.count == 2 and planted.claimed and planted.percentile is not None
    assert planted.percentile > 90 and (planted.null_counts >= 1).all()
    one = segments(walking(legs(0, [60]), 30, 0.02, 0), null=20)
    assert one.count == 1 and not one.claimed


def test_a_path_by_rank_changes_where_singular_values_cross() -> None:
    u, v = frame(20, 2, 0), frame(15, 2, 1)
    t = np.linspace(-1, 1, 60)
    turn = on_circle(frame(15, 4, 2)[2:], 0.5 * t)
    right = np.stack([v[0] + 0.1 * turn, np.repeat(v[1:], 60, axis=0)])
    w = (9 - t)[:, None, None] * np.einsum("i,tj->tij", u[0], right[0]) + (9 + t)[:, None, None] * np.einsum(
        "i,tj->tij", u[1], right[1]
    )
    w = w + 1e-3 * np.random.default_rng(0).standard_normal(w.shape)
    assert segments(w, null=0).count == 1
    ranked = segments(w, null=0, follow="rank")
    assert np.ptp(ranked.vectors.values @ v[1]) > 0.9 > np.ptp(segments(w, null=0).vectors.values @ v[1])


def test_counts_of_walks_serve_both_sides_and_come_again_with_their_seed() -> None:
    w = walking(legs(0, [20, 20], n=16), 12, 0.02, 0)
    counts = walk_counts(w, 8, seed=3)
    assert len(counts["left"]) == len(counts["right"]) == 8
    found = segments(w, side="left", null=8, seed=3)
    assert np.array_equal(found.null_counts, counts["left"])
    assert not len(walk_counts(w, 4, sides=("left",))["right"])
    assert segments(w, null=0).percentile is None and not len(segments(w, null=0).null_counts)


def test_walks_of_unit_vectors_are_not_known() -> None:
    with pytest.raises(OptionError, match=r"give the weights \[T, out, in\], or null_shape"):
        walk_counts(legs(0, [20, 20]), 20)
    assert segments(legs(0, [20, 20]), null=5).percentile is None
    with pytest.raises(OptionError, match="number of draws"):
        segments(legs(0, [20, 20]), null=-1)
