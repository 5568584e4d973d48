from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from eigentrail.curvature.local_gaussianity import local_gaussianity
from eigentrail.errors import OptionError


def test_p_values_are_uniform_for_gaussians_of_any_local_scale() -> None:
    found = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        scales = np.repeat(10.0 ** rng.uniform(-3, 0, 10), 60)
        found += local_gaussianity(rng.standard_normal(600) * scales, 60, draws=400).p.values.tolist()
    # 300 p-values; the Kolmogorov-Smirnov test of them fails once in a thousand such studies.
    assert kstest(found, "uniform").pvalue > 1e-3


def test_signs_and_scale_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    p = rng.standard_normal(300)
    turned = p * rng.choice([-1.0, 1.0], 300) * 1e-9
    a, b = local_gaussianity(p, 100), local_gaussianity(turned, 100)
    np.testing.assert_array_equal(a.p, b.p)
    np.testing.assert_allclose(a.scale * 1e-9, b.scale, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_variances_that_change_along_the_spectrum_are_local_gaussians_and_no_global_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.standard_normal(4000) * np.repeat([1.0, 0.2, 3.0, 0.5, 0.1, 1.5, 0.3, 2.0], 500)
    found = local_gaussianity(p, 500)
    # Eight windows, each under .001 once in a thousand times.
    assert found.p.min() > 1e-3
    assert found.attrs["whole_p"] < 0.001
    np.testing.assert_allclose(found.scale, [1.0, 0.2, 3.0, 0.5, 0.1, 1.5, 0.3, 2.0], rtol=0.15)
    assert found.attrs["scale_ratio"] == pytest.approx(30, rel=0.2)


@pytest.mark.parametrize("seed", range(5))
def test_heavy_tails_in_a_window_are_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.standard_normal(1500)
    p[500:1000] = rng.standard_t(2, 500)
    found = local_gaussianity(p, 500)
    assert found.p[1] < 0.01
    assert found.kurtosis[1] > 1.0
    assert found.p[0] > 1e-3
    assert found.p[2] > 1e-3


def test_the_last_window_takes_what_is_left_over() -> None:
    found = local_gaussianity(np.random.default_rng(0).standard_normal(1050), 500, draws=100)
    assert found.start.values.tolist() == [0, 500]
    assert found.stop.values.tolist() == [500, 1050]


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(OptionError, match="8 to 20"):
        local_gaussianity(np.ones(20), 30)
    with pytest.raises(OptionError, match="finite"):
        local_gaussianity(np.full(20, np.nan), 10)
    with pytest.raises(OptionError, match="zero"):
        local_gaussianity(np.zeros(20), 10)
    with pytest.raises(OptionError, match="draws"):
        local_gaussianity(np.ones(20), 10, draws=0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"window": 10.5}, "window is a whole number, at least 0, not 10.5"),
        ({"window": None}, "window is a whole number"),
        ({"window": 10, "draws": 1.5}, "draws is a whole number"),
        ({"window": 10, "seed": -1}, "seed is a whole number"),
    ],
)
def test_numbers_that_are_not_whole(options, match) -> None:
    with pytest.raises(OptionError, match=match):
        local_gaussianity(np.random.default_rng(0).standard_normal(100), **options)
