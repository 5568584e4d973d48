"""The study of collapse: NC1 to NC4 of every layer over a training that goes on after all samples are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from eigentrail import networks
from eigentrail.data import as_data, take
from eigentrail.features import Features
from eigentrail.findings import Claim, ClaimResult, less_than
from eigentrail.training.transfer import descend

_SOURCE = "S3, part 1"


@dataclass(frozen=True)
class Size:
    """How large the study is.

    Attributes:
        data: name of the data set.
        network: name of the network.
        train: training samples.
        steps: updates.
        looks: the steps at which features are measured.
    """

    data: str
    network: str
    train: int
    steps: int
    looks: tuple[int, ...]


SIZES = {
    "small": Size("digits", "mlp-4-64", 600, 1200, (0, 50, 100, 200, 300, 400, 600, 900, 1200)),
    "full": Size(
        "fashion-mnist", "mlp-8-100", 10_000, 20_000, (0, 200, 500, 1000, 2000, 4000, 8000, 14_000, 20_000)
    ),
}


def run(
    seeds: Sequence[int], size: Literal["small", "full"] = "small"
) -> tuple[dict[str, pd.DataFrame], list[ClaimResult]]:
    """Train and measure.

    Args:
        seeds: one training for each.
        size: "small" takes well below a CPU minute for three seeds.

    Returns:
        The table `collapse`, a row per seed, step, part and layer, with the training's `accuracy`; and the claims.
    """
    plan = SIZES[size]
    rows: list[pd.DataFrame] = []
    for seed in seeds:
        data = take(as_data(plan.data), plan.train, min(1000, len(as_data(plan.data).test_inputs)), seed=seed)
        model = networks.build(plan.network, data.input_shape, data.classes, seed=seed)

        def look(step: int, seed: int = seed, model: object = model, data: object = data) -> None:
            if step in plan.looks:
                found = Features(model, data)  # type: ignore[arg-type]
                table = found.collapse().reset_index()
                rows.append(table.assign(seed=seed, step=step, accuracy=found.accuracy("train")))

        descend(
            model, data.train_inputs, data.train_targets, steps=plan.steps, rate=1e-3, seed=seed, see=look
        )
    table = pd.concat(rows, ignore_index=True)
    return {"collapse": table}, claims(table)


def claims(table: pd.DataFrame) -> list[ClaimResult]:
    """Decide the claims.

    Args:
        table: as `run` gives.

    Returns:
        Whether NC1 and NC2 fall over the training, and NC1 in the terminal phase, too.
    """
    last = table["layer"].iloc[-1]
    there = table[(table["layer"] == last) & (table["part"] == "train")]
    falls: dict[str, list[float]] = {"nc1": [], "nc2_etf": [], "terminal": []}
    for _, one in there.groupby("seed"):
        ordered = one.sort_values("step")
        for name in ("nc1", "nc2_etf"):
            falls[name].append(float(ordered[name].iloc[-1] / ordered[name].iloc[0]))
        right = ordered[ordered["accuracy"] >= 1.0]
        falls["terminal"].append(
            float(right["nc1"].iloc[-1] / right["nc1"].iloc[0]) if len(right) > 1 else np.nan
        )
    return [
        Claim(
            "s3-collapse-nc1",
            _SOURCE,
            "Features of the last layer collapse to their class means over the training.",
            "NC1 of the penultimate features on training samples, end over start",
            less_than(1.0),
        ).decide(falls["nc1"]),
        Claim(
            "s3-collapse-nc2",
            _SOURCE,
            "The class means approach a simplex equiangular tight frame.",
            "distance of the class means from the frame, end over start",
            less_than(1.0),
        ).decide(falls["nc2_etf"]),
        Claim(
            "s3-collapse-terminal",
            _SOURCE,
            "Collapse goes on in the terminal phase, after all training samples are right.",
            "NC1 at the end over NC1 at the first look with training accuracy 100%",
            less_than(1.0),
        ).decide(falls["terminal"]),
    ]
