"""Jumps of a singular vector by rank beside planted crossings."""

from __future__ import annotations

import numpy as np
import pytest
from planting_paths import frame, on_circle

from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.trajectories import crossings, jumps


def crossing_path(crossings: int, count: int = 60, turning: float = 0.5, noise: float = 1e-4) -> np.ndarray:
    """Two directions that change places so often, while both turn slowly."""
    u, right = frame(20, 2, 0), frame(15, 4, 1)
    t = np.arange(count)
    away = 0.5 * np.cos(np.pi * crossings * (t + 0.37) / count)
    v = [on_circle(right[2 * i : 2 * i + 2], turning * t / count) for i in range(2)]
    w = sum(
        (9.0 + sign * away)[:, None, None] * u[i][None, :, None] * v[i][:, None, :]
        for i, sign in enumerate((1.0, -1.0))
    )
    return np.asarray(w + noise * np.random.default_rng(0).standard_normal((count, 20, 15)))


def test_every_jump_of_crossing_values_is_a_crossing() -> None:
    found = jumps(crossing_path(4))
    assert found.counts.tolist() == [[4, 0], [0, 55]]
    # C(59, 4) ways to place four jumps, one of them onto the four crossings.
    assert found.p_value == pytest.approx(1.0 / 455126, rel=1e-6) and found.often_enough
    assert jumps(crossing_path(4), side="left").counts.tolist() == [[4, 0], [0, 55]]


@pytest.mark.parametrize("follow", ["overlap", "rank"])
def test_both_ways_of_following_find_clean_crossings(follow: str) -> None:
    found = crossings(crossing_path(4), 2, null=0, follow=follow)
    assert found.leading_changes.tolist() == jumps(crossing_path(4)).table.query("crossing")["step"].tolist()
    assert found.chance.leading_changes == 4 and found.chance.exchanges == 4


def test_vectors_that_exchange_little_by_little_cross_without_a_jump_of_the_rank() -> None:
    # Two of nearly equal strength turn into each other by 30 degrees a step: each step alone looks like a small turn.
    w = crossing_path(0, turning=0.0)
    u, s, vt = np.linalg.svd(w[29])
    for place in range(30, 60):
        angle = np.radians(30.0 * min(3, place - 29))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        w[place] = (u[:, :2] @ turn * s[:2]) @ (turn.T @ vt[:2])
    by_rank, by_overlap = (crossings(w, 2, null=0, follow=follow).chance for follow in ("rank", "overlap"))
    assert (by_rank.leading_changes, by_overlap.leading_changes) == (0, 1)
    assert (by_rank.exchanges, by_overlap.exchanges) == (0, 1)


def test_a_slow_turn_has_no_jumps() -> None:
    found = jumps(crossing_path(0))
    assert not found.table["jump"].any() and found.p_value is None
    assert found.table["angle"].max() < 1.0


def test_a_jump_without_a_crossing_is_none() -> None:
    w = crossing_path(0)
    # From step 30 on the leading matrix keeps its left vector and has its right one in another plane by 45 degrees.
    u, v = np.linalg.svd(w[29])[0][:, 0], np.linalg.svd(w[29])[2]
    new = (v[0] + v[5]) / np.sqrt(2.0)
    w[30:] = 9.5 * np.outer(u, new) + 8.0 * np.outer(np.linalg.svd(w[29])[0][:, 1], v[1])
    found = jumps(w)
    assert found.counts[0].tolist() == [0, 1] and found.table["angle"].max() == pytest.approx(45.0, abs=1.0)


def test_noise_from_step_to_step_is_recorded_too_seldom() -> None:
    found = jumps(np.random.default_rng(0).standard_normal((30, 20, 15)))
    assert not found.often_enough and found.p_value is None and "too seldom" in found.verdict


@pytest.mark.parametrize(
    ("options", "words"), [({"degrees": 90}, "degrees"), ({"which": 15}, "which"), ({"side": "up"}, "side")]
)
def test_odd_options_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        jumps(crossing_path(1), **options)


def test_zero_and_flat_weights_are_refused() -> None:
    w = crossing_path(1)
    w[3] = 0.0
    with pytest.raises(TrajectoryError, match="zero at step 3"):
        jumps(w)
    with pytest.raises(TrajectoryError, match="one dimension"):
        jumps(w.reshape(60, -1))
