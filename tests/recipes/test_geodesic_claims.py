"""S0's claims about paths, from the first step and from the first spike on, decided on made-up tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from eigentrail.recipes.experiments.geodesic_claims import geodesic_claims
from eigentrail.recipes.experiments.geodesic_study import FITS, SPIKE, KinkWalks, kinks_row, path_row
from eigentrail.trajectories.singular_path import singular_path


def table(percentile: float, spiked: list[float]) -> pd.DataFrame:
    row = {"trial": "rate-1", "lr": 1.0, "status": "finished", "train_accuracy": 1.0, "train_loss": 0.1}
    row |= {"segments": 2, "leading_changes": 0, "changes_at_crossings": 0, "changes_chance": 0.25}
    for side, dims in FITS:
        name = f"{side}_{dims}"
        row |= {f"{name}_percentile": percentile, f"{name}_score": 0.9, f"{name}_null": 0.8}
        row |= {f"{SPIKE}{name}_score": 0.95, f"{SPIKE}{name}_null": 0.7}
    return pd.DataFrame([row | {f"{SPIKE}{s}_{d}_percentile": one for s, d in FITS} for one in spiked])


def test_the_two_starts_are_judged_apart() -> None:
    claims = list(geodesic_claims(table(60.0, [99.0, 98.0, 97.0, 99.5, np.nan]), {}, {}, "rate-1"))
    verdicts = {claim.claim: claim for claim in claims if "tends to follow" in claim.claim}
    assert len(verdicts) == 8
    for text, claim in verdicts.items():
        assert claim.verdict == ("holds" if "first spike" in text else "does not hold")
    spike = next(claim for text, claim in verdicts.items() if "first spike" in text)
    assert "4 of 4 lie above" in spike.finding
    slow = next(claim for claim in claims if "do not converge" in claim.claim)
    assert "median percentile 98" in slow.finding  # the one without a spike counts from the first step on: 60


@pytest.mark.parametrize(
    ("p", "verdict"), [(0.005, "holds"), (0.4, "does not hold"), (0.06, "does not hold")]
)
def test_crossings_are_judged_beside_those_of_walks(p: float, verdict: str) -> None:
    beside = {"leading_p": p, "leading_null": 0.4, "segments_p": p, "segments_null": 3.0}
    rows = table(60.0, [99.0] * 5).assign(**beside)
    rows = pd.concat([rows, rows.assign(trial="rate-2", lr=2.0)])
    claims = {claim.claim: claim for claim in geodesic_claims(rows, {}, {}, "rate-1")}
    crossing = claims["Leading singular values cross more often than those of a random walk."]
    assert crossing.verdict == verdict and "0.4 on average" in crossing.finding
    assert claims["Such a path consists of more geodesics than that of a random walk."].verdict == verdict
    near = claims["A path goes over to another geodesic because leading singular values cross."]
    # Ten trainings with one change and a quarter of a crossing beside it by chance.
    assert near.chance == pytest.approx(0.25) and near.observed == 0.0


def test_kinks_beside_crossings_are_counted_and_so_is_chance() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((1, 12, 8)) + np.cumsum(0.3 * rng.standard_normal((60, 12, 8)), axis=0)
    path = xr.DataArray(x, dims=("step", "out", "in"), coords={"step": 10 * np.arange(60)})
    bare = kinks_row(path)
    assert "leading_p" not in bare and "segments_p" not in bare
    assert 0 <= bare["changes_at_crossings"] <= bare["segments"] - 1
    assert 0 < bare["changes_chance"] < bare["segments"] - 1
    walks = KinkWalks(np.full(20, 99.0), np.stack([np.zeros(20), np.zeros(20)]))
    told = kinks_row(path, walks)
    assert told["segments_p"] == 1.0 and told["leading_p"] == pytest.approx(1 / 21)
    assert told["leading_null"] == 0.0 and told["leading_percentile"] == 100.0


def test_a_path_from_a_spike_is_told_under_names_of_its_own() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 12, 8)) + np.cumsum(0.2 * rng.standard_normal((20, 12, 8)), axis=0)
    path = singular_path(x, null=20, start=5, shares=(0.0,))
    row = path_row(path, path, SPIKE)
    assert row == {f"{SPIKE}{key}": value for key, value in path_row(path, path).items()}
    assert row["spike_right_2_score"] == float(path["score"].sel(side="right", dims=2))
    assert 0 <= row["spike_left_1_percentile"] <= 100
