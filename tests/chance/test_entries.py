"""Null models of the entries of a matrix: what each keeps."""

import numpy as np

from eigentrail.chance.entries import _permutation, gained, shuffled, shuffled_within, signed
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


def test_many_entries_are_shuffled_in_parts_and_every_place_is_as_likely() -> None:
    """By parts a permutation of 2^18 entries: nothing is lost, and from where says nothing about whereto."""
    size = 2**18 + 77
    order = _permutation(size, 3)
    assert np.array_equal(np.sort(order), np.arange(size))
    # Correlations of the place with the entry's own, its neighbour's and the place within a part: each 1/sqrt(n).
    places = np.arange(size)
    assert abs(np.corrcoef(places, order)[0, 1]) < 4 / size**0.5
    assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 4 / size**0.5
    assert abs(np.corrcoef(places % 2**16, order % 2**16)[0, 1]) < 4 / size**0.5
    # Pairs of neighbours fall into the same sixteenth as often as chance lets them.
    same = (order[1:] * 16 // size == order[:-1] * 16 // size).mean()
    assert abs(same - 1 / 16) < 4 * (1 / 16 / size) ** 0.5
    # A quarter of the entries: how many stay in their quarter has the hypergeometric law's mean.
    stay = (order[: size // 4] < size // 4).sum()
    assert abs(stay - size / 16) < 4 * (size * 9 / 256 / 4) ** 0.5
    assert np.array_equal(order, _permutation.__wrapped__(size, 3)) and not np.array_equal(
        order, _permutation(size, 4)
    )
