from __future__ import annotations

import sys

import numpy as np
import pytest

from eigentrail.bases import Basis, random
from eigentrail.curvature.eigenvector_statistics import eigenvector_statistics
from eigentrail.errors import OptionError

SLICES = {"a.weight": slice(0, 60), "a.bias": slice(60, 70), "b.weight": slice(70, 200)}


@pytest.mark.parametrize("block", [1, 7 * 200, 2**22])
def test_blocks_give_what_the_basis_gives(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[eigenvector_statistics.__module__], "_BLOCK", block)
    basis = random(200, 40, seed=0)
    w = np.random.default_rng(1).standard_normal(200)
    found = eigenvector_statistics(basis, SLICES, w, neighbours=3)
    np.testing.assert_array_equal(found.participation, basis.participation().inverse)
    np.testing.assert_array_equal(found.porter_thomas, basis.porter_thomas())
    np.testing.assert_allclose(found.porter_thomas_mean, basis.porter_thomas(neighbours=3), rtol=1e-12)
    np.testing.assert_allclose(found.concentration, basis.concentration(SLICES).shares, atol=1e-15)
    np.testing.assert_allclose(found["product"], basis.weight_product(w), atol=1e-15)
    assert found.layer.values.tolist() == list(SLICES)
    np.testing.assert_allclose(found.concentration_chance, [0.3, 0.05, 0.65])
    assert found.attrs["participation_chance"] == pytest.approx(3 / 202)


def test_planted_vectors() -> None:
    rows = np.zeros((3, 200))
    rows[0, 65] = 1.0
    rows[1, :60] = 60**-0.5
    rows[2] = 200**-0.5
    found = eigenvector_statistics(Basis(rows, [3.0, 2.0, 1.0]), SLICES)
    np.testing.assert_allclose(found.participation, [1.0, 1 / 60, 1 / 200])
    np.testing.assert_allclose(found.concentration, [[0, 1, 0], [1, 0, 0], [0.3, 0.05, 0.65]], atol=1e-14)
    assert found.porter_thomas.max() < 1e-6
    assert "product" not in found


@pytest.mark.parametrize("seed", range(3))
def test_random_vectors_are_at_chance(seed: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((500, 200))
    basis = Basis(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    found = eigenvector_statistics(basis, SLICES, neighbours=15)
    z = (found.concentration.mean("i") - found.concentration_chance) / (found.concentration_error / 500**0.5)
    assert float(np.abs(z).max()) < 4.5
    assert float(found.participation.mean()) == pytest.approx(found.attrs["participation_chance"], rel=0.02)
    # Averages of 31 uniform p-values: .5 +- .052.
    assert float(np.abs(found.porter_thomas_mean[20:-20] - 0.5).max()) < 0.052 * 4.5


def test_short_vectors_have_no_porter_thomas_value() -> None:
    found = eigenvector_statistics(Basis(np.eye(5)))
    assert "porter_thomas" not in found
    np.testing.assert_array_equal(found.participation, 1.0)


def test_no_average_is_over_fewer_than_one() -> None:
    with pytest.raises(OptionError, match="neighbours is a whole number, at least 0, not -3"):
        eigenvector_statistics(random(20, 10, seed=0), neighbours=-3)
