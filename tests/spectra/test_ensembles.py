"""Every ensemble against the law it states."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from eigentrail.errors import OptionError
from eigentrail.spectra import ensembles


def test_seeds():
    for draw in (
        lambda s: ensembles.gaussian(5, 4, seed=s),
        lambda s: ensembles.uniform(5, 4, seed=s),
        lambda s: ensembles.wigner(5, seed=s),
        lambda s: ensembles.poisson_levels(5, seed=s),
        lambda s: ensembles.spiked(5, 4, [2.0], seed=s),
        lambda s: ensembles.heavy_tailed(5, 4, 1.0, seed=s),
        lambda s: ensembles.low_rank(5, 4, 2, seed=s),
        lambda s: ensembles.correlated(5, 4, 0.5, seed=s),
        *(lambda s, n=n: ensembles.phase(n, 40, 30, seed=s) for n in ensembles.PHASES),
    ):
        assert np.array_equal(draw(3), draw(np.random.default_rng(3)))
        assert not np.array_equal(draw(3), draw(4))


def test_entries():
    assert stats.kstest(ensembles.gaussian(200, 100, 2.0).ravel() / 2.0, "norm").pvalue > 1e-3
    u = ensembles.uniform(200, 100, 2.0)
    assert stats.kstest(u.ravel(), stats.uniform(-2 * 3**0.5, 4 * 3**0.5).cdf).pvalue > 1e-3
    for mu in (0.3, 1.0, 2.5):
        symmetric = ensembles.heavy_tailed(200, 100, mu).ravel()
        assert stats.kstest(np.abs(symmetric), stats.pareto(mu).cdf).pvalue > 1e-3
        assert abs(np.mean(symmetric > 0) - 0.5) < 0.02
        assert ensembles.heavy_tailed(50, 50, mu, "pareto-positive").min() >= 1.0
        assert (
            stats.kstest(ensembles.heavy_tailed(200, 100, mu, "student").ravel(), stats.t(mu).cdf).pvalue
            > 1e-3
        )


def test_level_statistics():
    def ratios(x):
        s = np.diff(np.sort(x))
        return np.minimum(s[1:], s[:-1]) / np.maximum(s[1:], s[:-1])

    goe = np.concatenate([ratios(np.linalg.eigvalsh(ensembles.wigner(300, seed=s))) for s in range(8)])
    assert goe.mean() == pytest.approx(0.5307, abs=0.02)
    levels = ensembles.poisson_levels(20_000)
    assert ratios(levels).mean() == pytest.approx(2 * np.log(2) - 1, abs=0.01)
    assert np.diff(levels).mean() == pytest.approx(1.0, abs=0.03)


def test_scales_and_shapes():
    assert np.abs(np.linalg.eigvalsh(ensembles.wigner(400, 3.0))).max() == pytest.approx(6.0, rel=0.03)
    w = ensembles.wishart(900, 300, 2.0)
    assert w.shape == (300, 300)
    assert np.linalg.eigvalsh(w)[[0, -1]] == pytest.approx(
        [4 * (1 - 3**-0.5) ** 2, 4 * (1 + 3**-0.5) ** 2], rel=0.1
    )
    low = ensembles.low_rank(60, 50, 7)
    assert np.linalg.matrix_rank(low) == 7
    assert np.std(ensembles.low_rank(400, 300, 50, 0.5)) == pytest.approx(1.25**0.5, rel=0.05)
    for shape in ((30, 50), (50, 30)):
        w = ensembles.spiked(*shape, [50.0, 20.0], noise="uniform")
        top = np.linalg.svd(w, compute_uv=False)[:2] / (50**0.5 * 0.6**0.25)
        assert top == pytest.approx([50.0, 20.0], rel=0.03)


def test_correlated_rows():
    c = np.cov(ensembles.correlated(60_000, 4, 0.5).T)
    assert np.allclose(c, 0.5 ** np.abs(np.subtract.outer(np.arange(4), np.arange(4))), atol=0.03)
    population = np.array([1.0, 2.0, 5.0])
    assert np.linalg.eigvalsh(np.cov(ensembles.correlated(60_000, 3, population).T)) == pytest.approx(
        population, rel=0.05
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: ensembles.gaussian(0, 3),
        lambda: ensembles.spiked(5, 3, [1.0] * 4),
        lambda: ensembles.spiked(5, 3, [1.0], noise="pink"),
        lambda: ensembles.heavy_tailed(5, 3, 0.0),
        lambda: ensembles.heavy_tailed(5, 3, 1.0, "cauchy"),
        lambda: ensembles.low_rank(5, 3, 4),
        lambda: ensembles.correlated(5, 3, 1.0),
        lambda: ensembles.correlated(5, 3, np.array([1.0, 2.0])),
        lambda: ensembles.correlated(5, 3, np.array([1.0, 2.0, -1.0])),
        lambda: ensembles.phase("plasma", 20, 10),
    ],
)
def test_bad_arguments_are_refused(call):
    with pytest.raises(OptionError):
        call()


def test_seeds_and_tails_out_of_range_are_refused() -> None:
    with pytest.raises(OptionError, match="seed"):
        ensembles.gaussian(5, 5, seed=-1)
    with pytest.raises(OptionError, match="overflow"):
        ensembles.heavy_tailed(20, 20, mu=0.01)
