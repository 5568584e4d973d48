"""Gauss quadrature of the spectral measure of a vector, by Lanczos with full reorthogonalisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64

from eigentrail.linalg.finite import finite_products
from eigentrail.linalg.krylov_space import Apply, lengths, unit_rows


@dataclass(frozen=True, eq=False)
class Tridiagonal:
    """The projection of an operator on the Krylov space of one vector.

    Attributes:
        diagonal: [j].
        off: [j - 1].
        left: length of what the last product has outside of the space; next to nothing where the space is invariant.
        vectors: [j, n] orthonormal, those of the space; None where they were not asked for.
    """

    diagonal: Float64[np.ndarray, " j"]
    off: Float64[np.ndarray, " j_1"]
    left: float
    vectors: torch.Tensor | None = None

    def rule(self, depth: int) -> tuple[Float64[np.ndarray, " j"], Float64[np.ndarray, " j"]]:
        """Give nodes and weights of the quadrature rule of some depth.

        Args:
            depth: at most so many steps.

        Returns:
            Nodes ascending and weights that sum to 1.
        """
        d, e = self.diagonal[:depth], self.off[: max(depth - 1, 0)]
        nodes, mixes = np.linalg.eigh(np.diag(d) + np.diag(e, 1) + np.diag(e, -1))
        return nodes, mixes[0] ** 2


def tridiagonals(
    apply: Apply, starts: torch.Tensor, depth: int, known: torch.Tensor, *, keep: bool = False
) -> list[Tridiagonal]:
    """Run Lanczos from several vectors side by side, in the complement of a known subspace.

    Args:
        apply: the operator, [j, n] -> [j, n].
        starts: [p, n], not zero.
        depth: at most so many steps; a run that finds an invariant subspace ends earlier, its rule is exact.
        known: [k, n] orthonormal rows to stay orthogonal to.
        keep: whether to give the vectors, too.

    Returns:
        One tridiagonal matrix a start.
    """
    p, n = starts.shape
    starts = without(starts, known)
    rows = unit_rows(starts)
    basis = torch.zeros(p, depth, n, dtype=rows.dtype, device=rows.device)
    diagonal, off = np.zeros((p, depth)), np.zeros((p, depth))
    length = np.full(p, depth)
    scale = np.zeros(p)
    active = np.arange(p)
    eps = float(torch.finfo(rows.dtype).eps)
    for step in range(depth):
        place = torch.from_numpy(active).to(rows.device)
        basis[place, step] = rows
        products = finite_products(apply(rows))
        norms = lengths(products).cpu().numpy()
        scale[active] = np.maximum(scale[active], norms)
        diagonal[active, step] = (products.double() * rows.double()).sum(dim=1).cpu().numpy()
        rest = without(products, known)
        so_far = basis[place, : step + 1]
        for _ in range(2):
            inner = torch.bmm(so_far, rest[:, :, None])
            rest = rest - torch.bmm(so_far.transpose(1, 2), inner)[:, :, 0]
        beta = lengths(rest).cpu().numpy()
        off[active, step] = beta
        ended = beta <= 10 * eps * scale[active]
        length[active[ended]] = step + 1
        going = np.flatnonzero(~ended)
        active = active[going]
        if not len(active):
            break
        kept = torch.from_numpy(going).to(rows.device)
        rows = unit_rows(rest[kept])
    return [
        Tridiagonal(diagonal[i, :j], off[i, : j - 1], float(off[i, j - 1]), basis[i, :j] if keep else None)
        for i, j in enumerate(length.tolist())
    ]


def without(rows: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Take a subspace out of vectors.

    Args:
        rows: [j, n].
        known: [k, n] orthonormal.

    Returns:
        [j, n] orthogonal to `known`.
    """
    for _ in range(2 if len(known) else 0):
        rows = rows - (rows @ known.T) @ known
    return rows
