"""The diagnosis from a sketch beside that from all eigenvalues, on matrices of the six phases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eigentrail.metrics import DiagnosisOptions, diagnose
from eigentrail.metrics.framework import sketched
from eigentrail.metrics.framework.sketched import diagnose_fast
from eigentrail.spectra import ensembles
from eigentrail.spectra.phases import PHASES

FULL, FAST = DiagnosisOptions(null=False), DiagnosisOptions(null=False, fast=True)


@pytest.fixture(autouse=True)
def every_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketched, "PAYS", 32)


def beside(draws: int, shapes: list[tuple[int, int]], seed: int) -> dict[str, Any]:
    """Diagnose planted matrices both ways."""
    rng = np.random.default_rng(seed)
    same: list[bool] = []
    spikes: list[bool] = []
    alphas: list[bool] = []
    whole = 0
    for i in range(draws):
        w = ensembles.phase(PHASES[i % 6], *shapes[i // 6 % len(shapes)], rng)
        exact, found = diagnose(w, FULL).row, diagnose_fast(w, FAST)
        same.append(exact["phase"] == found.row["phase"])
        if found.errors is None:
            whole += 1
            continue
        error = found.errors.get("spikes", 0.0)
        spikes.append(
            abs(exact["spikes"] - found.row["spikes"]) <= max(1.0, 0.02 * exact["spikes"], 2 * error)
        )
        within = np.hypot(found.row["alpha_error"], found.errors.get("alpha", 0.0))
        alphas.append(abs(exact["alpha"] - found.row["alpha"]) <= 2 * within)
    return {
        "phase": np.mean(same),
        "spikes": np.mean(spikes),
        "alpha": np.mean(alphas),
        "whole": whole / draws,
    }


def test_phases_spikes_and_alpha_agree() -> None:
    found = beside(6, [(480, 256)], seed=0)
    assert found["phase"] == 1.0 and found["spikes"] >= 0.75 and found["alpha"] >= 0.75
    assert found["whole"] <= 0.35  # more outliers than a sketch finds: heavy tails, collapse


@pytest.mark.slow
def test_phases_agree_on_200_planted_matrices() -> None:
    found = beside(204, [(400, 300), (512, 512), (1200, 400), (900, 600)], seed=1)
    print(found)
    assert found["phase"] >= 0.95 and found["spikes"] >= 0.95 and found["alpha"] >= 0.85


def test_every_estimated_number_has_its_error_and_the_exact_ones_have_none() -> None:
    w = ensembles.spiked(480, 256, [4.0, 3.0], seed=3)
    found = diagnose_fast(w, FAST)
    errors = found.errors
    assert errors is not None
    assert {"alpha", "mp_sigma", "mp_edge_high", "effective_rank"} <= errors.keys()
    assert not {"lambda_max", "spectral_norm", "rows", "alpha_fair", "zero_rows"} & errors.keys()
    assert all(np.isfinite(x) and x > 0 for x in errors.values())
    assert found.row["spacing_ratio"] is None and found.row["null_spikes"] is None
    exact = diagnose(w, FULL).row
    for name in ("mp_sigma", "effective_rank", "mp_edge_high"):
        assert abs(found.row[name] - exact[name]) < 5 * errors[name]
    assert found.row["frobenius_norm"] == pytest.approx(exact["frobenius_norm"], rel=1e-3)


def test_what_the_sketch_does_not_resolve_is_computed_whole_and_says_so() -> None:
    w = np.linalg.qr(np.random.default_rng(4).standard_normal((300, 200)))[0]
    found = diagnose_fast(w, FAST)
    assert found.errors is None and any("did not resolve" in x for x in found.row["warnings"])


def test_small_matrices_are_computed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketched, "PAYS", 2048)
    w = np.random.default_rng(5).standard_normal((120, 80))
    assert diagnose_fast(w, FAST).row == diagnose(w, FULL).row
