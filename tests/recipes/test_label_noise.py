"""The study of label noise: what it looks at, and how its claims are decided."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from eigentrail.figures.of_table import draw
from eigentrail.findings import Verdict
from eigentrail.recipes import recipes
from eigentrail.recipes.experiments import label_noise


def test_it_runs_and_edits_all_studied_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = replace(
        label_noise.SIZES["small"], network="mlp50", train=200, shares=(0.0, 0.4), epochs=6, directions=2
    )
    monkeypatch.setitem(label_noise.SIZES, "small", quick)
    tables, results = label_noise.run([0])
    spectra = tables["spectra"].set_index(["noise", "weight"])
    # The bulk of initial weights is their own standard deviation (Glorot uniform), whatever the labels.
    start = spectra.loc[(0.0, "fc1.weight"), "sigma at the start"]
    assert start == pytest.approx(np.sqrt(2 / (64 + 50)), rel=0.05)
    assert spectra.loc[(0.4, "fc1.weight"), "sigma at the start"] == start
    ways = tables["accuracies"].pivot_table(index="noise", columns="way", values="accuracy", dropna=False)
    assert {"as trained", "denoised", "cut to the spikes", "90% of the energy"} <= set(ways)
    assert (tables["hessian"]["eigenvalue"] > 0).all() and len(tables["hessian"]) == 4
    assert len({one.claim.id for one in results}) == len(results)
    for figure in recipes()["label-noise"].plan.figures:
        assert len(draw(figure, tables[figure.table]).data)


def test_planted_shifts_decide() -> None:
    seeds = range(4)
    spectra = pd.DataFrame(
        {"seed": s, "noise": n, "weight": "w", "sigma": 0.1 + 0.05 * n + 0.001 * s, "spikes": 6 - (n > 0), "gap": 1.3}
        for s in seeds for n in (0.0, 0.4, 0.6)
    )  # fmt: skip
    accuracies = pd.DataFrame(
        {"seed": s, "noise": n, "way": way, "accuracy": 0.8 + gain + 0.01 * s}
        for s in seeds for n in (0.0, 0.4, 0.6)
        for way, gain in (("as trained", 0.0), ("denoised", -0.1), ("cut to the spikes", 0.03))
    )  # fmt: skip
    hessian = pd.DataFrame(
        {"seed": s, "noise": n, "number": 1, "eigenvalue": 5.0 + 10 * n + s}
        for s in seeds
        for n in (0.0, 0.4)
    )
    found = {
        one.claim.id: one.verdict
        for one in label_noise.claims({"spectra": spectra, "accuracies": accuracies, "hessian": hessian})
    }
    assert found == {
        "s1-noise-bulk": Verdict.YES,
        "s1-noise-spikes": Verdict.YES,
        "s1-noise-gap": Verdict.YES,
        "s1-noise-hessian": Verdict.YES,
        "s1-noise-denoised": Verdict.NO,
        "s1-noise-cut": Verdict.YES,
    }
