from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eigentrail.bases import Basis, overlap, random
from eigentrail.curvature.sharpness import (
    block_shares,
    compare_sharpness,
    diagonal_sharpness,
    even_band,
)
from eigentrail.errors import OptionError


def orthonormal(n: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]


def spread(rows: np.ndarray, width: float, seed: int) -> np.ndarray:
    """Turn a basis by the exponential of an antisymmetric matrix that couples neighbours only."""
    from scipy.linalg import expm

    n = len(rows)
    far = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    x = np.random.default_rng(seed).standard_normal((n, n)) * np.exp(-((far / width) ** 2))
    return expm((x - x.T) / 2) @ rows


def test_the_same_basis_is_sharp_and_the_signs_do_not_matter() -> None:
    rows = orthonormal(40, 0)
    found = diagonal_sharpness(overlap(Basis(rows), Basis(-rows)), band=0)
    assert found.sharpness == pytest.approx(1.0, abs=1e-12)
    assert found.distance == pytest.approx(0.0, abs=1e-12)


def test_parts_of_two_bases_are_alike_up_to_mixtures_within_them() -> None:
    rows = orthonormal(40, 1)
    other = rows.copy()
    # Mixed within the first and the last tenth, and exchanged between the two in the middle.
    other[:4], other[-4:] = orthonormal(4, 2) @ rows[:4], orthonormal(4, 3) @ rows[-4:]
    other[16:20], other[20:24] = rows[20:24], rows[16:20]
    shares = block_shares(rows @ other.T)
    np.testing.assert_allclose(shares, [1, 1, 1, 1, 0, 0, 1, 1, 1, 1], atol=1e-12)
    random_shares = block_shares(orthonormal(200, 4) @ orthonormal(200, 5).T)
    # Each is a mean of 20 x 20 squares of mean 1 / 200: .1, within 5 standard deviations.
    assert np.abs(random_shares - 0.1).max() < 5 * 0.1 * np.sqrt(2.0 / 400)
    with pytest.raises(OptionError, match="square"):
        block_shares(np.ones((3, 4)))
    with pytest.raises(OptionError, match="parts are 1 to 3"):
        block_shares(np.eye(3), 4)


def test_ends_of_an_even_band_are_alike_for_having_neighbours_on_one_side_only() -> None:
    np.testing.assert_allclose(even_band(np.eye(40)), np.ones(10))
    np.testing.assert_allclose(even_band(orthonormal(400, 4)), np.full(10, 0.1), atol=0.01)
    rows = orthonormal(300, 6)
    ends, bands, middles = [], [], []
    for seed in range(4):
        overlaps = rows @ spread(rows, 25.0, seed).T
        shares, band = block_shares(overlaps), even_band(overlaps)
        ends += [shares[0], shares[-1]]
        bands.append(band[0])
        middles.append(shares[1:-1].mean())
    assert np.mean(ends) == pytest.approx(np.mean(bands), rel=0.05)
    assert np.mean(ends) > 1.15 * np.mean(middles)
    with pytest.raises(OptionError, match="4 parts"):
        even_band(np.eye(9), 3)


def test_share_of_a_band_by_hand() -> None:
    o = np.array([[0.6, 0.8, 0.0], [0.0, 0.6, 0.8], [0.8, 0.0, 0.6]])
    assert diagonal_sharpness(o, band=0).share == pytest.approx(0.36)
    found = diagonal_sharpness(o, band=1)
    # The third row has .64 two ranks off; of 9 pairs 7 are in the band.
    assert found.share == pytest.approx((1.0 + 1.0 + 0.36) / 3)
    assert found.chance == pytest.approx(7 / 9)
    np.testing.assert_allclose(found.rows, [1.0, 1.0, 0.36])


def test_random_bases_are_at_chance_with_the_stated_error() -> None:
    z = [
        diagonal_sharpness(overlap(random(200, 60, seed=s), random(200, 80, seed=s + 500))).z
        for s in range(60)
    ]
    # 60 standard normals: mean within 4 / sqrt(60), standard deviation within 4 / sqrt(120).
    assert abs(np.mean(z)) < 4 / np.sqrt(60)
    assert abs(np.std(z) - 1.0) < 4 / np.sqrt(120)


@pytest.mark.parametrize("seed", range(5))
def test_the_sharper_of_two_bases_is_told(seed: int) -> None:
    h = orthonormal(120, seed)
    blurred, sharp = spread(h, 12.0, seed), spread(h, 3.0, seed)
    weights, updates = (overlap(Basis(h), Basis(b)) for b in (blurred, sharp))
    found = compare_sharpness(weights, updates)
    assert found.difference > 0
    assert found.z > 3
    assert found.first.sharpness < found.second.sharpness
    assert found.first.distance > found.second.distance
    assert compare_sharpness(updates, weights).difference == pytest.approx(-found.difference)


def test_equally_sharp_bases_differ_within_the_error() -> None:
    z = []
    for seed in range(40):
        h = orthonormal(100, seed)
        pair = [overlap(Basis(h), Basis(spread(h, 8.0, 1000 * k + seed))) for k in (1, 2)]
        z.append(compare_sharpness(*pair, band=2).z)
    # 20 blocks of rows: nearly normal; 5% beyond 2.1, and more than 6 of 40 once in a hundred such studies.
    assert (np.abs(z) > 2.1).sum() <= 6


def test_a_part_of_a_basis_counts_what_lies_elsewhere() -> None:
    h = orthonormal(50, 3)
    found = diagonal_sharpness(overlap(Basis(h[:10]), Basis(h[5:15])), band=0)
    assert found.share == pytest.approx(0.0, abs=1e-12)
    assert found.distance == pytest.approx(5.0)


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(OptionError, match="band"):
        diagonal_sharpness(np.eye(3), band=-1)
    with pytest.raises(OptionError, match="matrix"):
        diagonal_sharpness(np.ones(3))
    with pytest.raises(OptionError, match="need n"):
        diagonal_sharpness(np.ones((3, 4)))
    with pytest.raises(OptionError, match="one shape"):
        compare_sharpness(np.eye(3), np.eye(4))
    with pytest.raises(OptionError, match="one row"):
        compare_sharpness(np.eye(1), np.eye(1))


def test_a_band_that_holds_everything_is_at_chance() -> None:
    found = diagonal_sharpness(np.eye(2), band=1)
    assert found.share == found.chance == 1.0 and found.chance_error == 0.0 and found.z == 0.0


@pytest.mark.parametrize(("options", "text"), [({"band": 1.5}, "whole number"), ({"n": 3}, "do not fit 3")])
def test_what_cannot_be_a_band_or_a_space_is_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionError, match=text):
        diagonal_sharpness(np.eye(5), **options)
