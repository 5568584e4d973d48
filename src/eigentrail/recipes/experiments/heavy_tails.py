"""Eigenvalues of matrices with power-law entries (S2): which exponent a fit to their tail gives at finite size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from eigentrail.findings import Claim, decreasing, equals, greater_than
from eigentrail.parsimony.studying import over_seeds
from eigentrail.recipes.framework.claim_study import Measures
from eigentrail.spectra import Spectrum
from eigentrail.spectra.ensembles import heavy_tailed

#: Numbers of rows: S2's run from 250 to 4000.
SIZES = {"small": (250, 500, 1000), "full": (250, 500, 1000, 2000, 4000)}
MUS = (1.0, 1.5, 2.25, 2.75, 3.25, 3.75)
# Columns over rows.
_ASPECT = 0.5
_CLAIMS = (
    Claim(
        "heavy-tails-below", "S2", "For mu below 2 the eigenvalues fall with exponent 1 + mu / 2.",
        "alpha minus 1 + mu / 2 at the largest size, mean over mu below 2", equals(0.0, within=0.1),
    ),
    Claim(
        "heavy-tails-line", "S2", "For mu between 2 and 4 alpha is a steeper line a mu + b at finite size.",
        "slope a minus one half at the largest size", greater_than(0.0),
    ),
    Claim(
        "heavy-tails-limit", "S2", "That line tends to 1 + mu / 2 as the matrix grows.",
        "slopes a by size", decreasing(),
    ),
)  # fmt: skip


def run(seeds: Sequence[int] = (0, 1, 2, 3, 4), size: str = "small") -> Measures:
    """Measure the exponents.

    Args:
        seeds: of the matrices.
        size: "small" for N up to 1000, "full" up to 4000.

    Returns:
        The tables `alpha` (N, mu: mean, interval, limit 1 + mu / 2) and `slopes` (N: a and b of the line through mu
        between 2 and 4, interval of a), and the claims decided.
    """
    sizes = SIZES[size]
    rows = [
        {"N": rows, "mu": mu, "seed": seed, "alpha": _alpha(rows, mu, seed)}
        for seed in seeds
        for rows in sizes
        for mu in MUS
    ]
    found = pd.DataFrame(rows)
    lines = pd.DataFrame([
        {"N": rows, "seed": seed, **_line(part)} for (rows, seed), part in found.groupby(["N", "seed"], sort=True)
    ])  # fmt: skip
    last = found[(found["N"] == sizes[-1]) & (found["mu"] < 2)]
    below = (last["alpha"] - 1 - last["mu"] / 2).groupby(last["seed"]).mean()
    slopes = lines.pivot(index="seed", columns="N", values="slope")
    values: tuple[list[Any], ...] = (
        below.tolist(),
        (slopes[sizes[-1]] - 0.5).tolist(),
        slopes[list(sizes)].to_numpy().tolist(),
    )
    alphas = over_seeds(found, ("N", "mu"), ("alpha",))
    slope = over_seeds(lines, ("N",), ("slope", "b"))
    tables = {"alpha": alphas.assign(limit=1 + alphas["mu"] / 2), "slopes": slope.assign(limit=0.5)}
    return tables, [claim.decide(given) for claim, given in zip(_CLAIMS, values, strict=True)]


def _alpha(rows: int, mu: float, seed: int) -> float:
    # Seeds of different sizes and exponents must not share draws, which would make them agree.
    rng = np.random.default_rng([seed, rows, round(100 * mu)])
    matrix = heavy_tailed(rows, round(_ASPECT * rows), mu, seed=rng)
    return float(Spectrum.from_matrix(matrix).power_law().alpha)


def _line(part: pd.DataFrame) -> dict[str, float]:
    between = part[part["mu"] > 2]
    # A fit that takes the bulk for a tail has a huge exponent: Theil and Sen's line does not follow one of them.
    slope, intercept, *_ = stats.theilslopes(between["alpha"], between["mu"])
    return {"slope": float(slope), "b": float(intercept)}
