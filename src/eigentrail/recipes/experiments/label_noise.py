"""The study of label noise: where the bulk goes, what stands out of it, and what denoising gives back (S1 8.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from torch import nn
from torch.nn import functional as F

from eigentrail import networks
from eigentrail.curvature import Curvature
from eigentrail.data import as_data, label_noise, take
from eigentrail.errors import EigentrailError
from eigentrail.findings import Claim, ClaimResult, greater_than
from eigentrail.interventions import edit
from eigentrail.interventions.decomposition import decompose
from eigentrail.interventions.rank_choice import noise_of
from eigentrail.recipes.experiments.forgetting.learning import accuracy, learn
from eigentrail.recipes.experiments.forgetting.tasks import Samples

_SOURCE = "S1 8.2"
#: What S1 calls a realistic amount of label noise ends here.
REALISTIC = 0.4


@dataclass(frozen=True)
class Size:
    """How large the study is.

    Attributes:
        data: name of the data set.
        train: training samples.
        test: test samples; None for all.
        network: name of the network.
        layers: the weights that are looked at.
        shares: of wrong labels; the first is none.
        epochs: enough to learn the wrong labels, too.
        rate: of plain stochastic gradient descent.
        batch: samples of a step.
        directions: leading Hessian eigenvalues.
    """

    data: str
    train: int
    test: int | None
    network: str
    layers: tuple[str, ...]
    shares: tuple[float, ...]
    epochs: int
    rate: float
    batch: int
    directions: int


SIZES = {
    "small": Size("digits", 1000, None, "mlp256", ("fc1.weight", "fc2.weight"), (0.0, 0.2, 0.4, 0.6), 60, 0.1, 32, 5),
    "full": Size(
        "fashion-mnist", 20_000, None, "mlp256", ("fc1.weight", "fc2.weight", "fc3.weight"),
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8), 150, 0.05, 32, 10,
    ),
}  # fmt: skip


def run(
    seeds: Sequence[int], size: Literal["small", "full"] = "small"
) -> tuple[dict[str, pd.DataFrame], list[ClaimResult]]:
    """Train with wrong labels until they are learned, and look at the weights.

    Args:
        seeds: of which labels are wrong, the initial weights and the order of the samples.
        size: "small" takes minutes.

    Returns:
        The tables `spectra` (a row per seed, share and weight: bulk and spikes, at the start and at the end),
        `accuracies` (per seed and share: test accuracy as trained, cut to the spikes, denoised, without the smallest
        values) and `hessian` (per seed and share: leading eigenvalues of the loss on the training samples); the claims.
    """
    plan = SIZES[size]
    spectra: list[dict[str, Any]] = []
    accuracies: list[dict[str, Any]] = []
    hessians: list[dict[str, Any]] = []
    for seed in seeds:
        clean = take(as_data(plan.data), plan.train, plan.test, seed=seed)
        for share in plan.shares:
            data = label_noise(clean, share, seed) if share else clean
            model = networks.build(plan.network, data.input_shape, data.classes, seed=seed)
            about = {"seed": seed, "noise": share}
            start = {name: _noise(model, name) for name in plan.layers}
            samples = (data.train_inputs, data.train_targets)
            learn(
                model, samples, [name for name, _ in model.named_parameters()],
                rate=plan.rate, epochs=plan.epochs, batch=plan.batch, seed=seed,
            )  # fmt: skip
            for name in plan.layers:
                end = _noise(model, name)
                spectra.append(about | {"weight": name, **end, "sigma at the start": start[name]["sigma"]})
            test = (data.test_inputs, data.test_targets)
            learned = accuracy(model, samples)
            for way, found in _ways(model, plan.layers, test).items():
                accuracies.append(about | {"way": way, "accuracy": found, "train accuracy": learned})
            values = Curvature(model, F.cross_entropy, samples).top(plan.directions).values
            hessians += [
                about
                | {"number": number, "eigenvalue": float(value), "curve": f"noise {share:.0%}, seed {seed}"}
                for number, value in enumerate(values, start=1)
            ]
    tables = {
        "spectra": pd.DataFrame(spectra),
        "accuracies": pd.DataFrame(accuracies),
        "hessian": pd.DataFrame(hessians),
    }
    tables["means"] = (
        tables["accuracies"]
        .groupby(["noise", "way"], sort=False)[["accuracy", "train accuracy"]]
        .mean()
        .reset_index()
    )
    return tables, claims(tables)


def _noise(model: nn.Module, name: str) -> dict[str, Any]:
    """The bulk of a weight, what stands out, and how far: NaN where no noise law is told."""
    parts = decompose(dict(model.named_parameters())[name].detach().flatten(1))[0]
    try:
        found = noise_of(parts)
    except EigentrailError:
        return {"sigma": np.nan, "spikes": 0, "gap": np.nan}
    values = parts.values.square().numpy() / max(parts.shape)
    spikes = found.spikes
    # The smallest spike over the largest value of the bulk: above 1 they are apart.
    gap = float(np.sqrt(values[spikes - 1] / found.edge_high)) if spikes else np.nan
    return {"sigma": float(found.sigma), "spikes": spikes, "gap": gap}


def _ways(model: nn.Module, layers: Sequence[str], test: Samples) -> dict[str, float]:
    """Test accuracy of the network as trained, and with these weights edited together."""
    found = {"as trained": accuracy(model, test)}
    for way, how, options in (
        ("cut to the spikes", "truncate", {"spikes": True}),
        ("denoised", "denoise", {}),
        ("half of the energy", "truncate", {"energy": 0.5}),
        ("90% of the energy", "truncate", {"energy": 0.9}),
    ):
        try:
            with edit(model, how, list(layers), **options).applied(model):
                found[way] = accuracy(model, test)
        except EigentrailError:
            # Nothing stands out of the noise of any of these weights: there is no such edit.
            found[way] = float("nan")
    return found


def claims(tables: dict[str, pd.DataFrame]) -> list[ClaimResult]:
    """Decide S1's claims.

    Args:
        tables: as `run` gives.

    Returns:
        The bulk's shift, the spikes that stay apart, and what denoising gives, at the largest realistic noise.
    """
    spectra, accuracies, hessian = tables["spectra"], tables["accuracies"], tables["hessian"]
    noisy = max(share for share in spectra["noise"].unique() if 0 < share <= REALISTIC)
    sigma = spectra.pivot_table(index="seed", columns=["noise"], values="sigma", aggfunc="mean")
    spikes = spectra.pivot_table(index="seed", columns=["noise"], values="spikes", aggfunc="sum")
    gap = spectra.pivot_table(index="seed", columns=["noise"], values="gap", aggfunc="min")
    reached = accuracies[accuracies["noise"] == noisy].pivot_table(
        index="seed", columns="way", values="accuracy"
    )
    top = hessian[hessian["number"] == 1].pivot_table(index="seed", columns="noise", values="eigenvalue")

    def listed(values: Any) -> list[float]:
        return [float(one) for one in values]

    found = [
        Claim(
            "s1-noise-bulk", _SOURCE, "Label noise shifts the bulk to larger singular values.",
            f"sigma of the bulk with {noisy:.0%} wrong labels over that without", greater_than(1.0),
        ).decide(listed(sigma[noisy] / sigma[0.0])),
        Claim(
            "s1-noise-spikes", _SOURCE, "Outlying singular values can still be told from the bulk.",
            f"values that stand out with {noisy:.0%} wrong labels over those without", greater_than(0.5),
        ).decide(listed(spikes[noisy] / spikes[0.0].clip(lower=1))),
        Claim(
            "s1-noise-gap", _SOURCE, "The shift is small enough to leave the outlying values apart.",
            f"smallest outlying value over the bulk's edge with {noisy:.0%} wrong labels", greater_than(1.0),
        ).decide(listed(gap[noisy]) if noisy in gap else []),
        Claim(
            "s1-noise-hessian", "S1 8.2 (left open)", "Wrong labels make the leading Hessian eigenvalue larger.",
            f"leading eigenvalue with {noisy:.0%} wrong labels over that without", greater_than(1.0),
        ).decide(listed(top[noisy] / top[0.0])),
    ]  # fmt: skip
    found += [
        Claim(
            key, _SOURCE, statement, f"test accuracy {way} minus that as trained, {noisy:.0%} wrong labels",
            greater_than(0.0),
        ).decide(listed((reached[way] - reached["as trained"]).dropna()))
        for key, way, statement in (
            ("s1-noise-denoised", "denoised", "Denoising the weights raises the test accuracy."),
            ("s1-noise-cut", "cut to the spikes", "Setting small singular values to zero raises the test accuracy."),
            ("s1-noise-energy", "90% of the energy", "Leaving out a tenth of the energy raises the test accuracy."),
        )
        if way in reached
    ]  # fmt: skip
    return found
