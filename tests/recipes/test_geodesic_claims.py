"""S0's claims about paths, from the first step and from the first spike on, decided on made-up tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from eigentrail.recipes.experiments.geodesic_claims import geodesic_claims
from eigentrail.recipes.experiments.geodesic_study import FITS, SPIKE, KinkWalks, kinks_row, path_row
from eigentrail.recipes.framework.observation import decided
from eigentrail.trajectories.singular_path import singular_path


def table(score: float, spiked: list[float]) -> pd.DataFrame:
    """Seeds whose paths score so from the first step on, and so from the first spike on, where walks have .8 and .7."""
    rows = []
    for place, one in enumerate(spiked):
        row = {"trial": "rate-1", "lr": 1.0, "status": "finished", "train_accuracy": 1.0, "train_loss": 0.1}
        row |= {
            "segments": 2,
            "leading_changes": place % 3,
            "jumps": 1,
            "jumps_at_crossings": 0.0,
            "jumps_chance": 0.25,
        }
        for side, dims in FITS:
            name = f"{side}_{dims}"
            row |= {f"{name}_percentile": 60.0, f"{name}_score": score + 1e-3 * place, f"{name}_null": 0.8}
            row |= {
                f"{SPIKE}{name}_score": one,
                f"{SPIKE}{name}_null": 0.7,
                f"{SPIKE}{name}_percentile": 98.0,
            }
        rows.append(row)
    return pd.DataFrame(rows)


def test_the_two_starts_are_judged_apart() -> None:
    rows = table(0.799, [0.95, 0.93, 0.97, 0.96, np.nan])
    claims = decided(geodesic_claims(rows, {}, {}, "rate-1"))
    found = {one.claim.id: one for one in claims if "tends to follow" in one.claim.statement}
    assert len(found) == 8
    for key, one in found.items():
        assert str(one.verdict) == ("yes" if "spike" in key else "undecided")
        assert one.seeds == (4 if "spike" in key else 5)
    assert any(one.claim.id == "s0-geodesic-slow" and one.seeds == 0 for one in claims)


@pytest.mark.parametrize(("null", "verdict"), [(0.1, "yes"), (0.9, "undecided"), (3.0, "no")])
def test_crossings_are_judged_beside_those_of_walks(null: float, verdict: str) -> None:
    beside = {"leading_p": 0.01, "leading_null": null, "segments_p": 0.5, "segments_null": 3.0}
    rows = table(0.9, [0.95] * 9).assign(**beside)
    rows = pd.concat([rows, rows.assign(trial="rate-2", lr=2.0)])
    claims = {one.claim.id: one for one in decided(geodesic_claims(rows, {}, {}, "rate-1"))}
    crossing = claims["s0-geodesic-crossings-walks"]
    assert str(crossing.verdict) == verdict and f"{null:.3g} on average" in crossing.detail
    # Two pieces where walks have three.
    assert str(claims["s0-geodesic-segments-walks"].verdict) == "no"
    near = claims["s0-geodesic-why"]
    # Each training has one jump and a quarter of a crossing at it by chance.
    assert near.beside == pytest.approx([0.25] * 18) and near.mean == 0.0 and str(near.verdict) == "no"


def test_kinks_beside_crossings_are_counted_and_so_is_chance() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((1, 12, 8)) + np.cumsum(0.3 * rng.standard_normal((60, 12, 8)), axis=0)
    path = xr.DataArray(x, dims=("step", "out", "in"), coords={"step": 10 * np.arange(60)})
    bare = kinks_row(path)
    assert "leading_p" not in bare and "segments_p" not in bare
    assert 0 <= bare["jumps_at_crossings"] <= bare["jumps"] and 0 < bare["jumps_chance"] < bare["jumps"]
    walks = KinkWalks(np.full(20, 99.0), np.stack([np.zeros(20), np.zeros(20)]))
    told = kinks_row(path, walks)
    assert told["segments_p"] == 1.0 and told["leading_p"] == pytest.approx(1 / 21)
    assert told["leading_null"] == 0.0 and told["leading_percentile"] == 100.0


def test_a_planted_crossing_is_a_jump_of_the_leading_rank() -> None:
    rng = np.random.default_rng(4)
    u = np.linalg.qr(rng.standard_normal((16, 2)))[0].T
    axes = np.linalg.qr(rng.standard_normal((12, 4)))[0].T
    angle = 0.02 * np.arange(60)[:, None]
    v = [np.cos(angle) * axes[2 * i] + np.sin(angle) * axes[2 * i + 1] for i in (0, 1)]
    values = [6.0 - 0.05 * np.arange(60), 3.0 + 0.053 * np.arange(60)]
    x = sum(values[i][:, None, None] * u[i][None, :, None] * v[i][:, None, :] for i in (0, 1))
    x = x + 1e-3 * np.cumsum(rng.standard_normal((60, 16, 12)), axis=0)
    told = kinks_row(xr.DataArray(x, dims=("step", "out", "in"), coords={"step": 10 * np.arange(60)}))
    assert (told["leading_changes"], told["jumps"], told["jumps_at_crossings"]) == (1, 1, 1.0)
    assert told["jumps_chance"] == pytest.approx(1 / 59)


def test_a_path_from_a_spike_is_told_under_names_of_its_own() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 12, 8)) + np.cumsum(0.2 * rng.standard_normal((20, 12, 8)), axis=0)
    path = singular_path(x, null=20, start=5, shares=(0.0,))
    row = path_row(path, path, SPIKE)
    assert row == {f"{SPIKE}{key}": value for key, value in path_row(path, path).items()}
    assert row["spike_right_2_score"] == float(path["score"].sel(side="right", dims=2))
    assert 0 <= row["spike_left_1_percentile"] <= 100


@pytest.mark.parametrize(("line", "verdict"), [(0.97, "no"), (0.85, "yes")])
def test_slow_paths_follow_geodesics_only_beyond_straight_lines(line: float, verdict: str) -> None:
    # Far above the walks in both cases.
    scores = [0.94, 0.945, 0.95, 0.942, 0.948]
    rows = table(0.7, scores).assign(
        right_2_score=scores, right_2_null=0.7, right_2_line=line, train_accuracy=0.9
    )
    rows = pd.concat([rows, rows.assign(trial="rate-2", lr=2.0, train_accuracy=1.0)])
    claims = {one.claim.id: one for one in decided(geodesic_claims(rows, {}, {}, "rate-1"))}
    assert str(claims["s0-geodesic-slow"].verdict) == verdict
