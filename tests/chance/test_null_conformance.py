"""Nulls: under each of ours p-values are uniform, and what is planted is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from eigentrail.chance import LEVEL
from eigentrail.chance.entries import shuffled, signed
from eigentrail.testing import check_null

Array = np.ndarray[Any, np.dtype[np.float64]]


def noise(seed: int) -> Array:
    return np.random.default_rng([seed, 7]).standard_normal((14, 10))


def of_unequal_rows(seed: int) -> Array:
    return noise(seed) * np.linspace(0.3, 3.0, 14)[:, None]


def with_a_direction(seed: int) -> Array:
    rng = np.random.default_rng([seed, 8])
    u, v = rng.standard_normal(14), rng.standard_normal(10)
    return noise(seed) + 9.0 * np.outer(u / np.linalg.norm(u), v / np.linalg.norm(v))


def largest(x: Array) -> float:
    return float(np.linalg.norm(x, 2))


@pytest.mark.parametrize(("draw", "sample"), [(shuffled, noise), (signed, noise), (signed, of_unequal_rows)])
def test_ours_give_uniform_p_values(
    draw: Callable[[Array, int], Array], sample: Callable[[int], Array]
) -> None:
    found = check_null(draw, largest, sample, with_a_direction, draws=39, repeats=100)
    # Binomial: of 100 of them at most 14 lie at or below 0.05 but for one time in a thousand.
    assert int((found <= LEVEL).sum()) <= 14


def test_a_null_that_does_not_fit_fails() -> None:
    # Rows of unequal size have a larger leading value than their entries in any order.
    with pytest.raises(AssertionError, match="not uniform"):
        check_null(shuffled, largest, of_unequal_rows, with_a_direction, draws=39, repeats=100)
    with pytest.raises(AssertionError, match="another seed gives the same draw"):
        check_null(lambda x, seed: x[::-1], largest, noise, with_a_direction)
    with pytest.raises(AssertionError, match=r"only .* of what is planted is found"):
        check_null(shuffled, largest, noise, noise, draws=39, repeats=100)
