from __future__ import annotations

import sys

import numpy as np
import pytest
import xarray as xr

from eigentrail.bases import Basis, random
from eigentrail.curvature.variance_flatness import (
    crossing_curvature,
    variance_along,
    variance_flatness,
    variance_flatness_of,
)
from eigentrail.errors import BasisError, OptionError


def orthonormal(n: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]


def descend(
    h: np.ndarray, noise: np.ndarray, eta: float, steps: int, seed: int, beta: float = 0.0, epoch: int = 0
) -> np.ndarray:
    """SGD on L = sum h_i x_i^2 / 2 with gradient noise of these standard deviations, started stationary.

    With `epoch` > 0 the noise of each epoch sums to zero, as for samples drawn without replacement.
    """
    rng = np.random.default_rng(seed)
    x, v = np.zeros(h.size), np.zeros(h.size)
    found = np.empty((steps, h.size))
    warm = 20 * epoch if epoch else int(8 / (eta * h.min() / (1 - beta)))
    for t in range(-warm, steps):
        if epoch and (t + warm) % epoch == 0:
            drawn = rng.standard_normal((epoch, h.size))
            drawn -= drawn.mean(axis=0)
        xi = drawn[(t + warm) % epoch] if epoch else rng.standard_normal(h.size)
        v = beta * v - eta * (h * x + noise * xi)
        x = x + v
        if t >= 0:
            found[t] = x
    return found


def test_variances_of_a_planted_trajectory() -> None:
    rows = orthonormal(24, 0)
    rng = np.random.default_rng(1)
    scores = rng.standard_normal((300, 24)) * np.linspace(0.1, 2.0, 24)
    x = 5.0 + scores @ rows
    basis = Basis(rows[:6], np.arange(6.0)[::-1])
    np.testing.assert_allclose(variance_along(basis, x), scores[:, :6].var(axis=0), rtol=1e-10)
    np.testing.assert_allclose(
        variance_along(basis, x, "updates"), np.diff(scores, axis=0)[:, :6].var(axis=0), rtol=1e-10
    )


def test_a_run_s_layers_one_behind_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).standard_normal((50, 12))
    basis = random(12, 5, seed=0)
    wanted = variance_along(basis, x)
    parts = [
        xr.DataArray(x[:, :8].reshape(50, 4, 2), dims=("step", "out", "in")),
        xr.DataArray(x[:, 8:].astype(np.float64), dims=("step", "out")),
    ]
    monkeypatch.setattr(sys.modules[variance_along.__module__], "_BLOCK", 7 * 12)
    np.testing.assert_allclose(variance_along(basis, parts), wanted, rtol=1e-12)


def test_an_exact_power_law_has_its_exponent_and_no_error() -> None:
    h = 10.0 ** np.linspace(-3, 1, 40)
    found = variance_flatness(h, 0.3 * h**1.7)
    assert found.all.exponent == pytest.approx(1.7, abs=1e-12)
    assert found.all.error == pytest.approx(0.0, abs=1e-10)
    assert np.exp(found.all.log_prefactor) == pytest.approx(0.3)
    assert found.all.count == 40


def test_the_error_of_the_exponent_is_as_stated() -> None:
    z = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        h = 10.0 ** rng.uniform(-3, 1, 40)
        # Scatter that grows with h, which equal-variance errors would miss.
        y = np.log(h) * 0.8 + rng.standard_normal(40) * (0.1 + 0.2 * (np.log10(h) + 3))
        fit = variance_flatness(h, np.exp(y)).all
        z.append((fit.exponent - 0.8) / fit.error)
    assert abs(np.mean(z)) < 4 / np.sqrt(300)
    assert np.std(z) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_sgd_on_a_quadratic_has_the_closed_form(power: float, seed: int) -> None:
    # x <- x - eta (h x + xi), xi ~ N(0, h^p): sigma^2 = eta h^(p - 1) / (2 - eta h); updates 2 eta^2 h^p / (2 - eta h).
    eta = 0.1
    h = 10.0 ** np.linspace(-0.5, 0.5, 30)[::-1]
    rows = orthonormal(30, seed)
    x = descend(h, h ** (power / 2), eta, 20_000, seed) @ rows
    basis = Basis(rows, h)
    weights, updates = variance_along(basis, x), variance_along(basis, x, "updates")
    # Correlation times up to 1 / (eta h) = 32 steps leave about 600 independent ones: 6% each.
    np.testing.assert_allclose(weights, eta * h ** (power - 1) / (2 - eta * h), rtol=0.3)
    np.testing.assert_allclose(updates, 2 * eta**2 * h**power / (2 - eta * h), rtol=0.1)
    found = variance_flatness_of(basis, x)
    assert found["weights"].all.exponent == pytest.approx(power - 1, abs=0.1)
    assert found["updates"].all.exponent == pytest.approx(power, abs=0.1)


@pytest.mark.parametrize("beta", [0.0, 0.8])
def test_the_law_changes_at_h_cross_for_samples_without_replacement(beta: float) -> None:
    # Epochs of M = 200 steps. Slow directions move as bridges, sigma^2 = r^2 C M / 6 with r = eta / (1 - beta), C = h;
    # fast ones have r C / (2 h).
    eta, steps = 0.05, 200
    cross = crossing_curvature(10, eta, 10 * steps, beta)
    rate = eta / (1 - beta)
    assert cross == pytest.approx(3 / (rate * steps))
    h = cross * 10.0 ** np.linspace(-1.7, 1.5, 60)[::-1]
    x = descend(h, np.sqrt(h), eta, 60 * steps, 0, beta=beta, epoch=steps)
    found = variance_flatness(h, variance_along(Basis(np.eye(60), h), x), h_cross=cross)
    below, above = found.variances[found.values < cross / 10], found.variances[found.values > cross * 10]
    assert (below / (rate**2 * found.values[found.values < cross / 10] * steps / 6)).mean() == pytest.approx(
        1.0, abs=0.15
    )
    # Steps that are not small: sigma^2 = eta C (1 + beta) / ((1 - beta) h (2 (1 + beta) - eta h)).
    finite = 1 / (1 - eta * found.values[found.values > cross * 10] / (2 * (1 + beta)))
    assert (above / finite).mean() == pytest.approx(rate / 2, rel=0.15)
    # The passage is smooth: fits up to the corner hold a part of it.
    assert found.below.exponent == pytest.approx(1.0, abs=0.2)
    assert found.above.exponent == pytest.approx(0.0, abs=0.3)
    # The corner is where the two asymptotes meet, to a factor that the smooth passage leaves open.
    assert 1 / 1.6 < found.h_break / cross < 1.6
    assert found.break_gain > 0.8
    assert 0.3 < found.all.exponent < 0.7


def test_directions_without_a_logarithm_are_counted() -> None:
    h = np.array([3.0, 2.0, 1.0, 0.5, -0.1, 0.4])
    s = np.array([3.0, 2.0, 1.0, 0.5, 0.7, 0.0])
    found = variance_flatness(h, s)
    assert found.left_out == 2
    assert found.all.exponent == pytest.approx(1.0)
    assert found.h_break is None
    few = variance_flatness(h, s, h_cross=0.7).below
    assert few.exponent is None
    assert few.count == 1


def test_the_null_space_does_not_enter() -> None:
    h = 10.0 ** np.linspace(-3, 1, 40)
    null = np.array([1e-17, 1e-30, -1e-16, 0.0])
    found = variance_flatness(np.concatenate([h, null]), np.concatenate([h**1.5, np.ones(4)]))
    assert found.left_out == 4
    assert found.all.exponent == pytest.approx(1.5, abs=1e-12)
    assert variance_flatness(h, h, tolerance=1e-2).left_out == 20


def test_bad_input_is_one_sentence() -> None:
    basis = random(6, 2, seed=0)
    with pytest.raises(BasisError, match="5 numbers"):
        variance_along(basis, np.ones((4, 5)))
    with pytest.raises(OptionError, match="at least 3 steps"):
        variance_along(basis, np.ones((2, 6)))
    with pytest.raises(OptionError, match="weights"):
        variance_along(basis, np.ones((4, 6)), "both")
    with pytest.raises(OptionError, match="shapes"):
        variance_flatness([1.0, 2.0], [1.0])
    with pytest.raises(OptionError, match="0 directions"):
        variance_flatness([-1.0, -2.0, -3.0], [1.0, 1.0, 1.0])
    with pytest.raises(OptionError, match="share"):
        variance_flatness([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], tolerance=-1.0)
    with pytest.raises(OptionError, match="h_cross"):
        crossing_curvature(0, 0.1, 100)
    with pytest.raises(OptionError, match="h_cross"):
        crossing_curvature(10, 0.1, 100, momentum=1.0)
