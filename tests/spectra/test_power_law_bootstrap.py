"""The bootstraps: stated error rates on samples whose law is known."""

from __future__ import annotations

import numpy as np
import pytest

from eigentrail.spectra.power_law import fit_power_law
from eigentrail.spectra.power_law_bootstrap import exponent_draws, goodness_of_fit
from eigentrail.spectra.power_law_scan import scan, tails


def pareto(alpha: float, n: int, seed: int) -> np.ndarray:
    return (1.0 - np.random.default_rng(seed).random(n)) ** (-1.0 / (alpha - 1.0))


@pytest.mark.parametrize(
    "alpha", [pytest.param(1.5, marks=pytest.mark.slow), 2.5, pytest.param(4.0, marks=pytest.mark.slow)]
)
def test_pareto_interval_covers_and_fit_is_not_rejected(alpha):
    """Nominal 95% and 10%: of 60 samples at least 51 covered, at most 12 rejected (both 99.8% binomial bounds)."""
    fits = [
        fit_power_law(pareto(alpha, 256, seed), bootstrap=120, seed=seed, alternatives=False)
        for seed in range(60)
    ]
    assert sum(f.alpha_interval[0] <= alpha <= f.alpha_interval[1] for f in fits) >= 51
    assert sum(f.p_value < 0.1 for f in fits) <= 12
    p = np.array([f.p_value for f in fits])
    assert (
        0.4 < p.mean() < 0.75
    )  # spread over the unit interval; a little conservative because xmin is chosen
    assert sum(f.model == "none" for f in fits) == sum(f.p_value < 0.1 for f in fits)


def test_interval_includes_the_choice_of_xmin():
    """A tail above a bulk: the interval covers, and is wider than the error at fixed xmin would make it."""
    covered, ratios = 0, []
    for seed in range(30):
        bulk = np.random.default_rng(seed).uniform(0.0, 1.0, 300)
        fit = fit_power_law(
            np.concatenate((bulk, pareto(2.5, 200, seed))), bootstrap=100, seed=seed, alternatives=False
        )
        low, high = fit.alpha_interval
        covered += low <= 2.5 <= high
        ratios.append((high - low) / (2 * 1.96 * fit.alpha_error))
    assert covered >= 25
    assert np.median(ratios) > 1.2


def test_heavy_tailed_entries_within_the_interval():
    """alpha = 1 + mu / 2 with mu = 1."""
    covered = 0
    for seed in range(12):
        random = np.random.default_rng(seed)
        entries = random.pareto(1.0, (500, 250)) * random.choice([-1.0, 1.0], (500, 250))
        fit = fit_power_law(np.linalg.eigvalsh(entries.T @ entries / 500), bootstrap=100, alternatives=False)
        covered += fit.alpha_interval[0] <= 1.5 <= fit.alpha_interval[1]
    assert covered >= 10


def test_other_laws_are_rejected():
    """Shares with p < 0.1, measured over 200 samples: Gaussian Wishart .71, exponential at n = 1024 .47."""
    wishart, exponential = 0, 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        w = random.standard_normal((512, 256))
        values = np.linalg.eigvalsh(w.T @ w / 512)
        wishart += fit_power_law(values, bootstrap=100, alternatives=False).p_value < 0.1
        values = random.exponential(size=1024)
        exponential += fit_power_law(values, bootstrap=100, alternatives=False).p_value < 0.1
    assert wishart >= 9
    assert exponential >= 4


def test_goodness_of_fit_by_hand():
    """The p-value from draws made and fitted one at a time, the text-book way, agrees within sampling error."""
    random = np.random.default_rng(3)
    values = np.sort(np.concatenate((random.uniform(0.3, 1.0, 60), pareto(2.2, 60, 8))))
    fit = fit_power_law(values, bootstrap=2000, seed=1, alternatives=False)
    body = values[values < fit.xmin]
    further = 0
    for _ in range(1000):
        count = random.binomial(len(values), fit.tail_size / len(values))
        tail = fit.xmin * (1.0 - random.random(count)) ** (-1.0 / (fit.alpha - 1.0))
        draw = np.concatenate((tail, random.choice(body, len(values) - count)))
        further += fit_power_law(draw, alternatives=False).ks_distance >= fit.ks_distance
    assert fit.p_value == pytest.approx(further / 1000, abs=4 * np.sqrt(0.25 / 1000 + 0.25 / 2000))


def test_interval_by_hand():
    values = np.sort(np.random.default_rng(0).lognormal(size=150))
    fit = fit_power_law(values, bootstrap=1500, seed=1, alternatives=False)
    random = np.random.default_rng(2)
    draws = [fit_power_law(random.choice(values, 150), alternatives=False).alpha for _ in range(800)]
    low, high = np.quantile(draws, (0.025, 0.975))
    assert fit.alpha_interval == (pytest.approx(low, abs=0.15), pytest.approx(high, rel=0.25))


def test_same_seed_same_numbers():
    values = pareto(2.0, 300, 0)
    a, b = (fit_power_law(values, bootstrap=50, seed=7) for _ in range(2))
    assert a == b
    assert fit_power_law(values, bootstrap=50, seed=8) != a


def test_p_value_counts_the_data_itself():
    """(1 + further) / (1 + draws): never zero, and one when every draw is further."""
    logs = np.sort(np.random.default_rng(0).standard_exponential(200))
    best = scan(tails(logs[None]))
    start, exponent = int(best.start[0]), float(best.exponent[0])
    assert goodness_of_fit(logs, start, exponent, 0.9, 49, 0) == 1 / 50
    assert goodness_of_fit(logs, start, exponent, 1e-6, 49, 0) == 1.0


def test_degenerate_resamples_are_no_draws():
    """Resamples with fewer than three distinct values have no tail; with too many of them there is no interval."""
    values = np.concatenate(([1.0], np.full(50, 2.0), [3.0]))
    assert 0 < len(exponent_draws(np.log(values), 200, 0)) < 200
    fit = fit_power_law(values, bootstrap=200)
    assert fit.alpha_interval is None
    assert "too few distinct values" in fit.note
