from __future__ import annotations

import numpy as np
import pytest
from known_levels import wishart

from eigentrail.errors import SpectrumError
from eigentrail.spectra.determinant import erg_count


def test_by_hand():
    # Mean one already: 2 * 1 * .75 > 1 > 2 * 1 * .75 * .25.
    assert erg_count(np.array([0.25, 0.75, 1.0, 2.0])) == 4
    # 8 of mean 1: 4, then 4/7 seven times: 4 * (4/7)^2 = 1.31, 4 * (4/7)^3 = .75.
    assert erg_count(np.array([4.0] + [4 / 7] * 7)) == 4


def test_scale_and_order_do_not_matter():
    values = wishart(300, 100, np.random.default_rng(0))
    count = erg_count(values)
    assert erg_count(1e-200 * values[::-1]) == erg_count(300 * values) == count


def test_equal_or_single_eigenvalues_give_none():
    assert erg_count(np.full(5, 3.0)) == 0
    assert erg_count(np.array([3.0])) == 0


def test_zeros_end_the_product():
    assert erg_count(np.array([0.0, 0.0, 0.0, 5.0, 6.0])) == 3


def test_bad_spectra():
    for values in (np.zeros(4), np.array([1.0, np.inf]), np.array([]), np.array([-1.0, 1.0])):
        with pytest.raises(SpectrumError):
            erg_count(values)


@pytest.fixture(scope="module")
def detx():
    return pytest.importorskip("weightwatcher.RMT_Util").detX_constraint


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_package(detx, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(10, 1000))
    for values in (
        wishart(int(n * rng.uniform(1, 5)), n, rng),
        np.sort(rng.pareto(rng.uniform(0.5, 3), size=n)),
        np.sort(rng.exponential(size=n)),
    ):
        assert erg_count(values) == detx(values)[0]


def test_package_leaves_the_range_of_floats_where_logarithms_do_not(detx):
    values = wishart(4096, 4096, np.random.default_rng(0))
    count = erg_count(values)
    log_product = np.cumsum(np.log(values[::-1] / values.mean()))
    assert log_product[count - 1] < 0.0 <= log_product[count - 2]
    with np.errstate(over="ignore"):
        assert detx(values)[0] != count


def test_equals_the_column_of_analyze():
    weightwatcher = pytest.importorskip("weightwatcher")
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(120, 90), torch.nn.Linear(90, 60))
    details = weightwatcher.WeightWatcher(model=model).analyze(ERG=True)
    for count, layer in zip(details["detX_num"], model, strict=True):
        assert erg_count(torch.linalg.svdvals(layer.weight.detach().double()) ** 2) == count
