"""James-Stein shrinkage of the leading singular vectors towards a target."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from eigentrail._arrays import is_tensor, to_float64
from eigentrail.errors import LayerError, OptionError
from eigentrail.interventions.contract import intervention
from eigentrail.interventions.decomposition import Decomposition, MatrixLike, decompose
from eigentrail.interventions.edited_matrix import EditedMatrix, joined
from eigentrail.interventions.rank_choice import chosen_rank

_FORMS = ("full", "vector", "literal")


@intervention(
    label="shrink leading vectors towards a target",
    source="S0 slides 9-13; Goldberg & Kercheval 2023 for k = 1",
)
def james_stein(
    w: MatrixLike,
    k: int = 1,
    *,
    target: Any = "mean",
    form: Literal["full", "vector", "literal"] = "full",
) -> EditedMatrix:
    """Cut a matrix to rank k with its leading vectors of the long side shrunk towards a target.

    With the long side as rows, W = U S V^T [p, n], H = U_k S_k / sqrt(n), M = P H with P the projection on the
    target's span, R = H - M, nu^2 = sum_{i>k} s_i^2 / n / (n_+ - k) and C = (I - nu^2 (R^T R)^-1)_+ the result is
    H_JS = H C + M (I - C): what lies off the target is shrunk as far as noise of this size explains it. Vectors without
    a part along the target gain nothing; weight matrices against the mean are such.

    Args:
        w: [n, m], or [p, n, m] for a pool, each by itself; numpy or torch.
        k: how many leading vectors, fewer than the rank.
        target: "mean" (the vector of ones: the grand mean), a vector [p] of the long side, or several [p, j] whose span
            is the target; see `targets` for the initial direction, a point on a geodesic and a random direction.
        form: "full" (sqrt(n) H_JS V_k^T), "vector" (the columns of H_JS to length 1, the singular values as they
            were) or "literal" (the same vectors with the values sqrt(s_i^2 - n nu^2) that the source prints).

    Returns:
        The shrunk matrix with its predicted distance from W.

    Raises:
        OptionError: there is no such form or target, or the target does not fit.
        LayerError: k is the whole rank, so that nothing is left to tell the noise from.
    """
    if form not in _FORMS:
        raise OptionError(f"form is one of {', '.join(_FORMS)}, not {form!r}.")
    pieces, weights = [], []
    for parts in decompose(w):
        k = chosen_rank(parts, k)
        if k >= parts.rank:
            raise LayerError(
                f"k={k} is the whole rank: James-Stein takes the noise from the singular values beyond k."
            )
        long_first = parts.shape[0] >= parts.shape[1]
        turned = parts if long_first else Decomposition(parts.right.T, parts.values, parts.left.T)
        new = _shrunk_columns(turned, k, _directions(target, turned.shape[0]), form)
        old = turned.left[:, :k] * turned.values[:k]
        lost = (new - old).square().sum() + parts.values[k:].square().sum()
        pair = (new, turned.right[:k]) if long_first else (turned.right[:k].T, new.T)
        pieces.append(EditedMatrix((pair,), float((lost / parts.energy) ** 0.5), w))
        weights.append(parts.energy)
    return joined(pieces, weights)


def _shrunk_columns(parts: Decomposition, k: int, target: Tensor, form: str) -> Tensor:
    """The columns [p, k] that take the place of U_k S_k."""
    n = parts.shape[1]
    h = parts.left[:, :k] * parts.values[:k] / n**0.5
    nu2 = float(parts.values[k:].square().sum()) / n / (parts.rank - k)
    m = target @ (target.T @ h)
    r = h - m
    eigenvalues, vectors = torch.linalg.eigh(r.T @ r)
    # The positive part: where the noise explains all that lies off the target, nothing of it stays.
    kept = (1.0 - nu2 / eigenvalues.clamp(min=torch.finfo(torch.float64).tiny)).clamp(min=0.0)
    c = vectors * kept @ vectors.T
    h_js = h @ c + m - m @ c
    if form == "full":
        return torch.mul(h_js, n**0.5)
    length = torch.linalg.vector_norm(h_js, dim=0)
    if bool((length <= 0.0).any()):
        raise LayerError(
            "a shrunk vector vanishes: it lies off the target and within the noise; take form='full'."
        )
    values = parts.values[:k]
    if form == "literal":
        values = (values.square() - n * nu2).clamp(min=0.0).sqrt()
    return torch.mul(h_js / length, values)


def _directions(target: Any, size: int) -> Tensor:
    """An orthonormal basis [p, j] of the target's span."""
    if isinstance(target, str):
        if target != "mean":
            raise OptionError(f'target is "mean" or directions of the long side, not {target!r}.')
        return torch.full((size, 1), size**-0.5, dtype=torch.float64)
    t = target.detach().cpu().double() if is_tensor(target) else torch.from_numpy(to_float64(target))
    t = t[:, None] if t.ndim == 1 else t
    if t.ndim != 2 or t.shape[0] != size or t.shape[1] >= size:
        raise OptionError(
            f"the target is [{size}] or [{size}, j], a direction of the long side, not {list(t.shape)}."
        )
    if not bool(torch.isfinite(t).all()) or bool((torch.linalg.vector_norm(t, dim=0) == 0).any()):
        raise OptionError("the target's directions are finite and not zero.")
    basis: Tensor = torch.linalg.qr(t).Q
    return basis
