"""The Tracy-Widom law against published numbers, its table against its determinant, levels against draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from eigentrail.errors import OptionError
from eigentrail.spectra import tracy_widom


def test_moments_of_the_determinant_are_the_known_ones():
    x, w = np.polynomial.legendre.leggauss(160)
    low, high = -10.0, 9.0
    s, w = (x + 1) * (high - low) / 2 + low, w * (high - low) / 2
    f = tracy_widom.cdf(s)
    mean = high - w @ f
    second = high**2 - 2 * (w @ (s * f))
    assert mean == pytest.approx(tracy_widom.MEAN, abs=1e-9)
    assert second - mean**2 == pytest.approx(tracy_widom.VARIANCE, abs=1e-8)


@pytest.mark.parametrize(("p", "value"), [(0.05, -3.1804), (0.90, 0.4501), (0.95, 0.9793), (0.99, 2.0234)])
def test_published_quantiles(p, value):
    assert tracy_widom.quantile(p) == pytest.approx(value, abs=1e-4)


def test_the_embedded_table_inverts_the_determinant():
    for level in [1e-17, 1e-12, 1e-6, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.999]:
        assert float(tracy_widom.sf(tracy_widom.isf(level))) == pytest.approx(level, rel=2e-9)


def test_tails_are_probabilities_everywhere():
    s = np.array([-100.0, -30.0, -8.0, 0.0, 8.0, 30.0, 1000.0])
    p = tracy_widom.sf(s)
    assert np.all((p >= 0) & (p <= 1))
    assert np.all(np.diff(p) <= 0)
    assert tracy_widom.sf(np.zeros((2, 3))).shape == (2, 3)


@pytest.mark.parametrize(("rows", "cols"), [(20, 10), (64, 64), (300, 30)])
@pytest.mark.parametrize("level", [0.1, 0.02])
def test_threshold_is_exceeded_at_its_level(rows, cols, level):
    x = np.random.default_rng(3).standard_normal((2000, rows, cols))
    top = np.linalg.eigvalsh(np.swapaxes(x, 1, 2) @ x / rows)[:, -1]
    exceeded = int(np.sum(top > tracy_widom.threshold(rows, cols, level=level)))
    assert stats.binomtest(exceeded, 2000, level).pvalue > 1e-3


def test_pooled_matrices_share_the_level():
    one, many = (tracy_widom.threshold(60, 30, 2.0, 0.01, k) for k in (1, 50))
    assert many > one
    centre, scale = tracy_widom.location_scale(60, 30)
    each = float(tracy_widom.sf((many / 4.0 - centre) / scale))
    assert 1 - (1 - each) ** 50 == pytest.approx(0.01, rel=1e-7)


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, float("nan")])
def test_a_level_is_a_probability(level):
    with pytest.raises(OptionError, match="level"):
        tracy_widom.isf(level)
    with pytest.raises(OptionError, match="level"):
        tracy_widom.threshold(10, 10, level=level)
