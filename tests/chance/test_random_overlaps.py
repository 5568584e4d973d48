"""Overlaps of random directions: closed forms against draws."""

import numpy as np
import pytest

from eigentrail.chance.random_overlaps import largest_overlap, mean_overlap, overlap_survival
from eigentrail.chance.unit_vectors import independent_vectors


def draws(n: int, count: int, seed: int) -> np.ndarray:
    x = np.random.default_rng([seed, n]).standard_normal((count, n))
    return np.abs(x[:, 0]) / np.linalg.norm(x, axis=1)


@pytest.mark.parametrize("sides", [(3,), (50,), (2, 5), (30, 20), (4, 60)])
def test_mean_and_tail_are_those_of_draws(sides: tuple[int, ...]) -> None:
    drawn = np.prod([draws(n, 100_000, place) for place, n in enumerate(sides)], axis=0)
    assert mean_overlap(*sides) == pytest.approx(drawn.mean(), rel=0.02 + sum(0.3 / n for n in sides))
    for level in (0.5, 0.05, 0.002):
        x = float(np.quantile(drawn, 1 - level))
        assert overlap_survival(x, *sides) == pytest.approx(level, rel=0.25)
    assert overlap_survival(largest_overlap(20, *sides), *sides) == pytest.approx(0.01 / 20, rel=1e-3)


def test_few_or_no_dimensions_have_their_bounds() -> None:
    assert largest_overlap(1, 1) == pytest.approx(1.0) and largest_overlap(10**9, 3) == pytest.approx(1.0)
    assert largest_overlap(5, 1, 40) == pytest.approx(largest_overlap(5, 40), rel=1e-4)


def test_independent_vectors_have_the_score_that_s0_reports() -> None:
    """98 independent unit vectors in 4096 dimensions: RSS about 200, score about .55 (S0)."""
    from eigentrail.trajectories.great_circle import fit_great_circles

    x = independent_vectors(98, 4096, range(2), 0)
    assert (np.einsum("btn,btn->bt", x[:, 1:], x[:, :-1]) >= 0.0).all()
    found = fit_great_circles(x, 1)
    np.testing.assert_allclose(found.rss, 199.0, rtol=0.02)
    np.testing.assert_allclose(found.score, 0.54, atol=0.01)
