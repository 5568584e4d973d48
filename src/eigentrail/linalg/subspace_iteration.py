"""Leading eigenvectors of many matrices that change little from step to step, from those of the step before."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

# Directions that are carried along beside those asked for; the filter separates what is asked for from the rest.
# Eigenvalues of small matrices lie farther apart, and there the decompositions of the block are what takes the time.
_GUARDS, _GUARDS_SMALL, _SMALL = 8, 4, 64
# Higher degrees lose the guards to rounding.
_DEGREE = 9
# The filter grows as (4 x eigenvalue / cut) to its degree: above this share of the trace it stays below 1e30.
_LEAST_CUT = 4 * 1e30 ** (-1 / _DEGREE)
# What lies below this share of the trace is rounding in float32: the matrix has a lower rank.
_NOTHING = 1e-9
_SWEEPS = 4
# Largest residual, in units of the largest eigenvalue: eigenvalues of noise lie some hundred times farther apart.
_TOLERANCE = 1e-4
#: Up to this order a full decomposition is as fast.
FULL = 36


class SubspaceIteration:
    """Chebyshev-filtered subspace iteration, started from the last step's vectors, in float32.

    Each result is checked by its residual; what has not converged is decomposed in full. (Zhou, Saad, Tiago &
    Chelikowsky 2006 describe the iteration.)

    Attributes:
        exact: how many decompositions in full were needed.
    """

    def __init__(self) -> None:
        self._block: Float32[np.ndarray, "b p m"] | None = None
        self._lowest = np.zeros(0)
        self._traces = np.zeros(0)
        self.exact = 0

    def __call__(self, grams: Float32[np.ndarray, "b m m"], k: int) -> Float64[np.ndarray, "b k m"]:
        """Find the eigenvectors of the k largest eigenvalues of the next step.

        Args:
            grams: symmetric positive matrices, the same ones at each call, a step later.
            k: how many.

        Returns:
            Unit vectors, largest eigenvalue first.
        """
        m = grams.shape[1]
        width = min(k + (_GUARDS_SMALL if m <= _SMALL else _GUARDS), m)
        traces = np.einsum("bmm->b", grams).astype(np.float64)
        if self._block is None or self._block.shape != (len(grams), width, m):
            values, block = self._full(grams, width)
        else:
            values, block = self._iterate(grams, k, self._block, self._lowest * traces / self._traces)
        self._block, self._lowest, self._traces = block, values[:, -1], traces
        vectors = block[:, :k].astype(np.float64)
        vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
        return np.asarray(vectors)

    def _full(self, grams: Float32[np.ndarray, "b m m"], width: int) -> tuple[Any, Any]:
        self.exact += len(grams)
        values, vectors = np.linalg.eigh(grams)
        block = np.ascontiguousarray(vectors[:, :, ::-1][:, :, :width].swapaxes(1, 2))
        return values[:, ::-1][:, :width].astype(np.float64), block

    def _iterate(
        self,
        grams: Float32[np.ndarray, "b m m"],
        k: int,
        block: Float32[np.ndarray, "b p m"],
        cut: Float64[np.ndarray, " b"],
    ) -> tuple[Any, Any]:
        values = np.zeros(block.shape[:2])
        block = block.copy()
        open_ = np.arange(len(grams))
        for _ in range(_SWEEPS):
            g = grams if len(open_) == len(grams) else grams[open_]
            x = _orthonormal(_filtered(g, block[open_], cut[open_]))
            gx = x @ g
            small, turn = np.linalg.eigh(gx @ x.swapaxes(1, 2))
            turn = turn[:, :, ::-1].swapaxes(1, 2)
            values[open_] = small[:, ::-1]
            block[open_] = turn @ x
            wanted = turn[:, :k]
            left = wanted @ gx - values[open_, :k, None].astype(np.float32) * block[open_, :k]
            residual = np.sqrt(np.einsum("bkm,bkm->bk", left, left).max(axis=1))
            cut[open_] = values[open_, -1]
            open_ = open_[~(residual <= _TOLERANCE * values[open_, 0])]
            if not len(open_):
                return values, block
        values[open_], block[open_] = self._full(grams[open_], block.shape[1])
        return values, block


def _filtered(
    g: Float32[np.ndarray, "b m m"], x: Float32[np.ndarray, "b p m"], cut: Float64[np.ndarray, " b"]
) -> Float32[np.ndarray, "b p m"]:
    """Apply the Chebyshev polynomial that is small on [0, cut] and grows beyond."""
    traces = np.einsum("bmm->b", g).astype(np.float64)
    cut = np.maximum(cut, traces * _NOTHING)
    grows = bool((traces > cut / _LEAST_CUT).any())
    scale = (2.0 / cut).astype(np.float32)[:, None, None]
    last, now = x, scale * (x @ g) - x
    for _ in range(_DEGREE - 1):
        if grows:
            # The directions stay what they are, and no digit is lost.
            size = np.exp2(-np.ceil(np.log2(np.abs(now).max(axis=2, keepdims=True))))
            last, now = last * size, now * size
        following = _times(now, g, scale)
        following -= last
        last, now = now, following
    return np.asarray(now)


def _times(
    now: Float32[np.ndarray, "b p m"], g: Float32[np.ndarray, "b m m"], scale: Float32[np.ndarray, "b 1 1"]
) -> Float32[np.ndarray, "b p m"]:
    out = now @ g
    out *= 2.0 * scale
    out -= 2.0 * now
    return np.asarray(out)


def _orthonormal(x: Float32[np.ndarray, "b p m"]) -> Float32[np.ndarray, "b p m"]:
    sizes = np.sqrt(np.einsum("bpm,bpm->bp", x, x))[:, :, None]
    q = np.linalg.qr((x / sizes).swapaxes(1, 2))[0]
    return np.asarray(np.ascontiguousarray(q.swapaxes(1, 2)))
