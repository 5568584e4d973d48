from __future__ import annotations

import numpy as np
import pytest

from eigentrail.curvature.hessian_levels import hessian_levels, hessian_spacings
from eigentrail.errors import OptionError, SpectrumError
from eigentrail.spectra import Spectrum


def rotated(values: np.ndarray, seed: int, dtype: type = np.float64) -> np.ndarray:
    """A matrix with prescribed eigenvalues in a random basis, rounded to a precision."""
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((values.size, values.size)))[0]
    h = (q * values) @ q.T
    return ((h + h.T) / 2).astype(dtype)


def poisson_levels(count: int, seed: int) -> np.ndarray:
    """Independent levels over five decades, as wide as a Hessian's."""
    return 10.0 ** np.random.default_rng(seed).uniform(-3, 2, count)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("seed", range(3))
def test_the_null_space_of_a_rounded_hessian_is_counted_exactly(dtype: type, seed: int) -> None:
    # The smallest level is above n rounding units of the largest even in float32.
    values = np.concatenate(
        [10.0 ** np.linspace(-1, 2, 120), -(10.0 ** np.linspace(-1, 0, 30)), np.zeros(150)]
    )
    h = rotated(values, seed, dtype)
    found = hessian_levels(Spectrum.from_symmetric(h), precision=np.dtype(dtype).name)
    assert found.null == 150
    assert (found.positive, found.negative) == (120, 30)
    np.testing.assert_allclose(found.levels, np.sort(values[values != 0]), atol=found.floor)


def test_rounding_noise_left_in_makes_independent_levels_look_like_wigner() -> None:
    kept, removed = [], []
    for seed in range(6):
        levels = 10.0 ** np.random.default_rng(seed).uniform(-1, 2, 60)
        h = rotated(np.concatenate([levels, np.zeros(300)]), seed, np.float32)
        eigenvalues = np.linalg.eigvalsh(h.astype(np.float64))
        kept.append(hessian_spacings(eigenvalues))
        removed.append(hessian_spacings(eigenvalues, precision="float32"))
    # A matrix computed in float32: with the noise of its null space the ratio is near that of a random matrix, and
    # Poisson is refused; without it the 60 independent levels are Poisson (a test fails once in a hundred times).
    assert all(one.p_poisson < 1e-3 for one in kept)
    assert np.mean([one.ratio_mean for one in kept]) == pytest.approx(0.51, abs=0.03)
    assert sum(one.p_poisson < 0.01 for one in removed) <= 1
    assert all(sum(row.size for row in one.levels) == 60 for one in removed)


def test_repelling_levels_are_wigner_after_the_null_space_is_out() -> None:
    accepted = 0
    for seed in range(6):
        g = np.random.default_rng(seed).standard_normal((200, 200))
        bulk = np.linalg.eigvalsh((g + g.T) / 2)
        found = hessian_spacings(
            np.concatenate([bulk, 1e-14 * np.random.default_rng(seed).standard_normal(400)])
        )
        accepted += found.p_wigner > 0.01
        assert found.p_poisson < 1e-3
    assert accepted >= 5


def test_weight_decay_is_taken_off_first() -> None:
    values = np.concatenate([poisson_levels(50, 0), -poisson_levels(10, 1) / 100, np.zeros(100)])
    shifted = np.linalg.eigvalsh(rotated(values, 0) + 2 * 5e-4 * np.eye(160))
    with_decay = hessian_levels(shifted, weight_decay=5e-4)
    plain = hessian_levels(np.linalg.eigvalsh(rotated(values, 0)))
    assert with_decay.null == plain.null == 100
    np.testing.assert_allclose(with_decay.levels, plain.levels, atol=1e-12)
    assert hessian_levels(shifted).null == 0


def test_signs_can_be_taken_apart() -> None:
    values = np.concatenate([poisson_levels(50, 2), -poisson_levels(20, 3), np.zeros(30)])
    positive, negative = (hessian_spacings(values, sign=s).levels[0] for s in ("positive", "negative"))
    np.testing.assert_allclose(positive, np.sort(values[values > 0]))
    np.testing.assert_allclose(negative, np.sort(values[values < 0]))


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_scale_of_the_loss_does_not_matter(scale: float) -> None:
    values = np.linalg.eigvalsh(rotated(np.concatenate([poisson_levels(40, 4), np.zeros(60)]), 4))
    one, other = hessian_spacings(values), hessian_spacings(values * scale)
    assert one.ratio_mean == pytest.approx(other.ratio_mean, rel=1e-9)


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(SpectrumError, match="float64"):
        hessian_levels(np.zeros(20))
    with pytest.raises(SpectrumError, match="finite"):
        hessian_levels([1.0, np.nan])
    with pytest.raises(OptionError, match="precision"):
        hessian_levels([1.0, 2.0], precision="half")
    with pytest.raises(OptionError, match="share"):
        hessian_levels([1.0, 2.0], tolerance=2.0)
    with pytest.raises(OptionError, match="sign"):
        hessian_spacings([1.0, 2.0], sign="up")
    with pytest.raises(SpectrumError, match="negative"):
        hessian_spacings([1.0, 2.0], sign="negative")


@pytest.mark.parametrize("decay", [float("nan"), float("inf"), "a", None])
def test_a_weight_decay_that_is_no_number_is_named(decay) -> None:
    for call in (hessian_levels, hessian_spacings):
        with pytest.raises(OptionError, match="weight_decay is a finite number, not"):
            call(np.arange(1.0, 20.0), weight_decay=decay)


@pytest.mark.parametrize("window", [2.5, 0, "a"])
def test_a_window_that_is_no_whole_number(window) -> None:
    with pytest.raises(OptionError, match="window is a whole number, at least 1"):
        hessian_spacings(np.arange(1.0, 20.0), window=window)
