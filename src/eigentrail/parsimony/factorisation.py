"""Compressed factorisation beside the full and the narrow network, with and without what follows rho(t)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eigentrail.parsimony.compressed import compress
from eigentrail.parsimony.data import low_rank
from eigentrail.parsimony.descent import Descent, descend
from eigentrail.parsimony.initial import initial_weights
from eigentrail.parsimony.invariant import rho_recursion
from eigentrail.parsimony.losses import Factorization, product

_EPS, _RATE, _DEPTH = 0.1, 0.2, 3
_LOOK = 10


def factorisation(d: int, rank: int, seed: int, steps: int = 500) -> pd.DataFrame:
    """Follow the three networks from weights of one scale, at one rate.

    Args:
        d: rows and columns of the target.
        rank: of the target; the narrow and the compressed network are twice as wide.
        seed: of the target and the weights.
        steps: how many.

    Returns:
        A row for each network and tenth step: `network`, `step`, `error` ||W - Phi|| / ||Phi||, `gap`
        ||W - W_full|| / ||Phi||, and `theory`, rho(t)^L sqrt(d - 2r) / ||Phi||, the gap of the compressed network
        without what follows rho(t).
    """
    target = low_rank(d, d, rank, seed)
    start = initial_weights([d] * (_DEPTH + 1), _EPS, seed=seed)
    small = compress(start, target)
    widths = [d, *[2 * rank] * (_DEPTH - 1), d]
    slim = initial_weights(widths, _EPS, seed=seed)
    rho = rho_recursion(_EPS, _DEPTH, _RATE, steps)
    norm, settings = float(np.linalg.norm(target)), Descent(_RATE)
    rows = []
    for full, inner, narrow in zip(
        descend(start, Factorization(target), settings, steps),
        descend(small.start, small.loss, settings, steps),
        descend(slim, Factorization(target), settings, steps),
        strict=True,
    ):
        step = full.step
        if step % _LOOK:
            continue
        whole = product(full.weights)
        products = {
            "full": whole,
            "compressed": small.expand(inner.weights),
            "compressed, with ρ(t)": small.expand(inner.weights, rho[step]),
            "narrow": product(narrow.weights),
        }
        for name, w in products.items():
            rows.append({
                "network": name, "step": step, "error": float(np.linalg.norm(w - target)) / norm,
                "gap": float(np.linalg.norm(w - whole)) / norm,
                "theory": float(rho[step] ** _DEPTH * np.sqrt(d - 2 * rank)) / norm,
            })  # fmt: skip
    return pd.DataFrame(rows)
