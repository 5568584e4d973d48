"""The largest singular values, and both their vectors, of many matrices at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Float64

from eigentrail.linalg.gram import power_of_two_scale
from eigentrail.linalg.subspace_iteration import FULL
from eigentrail.linalg.symmetric import SMALL, symmetric_eigen

#: Finds the leading eigenvectors of Gram matrices: [b, m, m], k -> [b, k, m].
Solver: TypeAlias = Callable[[Any, int], Any]


def leading_triples(
    w: Float[np.ndarray, "b n m"], k: int, solver: Solver | None = None
) -> tuple[Float64[np.ndarray, "b k n"], Float64[np.ndarray, "b k"], Float64[np.ndarray, "b k m"]]:
    """Find the k largest singular values of each of b matrices and their vectors.

    Args:
        w: [b, rows, cols], none of them zero.
        k: how many.
        solver: finds the eigenvectors of Gram matrices [b, m, m] for the k largest eigenvalues, [b, k, m]; None for
            full decompositions in float64.

    Returns:
        Left vectors [b, k, rows], singular values [b, k], largest first, right vectors [b, k, cols].
    """
    if w.shape[1] < w.shape[2]:
        v, s, u = leading_triples(w.swapaxes(1, 2), k, solver)
        return u, s, v
    # A power of two for all: squares cannot over- or underflow, and no digit is lost.
    scale = power_of_two_scale(w)
    x = w * w.dtype.type(1.0 / scale)
    m = x.shape[2]
    products = x.swapaxes(1, 2) @ x
    if solver is not None and m > FULL:
        short = solver(products, k)
        return *_with_long_side(x, short, scale), short
    grams = products.astype(np.float64)
    if m <= SMALL:
        short = np.linalg.eigh(grams)[1][:, :, ::-1][:, :, :k].swapaxes(1, 2)
    else:
        short = np.stack([symmetric_eigen(gram, k)[1].T for gram in grams])
    return *_with_long_side(x, short, scale), short


def _with_long_side(
    x: Float[np.ndarray, "b n m"], short: Float64[np.ndarray, "b k m"], scale: float
) -> tuple[Float64[np.ndarray, "b k n"], Float64[np.ndarray, "b k"]]:
    long = (short.astype(x.dtype) @ x.swapaxes(1, 2)).astype(np.float64)
    sizes = np.sqrt(np.einsum("bkn,bkn->bk", long, long))
    return long / np.maximum(sizes, 1e-300)[:, :, None], sizes * scale
