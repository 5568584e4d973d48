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
from eigentrail.parsimony.losses import SquaredError
from eigentrail.parsimony.separation import class_separation, separation_bound
from eigentrail.parsimony.studying import Size, Studied, check_size, decide, table

_SCALES = (0.5, 0.3, 0.2, 0.1)
_CLASSES = 3
_CONVERGED = 1e-4
_STEPS = 20_000


def run(seeds: Sequence[int] = (0, 1, 2, 3, 4), size: Size = "small") -> Studied:
    """Measure the claims of progressive separation.

    Args:
        seeds: of data and weights.
        size: "small" for d = 30, "full" for d = 100, both with three classes.

    Returns:
        The tables `separation` (a row for each seed) and `scales` (scale, activation, law, iterations, D ratio and the
        bound, which says nothing where it is 1 or more), and the verdicts.
    """
    check_size(size)
    d = 30 if size == "small" else 100
    found = [_measure(d, seed) for seed in seeds]
    values = [one[0] for one in found]
    scales = pd.DataFrame([row for one in found for row in one[1]])
    return Studied({"separation": table(values, seeds), "scales": scales}, decide(SEPARATION, values))


class _Trained:
    """A network trained until its loss is a ten-thousandth of the start."""

    def __init__(
        self, data: ClassData, scale: float, depth: int, seed: int, *, rate: float = 0.05, relu: bool = False,
        law: Law = "orthogonal", goal: float = _CONVERGED,
    ) -> None:  # fmt: skip
        d = len(data.inputs)
        self.depth, self.scale = depth, scale
        targets = data.targets * np.sqrt(10 * _CLASSES / d)
        loss = SquaredError(data.inputs, targets, relu)
        begin = initial_weights([d] * depth + [_CLASSES], scale, law, seed=seed)
        self.state = State(0, [], np.inf)
        self.iterations = float("nan")
        first = 0.5 * float(np.square(targets).sum())
        for self.state in descend(begin, loss, Descent(rate), _STEPS):
            if self.state.loss < goal * first:
                self.iterations = float(self.state.step)
                break
        self.separation = class_separation(loss.features(self.state.weights)[:depth], data.labels)

    @property
    def weights(self) -> list[Matrix]:
        return self.state.weights

    @property
    def ratio(self) -> float:
        """The largest D_(l+1) / D_l for l = 0, ..., L - 2."""
        return float((self.separation[1:] / self.separation[:-1]).max())

    @property
    def correlation(self) -> float:
        """Of log D_l with l."""
        return float(np.corrcoef(np.arange(self.depth), np.log(self.separation))[0, 1])


def _measure(d: int, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    data = orthogonal_classes(d, _CLASSES, seed=seed)
    swept = {
        (relu, scale): _Trained(data, scale, 3, seed, relu=relu)
        for relu in (False, True)
        for scale in _SCALES
    }
    by_law = {
        law: _Trained(data, 0.3, 5, seed, rate=0.02, law=law) for law in ("orthogonal", "normal", "uniform")
    }
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
        "s3-trade-off": [swept[False, scale].iterations for scale in _SCALES],
        "s3-trade-off-relu": [swept[True, scale].iterations for scale in _SCALES],
        **{f"s3-linear-{law}": net.correlation for law, net in by_law.items()},
        "s3-linear-relu": relu.correlation,
    }
    rows = [
        {
            "seed": seed,
            "network": "ReLU" if active else "linear",
            "eps": scale,
            "iterations": net.iterations,
            "ratio": net.ratio,
            "bound": separation_bound(_CLASSES, scale),
        }
        for (active, scale), net in swept.items()
    ]
    return values, rows
