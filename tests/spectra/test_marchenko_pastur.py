"""The Marchenko-Pastur fit: planted truth, false spikes at their level, and the cases in which peers fail."""

from __future__ import annotations

import numpy as np
import pytest

from eigentrail.errors import SpectrumError
from eigentrail.spectra import ensembles
from eigentrail.spectra.marchenko_pastur import fit_marchenko_pastur
from eigentrail.spectra.spiked import bbp_threshold

SHAPES = [(1000, 256), (2048, 512), (1024, 512)]


def eigenvalues(w):
    rows = max(w.shape)
    w = w if w.shape[0] == rows else w.T
    return np.linalg.eigvalsh(w.T @ w / rows)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("multiple", [1.5, 2.0, 5.0, 20.0, 100.0])
def test_planted_spikes_are_all_found_and_do_not_move_the_bulk(shape, multiple):
    rows, cols = shape
    strengths = multiple * np.linspace(1.0, 1.3, 6)
    w = ensembles.spiked(rows, cols, strengths, 0.7, seed=int(rows + 10 * multiple))
    fit = fit_marchenko_pastur(eigenvalues(w), rows, cols)
    edge = 0.49 * (1 + np.sqrt(cols / rows)) ** 2
    assert fit.edge_high == pytest.approx(edge, rel=0.015)
    assert fit.sigma == pytest.approx(0.7, rel=0.01)
    # a seventh, false one has the stated probability of 1%; that none is missed is certain
    assert fit.spikes in {6, 7}
    assert np.all(np.diff(fit.spike_values) <= 0)
    debiased = fit.spike_strengths[:6] / bbp_threshold(cols / rows)
    assert debiased[0] == pytest.approx(strengths[-1], rel=0.12)
    assert debiased.mean() == pytest.approx(strengths.mean(), rel=0.04)


def test_detection_near_the_threshold_is_partial_and_known():
    found = []
    for seed in range(30):
        w = ensembles.spiked(1000, 256, [1.2], seed=seed)
        found.append(fit_marchenko_pastur(eigenvalues(w), 1000, 256).spikes >= 1)
    rate = np.mean(found)  # 0.67 over 300 draws at 1.2 times the BBP threshold; 0.91 at 1.3
    assert 0.4 < rate < 0.95


@pytest.mark.parametrize("draw", [ensembles.gaussian, ensembles.uniform])
@pytest.mark.parametrize("shape", [(512, 256), (64, 64), (150, 16), (20, 10)])
def test_false_spike_matrices_keep_within_the_99_percent_binomial_bound(draw, shape):
    rng = np.random.default_rng(7)
    false = sum(
        fit_marchenko_pastur(eigenvalues(draw(*shape, seed=rng)), *shape).spikes > 0 for _ in range(200)
    )
    assert false <= 6


def test_pooled_slices_keep_the_level_for_the_whole_layer():
    rng, false = np.random.default_rng(8), 0
    for _ in range(200):
        x = rng.standard_normal((9, 32, 16))
        values = np.linalg.eigvalsh(np.swapaxes(x, 1, 2) @ x / 32).ravel()
        fit = fit_marchenko_pastur(values, 32, 16, matrices=9)
        false += fit.spikes > 0
        assert fit.sigma == pytest.approx(1.0, abs=5 * fit.sigma_error)
    assert false <= 6


@pytest.mark.parametrize("shape", [(40, 10), (64, 64), (300, 60), (512, 256)])
def test_sigma_error_covers(shape):
    rng, deviations = np.random.default_rng(9), []
    for _ in range(150):
        fit = fit_marchenko_pastur(eigenvalues(ensembles.gaussian(*shape, seed=rng)), *shape)
        deviations.append((fit.sigma - 1.0) / fit.sigma_error)
    assert 0.6 < np.std(deviations) < 1.1
    assert abs(np.mean(deviations)) < 0.35


def test_a_bulk_of_another_shape_is_less_certain():
    w = ensembles.correlated(800, 400, 0.6, seed=1)
    fit = fit_marchenko_pastur(eigenvalues(w), 800, 400)
    null = fit_marchenko_pastur(eigenvalues(ensembles.gaussian(800, 400, seed=1)), 800, 400)
    assert fit.ks_distance > 5 * null.ks_distance
    assert fit.sigma_error / fit.sigma > 10 * null.sigma_error


STRONG = [20.0, 30.0, 40.0, 50.0, 60.0, 70.0]


@pytest.mark.parametrize("seed", range(3))
def test_strong_spikes_do_not_inflate_the_edge(seed):
    w = ensembles.spiked(2048, 512, STRONG, seed=seed)
    fit = fit_marchenko_pastur(eigenvalues(w), 2048, 512)
    assert fit.edge_high == pytest.approx(2.25, rel=0.01)
    assert fit.spikes == 6
    from_entries = np.var(w) * 2.25  # the edge that the entries' standard deviation gives
    assert from_entries > 20.0


def test_the_peer_loses_the_edge_under_strong_spikes_and_agrees_on_noise():
    weightwatcher = pytest.importorskip("weightwatcher")
    watcher = weightwatcher.WeightWatcher()

    def peers_edge(values):
        found = watcher.mp_fit(
            values * 2048, 2048, 512, 1, "w", 0, 0, False, False, ".", "b", 0.5, True, values
        )
        return found[4] / 2048

    noise = eigenvalues(ensembles.gaussian(2048, 512, seed=0))
    assert fit_marchenko_pastur(noise, 2048, 512).edge_high == pytest.approx(peers_edge(noise), rel=0.02)
    spiked = eigenvalues(ensembles.spiked(2048, 512, STRONG, seed=0))
    assert peers_edge(spiked) > 4.0
    assert fit_marchenko_pastur(spiked, 2048, 512).edge_high == pytest.approx(2.25, rel=0.01)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_scale_invariance(scale):
    values = eigenvalues(ensembles.spiked(512, 256, [1.3, 2.0, 5.0], seed=2))
    one, other = (fit_marchenko_pastur(x, 512, 256) for x in (values, values * scale**2))
    assert one.spikes == other.spikes
    for name in ("edge_low", "edge_high", "threshold"):
        assert getattr(other, name) == pytest.approx(getattr(one, name) * scale**2, rel=1e-10)
    assert other.sigma == pytest.approx(one.sigma * scale, rel=1e-10)
    assert np.allclose(one.spike_strengths, other.spike_strengths, rtol=1e-10)
    assert other.ks_distance == pytest.approx(one.ks_distance, rel=1e-8)


def test_zero_eigenvalues_are_not_part_of_the_bulk():
    w = np.zeros((1000, 500))
    w[:, ::2] = ensembles.gaussian(1000, 250, seed=4)  # half of the columns never trained, then pruned
    fit = fit_marchenko_pastur(np.maximum(eigenvalues(w), 0.0), 1000, 500)
    assert fit.zeros == 250
    assert fit.sigma == pytest.approx(1.0, rel=0.01)
    assert fit.edge_high == pytest.approx(2.25, rel=0.015)
    assert fit.spikes <= 1


@pytest.mark.parametrize("noise", [0.0, 1e-3, 0.05])
def test_low_rank_with_and_without_noise(noise):
    fit = fit_marchenko_pastur(eigenvalues(ensembles.low_rank(512, 256, 80, noise, seed=5)), 512, 256)
    assert np.isfinite([fit.sigma, fit.sigma_error, fit.ks_distance, fit.threshold]).all()
    if noise:
        assert fit.spikes == 80
        assert fit.sigma == pytest.approx(noise, rel=0.02)
    else:
        assert fit.zeros == 176


@pytest.mark.parametrize("mu", [0.3, 0.7, 1.5, 3.0])
def test_heavy_tails_give_finite_numbers(mu):
    w = ensembles.heavy_tailed(512, 256, mu, seed=6)
    values = np.linalg.svd(w, compute_uv=False) ** 2 / 512
    fit = fit_marchenko_pastur(values, 512, 256)
    assert np.isfinite([fit.sigma, fit.sigma_error, fit.ks_distance, fit.threshold]).all()
    assert fit.spikes == np.sum(values > fit.threshold) == fit.spike_values.size == fit.spike_strengths.size


def test_ties_and_tiny_matrices():
    rng = np.random.default_rng(0)
    signs = np.sign(rng.standard_normal((64, 8)))
    tied = np.repeat(eigenvalues(signs), 4)  # four equal copies of every eigenvalue
    fit = fit_marchenko_pastur(tied, 64, 32)
    assert np.isfinite([fit.sigma, fit.sigma_error]).all()
    flat = fit_marchenko_pastur(np.full(32, 2.0), 64, 32)  # an orthogonal matrix has no spike
    assert flat.spikes == 0
    for cols in (5, 6, 7, 10):
        fit = fit_marchenko_pastur(eigenvalues(ensembles.gaussian(12, cols, seed=cols)), 12, cols)
        assert 0.3 < fit.sigma < 3.0


def test_order_and_methods():
    values = eigenvalues(ensembles.gaussian(200, 100, seed=0))
    fit = fit_marchenko_pastur(values, 200, 100)
    shuffled = fit_marchenko_pastur(np.random.default_rng(0).permutation(values), 200, 100)
    assert shuffled.sigma == fit.sigma
    x = np.linspace(fit.edge_low, fit.edge_high, 2001)
    assert np.trapezoid(fit.density(x), x) == pytest.approx(1.0, abs=1e-3)
    assert fit.cdf(np.array([fit.edge_low, fit.edge_high])).tolist() == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize(
    ("values", "rows", "cols", "matrices", "message"),
    [
        (np.ones(10), 5, 10, 1, "rows >= cols"),
        (np.ones(10), 20, 11, 1, "do not belong"),
        (np.ones(10), 20, 10, 2, "do not belong"),
        (np.array([*np.ones(9), np.nan]), 20, 10, 1, "not finite"),
        (np.array([*np.ones(9), np.inf]), 20, 10, 1, "not finite"),
        (np.zeros(10), 20, 10, 1, "Only 0 eigenvalues differ from zero"),
        (np.ones(4), 20, 4, 1, "needs 5"),
        (np.array([*np.zeros(8), 1.0, 2.0]), 20, 10, 1, "Only 2 eigenvalues"),
    ],
)
def test_bad_input_gives_one_clear_sentence(values, rows, cols, matrices, message):
    with pytest.raises(SpectrumError, match=message):
        fit_marchenko_pastur(values, rows, cols, matrices=matrices)
