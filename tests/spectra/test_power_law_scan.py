"""The pruned search against an exhaustive one that is written independently of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eigentrail.errors import SpectrumError
from eigentrail.spectra.power_law import fit_power_law, ks_curve
from eigentrail.spectra.power_law_scan import FULL, _pruned, all_distances, scan, tails


def exhaustive(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every candidate's alpha and distance, as the papers write them."""
    x = np.sort(values)
    distinct = np.unique(x)
    alphas, distances = [], []
    for xmin in distinct[:-2]:
        tail = x[x >= xmin]
        alpha = 1.0 + len(tail) / np.sum(np.log(tail / xmin))
        points = distinct[distinct >= xmin]
        empirical = np.searchsorted(tail, points, side="left") / len(tail)
        distances.append(np.max(np.abs(1.0 - (points / xmin) ** (1.0 - alpha) - empirical)))
        alphas.append(alpha)
    return distinct[:-2], np.array(alphas), np.array(distances)


rounded = st.floats(1e-3, 1e3).map(lambda v: float(f"{v:.4g}"))
spectra = st.one_of(
    st.lists(rounded, min_size=16, max_size=60),
    st.lists(st.integers(1, 12).map(float), min_size=16, max_size=60),
    st.tuples(st.lists(rounded, min_size=8, max_size=20), st.integers(2, 4)).map(lambda p: p[0] * p[1]),
)


@settings(max_examples=200, deadline=None)
@given(spectra, st.sampled_from([1.0, 1e-6, 1e6, 1e30]), st.randoms(use_true_random=False))
def test_same_choice_as_the_exhaustive_search(values, scale, random):
    if len(set(values)) < 3:
        with pytest.raises(SpectrumError):
            fit_power_law(values)
        return
    xmins, alphas, distances = exhaustive(np.array(values))
    expected = int(np.argmax(distances <= distances.min() + 1e-12))
    shuffled = np.array(values)[random.sample(range(len(values)), len(values))]
    fit = fit_power_law(shuffled * scale, alternatives=False)
    assert fit.ks_distance == pytest.approx(distances.min(), abs=1e-12)
    assert fit.xmin == pytest.approx(xmins[expected] * scale, rel=1e-14)
    assert fit.alpha == pytest.approx(alphas[expected], rel=1e-12)
    assert fit.tail_size == np.sum(np.array(values) >= xmins[expected])
    # The pruned route, which so small a spectrum would not take by itself.
    fits = tails(np.log(np.sort(np.array(values)))[None])
    assert _pruned(fits, None).min() == pytest.approx(distances.min(), abs=1e-12)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("n", [FULL - 1, FULL + 1, 400, 1500])
def test_pruned_search_on_larger_spectra(n, seed):
    random = np.random.default_rng(seed)
    draw = [
        lambda: random.pareto(1.0 + seed / 4, n) + 1.0,
        lambda: random.exponential(size=n),
        lambda: np.exp(2.0 * random.standard_normal(n)),
        lambda: random.integers(1, 50, n).astype(float),
    ][seed % 4]
    values = draw()
    xmins, alphas, distances = exhaustive(values)
    expected = int(distances.argmin())
    fit = fit_power_law(values, alternatives=False)
    assert fit.xmin == xmins[expected]
    assert fit.alpha == pytest.approx(alphas[expected], rel=1e-12)
    assert fit.ks_distance == pytest.approx(distances[expected], abs=1e-12)


@pytest.mark.parametrize("n", [40, FULL + 40])
@pytest.mark.parametrize("seed", range(3))
def test_a_batch_is_its_rows(n, seed):
    random = np.random.default_rng(seed)
    logs = np.sort(random.standard_exponential((700, n)), axis=1)
    logs[::3] = np.round(logs[::3], 1)
    together = scan(tails(logs))
    for i in range(0, 700, 23):
        alone = scan(tails(logs[i : i + 1]))
        assert together.start[i] == alone.start[0]
        assert together.distance[i] == pytest.approx(alone.distance[0], abs=1e-13)
        assert together.exponent[i] == pytest.approx(alone.exponent[0], rel=1e-12)


@pytest.mark.parametrize("n", [40, FULL + 40])
def test_stopping_early_never_changes_the_answer_to_the_question(n):
    random = np.random.default_rng(5)
    fits = tails(np.sort(random.standard_exponential((600, n)), axis=1))
    exact = scan(fits).distance
    limit = float(np.median(exact))
    assert np.array_equal(scan(fits, stop_below=limit).distance < limit, exact < limit)


def test_few_tails_are_evaluated_in_full():
    """The point of the pruning: of 4094 candidates only a handful is looked at."""
    for seed in range(6):
        values = np.sort(np.random.default_rng(seed).pareto(1.5, 4096) + 1.0)
        exact = _pruned(tails(np.log(values)[None]), None)
        assert np.isfinite(exact).sum() <= 60


def test_geometric_progression_has_equal_alphas_up_to_the_end():
    """x_k = r^k: the tail of n values has alpha = 1 + 2 / ((n - 1) log r)."""
    curve = ks_curve(2.0 ** np.arange(30))
    n = 30 - np.arange(28)
    np.testing.assert_allclose(curve.alphas, 1.0 + 2.0 / ((n - 1) * np.log(2.0)), rtol=1e-13)


@pytest.mark.parametrize("n", [50, 700])
def test_curve_is_every_candidate_and_holds_the_fit(n):
    values = np.random.default_rng(n).lognormal(size=n)
    curve, fit = ks_curve(values), fit_power_law(values)
    xmins, alphas, distances = exhaustive(values)
    np.testing.assert_array_equal(curve.xmins, xmins)
    np.testing.assert_allclose(curve.alphas, alphas, rtol=1e-12)
    np.testing.assert_allclose(curve.distances, distances, atol=1e-12)
    at = int(curve.distances.argmin())
    assert (curve.xmins[at], curve.distances[at]) == (fit.xmin, pytest.approx(fit.ks_distance, abs=1e-13))


def test_spectrum_without_a_candidate_has_no_distance():
    best = scan(tails(np.zeros((2, 30))))
    assert np.isinf(best.distance).all()
    assert (best.exponent == 0.0).all()
    assert np.isinf(all_distances(tails(np.zeros((1, 30))))).all()
