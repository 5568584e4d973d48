"""An observed number beside draws: percentile, p-value and correction."""

import numpy as np
import pytest
import scipy.stats

from eigentrail.chance import adjust, compare
from eigentrail.errors import OptionError


def test_above_all_draws_is_a_bound_and_never_100():
    found = compare(10.0, np.arange(200.0) / 200)
    assert found.percentile == 100.0
    assert found.percentile_text == "> 99.5"
    assert found.p == pytest.approx(1 / 201)
    assert compare(-1.0, np.arange(200.0) / 200, "less").percentile_text == "< 0.5"


def test_equal_draws_count_as_at_least_as_extreme():
    found = compare(1.0, [1.0, 1.0, 1.0])
    assert found.p == 1.0
    assert found.percentile == 50.0


@pytest.mark.parametrize("side", ["greater", "less", "two"])
def test_p_values_are_uniform_under_the_null(side):
    # 400 comparisons of 99 draws; Kolmogorov-Smirnov at 0.1%: one failure in a thousand choices of the seed.
    rng = np.random.default_rng(0)
    p = [compare(rng.standard_normal(), rng.standard_normal(99), side).p for _ in range(400)]
    assert scipy.stats.kstest(np.array(p) - 0.005, "uniform").pvalue > 1e-3


def test_correction_is_benjamini_yekutieli():
    p = np.array([0.001, 0.02, 0.03, 0.5])
    np.testing.assert_allclose(adjust(p), scipy.stats.false_discovery_control(p, method="by"))
    assert len(adjust([])) == 0


def test_bad_input_is_one_sentence():
    for bad in (lambda: compare(np.nan, [1.0]), lambda: compare(1.0, []), lambda: compare(1.0, [1.0], "up")):
        with pytest.raises(OptionError):
            bad()
    with pytest.raises(OptionError):
        adjust([2.0])
