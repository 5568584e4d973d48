"""Former eigenvectors as the warm start of a search for new ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail.errors import BasisError
from eigentrail.linalg.spectrum_ends import Which, wanted_places


@dataclass(frozen=True, eq=False)
class WarmStart:
    """What is left of former vectors.

    Attributes:
        mixture: [n] the sum of the vectors, each over its |value|: a Krylov space from one vector that meets all wanted
            ones needs fewer products than one from each of them.
        rows: [k, n] orthonormal, those that may still be eigenvectors; None where there are fewer than k.
    """

    mixture: torch.Tensor
    rows: torch.Tensor | None


def warm_start(
    vectors: Any,
    values: Any,
    n: int,
    k: int,
    which: Which,
    dtype: torch.dtype,
    device: torch.device | str,
) -> WarmStart:
    """Read the start of a search.

    Args:
        vectors: [j, n] or [n], numpy or torch.
        values: [j] their former eigenvalues, largest first; None where they are not known.
        n: the dimension.
        k: how many pairs are wanted.
        which: of which end.
        dtype: of the vectors.
        device: where they shall live.

    Returns:
        The start.

    Raises:
        BasisError: the vectors are of another space, not finite, or all zero.
    """
    weights = None
    if values is not None:
        size = np.abs(to_float64(values))
        weights = 1.0 / np.maximum(size, 1e-3 * size.max(initial=0.0)) if size.any() else None
    rows = to_float64(vectors)
    rows = rows[None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or rows.shape[1] != n or not len(rows) or not np.isfinite(rows).all() or not rows.any():
        raise BasisError(
            f"the start has shape {np.shape(rows)} and the curvature {n} parameters: give finite vectors "
            f"[j, {n}] that are not all zero, such as a former basis."
        )
    lengths = np.linalg.norm(rows, axis=1)
    rows = rows[lengths > 0] / lengths[lengths > 0, None]
    mixture = rows.sum(axis=0) if weights is None else weights[lengths > 0] @ rows
    if len(rows) < k:
        kept = None
    elif values is None or len(rows) == k:
        kept = rows[:k]
    else:
        kept = rows[::-1][wanted_places(which, k, len(rows))]
    rows_kept = None if kept is None else torch.linalg.qr(_tensor(kept, dtype, device).T)[0].T.contiguous()
    return WarmStart(mixture=_tensor(mixture, dtype, device), rows=rows_kept)


def _tensor(x: Float64[np.ndarray, "..."], dtype: torch.dtype, device: torch.device | str) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x)).to(device, dtype)
