from __future__ import annotations

import json

import numpy as np
import pytest

from eigentrail.metrics import DiagnosisOptions, columns, diagnose
from eigentrail.spectra import ensembles


def test_the_row_has_every_column_and_only_plain_values() -> None:
    row = diagnose(np.random.default_rng(0).standard_normal((100, 50))).row
    assert tuple(row) == (*columns(), "warnings")
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert all(
        row[c] is not None
        for c in columns()
        if c not in {"spike_strength", "null_signs", "alpha_low", "alpha_high", "tail_p_value"}
    )


def test_numbers_follow_their_definitions() -> None:
    w = np.random.default_rng(1).standard_normal((100, 50)).astype(np.float32)
    row = diagnose(w).row
    sigma = np.linalg.svd(w.astype(float), compute_uv=False)
    lam = sigma**2 / 100
    assert row["frobenius_norm"] == pytest.approx(np.linalg.norm(w.astype(float)))
    assert row["spectral_norm"] == pytest.approx(sigma[0])
    assert (row["lambda_max"], row["lambda_min"]) == (pytest.approx(lam[0]), pytest.approx(lam[-1]))
    assert row["stable_rank"] == pytest.approx(np.sum(sigma**2) / sigma[0] ** 2)
    assert row["weighted_alpha"] == pytest.approx(row["alpha"] * np.log10(lam[0]))
    assert row["log_alpha_norm"] == pytest.approx(np.log10(np.sum(lam ** row["alpha"])))
    assert row["mp_soft_rank"] == pytest.approx(row["mp_edge_high"] / lam[0])
    assert row["q"] == 0.5


def test_bootstrap_fills_the_uncertainty_of_alpha() -> None:
    w = ensembles.heavy_tailed(200, 100, mu=1.0, seed=2)
    row = diagnose(w, DiagnosisOptions(bootstrap=50)).row
    assert 0 <= row["tail_p_value"] <= 1
    assert row["alpha_low"] <= row["alpha"] <= row["alpha_high"]
    assert diagnose(w).row["tail_p_value"] is None


@pytest.mark.parametrize("shape", [(12, 5), (15, 15), (300, 2)])
def test_fewer_than_sixteen_eigenvalues_give_norms_and_say_what_is_missing(shape: tuple[int, int]) -> None:
    row = diagnose(np.random.default_rng(3).standard_normal(shape)).row
    assert row["alpha"] is None and row["phase"] is None
    assert row["frobenius_norm"] > 0 and row["stable_rank"] >= 1
    assert any("16" in w for w in row["warnings"])


def test_same_seed_same_row() -> None:
    w = np.random.default_rng(4).standard_normal((300, 280))
    assert diagnose(w, DiagnosisOptions(seed=1)).row == diagnose(w, DiagnosisOptions(seed=1)).row
    assert diagnose(w, DiagnosisOptions(seed=2)).row["null_lambda_max"] != diagnose(w).row["null_lambda_max"]


def test_the_null_of_noise_is_near_and_of_structure_far() -> None:
    noise = diagnose(ensembles.gaussian(300, 200, seed=0)).row
    structured = diagnose(ensembles.low_rank(300, 200, rank=20, noise=0.01, seed=0)).row
    assert noise["null_distance"] < 0.05 < 0.5 < structured["null_distance"]
