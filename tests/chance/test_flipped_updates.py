"""Flipped updates by inner products, against the walks themselves."""

import numpy as np
import pytest

from eigentrail.chance.flipped_updates import flipped_updates
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.chance.weight_walks import sign_walks, straight_lines, weight_walks
from eigentrail.errors import TrajectoryError

MEMORIES = [Memory(), Memory(0.8), Memory(weight_decay=0.05), Memory(0.8, True, 0.05)]
TIMES = np.array([0.0, 1, 2, 4, 5, 8, 9, 10, 11, 12])


def path(seed: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).standard_normal((len(TIMES), 4, 3)), axis=0)


@pytest.mark.parametrize("memory", MEMORIES)
def test_signs_of_one_give_the_motion_itself(memory: Memory) -> None:
    x = path(0).reshape(len(TIMES), -1)
    found = flipped_updates(x @ x.T, TIMES, memory)
    np.testing.assert_allclose(found.carry @ found.products @ found.carry.T, x @ x.T, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("memory", MEMORIES)
def test_the_expected_displacement_is_the_mean_over_signs(memory: Memory) -> None:
    x = path(1).reshape(len(TIMES), -1)
    found = flipped_updates(x @ x.T, TIMES, memory)
    drawn = found.displacements(20_000, 0)
    assert found.expected_displacement == pytest.approx(drawn.mean(), rel=0.03)
    # The walks' own ends are as far apart as the displacements of the same signs say.
    for walk, far in zip(found.grams(3, 0), found.displacements(3, 0), strict=True):
        assert walk[0, 0] + walk[-1, -1] - 2 * walk[0, -1] == pytest.approx(far)


def test_independent_updates_go_as_far_as_their_squares_add_up_to() -> None:
    x = path(2).reshape(len(TIMES), -1)
    steps = np.diff(x, axis=0)
    assert flipped_updates(x @ x.T).expected_displacement == pytest.approx((steps**2).sum())
    with pytest.raises(TrajectoryError, match="give the times"):
        flipped_updates(x @ x.T, None, Memory(0.5))


@pytest.mark.parametrize("memory", MEMORIES)
def test_the_matrices_of_sign_walks_have_the_moments_of_their_grams(memory: Memory) -> None:
    """Both draw signs of their own: over many draws the mean Gram matrices agree."""
    x = path(3)
    kept = memory.kept(TIMES)
    updates = x[1:] - kept[:, None, None] * x[:-1]
    walks = np.stack(
        [w.copy() for w in sign_walks(x[0], updates, range(4000), 0, memory.colour(TIMES), kept)], axis=1
    )
    flat = walks.reshape(4000, len(TIMES), -1).astype(np.float64)
    seen = np.einsum("bti,bsi->ts", flat, flat) / 4000
    told = np.mean(
        list(
            flipped_updates(*(x.reshape(len(TIMES), -1) @ x.reshape(len(TIMES), -1).T, TIMES, memory)).grams(
                4000, 0
            )
        ),
        axis=0,
    )
    np.testing.assert_allclose(seen, told, atol=0.06 * np.abs(told).max())
    assert np.array_equal(walks[:, 0], np.repeat(x[:1].astype(np.float32), 4000, axis=0))


def test_lines_are_straight_and_go_as_far_as_asked() -> None:
    start, progress = path(4)[0], np.array([0.0, 1.0, 3.0, 2.0])
    lines = np.stack([w.copy() for w in straight_lines(start, progress, range(5), 0)], axis=1)
    away = lines - start.astype(np.float32)
    np.testing.assert_allclose(np.linalg.norm(away, axis=(2, 3)), np.repeat(progress[None], 5, 0), rtol=1e-5)
    np.testing.assert_allclose(away[:, 2], 3.0 * away[:, 1], rtol=1e-4, atol=1e-5)
    beside = np.random.default_rng(0).standard_normal((3, *start.shape))
    walked = np.stack([w.copy() for w in straight_lines(start, progress, range(5), 0, beside)], axis=1)
    off = np.abs(np.diff(walked - lines, axis=1))
    np.testing.assert_allclose(off, np.repeat(np.abs(beside)[None], 5, axis=0), rtol=1e-3, atol=1e-4)


def test_gaussian_walks_decay_where_asked() -> None:
    kept = np.full(60, 0.9)
    walk = np.stack(
        [w[0].copy() for w in weight_walks((40, 30), 100.0, np.full(60, 1.0), [0], 0, None, kept)]
    )
    # Norms follow n' = .9^2 n + 1: they end near 1 / sqrt(1 - .81).
    assert np.linalg.norm(walk[0]) == pytest.approx(100.0, rel=1e-5)
    assert np.linalg.norm(walk[10]) == pytest.approx(100.0 * 0.9**10, rel=0.05)
    assert np.linalg.norm(walk[-1]) == pytest.approx((1.0 / 0.19) ** 0.5, rel=0.1)
