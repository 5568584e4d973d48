"""Planted drifts, decays and walks."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from planting_paths import frame
from scipy.stats import kstest

from eigentrail.errors import EigentrailError, OptionError, TrajectoryError
from eigentrail.trajectories.drift import drift, variance_growth
from eigentrail.trajectories.fits import fit_exponential, fit_line
from eigentrail.trajectories.quadratic import quadratic_model
from eigentrail.trajectories.random_walk import walk_test


def planted(seed: int, steps: int = 200, n: int = 50, slope: float = 0.3, walk: float = 0.03) -> np.ndarray:
    rng = np.random.default_rng(seed)
    direction = frame(n, 1, seed)[0]
    start = rng.standard_normal(n)
    return (
        start
        + slope * np.arange(steps)[:, None] * direction
        + np.cumsum(walk * rng.standard_normal((steps, n)), axis=0)
    )


def test_the_slope_of_a_planted_drift_is_within_its_error() -> None:
    found = [drift(planted(seed), null=0) for seed in range(40)]
    z = np.array([(f.linear.slope - 0.3) / f.linear.slope_error for f in found])
    # Of 40 about 27 lie within one error; 16 or fewer has probability 2e-4.
    assert (np.abs(z) < 1).sum() > 16 and (np.abs(z) < 4).all()
    assert {f.linear.noise for f in found} == {"walk"}


def test_what_a_drift_is_said_to_be() -> None:
    x = planted(0)
    found = drift(x, 5)
    p1 = found.components.basis.directions()[0]
    assert abs(p1 @ frame(50, 1, 0)[0]) > 0.998
    np.testing.assert_allclose(found.theta, x @ p1, atol=1e-8)
    slope = found.linear.slope
    assert found.variance_predicted == pytest.approx(slope**2 * (200**2 - 1) / 12, rel=1e-12)
    assert found.variance == pytest.approx(found.variance_predicted, rel=0.02)
    assert 0.95 < found.share_linear <= found.share <= 1
    np.testing.assert_allclose(found.norms, np.linalg.norm(x, axis=1))
    assert found.growth == "grows" and found.weight_overlap > 0.9
    assert found.chance_overlap == pytest.approx(np.sqrt(2 / (np.pi * 50)))
    assert found.walk.percentile == 100 and found.walk.exponent > 1.9
    assert found.verdict.startswith("The weights drift")
    assert found.cosines.shape == (5,)
    assert not found.exponential.curved or found.exponential.r2 > 0.99


def test_a_drift_towards_zero_shrinks_the_weights() -> None:
    direction = frame(30, 1, 0)[0]
    x = (10 - 0.03 * np.arange(150))[:, None] * direction
    found = drift(x + 1e-3 * np.random.default_rng(0).standard_normal(x.shape))
    assert found.growth == "shrinks" and found.weight_overlap < -0.99
    assert found.norm_fit.slope == pytest.approx(-0.03, rel=1e-2)


@pytest.mark.parametrize("seed", range(3))
def test_exact_exponential_decay_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    t = np.arange(300.0)
    y = 4.0 * np.exp(-0.013 * t) + 1.5
    exact = fit_exponential(t, y)
    assert exact.rate == pytest.approx(0.013, rel=1e-6) and exact.curved
    noisy = fit_exponential(t, y + 0.01 * rng.standard_normal(300))
    for name, known in (("rate", 0.013), ("limit", 1.5), ("amplitude", 4.0)):
        assert abs(getattr(noisy, name) - known) < 4 * getattr(noisy, f"{name}_error")
    line = fit_exponential(t, 0.1 * t + 0.5 * rng.standard_normal(300))
    assert not line.curved or abs(line.rate) < 4 * line.rate_error


@pytest.mark.parametrize(("kind", "least"), [("white", 0.58), ("walk", 0.53)])
def test_errors_of_the_slope_cover_the_truth(kind: str, least: float) -> None:
    rng = np.random.default_rng(1)
    z = []
    for _ in range(300):
        noise = rng.standard_normal(150)
        fit = fit_line(
            np.arange(150.0), 0.2 * np.arange(150) + (noise if kind == "white" else np.cumsum(noise))
        )
        z.append((fit.slope - 0.2) / fit.slope_error)
    inside = (np.abs(z) < 1).mean()
    assert least < inside < 0.79  # .68 expected, its error is .027


def test_straight_lines_have_the_textbook_numbers() -> None:
    t, y = np.array([0.0, 1.0, 2.0, 5.0]), np.array([1.0, 3.1, 4.9, 11.0])
    slope, intercept = np.polyfit(t, y, 1)
    found = fit_line(t, y)
    assert found.slope == pytest.approx(slope) and found.intercept == pytest.approx(intercept)


def walk_of(seed: int, steps: int = 60, n: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.standard_normal((steps, n)) * np.linspace(0.1, 2, n), axis=0)


def test_walks_are_told_from_walks_by_chance_only() -> None:
    percentiles = np.array(
        [
            [
                (result := walk_test(x @ x.T, np.arange(60.0), 60, seed)).percentile,
                result.share_percentile,
                result.others_percentile,
            ]
            for seed in range(40)
            for x in [walk_of(seed)]
        ]
    )
    for column in percentiles.T:
        assert kstest(column / 100, "uniform").pvalue > 1e-3


def test_exponents_and_shares_of_walk_drift_and_confinement() -> None:
    rng = np.random.default_rng(0)
    wide = np.cumsum(rng.standard_normal((100, 3000)), axis=0)
    found = walk_test(wide @ wide.T, np.arange(100.0), 50, 0)
    assert found.exponent == pytest.approx(1.0, abs=0.1)
    assert found.share == pytest.approx(6 / np.pi**2, abs=0.03)
    assert found.straightness == pytest.approx(1.0, abs=0.1)
    line = np.outer(np.arange(100.0), np.ones(3))
    straight = walk_test(line @ line.T, np.arange(100.0), 50, 0)
    assert straight.straightness == pytest.approx(99.0) and straight.exponent == pytest.approx(2.0)
    assert np.isnan(straight.others_straightness)
    noise = rng.standard_normal((100, 50))
    confined = walk_test(noise @ noise.T, np.arange(100.0), 200, 0)
    assert abs(confined.exponent) < 0.1 and confined.percentile < 2.5


def test_components_of_a_walk_are_cosines() -> None:
    x = np.cumsum(np.random.default_rng(0).standard_normal((120, 4000)), axis=0)
    assert drift(x, 3, null=0).cosines.min() > 0.95
    assert drift(planted(3, slope=0.0, walk=1.0)).verdict.startswith("The motion cannot be told")


def test_variances_grow_as_the_square_of_time_in_a_drift_and_linearly_in_a_walk() -> None:
    assert variance_growth(planted(0, slope=1.0)).attrs["exponent"] == pytest.approx(2.0, abs=0.1)
    wide = np.cumsum(np.random.default_rng(0).standard_normal((200, 3000)), axis=0)
    assert variance_growth(wide).attrs["exponent"] == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_the_quadratic_model_predicts_what_gradient_descent_does(decay: float) -> None:
    rng = np.random.default_rng(0)
    h, w0, mu = np.array([0.5, 0.1, 0.02]), rng.standard_normal(3), rng.standard_normal(3)
    eta, count = 1e-3, 4000
    w, path = w0.copy(), []
    for _ in range(count):
        path.append(w.copy())
        w = w - eta * (h * (w - mu) + 2 * decay * w)
    model = quadratic_model(h, w0, mu, eta, decay)
    np.testing.assert_allclose(model.path(np.arange(count)), path, atol=1e-3)
    exact = model.path(np.arange(count))
    np.testing.assert_allclose(model.covariance(count), np.cov(exact, rowvar=False, bias=True), rtol=1e-8)
    d = frame(3, 1, 1)[0]
    assert model.drift_variance(d, count) == pytest.approx(np.var(exact @ d), rel=1e-8)
    # Without the covariances the prediction is another number.
    assert model.drift_variance(d, count) != pytest.approx(
        float(d**2 @ np.diag(model.covariance(count))), rel=0.02
    )
    assert quadratic_model(h, w0, mu, eta, decay, momentum=0.9).rates == pytest.approx(10 * model.rates)


def test_flat_directions_of_the_quadratic_model() -> None:
    flat = quadratic_model([0.0, 1.0], [1.0, 1.0], [3.0, 0.0], 0.1, decay=0.5)
    assert flat.limits.tolist() == [0.0, 0.0]
    for arguments in (
        ([0.0], [1.0], [1.0], 0.1),
        ([1.0], [1.0, 2.0], [1.0], 0.1),
        ([1.0], [1.0], [1.0], 0.0),
    ):
        with pytest.raises(OptionError):
            quadratic_model(*arguments)


def test_labels_of_the_steps_are_the_unit_of_time() -> None:
    x = planted(0)[::5]
    labelled = xr.DataArray(x, dims=("step", "w"), coords={"step": np.arange(0, 200, 5)})
    assert drift(labelled, null=0).linear.slope == pytest.approx(drift(x, null=0).linear.slope / 5)


def test_bad_input_is_one_sentence() -> None:
    broken = planted(0)
    broken[17] = np.inf
    for x, words in (
        (planted(0)[:3], "at least 4"),
        (np.ones((9, 4)), "constant"),
        (broken, "step 17"),
    ):
        with pytest.raises(EigentrailError, match=words):
            drift(x)
    with pytest.raises(TrajectoryError, match="ascending"):
        drift(xr.DataArray(planted(0)[:5], dims=("step", "w"), coords={"step": [0, 2, 1, 3, 4]}))
    with pytest.raises(OptionError):
        drift(planted(0), 300)
