"""Two adapters before a merge: which layers' updates collide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from eigentrail.chance import compare
from eigentrail.errors import SourceError
from eigentrail.interventions.lora.adapters import AdapterUpdate, open_adapter
from eigentrail.spectra.subspaces import chance_overlap, principal_angles

_DRAWS = 199


def merge_check(a: Any, b: Any, *, draws: int = _DRAWS, seed: int = 0) -> pd.DataFrame:
    """Compare the updates of two adapters of one base, layer by layer.

    Args:
        a: an adapter's folder.
        b: another's.
        draws: random pairs of subspaces for each layer.
        seed: of these.

    Returns:
        A row for each layer of both: `module`, `cosine` (of the two updates as vectors: 1 the same, -1 they cancel, 0
        they do not meet), `cosine_p` (two-sided, against updates turned at random), `overlap_out` and `overlap_in`
        (mean squared cosine of the principal angles of their output and input subspaces), `chance_out`, `chance_in`,
        `p_out`, `p_in` (that random subspaces meet as closely), `angle_out` and `angle_in` (the smallest
        angles, in degrees).

    Raises:
        SourceError: they change no layer in common, or one layer in different shapes.
    """
    _, first = open_adapter(a)
    _, second = open_adapter(b)
    common = [module for module in first if module in second]
    if not common:
        raise SourceError(
            f"the adapters change no layer in common ({next(iter(first))} and {next(iter(second))}): "
            "they cannot collide."
        )
    rng = np.random.default_rng(seed)
    return pd.DataFrame([_layer(module, first[module], second[module], draws, rng) for module in common])


def _layer(
    module: str, a: AdapterUpdate, b: AdapterUpdate, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    if a.shape != b.shape:
        raise SourceError(
            f"{module} is {a.shape} in one adapter and {b.shape} in the other: their bases differ."
        )
    a, b = _alive(module, a), _alive(module, b)
    left, right = (a.left.T @ b.left).numpy(), (a.right @ b.right.T).numpy()
    inner = float((a.values.numpy()[:, None] * left * right * b.values.numpy()).sum())
    null_left, null_right = (_random_cosines(n, len(left), left.shape[1], draws, rng) for n in a.shape)
    weights = a.values.numpy()[:, None] * b.values.numpy()
    turned = (weights * null_left * null_right).sum(axis=(1, 2)) / (a.norm * b.norm)
    row: dict[str, Any] = {
        "module": module,
        "cosine": inner / (a.norm * b.norm),
        "cosine_p": compare(inner / (a.norm * b.norm), turned, side="two").p,
    }
    sides = (("out", left, null_left, a.left.T, b.left.T), ("in", right, null_right, a.right, b.right))
    for side, cosines, null, one, other in sides:
        few = min(cosines.shape)
        overlap = float((cosines**2).sum() / few)
        row[f"overlap_{side}"] = overlap
        row[f"chance_{side}"] = chance_overlap(len(cosines), cosines.shape[1], one.shape[1])
        row[f"p_{side}"] = compare(overlap, (null**2).sum(axis=(1, 2)) / few, side="greater").p
        row[f"angle_{side}"] = float(np.degrees(principal_angles(one.numpy(), other.numpy())[0]))
    return row


def _alive(module: str, update: AdapterUpdate) -> AdapterUpdate:
    """Leave out the directions in which the update vanishes: their vectors mean nothing."""
    rank = int((update.values > 1e-6 * update.values[0]).sum()) if update.norm else 0
    if not rank:
        raise SourceError(f"the update of {module} vanishes: leave the layer out.")
    return AdapterUpdate(module, update.left[:, :rank], update.values[:rank], update.right[:rank])


def _random_cosines(n: int, j: int, k: int, draws: int, rng: np.random.Generator) -> Any:
    """Inner products [draws, j, k] of orthonormal bases of random subspaces of dimensions j and k in n dimensions.

    Those of j coordinate axes with Q = X R^-1 of a Gaussian X [n, k]: of X only its first j rows are drawn, and what
    the others add to R^T R (Bartlett's triangle).

    Returns:
        One matrix for each draw.
    """
    top = rng.normal(size=(draws, j, k))
    rest = np.triu(rng.normal(size=(draws, k, k)), 1)
    i = np.arange(k)
    freedom = n - j - i
    if freedom[-1] < 1:
        return np.linalg.qr(rng.normal(size=(draws, n, k)))[0][:, :j]
    rest[:, i, i] = np.sqrt(rng.chisquare(freedom, size=(draws, k)))
    square = np.swapaxes(top, 1, 2) @ top + np.swapaxes(rest, 1, 2) @ rest
    lower = np.linalg.cholesky(square)
    return np.swapaxes(np.linalg.solve(lower, np.swapaxes(top, 1, 2)), 1, 2)
