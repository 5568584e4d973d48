"""Exponents of eigenvalues and of entries."""

from __future__ import annotations

import pytest

from eigentrail.recipes import recipes
from eigentrail.recipes.experiments import heavy_tails


def test_eigenvalues_of_heavy_entries_have_the_exponent_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(heavy_tails.SIZES, "small", (120, 400))
    tables, claims = recipes()["heavy-tails"].plan.measured([0, 1, 2], "small", lambda *told: None)
    alpha, slopes = tables["alpha"], tables["slopes"]
    assert list(zip(alpha["N"], alpha["mu"], strict=True)) == [
        (rows, mu) for rows in (120, 400) for mu in heavy_tails.MUS
    ]
    large = alpha[alpha["N"] == 400].set_index("mu")
    # 1 + mu / 2 below mu = 2; above it a fit at finite size gives far more.
    assert large.loc[1.0, "alpha"] == pytest.approx(1.5, abs=0.15) and large.loc[1.0, "limit"] == 1.5
    assert large.loc[3.25, "alpha low"] > large.loc[3.25, "limit"]
    assert slopes["slope"].gt(0.5).all() and slopes["N"].tolist() == [120, 400]
    assert {one.claim.id for one in claims} == {"heavy-tails-below", "heavy-tails-line", "heavy-tails-limit"}
    assert all(one.seeds == 3 for one in claims)
