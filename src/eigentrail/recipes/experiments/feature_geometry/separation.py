"""The study of separation: NC1 and D against depth in ReLU and linear networks, with their nulls."""

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

_SOURCE = "S3, part 3"
NUMBERS: tuple[Literal["d", "nc1"], ...] = ("d", "nc1")


@dataclass(frozen=True)
class Size:
    """How large the study is.

    Attributes:
        data: names of the data sets.
        kinds: names of the networks.
        train: training samples.
        steps: updates.
        nulls: draws of each null.
    """

    data: tuple[str, ...]
    kinds: tuple[str, ...]
    train: int
    steps: int
    nulls: int


SIZES = {
    "small": Size(("separable",), ("mlp-6-64", "linear-6-64"), 1000, 800, 19),
    "full": Size(("separable", "mnist", "fashion-mnist"), ("mlp-8-100", "linear-8-100"), 2000, 3000, 39),
}


def run(
    seeds: Sequence[int], size: Literal["small", "full"] = "small"
) -> tuple[dict[str, pd.DataFrame], list[ClaimResult]]:
    """Train and fit the law of separation.

    Args:
        seeds: one training of each network for each.
        size: "small" takes about a CPU minute for three seeds; "full" needs MNIST and Fashion-MNIST.

    Returns:
        The tables `laws`, a row per data set, network, seed and number; `layers`, the numbers; `d_by_depth` and
        `nc1_by_depth`, their means over seeds beside law and nulls; and the claims.
    """
    plan = SIZES[size]
    laws, layers = [], []
    for name in plan.data:
        for kind in plan.kinds:
            for seed in seeds:
                data = take(as_data(name), plan.train, 1000, seed=seed)
                start = networks.build(kind, data.input_shape, data.classes, seed=seed)
                model = networks.build(kind, data.input_shape, data.classes, seed=seed)
                descend(model, data.train_inputs, data.train_targets, steps=plan.steps, rate=1e-3, seed=seed)
                found = Features(model, (data.train_inputs, data.train_targets))
                before = Features(start, (data.train_inputs, data.train_targets))
                told = {"data": name, "network": kind, "seed": seed}
                for of in NUMBERS:
                    law = found.separation(of=of, draws=plan.nulls, networks=plan.nulls, seed=seed)
                    untrained = before.separation(of=of, draws=0, networks=0)
                    nulls = {f"p: {null}": one.p for null, one in law.compared.items()}
                    laws.append(
                        told
                        | {
                            "of": of,
                            "rho": law.rho,
                            "correlation": law.correlation,
                            "rho_at_start": untrained.rho,
                            "accuracy": found.accuracy(),
                            **nulls,
                        }
                    )
                    layers.append(law.table.reset_index().rename(columns={of: "value"}).assign(of=of, **told))
    table = pd.DataFrame(laws)
    points = pd.concat(layers, ignore_index=True)
    drawn = {f"{of}_by_depth": by_depth(points[points["of"] == of]) for of in NUMBERS}
    return {"laws": table, "layers": points, **drawn}, claims(table)


def by_depth(points: pd.DataFrame) -> pd.DataFrame:
    """Average a number over seeds, layer by layer, beside its law and its nulls.

    Args:
        points: `layers` of `run`, of one number.

    Returns:
        A row per data set, network, layer and line: `line` is "trained", "law" or the null, `value` the geometric mean
        over seeds, `shown` data set and network.
    """
    nulls = [name for name in points if str(name).startswith("null: ")]
    points = points.rename(
        columns={"value": "trained"} | {name: str(name)[len("null: ") :] for name in nulls}
    )
    lines = ["trained", "law", *(name[len("null: ") :] for name in map(str, nulls))]
    long = points.melt(
        id_vars=["data", "network", "depth", "seed"], value_vars=lines, var_name="line", value_name="value"
    )
    long["value"] = np.log(long["value"].astype(np.float64))
    mean = long.groupby(["data", "network", "line", "depth"], sort=False, as_index=False)["value"].mean()
    mean["value"] = np.exp(mean["value"])
    return mean.assign(shown=mean["data"] + ", " + mean["network"])


def claims(table: pd.DataFrame) -> list[ClaimResult]:
    """Decide the claims, each data set and seed being a repetition.

    Args:
        table: `laws` of `run`.

    Returns:
        Whether NC1 and D fall along a line, for ReLU and for linear networks, and faster than at the start.
    """
    made = []
    for kind, words in (("mlp", "ReLU"), ("linear", "linear")):
        for of, symbol in (("nc1", "NC1"), ("d", "D")):
            rows = table[(table["of"] == of) & table["network"].str.startswith(kind)]
            made.append(
                Claim(
                    f"s3-separation-{kind}-{of}",
                    _SOURCE,
                    f"The separation measure decays linearly on a log scale with the layer in {words} networks.",
                    f"correlation of log {symbol} with depth",
                    less_than(-0.9),
                ).decide(rows["correlation"].tolist())
            )
            made.append(
                Claim(
                    f"s3-separation-{kind}-{of}-trained",
                    _SOURCE,
                    f"Training makes the separation of {words} networks progress with depth.",
                    f"factor of {symbol} per layer after training over the same before",
                    less_than(1.0),
                ).decide((rows["rho"] / rows["rho_at_start"]).tolist())
            )
    return made
