"""Entry statistics against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from eigentrail.errors import LayerError
from eigentrail.spectra import ensembles
from eigentrail.spectra.entry_statistics import entry_statistics


def test_known_laws():
    normal = entry_statistics(ensembles.gaussian(400, 300, 5.0))
    assert normal.kurtosis == pytest.approx(3.0, abs=0.06)
    assert normal.largest == pytest.approx(normal.expected, rel=0.2)
    assert normal.size == 120_000
    uniform = entry_statistics(ensembles.uniform(400, 300))
    assert uniform.kurtosis == pytest.approx(1.8, abs=0.02)
    assert uniform.largest == pytest.approx(3**0.5, rel=0.01)
    for mu in (0.7, 1.5, 2.5, 4.0):
        heavy = entry_statistics(ensembles.heavy_tailed(600, 500, mu))
        assert heavy.tail_index == pytest.approx(mu, rel=0.15)


def test_mean_is_taken_out():
    x = ensembles.gaussian(100, 80)
    one, other = entry_statistics(x), entry_statistics(x + 3.0)
    assert other.mean == pytest.approx(3.0, abs=0.1)
    assert other.kurtosis == pytest.approx(one.kurtosis, rel=1e-9)
    assert other.largest == pytest.approx(one.largest, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e30])
def test_scale_sign_shape_and_dtype(scale):
    x = ensembles.heavy_tailed(90, 40, 2.0)
    one = entry_statistics(x)
    for other in (x * scale, -x, x.T, x.reshape(3, 30, 40)):
        found = entry_statistics(other)
        assert found.kurtosis == pytest.approx(one.kurtosis, rel=1e-9)
        assert found.tail_index == pytest.approx(one.tail_index, rel=1e-9)
    assert entry_statistics(x.astype(np.float32)).kurtosis == pytest.approx(one.kurtosis, rel=1e-4)


def test_argument_is_left_alone():
    x = ensembles.gaussian(10, 10)
    before = x.copy()
    entry_statistics(x)
    assert np.array_equal(x, before)


def test_degenerate_entries():
    assert entry_statistics(np.zeros((3, 3))).kurtosis == 0.0
    assert entry_statistics(np.full((3, 3), 2.0)).largest == 0.0
    assert np.isfinite(entry_statistics(np.array([[1.0, 2.0]])).kurtosis)
    one = np.zeros((50, 50))
    one[0, 0] = 1.0
    assert np.isfinite(entry_statistics(one).kurtosis)
    with pytest.raises(LayerError, match="no entries"):
        entry_statistics(np.zeros((0, 3)))
    with pytest.raises(LayerError, match="not finite"):
        entry_statistics(np.array([[1.0, np.nan]]))
