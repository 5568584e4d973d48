"""The study `separation-dln`: how classes separate from layer to layer, and what that costs in iterations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from eigentrail.parsimony.claims import SEPARATION
from eigentrail.parsimony.data import ClassData, orthogonal_classes
from eigentrail.parsimony.descent import Descent, State, descend
from eigentrail.parsimony.initial import Law, Matrix, initial_weights
from eigentrail.parsimony.invariant import balancedness
from eigentrail.parsimony.losses import Factorization, SquaredError
from eigentrail.parsimony.separation import class_separation, separation_bound
from eigentrail.parsimony.studying import Size, Studied, check_size, decide, over_seeds, table

_SCALES = (0.5, 0.3, 0.2, 0.1)
_LAWS: tuple[Law, ...] = ("orthogonal", "normal", "uniform")
_NAMES = {False: "linear", True: "ReLU"}
_CLASSES = 3
_CONVERGED = 1e-4
_STEPS = 20_000


def run(seeds: Sequence[int] = (0, 1, 2, 3, 4), size: Size = "small") -> Studied:
    """Measure the claims of progressive separation.

    Args:
        seeds: of data and weights.
        size: "small" for d = 30, "full" for d = 100, both with three classes.

    Returns:
        The tables `separation` (a row for each seed); `scales`, the sweep over networks, laws and scales, over seeds
        with their intervals: iterations, slope of log10 D_l by layer, the largest D ratio and its bound, `says` whether
        the bound says anything (it does not where it is 1 or more); `depths`, D_l by layer; and the verdicts.
    """
    check_size(size)
    d = 30 if size == "small" else 100
    found = [_measure(d, seed) for seed in seeds]
    values = [one[0] for one in found]
    scales = over_seeds(
        pd.DataFrame([row for one in found for row in one[1]]),
        ("network", "law", "eps"),
        ("iterations", "slope", "ratio"),
    )
    scales["bound"] = [separation_bound(_CLASSES, eps) for eps in scales["eps"]]
    scales["says"] = ["something" if bound < 1.0 else "nothing" for bound in scales["bound"]]
    depths = over_seeds(
        pd.DataFrame([row for one in found for row in one[2]]), ("network", "law", "layer"), ("log10 D",)
    )
    return Studied(
        {"separation": table(values, seeds), "scales": scales, "depths": depths}, decide(SEPARATION, values)
    )


class _Trained:
    """A network trained until its loss is a ten-thousandth of the start."""

    def __init__(
        self, data: ClassData, scale: float, depth: int, seed: int, *, rate: float = 0.05, relu: bool = False,
        law: Law = "orthogonal", goal: float = _CONVERGED,
    ) -> None:  # fmt: skip
        d = len(data.inputs)
        self.depth, self.scale = depth, scale
        targets = data.targets * np.sqrt(10 * _CLASSES / d)
        network = SquaredError(data.inputs, targets, relu)
        # On orthonormal samples the same descent, in less time.
        loss = network if relu else Factorization(targets @ data.inputs.T)
        begin = initial_weights([d] * depth + [_CLASSES], scale, law, seed=seed)
        self.state = State(0, [], np.inf)
        self.iterations = float("nan")
        first = 0.5 * float(np.square(targets).sum())
        for self.state in descend(begin, loss, Descent(rate), _STEPS):
            if self.state.loss < goal * first:
                self.iterations = float(self.state.step)
                break
        self.separation = class_separation(network.features(self.state.weights)[:depth], data.labels)

    @property
    def weights(self) -> list[Matrix]:
        return self.state.weights

    @property
    def ratio(self) -> float:
        """The largest D_(l+1) / D_l for l = 0, ..., L - 2."""
        return float((self.separation[1:] / self.separation[:-1]).max())

    @property
    def slope(self) -> float:
        """Of log10 D_l by layer, least squares."""
        return float(np.polyfit(np.arange(self.depth), np.log10(self.separation), 1)[0])

    @property
    def correlation(self) -> float:
        """Of log D_l with l."""
        return float(np.corrcoef(np.arange(self.depth), np.log(self.separation))[0, 1])


def _measure(d: int, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    data = orthogonal_classes(d, _CLASSES, seed=seed)
    swept = {
        (relu, law, scale): _Trained(data, scale, 3, seed, relu=relu, law=law)
        for relu in (False, True)
        for law in _LAWS
        for scale in _SCALES
    }
    by_law = {law: _Trained(data, 0.3, 5, seed, rate=0.02, law=law) for law in _LAWS}
    relu = _Trained(data, 0.3, 5, seed, rate=0.02, relu=True)
    fine, coarse = (_Trained(data, 0.2, 3, seed, rate=rate, goal=1e-10) for rate in (0.025, 0.05))
    tight, tighter = (_Trained(data, scale, 3, seed, goal=1e-10) for scale in (0.1, 0.05))
    unchanged = [
        int((np.abs(np.linalg.svd(w, compute_uv=False) - fine.scale) < 1e-10).sum())
        for w in fine.weights[:-1]
    ]
    gaps = balancedness(fine.weights)
    values: dict[str, Any] = {
        "s3-balanced-last": float(gaps[-1]) / (fine.scale**2 * np.sqrt(d - _CLASSES)),
        "s3-balanced-inner": float(np.log2(balancedness(coarse.weights)[0] / gaps[0])),
        "s3-unchanged-spectrum": float(np.mean(unchanged)) / (d - 2 * _CLASSES),
        "s3-separation-bound": tight.ratio / separation_bound(_CLASSES, 0.1),
        "s3-separation-scale": tight.ratio / tighter.ratio / 4.0,
        **{
            f"s3-trade-off{suffix}": [getattr(swept[active, "orthogonal", eps], what) for eps in _SCALES]
            for active, name in ((False, ""), (True, "-relu"))
            for suffix, what in ((name, "slope"), (f"{name}-cost", "iterations"))
        },
        **{f"s3-linear-{law}": net.correlation for law, net in by_law.items()},
        "s3-linear-relu": relu.correlation,
    }
    rows = [
        {
            "seed": seed,
            "network": _NAMES[active],
            "law": law,
            "eps": scale,
            "iterations": net.iterations,
            "slope": net.slope,
            "ratio": net.ratio,
        }
        for (active, law, scale), net in swept.items()
    ]
    deep = {("linear", law): net for law, net in by_law.items()} | {("ReLU", "orthogonal"): relu}
    depths = [
        {"network": network, "law": law, "layer": layer, "log10 D": float(np.log10(value))}
        for (network, law), net in deep.items()
        for layer, value in enumerate(net.separation)
    ]
    return values, rows, depths
