"""Intruder dimensions: leading singular vectors of base plus update that lie nowhere in the base."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import scipy.linalg
from jaxtyping import Float64
from scipy.sparse.linalg import LinearOperator, eigsh

from eigentrail._numbers import whole
from eigentrail.chance import compare
from eigentrail.errors import OptionError, SourceError, SpectrumError
from eigentrail.interventions.lora.adapters import open_adapter
from eigentrail.interventions.lora.updates import paired
from eigentrail.spectra import spiked
from eigentrail.spectra.marchenko_pastur import fit_marchenko_pastur
from eigentrail.weights import open_store

_EPSILON = 0.5
_DENSE = 400  # below this size a whole decomposition costs no more than an iteration


def intruders(
    base: Any,
    tuned: Any = None,
    *,
    adapter: Any = None,
    top: int = 10,
    epsilon: float = _EPSILON,
    draws: int = 99,
    rank: int = 16,
    seed: int = 0,
) -> pd.DataFrame:
    """Count the intruder dimensions of a fine-tuned model, beside what an update of the same strength makes by chance.

    A leading left singular vector of W + dW is an intruder if its cosine with every left singular vector of W is below
    epsilon (Shuttleworth et al. 2024, arXiv 2410.21228). The null is the same update turned at random on both sides:
    that a strong update makes intruders at all is not news, that it makes more (or fewer) than a random one is.

    Args:
        base: the model before.
        tuned: the model after; or None with `adapter`.
        adapter: the adapter that is added to the base instead.
        top: how many leading vectors are looked at.
        epsilon: the cosine below which one is an intruder.
        draws: turned updates for each layer.
        rank: an update of a tuned model is taken at its leading `rank` singular values, here and in the null.
        seed: of the draws.

    Returns:
        A row for each layer that changed: `module`, `intruders`, `intruders_chance` (median of the null), `cosine` (the
        smallest of the largest cosines: how far from the base the strangest vector lies), `cosine_chance`, `p`
        (two-sided, that a turned update's strangest vector lies as far), `strength` and `strength_edge` (of the
        update's largest singular value in the noise of W; above the edge it shows as a vector of its own),
        `bbp_cosine` (between that vector and the update's, if so).

    Raises:
        OptionError: neither or both of `tuned` and `adapter` are given.
        SourceError: nothing changed.
    """
    if (tuned is None) == (adapter is None):
        raise OptionError("give either the tuned model or the adapter.")
    whole("top", top, 1)
    whole("draws", draws, 1)
    rng = np.random.default_rng(seed)
    rows = []
    for module, w, update in _changes(base, tuned, adapter, rank):
        rows.append({"module": module, **_layer(w, update, min(top, *w.shape), epsilon, draws, rng)})
    if not rows:
        raise SourceError("no linear weight changed from base to tuned: there can be no intruders.")
    return pd.DataFrame(rows)


def _changes(base: Any, tuned: Any, adapter: Any, rank: int) -> Any:
    """The base's weight [n, m] and the update's U [n, r], s [r], V^T [r, m] of each layer."""
    if tuned is not None:
        for update in paired(base, tuned):
            change = update.change.numpy()
            if not np.any(change):
                continue
            u, s, vt = scipy.linalg.svd(change, full_matrices=False)
            name = f"{update.module}.weight"
            w = open_store(base).read(name).detach().double().numpy()
            w = w.T if update.turned else w.reshape(len(w), -1)
            yield update.module, w, (u[:, :rank], s[:rank], vt[:rank])
        return
    store = open_store(base)
    _, updates = open_adapter(adapter)
    for module, core in updates.items():
        found = [
            name
            for name in store.entries
            if name == f"{module}.weight" or f"{module}.weight".endswith(f".{name}")
        ]
        if not found:
            raise SourceError(f"{store.source} has no weight {module}.weight, which the adapter changes.")
        w = store.read(found[0]).detach().double().flatten(1).numpy()
        w = w if w.shape == core.shape else w.T
        if w.shape != core.shape:
            raise SourceError(f"the update of {module} is {core.shape}, the base's weight {w.shape}.")
        yield module, w, (core.left.numpy(), core.values.numpy(), core.right.numpy())


def _layer(
    w: Float64[np.ndarray, "n m"], update: Any, top: int, epsilon: float, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    left, values, right = update
    u, s, vt = scipy.linalg.svd(w, full_matrices=False)
    cosines = _largest_cosines(s, u.T @ left, values, vt @ right.T, w.shape, top)
    counts, extremes = [], []
    for _ in range(draws):
        turned = [_frame(n, len(values), rng)[: len(s)] for n in w.shape]
        drawn = _largest_cosines(s, turned[0], values, turned[1], w.shape, top)
        counts.append(int((drawn < epsilon).sum()))
        extremes.append(float(drawn.min()))
    compared = compare(float(cosines.min()), extremes, side="two")
    long, short = max(w.shape), min(w.shape)
    row: dict[str, Any] = {
        "intruders": int((cosines < epsilon).sum()),
        "intruders_chance": float(np.median(counts)),
        "cosine": float(cosines.min()),
        "cosine_chance": compared.median,
        "p": compared.p,
        "strength": None,
        "strength_edge": spiked.bbp_threshold(short / long),
        "bbp_cosine": None,
    }
    try:
        noise = fit_marchenko_pastur(s**2 / long, long, short)
    except SpectrumError:
        return row
    row["strength"] = float(values[0] / (noise.sigma * long**0.5))
    sides = spiked.overlap(np.array(row["strength"]), noise.q)
    row["bbp_cosine"] = float(sides[0] if w.shape[0] >= w.shape[1] else sides[1])
    return row


def _frame(n: int, rank: int, rng: np.random.Generator) -> Float64[np.ndarray, "n r"]:
    return np.asarray(np.linalg.qr(rng.normal(size=(n, rank)))[0])


def _largest_cosines(
    s: Float64[np.ndarray, " r"],
    left: Float64[np.ndarray, "r k"],
    values: Float64[np.ndarray, " k"],
    right: Float64[np.ndarray, "r k"],
    shape: tuple[int, int],
    top: int,
) -> Float64[np.ndarray, " t"]:
    """For each leading left vector of W + dW, its largest cosine with a left vector of W.

    In the coordinates of W's own vectors the sum is diag(s) + left diag(values) right^T, bordered by what of the update
    lies outside of W's short side: one direction more for each vector of the update.

    Returns:
        [top] cosines.
    """
    border_left, border_right = _outside(left, shape[0] > len(s)), _outside(right, shape[1] > len(s))
    a = np.vstack([left, border_left]) * values
    b = np.vstack([right, border_right])
    size = len(s)

    def times(x: Any) -> Any:
        y = a @ (b.T @ x)
        y[:size] += (s * x[:size].T).T
        return y

    def back(y: Any) -> Any:
        x = b @ (a.T @ y)
        x[:size] += (s * y[:size].T).T
        return x

    n, m = len(a), len(b)
    if n <= _DENSE:
        vectors = np.linalg.svd(times(np.eye(m)), full_matrices=False)[0][:, :top]
    else:
        operator = LinearOperator((n, n), matvec=lambda y: times(back(y.ravel())), dtype=np.float64)
        _, vectors = eigsh(operator, k=top, v0=np.ones(n), tol=1e-6)
    return np.asarray(np.abs(vectors[:size]).max(axis=0))


def _outside(inside: Float64[np.ndarray, "r k"], wider: bool) -> Float64[np.ndarray, "j k"]:
    """Coordinates of the update's vectors in what the base's vectors do not span: a root of I - inside^T inside."""
    if not wider:
        return np.zeros((0, inside.shape[1]))
    values, vectors = np.linalg.eigh(np.eye(inside.shape[1]) - inside.T @ inside)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))).T)
