"""What S0 claims about the rank that a layer needs, and what shrinking its vectors does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eigentrail.findings import Claim, Rule, greater_than, less_than
from eigentrail.recipes.framework.run_claim import RunClaim

#: A difference in accuracy that counts as one: one sample in a hundred.
TOLERANCE = 0.01


def rank_claims(layer: str) -> list[RunClaim]:
    """The claims about one layer, each with a value for every seed.

    Args:
        layer: its weight's name.

    Returns:
        k* falls with training; the spikes suffice; James-Stein towards the mean does not help; towards the geodesic of
        the steps before it does; denoising does.
    """

    def claim(
        key: str,
        slides: str,
        statement: str,
        statistic: str,
        rule: Rule,
        value: Callable[[Mapping[str, Any]], float],
    ) -> RunClaim:
        made = Claim(f"acc-k-{key}-{layer}", slides, statement, statistic, rule, needs=("acc-k",))
        return RunClaim(made, "acc-k", layer, value)

    return [
        claim(
            "falls",
            "S0 slides 8-9",
            f"As the training goes on, fewer factors of {layer} give the full accuracy.",
            f"Kendall's correlation of k* of {layer} with the step",
            less_than(0.0),
            lambda row: row["k_trend"],
        ),
        claim(
            "spikes",
            "S0 slide 6, S1 4",
            f"The spikes of {layer} alone keep the accuracy.",
            f"accuracy lost with the spikes of {layer} alone",
            less_than(TOLERANCE),
            lambda row: row["spikes_loss"],
        ),
        claim(
            "mean",
            "S0 slides 11-15",
            f"James-Stein shrinkage of {layer} towards the grand mean does not help.",
            f"accuracy gained over the cut of {layer}, mean over ranks",
            less_than(TOLERANCE),
            lambda row: row["gain_mean"],
        ),
        claim(
            "geodesic",
            "S0 slide 38 (open question)",
            f"James-Stein shrinkage of {layer} towards the geodesic of the steps before helps.",
            f"accuracy gained over the cut of {layer}, mean over ranks",
            greater_than(0.0),
            lambda row: row["gain_geodesic"],
        ),
        claim(
            "denoised",
            "S1 8.2",
            f"Denoising the spikes of {layer} raises the accuracy over that of their cut.",
            f"accuracy gained over the cut of {layer}, mean over ranks up to the spikes",
            greater_than(0.0),
            lambda row: row["gain_denoised"],
        ),
    ]
