"""Overlaps of bases whose overlaps are known."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import eigentrail as et
from eigentrail.bases import Basis, FactoredBasis, overlap
from eigentrail.errors import BasisError


def factored(seed: int, k: int = 5) -> FactoredBasis:
    return et.bases.singular(np.random.default_rng(seed).standard_normal((8, 7)), k)


def dense(basis: Basis) -> Basis:
    return Basis(basis.directions(), basis.values)


def test_every_pair_of_kinds_gives_the_flat_overlaps() -> None:
    a, b = factored(0), factored(1, 4)
    known = np.abs(a.directions() @ b.directions().T)
    for left in (a, dense(a)):
        for right in (b, dense(b)):
            found = overlap(left, right)
            assert found.dims == ("i", "j")
            np.testing.assert_allclose(found.values, known, atol=1e-14)
            np.testing.assert_allclose(found["value_i"], a.values)
            np.testing.assert_allclose(found["value_j"], b.values)
    np.testing.assert_allclose(overlap(a, a).values, np.eye(5), atol=1e-13)
    assert overlap(a, b, signed=True).values.min() < 0


def test_blocks_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = factored(2), factored(3)
    whole = overlap(a, b).values
    monkeypatch.setattr("eigentrail.bases.overlaps._BLOCK", 2 * a.n)
    for left in (a, dense(a)):
        for right in (b, dense(b)):
            np.testing.assert_allclose(overlap(left, right).values, whole, atol=1e-14)


def test_a_layer_against_the_whole_network() -> None:
    rng = np.random.default_rng(4)
    layer = factored(5)
    whole = et.bases.random(100, 6, seed=1)
    part = slice(20, 76)
    known = np.abs(layer.directions() @ whole.directions()[:, part].T)
    np.testing.assert_allclose(overlap(layer, whole, part=part), known, atol=1e-14)
    np.testing.assert_allclose(overlap(dense(layer), whole, part=part), known, atol=1e-14)
    big = et.bases.singular(rng.standard_normal((10, 10)))
    known = np.abs(layer.directions() @ big.directions()[:, part].T)
    np.testing.assert_allclose(overlap(layer, big, part=part), known, atol=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_chance_levels_are_those_of_random_directions(seed: int) -> None:
    found = overlap(et.bases.random(400, 60, seed=seed), et.bases.random(400, 60, seed=seed + 10))
    assert found.values.mean() == pytest.approx(found.attrs["chance"], rel=0.05)
    assert found.attrs["chance"] == pytest.approx(np.sqrt(2 / (np.pi * 400)))
    assert found.attrs["chance_factored"] is None
    rng = np.random.default_rng(seed)
    a, b = (et.bases.singular(rng.standard_normal((60, 50))) for _ in range(2))
    found = overlap(a, b)
    assert found.values.mean() == pytest.approx(found.attrs["chance_factored"], rel=0.05)


def test_the_largest_of_random_overlaps_passes_its_level_rarely() -> None:
    above = [
        float(found.max()) > found.attrs["chance_largest"]
        for found in (
            overlap(et.bases.random(500, 10, seed=s), et.bases.random(500, 10, seed=1000 + s))
            for s in range(300)
        )
    ]
    # 1% of 300: more than 10 has probability 3e-4.
    assert sum(above) <= 10


def test_the_largest_of_random_singular_overlaps_passes_its_level_rarely() -> None:
    """Overlaps of two factored bases are products of two: a normal law for them is exceeded in most cases."""
    rng, above = np.random.default_rng(0), 0
    for _ in range(300):
        a, b = (et.bases.singular(rng.standard_normal((40, 30)), 10) for _ in range(2))
        found = overlap(a, b)
        above += float(found.max()) > found.attrs["chance_largest"]
    assert above <= 10


def test_factored_overlaps_take_no_more_than_their_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eigentrail.bases.overlaps._BLOCK", 2**16)
    rng = np.random.default_rng(0)
    a, b = (et.bases.singular(rng.standard_normal((700, 700))) for _ in range(2))
    tracemalloc.start()
    overlap(a, b)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * 8 * 700 * 700


def test_bases_of_different_spaces_are_refused() -> None:
    a = factored(0)
    with pytest.raises(BasisError, match="dimensions"):
        overlap(a, et.bases.random(10, 2))
    with pytest.raises(BasisError, match="matrices of one shape"):
        overlap(a, et.bases.singular(np.random.default_rng(0).standard_normal((7, 8))))
    with pytest.raises(BasisError, match="dimensions"):
        overlap(a, et.bases.random(100, 2), part=slice(0, 55))


def test_what_is_no_basis_is_refused() -> None:
    a, rows = factored(0), np.eye(56)[:3]
    for pair in ((a, rows), (rows, a), (None, a)):
        with pytest.raises(
            BasisError, match=r"an overlap is one of two bases, not \w+: make one.*Basis\("
        ) as caught:
            overlap(*pair)
        assert "\n" not in str(caught.value)
    assert overlap(a, Basis(rows)).shape == (5, 3)


@pytest.mark.slow
def test_8192_by_8192_fits() -> None:
    basis = et.bases.random(8192, 8192, seed=0)
    layer = et.bases.singular(np.random.default_rng(0).standard_normal((128, 64)))
    found = overlap(layer, basis)
    np.testing.assert_allclose((found**2).sum("j"), 1.0, rtol=1e-9)
    tracemalloc.start()
    found = overlap(basis, basis)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.7 * 8 * 8192**2
    assert float(np.abs(found - np.eye(8192)).max()) < 1e-10
