import numpy as np
import pytest
from scipy import stats

from eigentrail.spectra import Spectrum
from eigentrail.trajectories.noise_bulk import noise_bulk, wishart_eigenvalues


@pytest.mark.parametrize("n, m", [(40, 12), (20, 20)])
def test_eigenvalues_have_the_law_of_a_gaussian_matrix(n: int, m: int) -> None:
    rng = np.random.default_rng(5)
    drawn = np.array([wishart_eigenvalues(n, m, rng) for _ in range(800)])
    w = rng.standard_normal((800, n, m))
    truth = np.linalg.eigvalsh(w.swapaxes(1, 2) @ w / n)
    for column in (0, m // 2, m - 1):
        assert stats.ks_2samp(drawn[:, column], truth[:, column]).pvalue > 1e-3


@pytest.mark.parametrize("n, m, matrices", [(64, 50, 1), (30, 16, 4)])
def test_noise_exceeds_its_own_95_percent_quantile_in_5_percent(n: int, m: int, matrices: int) -> None:
    null = noise_bulk(n, m, matrices)
    assert null is not None and 0 < null.mean < null.high < 1
    rng = np.random.default_rng(8)
    draws = 150
    above = sum(
        Spectrum.from_matrix(rng.standard_normal((matrices, n, m))).marchenko_pastur().ks_distance > null.high
        for _ in range(draws)
    )
    # The quantile itself has an error, that of 200 draws.
    assert 0 < above < 0.13 * draws


def test_a_shape_that_is_too_small_has_none() -> None:
    assert noise_bulk(10, 2) is None
