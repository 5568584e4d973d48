"""Random vectors that estimate traces, and subspaces taken out of them."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail.bases import Basis
from eigentrail.errors import BasisError, OptionError

Probe: TypeAlias = Literal["rademacher", "gaussian"]


def draw(
    count: int,
    n: int,
    kind: Probe,
    generator: torch.Generator,
    dtype: torch.dtype,
    device: torch.device | str,
) -> torch.Tensor:
    """Draw probe vectors; the same on every device.

    Args:
        count: how many.
        n: their length.
        kind: "rademacher" for entries +-1, "gaussian" for normal ones.
        generator: on the CPU.
        dtype: of the vectors.
        device: where they shall live.

    Returns:
        [count, n].

    Raises:
        OptionError: there is no such kind.
    """
    if kind == "rademacher":
        made = torch.randint(0, 2, (count, n), generator=generator, dtype=torch.int8).to(device, dtype)
        return made * 2 - 1
    if kind == "gaussian":
        return torch.randn(count, n, generator=generator, dtype=dtype).to(device)
    raise OptionError(f'probes are "rademacher" or "gaussian", not {kind!r}.')


def known_part(
    basis: Basis | None, n: int, dtype: torch.dtype, device: torch.device | str
) -> tuple[Float64[np.ndarray, " k"], torch.Tensor]:
    """Read eigenpairs that are taken out of the probes.

    Args:
        basis: orthonormal eigenvectors with their values, or None.
        n: the dimension.
        dtype: of the vectors.
        device: where they shall live.

    Returns:
        Values [k] and rows [k, n]; k = 0 without a basis.

    Raises:
        BasisError: the basis is of another space, or not orthonormal.
    """
    if basis is None:
        return np.zeros(0), torch.empty(0, n, dtype=dtype, device=device)
    if not isinstance(basis, Basis):
        raise BasisError(
            f"what to deflate is {type(basis).__name__}: give a basis with its values, such as that of Curvature.top."
        )
    if basis.n != n:
        raise BasisError(f"the basis to deflate lives in {basis.n} dimensions and the curvature in {n}.")
    rows: Any = to_float64(basis.directions())
    if np.abs(rows @ rows.T - np.eye(len(rows))).max() > 1e-4:
        raise BasisError(
            "the basis to deflate is not orthonormal: give eigenvectors, or orthogonalise them first."
        )
    return to_float64(basis.values), torch.from_numpy(np.ascontiguousarray(rows)).to(device, dtype)
