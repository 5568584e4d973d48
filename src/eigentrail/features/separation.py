"""The law of separation: the logarithm of D_l against depth, and what chance gives for its slope."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64
from torch import nn

from eigentrail.chance import Compared, compare
from eigentrail.chance.comparing import p_text
from eigentrail.errors import FeatureError
from eigentrail.features.class_moments import ClassMoments
from eigentrail.features.collapse import collapse_of
from eigentrail.features.passes import Passes
from eigentrail.features.random_networks import same_spectrum, untrained
from eigentrail.features.within import WithinClass
from eigentrail.findings import Chance, Effect, Finding, Verdict

#: Fewer layers make no law.
FEWEST_LAYERS = 4
_SYMBOLS = {"d": "D", "nc1": "NC1"}


@dataclass(frozen=True)
class Fit:
    """log10 of a number against depth, by least squares.

    Attributes:
        rho: the factor from each layer to the next.
        interval: its 95% interval (Student's t of the slope; it takes neighbouring layers for independent).
        correlation: Pearson's, between depth and logarithm.
    """

    rho: float
    interval: tuple[float, float]
    correlation: float

    @property
    def slope(self) -> float:
        """The natural logarithm of rho."""
        return math.log(self.rho)


def fit_law(values: Float64[np.ndarray, " l"]) -> Fit:
    """Fit a geometric law.

    Args:
        values: [L] positive numbers, from the first layer to the last; at least four.

    Returns:
        The fit.

    Raises:
        FeatureError: there are too few, or one is not positive.
    """
    if len(values) < FEWEST_LAYERS:
        raise FeatureError(
            f"{len(values)} layers make no law of separation: choose at least {FEWEST_LAYERS} (layers= takes globs)"
        )
    if not (np.isfinite(values) & (values > 0)).all():
        place = int(np.flatnonzero(~(np.isfinite(values) & (values > 0)))[0])
        raise FeatureError(
            f"the number is {values[place]:g} in layer {place}, which has no logarithm: leave that layer out"
        )
    import scipy.stats  # takes half a second, and few ask for a law

    found = scipy.stats.linregress(np.arange(len(values)), np.log(values))
    half = float(scipy.stats.t.ppf(0.975, len(values) - 2)) * float(found.stderr)
    slope = float(found.slope)
    return Fit(math.exp(slope), (math.exp(slope - half), math.exp(slope + half)), float(found.rvalue))


@dataclass(frozen=True)
class Nulls:
    """Which nulls are drawn.

    Attributes:
        draws: permutations of the labels.
        networks: networks of random weights, of each kind.
        untrained: the network at its start, where it is known.
        seed: of all.
    """

    draws: int
    networks: int
    untrained: nn.Module | None
    seed: int


@dataclass(frozen=True)
class Separation:
    """How separation progresses with depth.

    Attributes:
        of: "d" or "nc1".
        layers: [L] names, from the first to the last.
        values: [L] D_l or NC1.
        fit: the law through them.
        null_values: name of a null -> [draws, L] the same of each draw.
        compared: name of a null -> the logarithm of rho beside those of its draws; "less" is more than chance.
    """

    of: Literal["d", "nc1"]
    layers: tuple[str, ...]
    values: Float64[np.ndarray, " l"]
    fit: Fit
    null_values: dict[str, Float64[np.ndarray, "n l"]] = field(default_factory=dict)
    compared: dict[str, Compared] = field(default_factory=dict)

    @property
    def rho(self) -> float:
        """The factor from each layer to the next."""
        return self.fit.rho

    @property
    def correlation(self) -> float:
        """Pearson's, between depth and logarithm."""
        return self.fit.correlation

    @property
    def d(self) -> Float64[np.ndarray, " l"]:
        """[L] the numbers that were fitted."""
        return self.values

    @property
    def table(self) -> pd.DataFrame:
        """A row per layer: the number, the law, and the median of each null."""
        depth = np.arange(len(self.values))
        logs = np.log(self.values)
        law = np.exp(logs.mean() + self.fit.slope * (depth - depth.mean()))
        nulls = {f"null: {name}": np.median(drawn, axis=0) for name, drawn in self.null_values.items()}
        return pd.DataFrame(
            {"depth": depth, self.of: self.values, "law": law, **nulls},
            index=pd.Index(self.layers, name="layer"),
        )

    @property
    def findings(self) -> list[Finding]:
        """One for each null: does the number fall faster with depth than chance gives?"""
        symbol = _SYMBOLS[self.of]
        made = []
        for name, one in self.compared.items():
            answer = Verdict.YES if one.beyond and self.rho < 1 else Verdict.NO
            made.append(
                Finding(
                    subject="network",
                    question=f"Does {symbol} fall faster with depth than {name} give?",
                    verdict=answer,
                    sentence=f"{symbol} changes by {self.rho:.3g} per layer (correlation {self.correlation:.3f}); "
                    f"{name} give {math.exp(one.median):.3g} (p = {p_text(one.p, one.draws)}).",
                    effect=Effect("rho", self.rho),
                    interval=self.fit.interval,
                    chance=Chance(name, math.exp(one.median), one.draws),
                    p=one.p,
                    detail=f"{len(self.values)} layers; the interval takes neighbouring layers for independent.",
                )
            )
        return made


def separation_of(
    passes: Passes,
    model: nn.Module,
    of: Literal["d", "nc1"],
    nulls: Nulls,
    again: Callable[[nn.Module, Passes], Passes],
    centre: Callable[[torch.Tensor], torch.Tensor],
) -> Separation:
    """Fit the law of separation and its nulls.

    Args:
        passes: both passes, made.
        model: the network.
        of: which number.
        nulls: which nulls.
        again: prepares the same passes over another network of the same kind.
        centre: from the counts of classes the weights of their means in the centre.

    Returns:
        The fit with its nulls.
    """
    names = passes.names()
    values = np.array([_of_layer(layer.within, of) for layer in passes.layers.values()])
    fit = fit_law(values)
    drawn: dict[str, list[list[float]]] = {}
    if nulls.draws:
        drawn["permuted labels"] = _permuted(again(model, passes), passes, of, nulls, centre)
    others: dict[str, list[nn.Module]] = {}
    if nulls.untrained is not None or nulls.networks:
        others["untrained networks"] = []
    for number in range(nulls.networks):
        others.setdefault("random weights of the same spectra", []).append(
            same_spectrum(model, passes.batches(), nulls.seed + number)
        )
        if nulls.untrained is None:
            others["untrained networks"].append(untrained(model, passes.batches(), nulls.seed + number))
    if nulls.untrained is not None:
        others["untrained networks"] = [nulls.untrained]
    for name, networks in others.items():
        for network in networks:
            other = again(network, passes)
            other.first()
            if of == "nc1":
                other.second(centre)
            drawn.setdefault(name, []).append(
                [_of_moments(one.moments, one.within, of) for one in other.layers.values()]
            )
    null_values = {name: np.array(rows) for name, rows in drawn.items()}
    compared = {
        name: compare(fit.slope, [fit_law(row).slope for row in rows if (row > 0).all()], "less")
        for name, rows in null_values.items()
    }
    return Separation(of, tuple(names.values()), values, fit, null_values, compared)


def _permuted(
    other: Passes,
    passes: Passes,
    of: Literal["d", "nc1"],
    nulls: Nulls,
    centre: Callable[[torch.Tensor], torch.Tensor],
) -> list[list[float]]:
    moments = next(iter(passes.layers.values())).moments
    labels = torch.tensor(moments.labels).repeat_interleave(moments.counts.cpu().long())
    generator = torch.Generator().manual_seed(nulls.seed)
    columns = [labels[torch.randperm(len(labels), generator=generator)] for _ in range(nulls.draws)]
    other.first(columns)
    if of == "nc1":
        other.second(centre, columns)
    rows = []
    for draw in range(nulls.draws):
        layers = other.layers.values()
        rows.append([
            _of_moments(one.permuted[draw], one.permuted_within[draw] if one.permuted_within else None, of)
            for one in layers
        ])  # fmt: skip
    return rows


def _of_layer(within: WithinClass | None, of: Literal["d", "nc1"]) -> float:
    assert within is not None
    found = collapse_of(within)
    return found.d if of == "d" else found.nc1


def _of_moments(moments: ClassMoments, within: WithinClass | None, of: Literal["d", "nc1"]) -> float:
    if of == "nc1":
        return _of_layer(within, of)
    between = moments.means - moments.means.mean(0)
    trace = float(between.square().sum()) / len(between)
    return float(moments.scatter.sum() / moments.counts.sum()) / trace if trace else math.nan
