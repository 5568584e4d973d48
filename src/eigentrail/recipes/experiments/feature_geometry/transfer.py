"""The study of transfer: five classes to the other five, with how little tuning, and does collapse predict it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import nn

from eigentrail import networks
from eigentrail.data import Data, as_data, select_classes, take
from eigentrail.features import Features
from eigentrail.findings import Claim, ClaimResult, equals, greater_than, less_than
from eigentrail.recipes.experiments.feature_geometry.rank_correlation import rank_correlation
from eigentrail.recipes.experiments.feature_geometry.source_table import table_claims
from eigentrail.training import score
from eigentrail.training.transfer import (
    Transferred,
    TransferSettings,
    accuracy_against_size,
    descend,
    linear_probe,
    tune_layer_with_skip,
)

_SOURCE = "S3, part 1"
_COLLAPSE = ("features", "nc1", "nc1_over_k", "nc2_etf", "nc3", "cdnv", "d")


@dataclass(frozen=True)
class Size:
    """How large the study is.

    Attributes:
        data: name of the data set, of ten classes.
        network: name of the network.
        layers: the layers that are tried for tuning.
        small_layer: one that makes, with the head, less than 8% of the parameters.
        train: training samples of the source.
        kept: how many updates sources are trained for; each source has its own training.
        decays: weight decays; there is a source for each of them and each number of updates.
        sizes: downstream training samples; the last is that of the probes of all source models.
        settings: of the transfer.
    """

    data: str
    network: str
    layers: tuple[str, ...]
    small_layer: str
    train: int
    kept: tuple[int, ...]
    decays: tuple[float, ...]
    sizes: tuple[int, ...]
    settings: TransferSettings


SIZES = {
    "small": Size(
        "digits", "lenet", ("conv1", "conv2"), "conv1", 600, (5, 10, 20, 40, 80, 160), (0.0, 3e-3, 3e-2),
        (20, 60, 180, 400), TransferSettings(steps=80, rates=(1e-3, 3e-3, 1e-2)),
    ),
    "full": Size(
        "fashion-mnist", "lenet", ("conv1", "conv2", "fc2"), "conv2", 6000, (10, 30, 100, 300, 1000, 3000),
        (0.0, 1e-3, 1e-2), (50, 150, 500, 1500, 5000), TransferSettings(steps=400),
    ),
}  # fmt: skip


def run(
    seeds: Sequence[int], size: Literal["small", "full"] = "small"
) -> tuple[dict[str, pd.DataFrame], list[ClaimResult]]:
    """Train sources, transfer them, and decide the source's claims.

    Args:
        seeds: for each the ten classes are divided anew at random.
        size: "small" takes about three CPU minutes for three seeds.

    Source models are independent of each other: each has its own initial weights and its own order of samples, and
    shares with the others of a seed nothing but the division of the classes and the samples.

    Returns:
        The tables `methods` (accuracy of each way against the size of the set), `layers` (NC1 by layer after each way,
        of the largest set), `small` (a skip connection from a small layer, largest set), `sources` (each source
        model's collapse and probe accuracy) and `correlations`; the claims, those that the source's own table decides
        at the end.
    """
    plan = SIZES[size]
    methods, layers, small, sources, correlations = [], [], [], [], []
    for seed in seeds:
        one = _Transfer(plan, seed)
        sources.append(one.sources())
        correlations.append(_correlated(sources[-1], seed))
        table, after = one.methods()
        methods.append(table)
        layers.append(after)
        small.append(one.small())
    tables = {
        "methods": pd.concat(methods, ignore_index=True),
        "layers": pd.concat(layers, ignore_index=True),
        "small": pd.DataFrame(small),
        "sources": pd.concat(sources, ignore_index=True),
        "correlations": pd.concat(correlations, ignore_index=True),
    }
    return tables, [*claims(tables), *table_claims()]


class _Transfer:
    """One division of the classes."""

    def __init__(self, plan: Size, seed: int) -> None:
        self.plan, self.seed = plan, seed
        data = as_data(plan.data)
        order = torch.randperm(10, generator=torch.Generator().manual_seed(seed)).tolist()
        of_source, of_target = (select_classes(data, half, relabel=True) for half in (order[:5], order[5:]))
        self.source: Data = take(of_source, min(plan.train, len(of_source.train_inputs)), seed=seed)
        self.target: Data = take(of_target, plan.sizes[-1], min(1000, len(of_target.test_inputs)), seed=seed)
        self.settings = TransferSettings(
            plan.settings.steps, plan.settings.batch_size, plan.settings.rates, seed=seed
        )
        # Numbers of the trainings; no two of a study start alike.
        first = 1000 * seed
        self.models: dict[tuple[float, int], nn.Module] = {
            (decay, steps): self._trained(decay, steps, first + number)
            for number, (decay, steps) in enumerate(product(plan.decays, plan.kept))
        }

    def _trained(self, decay: float, steps: int, number: int) -> nn.Module:
        model = networks.build(self.plan.network, self.source.input_shape, 5, seed=number)
        descend(
            model,
            self.source.train_inputs,
            self.source.train_targets,
            steps=steps,
            rate=1e-3,
            weight_decay=decay,
            seed=number,
        )
        return model.eval()

    def sources(self) -> pd.DataFrame:
        """Probe every source model, and measure its collapse on downstream and on its own data."""
        rows = []
        for (decay, step), model in self.models.items():
            probe = linear_probe(model, self.target, self.settings)
            rows.append(
                {
                    "seed": self.seed,
                    "weight_decay": decay,
                    "step": step,
                    "nc1_downstream": _penultimate(model, self.target),
                    "nc1_source": _penultimate(model, self.source),
                    "source_accuracy": score(
                        model, self.source.test_inputs, self.source.test_targets
                    ).accuracy,
                    "probe_accuracy": probe.accuracy,
                }
            )
        return pd.DataFrame(rows)

    @property
    def model(self) -> nn.Module:
        """The source that is transferred in all ways: the longest training without weight decay."""
        return self.models[self.plan.decays[0], self.plan.kept[-1]]

    def small(self) -> dict[str, Any]:
        """Tune a layer of few parameters with a skip connection, on the largest set."""
        found = tune_layer_with_skip(self.model, self.target, self.plan.small_layer, self.settings)
        return {"seed": self.seed, **found.row()}

    def methods(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Transfer the last model without weight decay in all ways with sets of all sizes."""
        collapsed: list[pd.DataFrame] = []
        plan = self.plan

        def see(size: int, found: Transferred) -> None:
            if size == plan.sizes[-1]:
                table = found.collapse(self.target).reset_index()
                own = table.loc[table["part"] == "train", ["layer", *_COLLAPSE]]
                collapsed.append(own.assign(method=found.method, seed=self.seed))

        table = accuracy_against_size(
            self.model,
            self.target,
            plan.sizes,
            plan.layers,
            self.settings,
            see,
        )
        table = table.assign(seed=self.seed, samples=[f"{size} samples" for size in table["size"]])
        return table, pd.concat(collapsed, ignore_index=True)


def _penultimate(model: nn.Module, data: Data) -> float:
    table = Features(model, (data.train_inputs, data.train_targets)).collapse()
    return float(table["nc1"].iloc[-1])


def _correlated(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Correlate collapse with probe accuracy over the source models of one seed."""
    rows = []
    for name in ("nc1_downstream", "nc1_source"):
        for given in (None, "source_accuracy"):
            held = None if given is None else table[given].tolist()
            found = rank_correlation(table[name].tolist(), table["probe_accuracy"].tolist(), held, seed=seed)
            rows.append(
                {
                    "seed": seed,
                    "nc1": name,
                    "given": given or "",
                    "correlation": found.observed,
                    "p": found.p,
                    "models": len(table),
                }
            )
    return pd.DataFrame(rows)


def crossing(table: pd.DataFrame) -> float:
    """Find the size from which on full tuning is better than one layer with a skip connection.

    Args:
        table: `methods` of one seed.

    Returns:
        The size, interpolated on a logarithmic scale; the smallest size where full tuning is ahead throughout, NaN
        where it never gets ahead.
    """
    wide = table.pivot(index="size", columns="method", values="accuracy").sort_index()
    lead = (wide["full"] - wide["layer with skip"]).to_numpy()
    sizes = np.log(wide.index.to_numpy(dtype=np.float64))
    behind = np.flatnonzero(lead <= 0)
    if not len(behind):
        return float(wide.index[0])
    last = int(behind[-1])
    if last == len(lead) - 1:
        return float("nan")
    part = -lead[last] / (lead[last + 1] - lead[last])
    return float(np.exp(sizes[last] + part * (sizes[last + 1] - sizes[last])))


def claims(tables: dict[str, pd.DataFrame]) -> list[ClaimResult]:
    """Decide the claims over seeds.

    Args:
        tables: as `run` gives.

    Returns:
        The claims about collapse and transfer, the order of the methods, small sets, and collapse after the methods.
    """
    correlations, methods, small = tables["correlations"], tables["methods"], tables["small"]

    def correlated(key: str, statement: str, statistic: str, nc1: str, given: str = "") -> ClaimResult:
        rows = correlations[(correlations["nc1"] == nc1) & (correlations["given"] == given)]
        told = ", ".join(f"{one:.2g}" for one in rows["p"])
        return Claim(key, _SOURCE, statement, statistic, less_than(0.0)).decide(
            rows["correlation"].tolist(),
            detail=f"p of each seed among permutations of its {rows['models'].min()} source models: {told}",
        )

    # [seeds, sizes] for each method.
    wide: dict[Any, pd.DataFrame] = {
        method: rows.pivot(index="seed", columns="size", values="accuracy")
        for method, rows in methods.groupby("method")
    }
    smallest, largest = methods["size"].min(), methods["size"].max()
    mean = {method: rows.mean(axis=1) for method, rows in wide.items()}
    last = tables["layers"].groupby(["seed", "method"])["nc1"].last().unstack()
    share = methods[(methods["method"] == "layer with skip") & (methods["size"] == largest)]["share"].mean()
    crossings = [crossing(rows) for _, rows in methods.groupby("seed")]
    small_lead = (wide["layer with skip"] - wide["full"])[smallest]
    return [
        correlated(
            "s3-collapse-predicts-transfer",
            "More variability collapse on downstream data goes with better transfer.",
            "rank correlation of NC1 on downstream data with probe accuracy over source models",
            "nc1_downstream",
        ),
        correlated(
            "s3-collapse-predicts-transfer-given-source",
            "Among sources of equal accuracy more collapse on downstream data goes with better transfer.",
            "partial rank correlation, given the source's accuracy",
            "nc1_downstream",
            "source_accuracy",
        ),
        correlated(
            "s3-source-collapse-predicts-transfer",
            "Collapse on the source data goes with better transfer, too.",
            "rank correlation of NC1 on source data with probe accuracy over source models",
            "nc1_source",
        ),
        correlated(
            "s3-source-collapse-predicts-transfer-given-source",
            "Among sources of equal accuracy collapse on the source data goes with better transfer.",
            "partial rank correlation of NC1 on source data, given the source's accuracy",
            "nc1_source",
            "source_accuracy",
        ),
        Claim(
            "s3-skip-above-layer",
            _SOURCE,
            "Tuning one layer with a skip connection is at least as good as without.",
            "accuracy with minus without, mean over set sizes",
            greater_than(0.0),
        ).decide((mean["layer with skip"] - mean["layer"]).tolist()),
        Claim(
            "s3-layer-above-probe",
            _SOURCE,
            "Tuning one layer is at least as good as a linear probe.",
            "accuracy of layer tuning minus that of the probe, mean over set sizes",
            greater_than(0.0),
        ).decide((mean["layer"] - mean["linear probe"]).tolist()),
        Claim(
            "s3-skip-near-full",
            _SOURCE,
            "The skip connection comes near full tuning with 6 to 8% of the parameters.",
            f"accuracy with the skip connection minus that of full tuning, largest set; {share:.1%} of the parameters",
            equals(0.0, within=0.02),
        ).decide((wide["layer with skip"] - wide["full"])[largest].tolist()),
        Claim(
            "s3-small-skip-near-full",
            _SOURCE,
            "The skip connection comes near full tuning with at most 8% of the parameters.",
            f"accuracy with the skip connection from {small['layer'].iloc[0]} minus that of full tuning, largest set; "
            f"{small['share'].mean():.1%} of the parameters",
            equals(0.0, within=0.02),
        ).decide((small.set_index("seed")["accuracy"] - wide["full"][largest]).tolist()),
        Claim(
            "s3-full-overfits-small-sets",
            _SOURCE,
            "Full tuning overfits small downstream sets.",
            f"accuracy with the skip connection minus that of full tuning, {smallest} samples; full tuning ahead from "
            f"{_told(crossings)} samples on",
            greater_than(0.0),
        ).decide(small_lead.tolist()),
        Claim(
            "s3-skip-more-collapsed",
            _SOURCE,
            "With the skip connection the penultimate features are more collapsed than without.",
            "NC1 of the penultimate features with over without, largest set",
            less_than(1.0),
        ).decide((last["layer with skip"] / last["layer"]).tolist()),
    ]


def _told(crossings: list[float]) -> str:
    known = [one for one in crossings if np.isfinite(one)]
    if not known:
        return "no number of"
    return f"{min(known):.0f} to {max(known):.0f}" + (
        f" ({len(crossings) - len(known)} of {len(crossings)} seeds never)"
        if len(known) < len(crossings)
        else ""
    )
