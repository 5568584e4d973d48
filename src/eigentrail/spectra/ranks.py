"""How many directions a matrix really uses: five answers from its eigenvalues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from eigentrail.errors import OptionError, SpectrumError
from eigentrail.spectra.unfolding import check_levels

_ROUNDING = 1e-9
"""Negative eigenvalues of W^T W up to this share of the largest are rounding, not an indefinite matrix."""


@dataclass(frozen=True)
class Ranks:
    """Ranks of one matrix; of k pooled matrices, those of the block-diagonal matrix made of them.

    None of them depends on the scale or the orientation of the matrix. With p_i = lambda_i / sum lambda they
    are the exponentials of Renyi entropies of p of order infinity (stable), 2 (participation) and 1
    (effective), so that always 1 <= stable <= participation <= effective <= number of eigenvalues above zero.

    Attributes:
        numerical: number of singular values above eps times the norm.
        stable: ||W||_F^2 / ||W||_2^2; of a pool, the sum of ||W_j||_F^2 over the largest squared singular
            value.
        effective: exp of the entropy of p, the squared singular values over their sum (Roy & Vetterli 2007
            define it with the singular values themselves).
        participation: (sum lambda)^2 / sum lambda^2.
        mp_soft: upper Marchenko-Pastur edge over the largest eigenvalue; None where no edge was given.
    """

    numerical: int
    stable: float
    effective: float
    participation: float
    mp_soft: float | None


def ranks(
    eigenvalues: Any,
    rows: int,
    cols: int,
    matrices: int = 1,
    *,
    eps: float | int = 1e-3,
    norm: str = "frobenius",
    edge_high: float | int | None = None,
) -> Ranks:
    """Compute the ranks of a matrix from the eigenvalues of W^T W (any positive multiple of it will do).

    Args:
        eigenvalues: all eigenvalues in any order, min(rows, cols) for each matrix, of any array shape.
        rows: rows of the matrix.
        cols: columns of the matrix.
        matrices: number of matrices pooled.
        eps: threshold of the numerical rank, #{i: sigma_i / ||W|| > eps} (S4 takes 1e-3).
        norm: which ||W|| the numerical rank divides by: "frobenius" (S4's definition and its authors' code)
            or "spectral" (the largest singular value). A Frobenius norm counts at most as many directions.
        edge_high: upper edge of the Marchenko-Pastur bulk in the units of the eigenvalues, for the soft rank.

    Returns:
        The ranks.

    Raises:
        OptionError: if `eps` or `norm` is outside what it may be.
        SpectrumError: if the eigenvalues are not finite, are those of an indefinite or a zero matrix, or do
            not fit the shape.
    """
    if norm not in {"frobenius", "spectral"}:
        raise OptionError(f"norm {norm!r} is unknown; use 'frobenius' or 'spectral'.")
    if not 0.0 <= eps < 1.0:
        raise OptionError(f"the numerical rank needs 0 <= eps < 1, not {eps}.")
    values = positive_spectrum(eigenvalues)
    expected = matrices * min(rows, cols)
    if values.size != expected:
        raise SpectrumError(
            f"{values.size} eigenvalues do not belong to {matrices} matrix(es) of shape {rows} x {cols}, which "
            f"have {expected}; give them all, zeros included."
        )
    largest = float(values.max())
    # Relative to the largest first: sums and squares of these neither overflow nor underflow.
    relative = values / largest
    total = float(relative.sum())
    p = relative[relative > 0.0] / total
    return Ranks(
        numerical=int(np.count_nonzero(relative > eps**2 * (total if norm == "frobenius" else 1.0))),
        stable=total,
        effective=float(np.exp(-np.sum(p * np.log(p)))),
        participation=total**2 / float(relative @ relative),
        mp_soft=None if edge_high is None else float(edge_high) / largest,
    )


def positive_spectrum(eigenvalues: Any) -> Float64[np.ndarray, "n"]:
    """Check eigenvalues of a W^T W and set what rounding made negative to zero.

    Args:
        eigenvalues: array of any shape.

    Returns:
        The eigenvalues as one vector, none negative, in the order given.

    Raises:
        SpectrumError: if they are not finite, none, all zero, or some are negative beyond rounding.
    """
    values = check_levels(eigenvalues).ravel()
    largest = float(values.max())
    if float(values.min()) < -_ROUNDING * abs(largest):
        raise SpectrumError(
            f"the smallest eigenvalue is {values.min():.3g}: ranks are those of a W^T W, which has none below "
            "zero; for a symmetric matrix give the squares of its eigenvalues."
        )
    if largest == 0.0:
        raise SpectrumError("all eigenvalues are zero: a zero matrix has no rank relative to its norm.")
    return np.asarray(np.maximum(values, 0.0))
