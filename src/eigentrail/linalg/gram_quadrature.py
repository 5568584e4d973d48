"""The largest eigenvalues of A^T A and the shape of its spectrum, by Lanczos steps that read A once each."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32, Float64

from eigentrail.linalg.halves import is_half
from eigentrail.linalg.lanczos_quadrature import tridiagonals

# Bytes of rows that stay in the cache between the two products with them.
_BLOCK = 2**21


def gram_product(
    a: Float32[np.ndarray, "rows cols"], x: Float32[np.ndarray, "cols p"]
) -> Float32[np.ndarray, "cols p"]:
    """Multiply A^T A by vectors, reading A once where its rows lie in memory one after the other.

    Args:
        a: [N, M].
        x: [M, p].

    Returns:
        [M, p].
    """
    # Rows of a transposed view do not lie together: it is read twice instead.
    together = is_half(a) or a.flags.c_contiguous
    step = max(1, _BLOCK // (a.shape[1] * a.dtype.itemsize)) if together else len(a)
    out = np.zeros_like(x)
    for start in range(0, len(a), step):
        rows = a[start : start + step]
        out += rows.T @ (rows @ x)
    return out


def gram_quadrature(
    a: Float32[np.ndarray, "rows cols"], steps: int, seed: int = 0
) -> tuple[Float64[np.ndarray, " j"], Float64[np.ndarray, " j"]]:
    """Give the Gauss quadrature of the spectrum of A^T A from one random start.

    Args:
        a: [N, M], N >= M.
        steps: of Lanczos, each one product with A and with its transpose.
        seed: of the start.

    Returns:
        Nodes, ascending, of which the largest are eigenvalues, and weights, which sum to 1.
    """
    m = a.shape[1]
    start = torch.randn(1, m, generator=torch.Generator().manual_seed(seed))

    def apply(rows: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(gram_product(a, np.ascontiguousarray(rows.numpy().T)).T)

    rule = tridiagonals(apply, start, min(steps, m), torch.zeros(0, m))[0]
    return rule.rule(steps)
