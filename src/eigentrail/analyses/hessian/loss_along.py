"""What the loss does when the weights are moved along the Hessian's eigenvectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from eigentrail._arrays import to_float64
from eigentrail.analyses.hessian.eigen import Eigen
from eigentrail.analyses.hessian.motion import log_ranks
from eigentrail.analyses.hessian.parameter_point import WHOLE, ParameterPoint
from eigentrail.bases import random
from eigentrail.evaluation import add_back, landscape

#: How many eigenvectors are a few.
FEW = 25
_STEEPEST = 4
_POINTS = 41


def add_back_of(
    point: ParameterPoint, target: str, eigen: Eigen
) -> tuple[dict[str, xr.Dataset], dict[str, Any]]:
    """Put the weights together out of 0 .. n eigenvectors: by value, by magnitude, by weight product (S1 7.2, 7.4).

    Args:
        point: the step.
        target: a parameter's name, or `WHOLE`.
        eigen: its eigenpairs; all of them are needed.

    Returns:
        Dataset `add_back` [order, k] of `loss` and `accuracy` on held-out samples (training ones without), last random
        directions; facts say how many directions reach 95% of the accuracy, and what share of the way from zeros to the
        full accuracy the first 25 bring back.
    """
    if not eigen.exact:
        return {}, {}
    layers = None if target == WHOLE else point.names(target)
    few = min(FEW, eigen.basis.k)
    counts = np.union1d(log_ranks(eigen.basis.k), [few])
    orders = ["value", "magnitude", "product"]
    found = [
        add_back(
            point.model,
            point.test,
            eigen.basis,
            layers,
            counts=counts.tolist(),
            by=by,  # type: ignore[arg-type]
            loss=point.loss,
        )
        for by in orders
    ]
    # k random directions hold k/n of the squared norm whatever their choice: up to a tenth is enough to compare.
    most = max(1, min(eigen.basis.n // 10, 500))
    chance = add_back(
        point.model,
        point.test,
        random(eigen.basis.n, most, seed=point.seed),
        layers,
        counts=[int(c) for c in counts if c <= most],
        loss=point.loss,
    )
    together = xr.concat([*found, chance], dim="order", join="outer", combine_attrs="override")
    together = together.assign_coords(order=[*orders, "random"])
    together.attrs["tested_on"] = point.tested_on
    facts: dict[str, Any] = {
        "accuracy": float(found[0].attrs["accuracy_full"]),
        "accuracy_without": float(found[0]["accuracy"][0]),
    }
    goal = facts["accuracy_without"] + 0.95 * (facts["accuracy"] - facts["accuracy_without"])
    for by, curve in zip(orders, found, strict=True):
        reached = np.flatnonzero(curve["accuracy"].values >= goal)
        facts[f"enough_by_{by}"] = int(curve["k"].values[reached[0]]) if len(reached) else None
        way = facts["accuracy"] - facts["accuracy_without"]
        if way > 0.0:
            back = float(curve["accuracy"].sel(k=few)) - facts["accuracy_without"]
            facts |= {"few": few, f"few_by_{by}": back / way}
    return {"add_back": together}, facts


def landscapes_of(
    point: ParameterPoint, target: str, eigen: Eigen
) -> tuple[dict[str, xr.Dataset], dict[str, Any]]:
    """Draw the loss along the steepest eigenvectors and along the one that holds most of the weights (S1 7.6).

    Args:
        point: the step.
        target: a parameter's name, or `WHOLE`.
        eigen: its eigenpairs.

    Returns:
        Dataset `landscape` [direction, point] of `loss`, `quadratic`, `accuracy` and `coordinate` alpha =
        h . w', with the direction's `rank`, `value` and own coordinate `at`.
    """
    layers = None if target == WHOLE else point.names(target)
    products = to_float64(eigen.basis.coordinates(point.weights(target)))
    values = to_float64(eigen.basis.values)
    largest = int(np.argmax(np.abs(products)))
    ranks = list(dict.fromkeys([*range(min(_STEEPEST, eigen.basis.k)), largest]))
    # Beyond half the weights' own length nothing of the network is left.
    most = 0.5 * float(np.linalg.norm(point.weights(target)))
    drawn = []
    for rank in ranks:
        direction = eigen.basis.rows(rank, rank + 1)
        at = float(products[rank])
        # As far as removing the direction and once more, and at least until the quadratic has risen by a half.
        reach = max(1.3 * abs(at), min(float(np.sqrt(1.0 / max(values[rank], 1e-12))), most))
        offsets = np.linspace(-reach, reach, _POINTS)
        curve = landscape(
            point.model,
            point.loss,
            point.train if len(point.train[0]) <= point.test_samples else _fewer(point),
            direction,
            layers,
            offsets=offsets,
            curvatures=[values[rank]],
            slopes=[float(direction[0] @ eigen.gradient)],
        )
        drawn.append(
            xr.Dataset(
                {
                    "loss": ("point", curve["loss"].values),
                    "quadratic": ("point", curve["quadratic"].values),
                    "accuracy": ("point", curve["accuracy"].values),
                    "coordinate": ("point", offsets + at),
                }
            )
        )
    found = xr.concat(drawn, dim="direction").assign(
        rank=("direction", np.array(ranks)),
        value=("direction", values[ranks]),
        at=("direction", products[ranks]),
    )
    return {"landscape": found}, {}


def _fewer(point: ParameterPoint) -> tuple[Any, Any]:
    inputs, targets = point.train
    return inputs[: point.test_samples], targets[: point.test_samples]
