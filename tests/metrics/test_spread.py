from __future__ import annotations

import numpy as np
import pytest

from eigentrail.metrics import DiagnosisOptions, diagnose
from eigentrail.spectra import ensembles

QUICK = DiagnosisOptions(null=False)


@pytest.mark.parametrize("shape", [(200, 20), pytest.param((120, 60), marks=pytest.mark.slow), (64, 64)])
@pytest.mark.parametrize("kind", ["normal", "uniform", "exponential"])
def test_noise_is_standard_normal_whatever_shape_and_kurtosis(shape: tuple[int, int], kind: str) -> None:
    rng = np.random.default_rng(1)
    draw = {
        "normal": rng.standard_normal,
        "uniform": lambda size: rng.uniform(-1, 1, size),
        "exponential": lambda size: rng.laplace(size=size),
    }[kind]
    z = [diagnose(draw(shape), QUICK).row["spread_z"] for _ in range(40)]
    # Mean within 3.3 standard errors and deviation within its 99.9% interval of 40 draws, both widened by 1/M terms;
    # kurtosis 6 widens the deviation of small matrices to about 1.5.
    assert abs(np.mean(z)) < 3.3 / np.sqrt(40) + 0.2
    assert 0.65 < np.std(z) < (2.0 if kind == "exponential" else 1.5)


def test_structure_is_wider_and_an_orthogonal_matrix_narrower() -> None:
    spiked = diagnose(ensembles.spiked(300, 100, strengths=[4.0, 3.0], seed=0), QUICK).row
    assert spiked["spread_z"] > 10 and spiked["spread_ratio"] > 1.2
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((300, 100)))[0].astype(np.float32)
    row = diagnose(q, QUICK).row
    assert row["spread_ratio"] < 1e-6 and row["spread_z"] < -40
    assert row["phase"] is None and row["alpha"] is None and row["weighted_alpha"] is None
    assert any("narrower than noise" in text for text in row["warnings"])


def test_a_known_value() -> None:
    # Eigenvalues 1 and 3 of a 4 x 2 matrix: U = 1/4, N U = 1; noise of kurtosis 3 gives M + 1 = 3.
    w = np.diag([2.0, np.sqrt(12.0)])
    row = diagnose(np.vstack([w, np.zeros((2, 2))]), QUICK).row
    kurtosis = _kurtosis(np.vstack([w, np.zeros((2, 2))]))
    assert row["spread_ratio"] == pytest.approx(1.0 / max(3.0 + kurtosis - 3.0, 1.0))
    assert row["spread_z"] == pytest.approx((1.0 - (3.0 + kurtosis - 3.0)) / 2)


def _kurtosis(w: np.ndarray) -> float:
    x = (w - w.mean()) / w.std()
    return float((x**4).mean())


def test_random_signs_keep_the_spikes_of_unequal_variances_only() -> None:
    rng = np.random.default_rng(2)
    unequal = rng.standard_normal((300, 100)) * np.exp(0.4 * rng.standard_normal(300))[:, None]
    row = diagnose(unequal).row
    assert row["spikes"] > 0 and row["null_signs"] >= 0.75 * row["spikes"]
    planted = diagnose(ensembles.spiked(300, 100, strengths=[4.0, 3.0], seed=0)).row
    assert planted["spikes"] == 2 > planted["null_signs"]
    assert diagnose(rng.standard_normal((100, 50))).row["null_signs"] is None


def test_zero_rows_and_columns_are_counted() -> None:
    w = np.random.default_rng(0).standard_normal((600, 40))
    w[:7] = 0.0
    w[:, 3] *= 1e-9
    row = diagnose(w, QUICK).row
    assert (row["zero_rows"], row["zero_cols"]) == (7, 1)
    assert diagnose(w.T, QUICK).row["zero_rows"] == 7
    pool = np.random.default_rng(1).standard_normal((3, 30, 20))
    pool[1, :, 4] = 0.0
    assert diagnose(pool, QUICK).row["zero_cols"] == 1
