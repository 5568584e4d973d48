from __future__ import annotations

import numpy as np
import pytest
import torch
from known_levels import goe, wishart
from scipy.integrate import cumulative_trapezoid
from scipy.special import roots_legendre
from scipy.stats import kstest

from eigentrail.errors import OptionError, SpectrumError
from eigentrail.spectra.joint_density import (
    log_density,
    log_normalisation,
    wigner_potential,
    wishart_potential,
)


def integral(potential, beta, n, lowest, start, width, points):
    """Integrate the density over ordered levels (start + gaps, all smooth there) and multiply by n!."""
    x, w = roots_legendre(points)
    first = lowest + start * (x + 1) / 2
    axes = [first] + [width * (x + 1) / 2] * (n - 1)
    weights = [w * start / 2] + [w * width / 2] * (n - 1)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, n)
    weight = np.prod(np.stack(np.meshgrid(*weights, indexing="ij"), axis=-1).reshape(-1, n), axis=1)
    value = np.exp(log_density(np.cumsum(grid, axis=1), potential, beta))
    return float(value @ weight) * {2: 2, 3: 6}[n]


@pytest.mark.parametrize("beta", [1.0, 2.0, 4.0, 0.7])
@pytest.mark.parametrize("sigma", [1.0, 0.3])
def test_wigner_density_of_two_integrates_to_one(beta, sigma):
    s = sigma / min(beta, 1.0) ** 0.5
    points = 400 if beta == 0.7 else 100
    found = integral(wigner_potential(sigma), beta, 2, -7 * s, 14 * s, 10 * s, points)
    assert found == pytest.approx(1.0, abs=1e-5 if beta == 0.7 else 1e-8)


def test_wigner_density_of_three_integrates_to_one():
    for beta in (1.0, 2.0):
        assert integral(wigner_potential(1.0), beta, 3, -8.0, 16.0, 8.0, 60) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("beta", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("exact", [True, False])
def test_wishart_density_of_two_integrates_to_one(beta, exact):
    # N = 7 rows (exact weight x^2 at beta = 1; S2's x^2.5, whose root slows the quadrature).
    potential = wishart_potential(2 / 7, sigma=1.3, count=2 if exact else None, beta=beta)
    assert integral(potential, beta, 2, 0.0, 14.0, 25.0, 240) == pytest.approx(1.0, abs=1e-6)


def test_wishart_density_of_three_integrates_to_one():
    potential = wishart_potential(3 / 8, count=3)
    assert integral(potential, 1.0, 3, 0.0, 8.0, 14.0, 80) == pytest.approx(1.0, abs=1e-6)


def test_spacing_of_two_by_two_matrices_is_wigners_surmise():
    # The density of s = |l_1 - l_2|, from the joint density: integrate the centre out.
    s = np.linspace(1e-6, 8.0, 400)
    centre = np.linspace(-6.0, 6.0, 801)
    pairs = np.stack(
        np.broadcast_arrays(centre[None] - s[:, None] / 2, centre[None] + s[:, None] / 2), axis=-1
    )
    joint = np.exp(log_density(pairs.reshape(-1, 2), wigner_potential(1.0))).reshape(400, 801)
    density = 2 * joint.sum(axis=1) * (centre[1] - centre[0])
    mean = np.trapezoid(s * density, s)
    surmise = np.pi / 2 * (s / mean) * np.exp(-np.pi / 4 * (s / mean) ** 2) / mean
    np.testing.assert_allclose(density, surmise, atol=1e-4)
    # And it is the spacing of sampled matrices of the stated entries.
    rng = np.random.default_rng(0)
    a = rng.normal(size=(4000, 2, 2)) / 2
    gaps = np.ptp(np.linalg.eigvalsh(a + np.swapaxes(a, 1, 2)), axis=1)  # off-diagonal variance 1/2
    cdf = cumulative_trapezoid(density, s, initial=0.0)
    assert kstest(gaps, lambda x: np.interp(x, s, cdf)).pvalue > 1e-3


def wishart_gap_p_value(potential, gaps):
    s = np.linspace(1e-6, 8.0, 500)
    low = np.linspace(1e-6, 6.0, 1200)
    pairs = np.stack(np.broadcast_arrays(low[None], low[None] + s[:, None]), axis=-1)
    density = np.exp(log_density(pairs.reshape(-1, 2), potential)).reshape(500, 1200).sum(axis=1)
    cdf = cumulative_trapezoid(density, s, initial=0.0)
    return kstest(gaps, lambda x: np.interp(x, s, cdf / cdf[-1])).pvalue


@pytest.mark.parametrize("rows", [3, 6])
def test_wishart_gap_needs_the_exact_weight(rows):
    rng = np.random.default_rng(rows)
    w = rng.normal(size=(6000, rows, 2))
    gaps = np.ptp(np.linalg.eigvalsh(np.swapaxes(w, 1, 2) @ w / rows), axis=1)
    assert wishart_gap_p_value(wishart_potential(2 / rows, count=2), gaps) > 1e-3
    assert wishart_gap_p_value(wishart_potential(2 / rows), gaps) < 1e-6


def mean_weight(levels, p, q):
    """E_p[q / p] = 1 for normalised densities: binds the normalisations of a family to sampled ensembles."""
    weight = np.exp(log_density(levels, q) - log_density(levels, p))
    return weight.mean(), weight.std() / len(weight) ** 0.5


@pytest.mark.parametrize("n", [5, 20])
def test_expected_density_ratio_over_sampled_ensembles(n):
    rng = np.random.default_rng(n)
    change = 1 + 0.25 / n
    gauss = np.stack([goe(n, rng) for _ in range(4000)]) / n**0.5
    mean, error = mean_weight(gauss, wigner_potential(1.0), wigner_potential(change))
    assert mean == pytest.approx(1.0, abs=4 * error)
    assert error < 0.05
    levels = np.stack([wishart(2 * n, n, rng) for _ in range(4000)])
    p = wishart_potential(0.5, count=n)
    for q in (
        wishart_potential(0.5, sigma=change**0.5, count=n),
        wishart_potential(n / (2 * n + 1), count=n),
    ):
        mean, error = mean_weight(levels, p, q)
        assert mean == pytest.approx(1.0, abs=4 * error)


def test_exact_and_leading_wishart_agree_for_complex_entries_and_large_matrices():
    assert wishart_potential(0.5, count=7, beta=2.0) == wishart_potential(0.5, beta=2.0)
    assert wishart_potential(0.5, count=10**6).log_weight == pytest.approx(
        wishart_potential(0.5).log_weight, abs=1e-5
    )


def test_metropolis_on_the_density_gives_the_ensembles_moments():
    # A bare callable, so without normalisation: real Wishart, N = 12, M = 6: E tr/M = 1, E tr^2/M = 1 + q + 1/N.
    n, rows = 6, 12
    exact = wishart_potential(0.5, count=n)

    def bare(x):
        return exact(x)

    rng = np.random.default_rng(1)
    x = np.sort(rng.uniform(0.2, 2.5, size=(300, n)), axis=1)
    value = log_density(x, bare)
    first, second = [], []
    for step in range(3000):
        moved = x + rng.normal(size=x.shape) * 0.12
        proposed = log_density(moved, bare)
        taken = np.log(rng.uniform(size=300)) < proposed - value
        x, value = np.where(taken[:, None], moved, x), np.where(taken, proposed, value)
        if step >= 600 and step % 20 == 0:
            first.append(x.mean(axis=1))
            second.append((x**2).mean(axis=1))
    first, second = np.mean(first, axis=0), np.mean(second, axis=0)
    assert first.mean() == pytest.approx(1.0, abs=4.5 * first.std() / 300**0.5)
    assert second.mean() == pytest.approx(1 + 0.5 + 1 / rows, abs=4.5 * second.std() / 300**0.5)
    assert first.std() / 300**0.5 < 0.01


def test_by_hand():
    # beta = 2, N = 5, V = |x|: 2 log(1 * 3 * 2) - 5 (1 + 2 + 4).
    found = log_density(np.array([4.0, 1.0, 2.0]), np.abs, beta=2.0, size=5)
    assert found == pytest.approx(2 * np.log(6) - 35)
    assert log_normalisation(np.abs, 3) is None
    rows = log_density(np.array([[4.0, 1.0, 2.0], [2.0, 4.0, 1.0]]), np.abs, beta=2.0, size=5)
    np.testing.assert_allclose(rows, found)


def test_two_thousand_levels_are_finite_and_typical():
    rng = np.random.default_rng(2)
    n = 2000
    potential = wigner_potential(1.0)
    typical = log_density(goe(n, rng) / n**0.5, potential)
    assert np.isfinite(typical)
    # Fluctuations between draws are small against the change that a slightly wrong scale makes.
    draws = [log_density(goe(n, rng) / n**0.5, potential) for _ in range(3)]
    wrong = log_density(1.02 * goe(n, rng) / n**0.5, potential)
    assert max(abs(typical - other) for other in draws) < 400 < typical - wrong
    assert np.isfinite(log_density(wishart(2 * n, n, rng), wishart_potential(0.5, count=n)))


def test_blocks_agree(monkeypatch):
    from eigentrail.spectra import joint_density

    levels = goe(50, np.random.default_rng(3))
    whole = log_density(levels, wigner_potential())
    monkeypatch.setattr(joint_density, "_BLOCK", 300)
    assert log_density(levels, wigner_potential()) == pytest.approx(whole, rel=1e-12)


def test_zero_density_is_minus_infinity():
    assert log_density(np.array([1.0, 1.0, 2.0]), wigner_potential()) == -np.inf
    assert log_density(np.array([-0.1, 1.0]), wishart_potential(0.5)) == -np.inf
    assert log_density(np.array([-0.1, -0.1]), wishart_potential(0.5)) == -np.inf


def test_torch_is_taken():
    levels = np.array([0.5, 1.0, 2.0])
    assert log_density(torch.from_numpy(levels), wigner_potential()) == log_density(
        levels, wigner_potential()
    )


def test_bad_input():
    with pytest.raises(SpectrumError, match="NaN"):
        log_density(np.array([1.0, np.nan]), np.abs)
    with pytest.raises(SpectrumError, match="no eigenvalues"):
        log_density(np.array([]), np.abs)
    with pytest.raises(SpectrumError, match="potential"):
        log_density(np.array([1.0, -1.0]), lambda x: np.full_like(x, np.nan))
    with pytest.raises(SpectrumError, match="shape"):
        log_density(np.array([1.0, -1.0]), lambda x: 1.0)
    for beta, size in ((0.0, None), (-1.0, None), (np.inf, None), (1.0, 0.0)):
        with pytest.raises(OptionError, match="positive"):
            log_density(np.array([1.0, 2.0]), np.abs, beta=beta, size=size)
    with pytest.raises(OptionError, match="longer side"):
        wishart_potential(2.0)
    with pytest.raises(OptionError, match="sigma"):
        wigner_potential(0.0)
    with pytest.raises(OptionError, match="sigma"):
        wishart_potential(0.5, sigma=-1.0)
    with pytest.raises(OptionError, match="count"):
        wishart_potential(0.5, count=0)
