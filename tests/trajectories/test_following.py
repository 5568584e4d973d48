import numpy as np
import pytest

from eigentrail.trajectories.directions import Directions, chance_overlap, kept_directions
from eigentrail.trajectories.following import MINIMUM_OVERLAP, follow

N, M = 80, 40


def directions(*parts: tuple[float, int]) -> Directions:
    """Spikes (value, axis): the unit vectors of the axis on both sides."""
    parts = tuple(sorted(parts, reverse=True))
    long, short = np.zeros((len(parts), N), np.float32), np.zeros((len(parts), M), np.float32)
    for row, (_, which) in enumerate(parts):
        long[row, which] = short[row, which] = 1
    return Directions(np.array([v for v, _ in parts], float), np.zeros(len(parts), int), long, short)


def kinds(tracks) -> list[tuple[int, str, int, int]]:
    return [(e.place, e.kind, e.track, e.other) for e in tracks.events]


def test_birth_crossing_and_death_at_their_steps() -> None:
    steps = [
        directions((5, 0)),
        directions((5, 0), (2, 1)),
        directions((5, 0), (4, 1)),
        directions((4.5, 0), (5, 1)),
        *[directions((5, 1))] * 5,
    ]
    tracks = follow(steps)
    assert kinds(tracks) == [(1, "birth", 1, -1), (3, "crossing", 1, 0), (4, "death", 0, -1)]
    assert tracks.births.tolist() == [0, 1]
    assert tracks.deaths.tolist() == [4, -1]
    assert tracks.ranks[:, 0].tolist() == [0, 0, 0, 1, -1, -1, -1, -1, -1]
    np.testing.assert_array_equal(tracks.values[:4, 1], [np.nan, 2, 4, 5])


def test_a_short_absence_ends_nothing_and_a_long_one_does() -> None:
    here, gone = directions((5, 0), (2, 1)), directions((5, 0))
    assert kinds(follow([here, gone, gone, gone, here])) == []
    assert kinds(follow([here, gone, gone, gone, gone, here])) == [(1, "death", 1, -1), (5, "birth", 2, -1)]
    assert kinds(follow([here, here, gone])) == [(2, "death", 1, -1)]


def test_a_step_without_numbers_ends_nothing() -> None:
    here = directions((5, 0))
    tracks = follow([here, *[None] * 10, here])
    assert kinds(tracks) == []
    assert tracks.values.shape == (12, 1)
    assert np.isnan(tracks.values[1:-1]).all()
    assert follow([None, None]).values.shape == (2, 0)
    assert follow([]).values.shape == (0, 0)


def test_vectors_that_mix_where_they_cross_are_followed_through() -> None:
    # At an avoided crossing both vectors turn by 45 degrees; the overlap of single steps alone cannot decide.
    def mixed(angle: float) -> Directions:
        c, s = np.cos(angle), np.sin(angle)
        long, short = np.zeros((2, N), np.float32), np.zeros((2, M), np.float32)
        for side in (long, short):
            side[0, :2], side[1, :2] = (c, s), (-s, c)
        return Directions(np.array([2.0, 1.9]), np.zeros(2, int), long, short)

    steps = [mixed(a) for a in (0, 0, 0, np.pi / 4, np.pi / 2, np.pi / 2, np.pi / 2)]
    tracks = follow(steps)
    assert tracks.values.shape[1] == 2
    assert tracks.ranks[0].tolist() == [0, 1]
    assert tracks.ranks[-1].tolist() == [1, 0]
    crossings = [e for e in tracks.events if e.kind == "crossing"]
    assert len(crossings) == 1 and crossings[0].place in (3, 4)


def test_vectors_of_different_matrices_of_a_pool_are_never_the_same() -> None:
    one = directions((5, 0))
    other = Directions(one.values, one.matrix + 1, one.long, one.short)
    tracks = follow([one, other])
    assert tracks.values.shape[1] == 2


@pytest.mark.parametrize("n, m", [(60, 30), (500, 100)])
def test_chance_overlap_is_that_of_random_vectors(n: int, m: int) -> None:
    rng = np.random.default_rng(0)
    long, short = (rng.standard_normal((2, 4000, size)) for size in (n, m))
    long /= np.linalg.norm(long, axis=2, keepdims=True)
    short /= np.linalg.norm(short, axis=2, keepdims=True)
    found = np.abs((long[0] * long[1]).sum(1)) * np.abs((short[0] * short[1]).sum(1))
    assert found.mean() == pytest.approx(chance_overlap(n, m), rel=0.08)
    assert found.max() < MINIMUM_OVERLAP  # none of 4000 pairs is taken for the same direction


def test_the_memory_of_large_matrices_is_bounded() -> None:
    for n, m in ((64, 50), (3072, 256), (4096, 4096), (50_000, 4096)):
        assert 200 * kept_directions(n, m) * (n + m) * 4 <= max(128e6, 200 * 8 * (n + m) * 4)
    assert kept_directions(50, 10) == 10


def test_spikes_of_a_rank_never_cross() -> None:
    steps = [directions((5, 0), (2, 1)), directions((4.5, 0), (5, 1)), directions((5, 1))]
    tracks = follow(steps, by="rank")
    # The largest value stays the first track, whichever vectors it has; the second is gone with the second spike.
    assert kinds(tracks) == [(2, "death", 1, -1)]
    np.testing.assert_array_equal(tracks.values, [[5, 2], [5, 4.5], [5, np.nan]])
    assert tracks.ranks[:, 0].tolist() == [0, 0, 0]
