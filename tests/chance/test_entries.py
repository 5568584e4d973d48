"""Null models of the entries of a matrix: what each keeps."""

import numpy as np

from eigentrail.chance.entries import gained, shuffled, shuffled_within, signed
from eigentrail.chance.orders import permutations


def test_each_null_keeps_what_it_says() -> None:
    a = np.random.default_rng(0).standard_normal((40, 30)) * np.arange(1, 41)[:, None]
    assert np.array_equal(np.sort(shuffled(a, 1), axis=None), np.sort(a, axis=None))
    assert np.array_equal(np.sort(shuffled_within(a, "rows", 1), axis=1), np.sort(a, axis=1))
    assert np.array_equal(np.sort(shuffled_within(a, "columns", 1), axis=0), np.sort(a, axis=0))
    assert np.array_equal(np.abs(signed(a, 1)), np.abs(a))
    assert 0.4 < (signed(a, 1) == a).mean() < 0.6 and not np.array_equal(signed(a, 1), signed(a, 2))
    drawn = np.mean([(gained(a, "rows", s) ** 2).mean(axis=1) for s in range(200)], axis=0)
    np.testing.assert_allclose(drawn, (a**2).mean(axis=1), rtol=0.1)
    for other in (shuffled(a, 1), shuffled_within(a, "rows", 1), shuffled_within(a, "columns", 1)):
        assert not np.array_equal(other, a)


def test_orders_are_permutations() -> None:
    assert sorted(permutations(5, 3, 0)[1]) == [0, 1, 2, 3, 4]
