"""The study `parsimony`: the law of parsimony in deep linear networks, and how far from it other networks are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eigentrail.parsimony.claims import LAW
from eigentrail.parsimony.data import orthogonal_classes
from eigentrail.parsimony.descent import Descent, descend, run_descent
from eigentrail.parsimony.initial import Matrix, initial_weights, stream
from eigentrail.parsimony.invariant import InvariantSubspace, invariant_subspace, moving_values, rho_recursion
from eigentrail.parsimony.losses import SquaredError, product
from eigentrail.parsimony.studying import Size, Studied, check_size, decide, table

_RANK = 3
_EPS = 0.1
_RATE = 0.01
_LOOK = 100


def run(seeds: Sequence[int] = (0, 1, 2, 3, 4), size: Size = "small") -> Studied:
    """Measure the claims of the law of parsimony.

    S3's network: d inputs and outputs, rank 3, three layers, eps = .1, eta = .01; d is 30, and 100 at full size.

    Args:
        seeds: of data and weights.
        size: "small" or "full".

    Returns:
        The table `law` and the verdicts.
    """
    check_size(size)
    d = 30 if size == "small" else 100
    found = [_measure(d, seed) for seed in seeds]
    values, chance = [one[0] for one in found], [one[1] for one in found]
    return Studied({"law": table(values, seeds)}, decide(LAW, values, chance))


def _measure(d: int, seed: int) -> tuple[dict[str, Any], dict[str, float]]:
    law = _follow(d, 3, _EPS, seed)
    values: dict[str, Any] = {
        "s3-2r-move": float(np.mean(law["moving"])) / (2 * _RANK),
        "s3-rho": law["deviation"],
        "s3-shared-bases": law["leak"],
        "s3-case-1": _follow(d, 3, _EPS, seed, outputs=_RANK)["leak"],
        "s3-scale-low-rank": [_tail(d, 3, eps, seed) for eps in (0.3, 0.2, 0.1)],
        "s3-depth-low-rank": [_tail(d, depth, _EPS, seed) for depth in (2, 3, 4)],
        "s3-momentum": _follow(d, 3, _EPS, seed, momentum=0.9)["angle"],
    }
    crooked = _follow(d, 3, _EPS, seed, whitened=False)
    values["s3-not-whitened"] = crooked["angle"]
    values["s3-relu"] = _follow(d, 3, _EPS, seed, relu=True)["angle"]
    values["s3-not-whitened-energy"] = crooked["energy"]
    drawn = stream("chance", seed).standard_normal((d, d))
    return values, {"s3-not-whitened-energy": _energy(drawn)}


def _follow(
    d: int,
    depth: int,
    eps: float,
    seed: int,
    *,
    outputs: int | None = None,
    whitened: bool = True,
    relu: bool = False,
    momentum: float = 0.0,
    steps: int = 2000,
) -> dict[str, Any]:
    """Train a network and measure it against the theorem every hundred steps."""
    data = orthogonal_classes(d, _RANK, d if outputs is None else outputs, seed=seed, whitened=whitened)
    # Classes of ten samples, whatever d: the source's largest singular values, and its rate.
    targets = data.targets * np.sqrt(10 * _RANK / d)
    start = initial_weights([d] * depth + [len(targets)], eps, seed=seed)
    subspace = invariant_subspace(start, targets @ data.inputs.T)
    # Samples that are not whitened have a Gram matrix of norm 4.
    rate = _RATE * (1.0 - momentum) * (1.0 if whitened else 0.2)
    rho = rho_recursion(eps, depth, rate, steps, momentum=momentum, case=subspace.case)
    leak = deviation = angle = 0.0
    exact = whitened and not relu
    for state in descend(
        start, SquaredError(data.inputs, targets, relu), Descent(rate, 0.0, momentum), steps
    ):
        if state.step % _LOOK:
            continue
        angle = max(angle, float(subspace.angle(state.weights).max()))
        if exact:
            leak = max(leak, float(subspace.leak(state.weights, rho[state.step]).max()))
            deviation = max(deviation, _deviation(subspace, state.weights, rho[state.step]))
    return {
        "leak": leak,
        "deviation": deviation,
        "angle": angle,
        "moving": moving_values(state.weights[: len(subspace.left)], rho[-1]),
        "energy": _energy(state.weights[0] - start[0]),
    }


def _deviation(subspace: InvariantSubspace, weights: Sequence[Matrix], rho: float) -> float:
    """The largest of the d - 2r smallest deviations of singular values from rho, relative to it."""
    rest = len(weights[0]) - subspace.width
    inner = weights[: len(subspace.left)]
    gaps = [np.sort(np.abs(np.linalg.svd(w, compute_uv=False) - rho))[:rest].max() for w in inner]
    return float(max(gaps) / rho)


def _tail(d: int, depth: int, eps: float, seed: int) -> float:
    """log10 of sigma_(2r+1) / sigma_1 of the product, once trained."""
    data = orthogonal_classes(d, _RANK, d, seed=seed)
    targets = data.targets * np.sqrt(_RANK / d)
    start = initial_weights([d] * (depth + 1), eps, seed=seed)
    state = run_descent(start, SquaredError(data.inputs, targets), Descent(0.1), 1000)
    values = np.linalg.svd(product(state.weights), compute_uv=False)
    return float(np.log10(values[2 * _RANK] / values[0]))


def _energy(change: Matrix) -> float:
    values = np.linalg.svd(change, compute_uv=False) ** 2
    return float(values[: 2 * _RANK].sum() / values.sum())
