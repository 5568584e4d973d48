from __future__ import annotations

import numpy as np
import pytest

from eigentrail.bases import Basis, overlap, random
from eigentrail.curvature.layer_overlaps import layer_overlaps
from eigentrail.errors import BasisError

WHOLE = {
    "a.weight": slice(0, 20),
    "a.bias": slice(20, 25),
    "b.weight": slice(25, 60),
    "b.bias": slice(60, 70),
}
LAYER = {"a.weight": slice(0, 20), "b.weight": slice(20, 55)}


def orthonormal(n: int, k: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, k)))[0].T


def embedded(rows: np.ndarray) -> np.ndarray:
    found = np.zeros((len(rows), 70))
    found[:, 0:20], found[:, 25:60] = rows[:, :20], rows[:, 20:]
    return found


def test_overlaps_are_those_of_the_embedded_vectors() -> None:
    layer, whole = Basis(orthonormal(55, 6, 0), np.arange(6.0)), Basis(orthonormal(70, 9, 1), np.arange(9.0))
    found = layer_overlaps(layer, whole, LAYER, WHOLE)
    wanted = overlap(Basis(embedded(layer.directions()), layer.values), whole)
    np.testing.assert_allclose(found.overlap, wanted, atol=1e-14)
    inside = embedded(np.ones((1, 55)))[0] > 0
    np.testing.assert_allclose(found.share, (whole.directions()[:, inside] ** 2).sum(axis=1), atol=1e-14)


def test_one_contiguous_layer_is_what_overlap_gives_for_its_slice() -> None:
    layer, whole = random(35, 5, seed=0), random(70, 7, seed=1)
    found = layer_overlaps(layer, whole, {"b.weight": slice(0, 35)}, WHOLE)
    np.testing.assert_allclose(found.overlap, overlap(layer, whole, part=WHOLE["b.weight"]), atol=1e-14)


def test_planted_layer_vectors_are_captured_and_the_others_are_not() -> None:
    rows = orthonormal(55, 4, 2)
    planted = embedded(rows)
    outside = np.zeros((1, 70))
    outside[0, 62] = 1.0
    mixed = 0.6 * planted[:1] + 0.8 * outside
    whole = Basis(np.concatenate([planted[1:3], mixed, outside]), [4.0, 3.0, 2.0, 1.0])
    found = layer_overlaps(Basis(rows, [4.0, 3.0, 2.0, 1.0]), whole, LAYER, WHOLE)
    np.testing.assert_allclose(found.overlap[:, 2], [0.6, 0, 0, 0], atol=1e-14)
    np.testing.assert_allclose(found.share, [1.0, 1.0, 0.36, 0.0], atol=1e-14)
    np.testing.assert_allclose(found.captured[:3], 1.0, atol=1e-12)
    assert found.captured[3] == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_random_bases_are_at_their_chance_levels(seed: int) -> None:
    n, m = 900, 300
    slices = {"x": slice(0, 400), "y": slice(400, 400 + m), "z": slice(400 + m, n)}
    layer = Basis(orthonormal(m, 60, seed))
    whole = random(n, 200, seed=seed + 50)
    found = layer_overlaps(layer, whole, {"y": slice(0, m)}, slices)
    # 12,000 overlaps of relative scatter .76: means agree to 5 standard errors.
    assert float(found.overlap.mean()) == pytest.approx(
        found.attrs["overlap_chance"], rel=5 * 0.76 / 12000**0.5
    )
    assert float((found.overlap.mean("i") / found.chance).mean()) == pytest.approx(
        1.0, abs=5 * 0.76 / 12000**0.5
    )
    assert float(found.captured.mean()) == pytest.approx(found.attrs["captured_chance"], rel=0.05)
    assert float(found.share.mean()) == pytest.approx(found.attrs["share_chance"], rel=0.05)


def test_directions_that_are_not_orthogonal_span_no_share() -> None:
    found = layer_overlaps(
        Basis(np.eye(35)[[0, 0]]), random(70, 3, seed=0), {"b.weight": slice(0, 35)}, WHOLE
    )
    assert np.isnan(found.captured).all()


def test_bad_input_is_one_sentence() -> None:
    layer, whole = random(35, 2, seed=0), random(70, 2, seed=0)
    with pytest.raises(BasisError, match=r"c\.weight is not among"):
        layer_overlaps(layer, whole, {"c.weight": slice(0, 35)}, WHOLE)
    with pytest.raises(BasisError, match="has 35 entries in the layer and 20"):
        layer_overlaps(layer, whole, {"a.weight": slice(0, 35)}, WHOLE)
    with pytest.raises(BasisError, match="cover 10 of its 35"):
        layer_overlaps(layer, whole, {"b.bias": slice(0, 10)}, WHOLE)
