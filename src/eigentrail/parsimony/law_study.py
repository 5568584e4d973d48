"""The study `parsimony`: the law of parsimony in deep linear networks, and how far from it other networks are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eigentrail.parsimony.claims import LAW
from eigentrail.parsimony.descent import Descent, descend, run_descent
from eigentrail.parsimony.initial import Matrix, stream
from eigentrail.parsimony.invariant import InvariantSubspace, moving_values, rho_recursion
from eigentrail.parsimony.law_networks import RANK, RATE, STEPS, LawNetwork
from eigentrail.parsimony.losses import SquaredError, product
from eigentrail.parsimony.panels import law_panels
from eigentrail.parsimony.studying import Size, Studied, check_size, decide, table

_LOOK = 100
_STEPS_OF_TAIL = 1000


def run(seeds: Sequence[int] = (0, 1, 2, 3, 4), size: Size = "small") -> Studied:
    """Measure the claims of the law of parsimony.

    S3's network: d inputs and outputs, rank 3, three layers, eps = .1, eta = .01; d is 30, and 100 at full size.

    Args:
        seeds: of data and weights.
        size: "small" or "full".

    Returns:
        The table `law`, a row for each seed; `panels`, S3's three panels for the first seed (`law_panels`); and the
        verdicts.
    """
    check_size(size)
    d = 30 if size == "small" else 100
    found = [_measure(d, seed) for seed in seeds]
    values, chance = [one[0] for one in found], [one[1] for one in found]
    tables = {"law": table(values, seeds), "panels": law_panels(d, seeds[0])}
    return Studied(tables, decide(LAW, values, chance))


def _measure(d: int, seed: int) -> tuple[dict[str, Any], dict[str, float]]:
    law = _follow(LawNetwork(), d, seed)
    values: dict[str, Any] = {
        "s3-2r-move": float(np.mean(law["moving"])) / (2 * RANK),
        "s3-rho": law["deviation"],
        "s3-shared-bases": law["leak"],
        "s3-case-1": _follow(LawNetwork(narrow=True), d, seed)["leak"],
        "s3-scale-low-rank": [_tail(LawNetwork(eps=eps), d, seed) for eps in (0.3, 0.2, 0.1)],
        "s3-depth-low-rank": [_tail(LawNetwork(depth=depth), d, seed) for depth in (2, 3, 4)],
        "s3-momentum": _follow(LawNetwork(momentum=0.9), d, seed)["angle"],
    }
    crooked = _follow(LawNetwork(whitened=False), d, seed)
    values["s3-not-whitened"] = crooked["angle"]
    values["s3-relu"] = _follow(LawNetwork(relu=True), d, seed)["angle"]
    values["s3-not-whitened-energy"] = crooked["energy"]
    drawn = stream("chance", seed).standard_normal((d, d))
    return values, {"s3-not-whitened-energy": _energy(drawn)}


def _follow(network: LawNetwork, d: int, seed: int) -> dict[str, Any]:
    """Train a network and measure it against the theorem every hundred steps."""
    weights, loss, settings, subspace = network.begin(d, seed)
    rho = rho_recursion(
        network.eps, network.depth, settings.rate, STEPS, momentum=network.momentum, case=subspace.case
    )
    leak = deviation = angle = 0.0
    for state in descend(weights, loss, settings, STEPS):
        if state.step % _LOOK:
            continue
        angle = max(angle, float(subspace.angle(state.weights).max()))
        if network.covered:
            leak = max(leak, float(subspace.leak(state.weights, rho[state.step]).max()))
            deviation = max(deviation, _deviation(subspace, state.weights, rho[state.step]))
    return {
        "leak": leak,
        "deviation": deviation,
        "angle": angle,
        "moving": moving_values(state.weights[: len(subspace.left)], rho[-1]),
        "energy": _energy(state.weights[0] - weights[0]),
    }


def _deviation(subspace: InvariantSubspace, weights: Sequence[Matrix], rho: float) -> float:
    """The largest of the d - 2r smallest deviations of singular values from rho, relative to it."""
    rest = len(weights[0]) - subspace.width
    inner = weights[: len(subspace.left)]
    gaps = [np.sort(np.abs(np.linalg.svd(w, compute_uv=False) - rho))[:rest].max() for w in inner]
    return float(max(gaps) / rho)


def _tail(network: LawNetwork, d: int, seed: int) -> float:
    """log10 of sigma_(2r+1) / sigma_1 of the product, once trained."""
    weights, loss, _, _ = network.begin(d, seed)
    # At a tenth of the targets' size ten times the rate is as stable, and all depths and scales converge.
    smaller = SquaredError(loss.inputs, loss.targets / np.sqrt(10.0))
    state = run_descent(weights, smaller, Descent(10.0 * RATE), _STEPS_OF_TAIL)
    values = np.linalg.svd(product(state.weights), compute_uv=False)
    return float(np.log10(values[2 * RANK] / values[0]))


def _energy(change: Matrix) -> float:
    values = np.linalg.svd(change, compute_uv=False) ** 2
    return float(values[: 2 * RANK].sum() / values.sum())
