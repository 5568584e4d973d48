"""What S1 claims about forgetting, decided over seeds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy.stats

from eigentrail.findings import Claim, ClaimResult, Rule, equals, greater_than, less_than

_SOURCE = "S1 7.7"


def claims(tables: Mapping[str, pd.DataFrame]) -> list[ClaimResult]:
    """Decide them.

    Args:
        tables: with `runs`, as `two_tasks.run` gives.

    Returns:
        Penalty against gradient form, singular against Hessian directions, single layers and convolutions, all layers,
        the lower rate; beside them whether fixation explains the gain, and whether forgetting was predicted.
    """
    runs = tables["runs"]
    kinds = list(dict.fromkeys(runs["kind"]))

    def wide(number: str, *chosen: str) -> pd.DataFrame:
        part = runs[runs["kind"].isin(chosen)]
        return part.pivot_table(index="seed", columns="way", values=number)

    def decide(key: str, statement: str, statistic: str, rule: Rule, values: list[float]) -> ClaimResult:
        return Claim(key, _SOURCE, statement, statistic, rule).decide(values)

    def gains(better: str, worse: str, *chosen: str, number: str = "mean") -> list[float]:
        table = wide(number, *chosen)
        if better not in table or worse not in table:
            return []
        return [float(one) for one in (table[better] - table[worse]).dropna()]

    mean = "mean accuracy of both tasks"
    counts = wide("directions", "last").mean()
    told = (
        f"; {counts.get('singular, penalty', np.nan):.0f} directions against "
        f"{counts.get('Hessian, penalty', np.nan):.0f}"
    )
    found = [
        decide(
            "s1-forgetting-penalty", "Conserving weights by a penalty is better than conserving gradients.",
            f"{mean}, singular penalty minus gradient form, last layer", greater_than(0.0),
            gains("singular, penalty", "singular, gradient", "last"),
        ),
        decide(
            "s1-forgetting-singular", "Singular directions regularise as well as Hessian eigenvectors, and are fewer.",
            f"{mean}, singular minus Hessian penalty, last layer{told}", equals(0.0, within=0.02),
            gains("singular, penalty", "Hessian, penalty", "last"),
        ),
        decide(
            "s1-forgetting-single", "The results are the same for each layer by itself.",
            f"{mean}, singular penalty minus plain, single dense layers", greater_than(0.0),
            gains("singular, penalty", "plain", "single"),
        ),
        decide(
            "s1-forgetting-convolution", "They are the same for convolutional layers.",
            f"{mean}, singular penalty minus plain, single convolutions", greater_than(0.0),
            gains("singular, penalty", "plain", "convolution"),
        ),
        decide(
            "s1-forgetting-all", "Preserving all layers at once gives far less than the last layer alone.",
            f"{mean} with the singular penalty, all layers minus last layer", less_than(0.0),
            _between(runs, "all", "last"),
        ),
        decide(
            "s1-forgetting-several", "With several layers Hessian eigenvectors are better than singular matrices.",
            f"{mean}, Hessian minus singular penalty, all layers", greater_than(0.0),
            gains("Hessian, penalty", "singular, penalty", "all"),
        ),
        decide(
            "s1-forgetting-rate", "A lower rate favours the first task.",
            "accuracy of the first task, lower rate minus plain", greater_than(0.0),
            gains("lower rate", "plain", *kinds, number="first"),
        ),
        decide(
            "s1-forgetting-epochs", "A lower rate takes more epochs.",
            "chosen epoch, lower rate minus plain", greater_than(0.0),
            gains("lower rate", "plain", *kinds, number="epoch"),
        ),
        decide(
            "s1-forgetting-fixation", "The gain is more than that of fixing the weights (S1 suspects fixation).",
            f"{mean}, singular penalty minus frozen weights", greater_than(0.0),
            gains("singular, penalty", "weights frozen", *kinds),
        ),
        decide(
            "forgetting-more-than-a-rate", "The gain is more than that of a lower rate alone.",
            f"{mean}, singular penalty minus lower rate", greater_than(0.0),
            gains("singular, penalty", "lower rate", *kinds),
        ),
        decide(
            "forgetting-predicted", "The quadratic model orders the ways by how much they forget.",
            "rank correlation of predicted and measured loss of the first task over ways, mean over cases",
            greater_than(0.0), _ordered(runs),
        ),
    ]  # fmt: skip
    return found


def _ordered(runs: pd.DataFrame) -> list[float]:
    """For each seed the mean over cases: cases that forget more as a whole say nothing of the ways."""
    return [
        float(
            np.mean([
                scipy.stats.spearmanr(one["predicted"], one["measured"]).statistic
                for _, one in part.groupby("case")
            ])
        )
        for _, part in runs.groupby("seed")
    ]  # fmt: skip


def _between(runs: pd.DataFrame, one: str, other: str) -> list[float]:
    part = runs[runs["way"] == "singular, penalty"]
    table = part.pivot_table(index="seed", columns="kind", values="mean")
    if one not in table or other not in table:
        return []
    return [float(value) for value in (table[one] - table[other]).dropna()]
