"""Leading eigenvectors of a symmetric matrix whose eigenvalues are known, by block Lanczos in float32.

The vectors of a matrix of order 4096 take a tenth of the time of its eigenvalues.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import scipy.linalg
from jaxtyping import Float, Float64

from eigentrail.linalg.block_lanczos import block_lanczos

# Start vectors and applications; where vectors are left unfinished, the space is made deeper, a few times.
_WIDTH, _DEPTH, _DEEPER = 24, 32, 2
# Of the vectors' residuals, as a share of the distance to the nearest eigenvalue that is not among those asked for.
_ENOUGH = 1e-2
# Eigenvalues so many times as large hide the others in float32: their part is taken away before it is rounded.
_HIDES = 1e3
_ROWS = 512
# Side of what is mirrored at a time, in the cache.
_TILE = 128


def leading_of_known(
    g: Float64[np.ndarray, "m m"], values: Float64[np.ndarray, " m"], k: int, seed: int = 0
) -> Float64[np.ndarray, "m k"]:
    """Find the vectors of the k largest eigenvalues.

    Args:
        g: [M, M] symmetric and positive; only the lower triangle is read.
        values: [M] its eigenvalues, ascending.
        k: how many.
        seed: of the start.

    Returns:
        [M, k] unit vectors, those of the largest eigenvalues first. Among eigenvalues that lie closer than the rounding
        of float32, directions are mixed.
    """
    m = len(g)
    largest = values[::-1]
    found = np.empty((m, 0))
    rng = np.random.default_rng(seed)
    while (done := found.shape[1]) < k:
        together = done + max(1, int((largest[done:k] * _HIDES >= largest[done]).sum()))
        low = _rest(g, values, found)
        start = rng.standard_normal((m, min(max(_WIDTH, together - done), m - done)), dtype=np.float32)
        for depth in range(_DEPTH, _DEPTH * (_DEEPER + 1), _DEPTH):
            rule = block_lanczos(partial(np.matmul, low), start, depth, together - done)
            wanted = rule.residuals[::-1][: together - done]
            gap = max(
                float(largest[together - 1] - largest[min(together, m - 1)]), 1e-6 * float(largest[done])
            )
            if wanted.max() <= _ENOUGH * gap or len(rule.values) >= m - done:
                break
        found = np.hstack([found, _ritz_vectors(g, rule.vectors, found)])
    return np.ascontiguousarray(found)


def _ritz_vectors(
    g: Float64[np.ndarray, "m m"], block: Float[np.ndarray, "m p"], known: Float64[np.ndarray, "m j"]
) -> Float64[np.ndarray, "m p"]:
    """Turn a block to its Ritz vectors in the complement of known ones, in float64, largest first."""
    # One product in float64: what rounding has put into vectors of values that others hide goes.
    exact = scipy.linalg.blas.dsymm(1.0, g, np.linalg.qr(block.astype(np.float64))[0], lower=1)
    for _ in range(2):
        exact = np.linalg.qr(exact - known @ (known.T @ exact))[0]
    small = exact.T @ scipy.linalg.blas.dsymm(1.0, g, exact, lower=1)
    _, turn = np.linalg.eigh((small + small.T) / 2.0)
    return np.asarray(exact @ turn[:, ::-1])


def _rest(
    g: Float64[np.ndarray, "m m"], values: Float64[np.ndarray, " m"], known: Float64[np.ndarray, "m j"]
) -> Float[np.ndarray, "m m"]:
    """Give the whole matrix less its part on known leading vectors, in float32."""
    out = np.empty(g.shape, dtype=np.float32)
    upper = g.T  # in the order of C
    held = known * values[::-1][: known.shape[1]]
    for start in range(0, len(g), _ROWS):
        stop = min(start + _ROWS, len(g))
        rows = upper[start:stop, start:]
        if known.shape[1]:
            rows = rows - held[start:stop] @ known[start:].T
        out[start:stop, start:] = rows
        for place in range(start, stop, _TILE):
            end = min(place + _TILE, stop)
            square = np.triu(out[place:end, place:end])
            out[place:end, place:end] = square + np.triu(square, 1).T
            for beside in range(end, len(g), _TILE):
                tile = slice(beside, beside + _TILE)
                out[tile, place:end] = out[place:end, tile].T
    return out
