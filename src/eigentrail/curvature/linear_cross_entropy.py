"""The cross-entropy of a last linear layer over many classes, whose logits are never all held.

A vocabulary of 50,000 makes the logits, and what their two derivatives keep, far larger than everything before them.
Here loss, gradient and second derivative are computed for some positions at a time, and only hidden states, weights and
one number a position are kept between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch.autograd.function import once_differentiable

from eigentrail.errors import CurvatureError

# Numbers of the logits that are held at a time.
_NUMBERS = 2**24


def linear_cross_entropy(
    hidden: Float[torch.Tensor, "*positions width"],
    weight: Float[torch.Tensor, "classes width"],
    targets: Int[torch.Tensor, "*positions"],
    *,
    ignore_index: int = -100,
    numbers: int = _NUMBERS,
) -> torch.Tensor:
    """Compute the mean cross-entropy of the logits hidden weight^T, of which only some are held at a time.

    It has a gradient and a second derivative by backward passes (no forward derivatives): as the loss of a `ModelLoss`
    for a language model, `linear_cross_entropy(model.body(tokens), model.head.weight, following)`.

    Args:
        hidden: what the last layer gets.
        weight: of the last layer, which has no bias.
        targets: the class of each position.
        ignore_index: of positions that do not count.
        numbers: how many logits are held at a time.

    Returns:
        The mean over the positions that count.

    Raises:
        CurvatureError: shapes do not fit, or no position counts.
    """
    if hidden.shape[:-1] != targets.shape or weight.ndim != 2 or hidden.shape[-1] != weight.shape[1]:
        raise CurvatureError(
            f"hidden states {list(hidden.shape)}, weights {list(weight.shape)} and targets {list(targets.shape)} do "
            "not fit: give [*positions, width], [classes, width] and [*positions]."
        )
    flat = targets.reshape(-1)
    kept = flat != ignore_index
    count = int(kept.sum())
    if not count:
        raise CurvatureError("no target counts in the loss: all are ignored.")
    rows = max(1, numbers // weight.shape[0])
    found: torch.Tensor = _Loss.apply(  # type: ignore[no-untyped-call]
        hidden.reshape(-1, hidden.shape[-1]), weight, flat.where(kept, 0), kept.to(hidden.dtype) / count, rows
    )
    return found


def _parts(total: int, rows: int) -> Iterator[slice]:
    for low in range(0, total, rows):
        yield slice(low, min(low + rows, total))


def _slope(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, levels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the probabilities of some positions, and these less one at the targets."""
    p = (hidden @ weight.T - levels[:, None]).exp_()
    slope = p.clone()
    slope[torch.arange(len(targets), device=targets.device), targets] -= 1.0
    return p, slope


class _Loss(torch.autograd.Function):
    """sum_i share_i (logsumexp_c z_ic - z_i,target), z = h w^T."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        targets: torch.Tensor,
        shares: torch.Tensor,
        rows: int,
    ) -> torch.Tensor:
        levels = hidden.new_empty(len(hidden))
        total = hidden.new_zeros(())
        for part in _parts(len(hidden), rows):
            logits = hidden[part] @ weight.T
            levels[part] = logits.logsumexp(dim=1)
            at = logits.gather(1, targets[part, None])[:, 0]
            total += (shares[part] * (levels[part] - at)).sum()
        ctx.save_for_backward(hidden, weight, targets, shares, levels)
        ctx.rows = rows
        return total

    @staticmethod
    def backward(ctx: Any, scale: torch.Tensor) -> Any:
        return (*_Gradient.apply(scale, *ctx.saved_tensors, ctx.rows), None, None, None)  # type: ignore[no-untyped-call]


class _Gradient(torch.autograd.Function):
    """The gradient in h and w; its backward pass is the product with the second derivative."""

    @staticmethod
    def forward(
        ctx: Any,
        scale: torch.Tensor,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        targets: torch.Tensor,
        shares: torch.Tensor,
        levels: torch.Tensor,
        rows: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        in_hidden, in_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        for part in _parts(len(hidden), rows):
            _, slope = _slope(hidden[part], weight, targets[part], levels[part])
            slope *= (scale * shares[part])[:, None]
            in_hidden[part] = slope @ weight
            in_weight += slope.T @ hidden[part]
        ctx.save_for_backward(scale, hidden, weight, targets, shares, levels)
        ctx.rows = rows
        return in_hidden, in_weight

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator,unused-ignore]
    def backward(ctx: Any, along_hidden: torch.Tensor, along_weight: torch.Tensor) -> Any:
        scale, hidden, weight, targets, shares, levels = ctx.saved_tensors
        in_hidden, in_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        in_scale = scale.new_zeros(())
        for part in _parts(len(hidden), ctx.rows):
            h, u = hidden[part], along_hidden[part]
            p, slope = _slope(h, weight, targets[part], levels[part])
            share = shares[part][:, None]
            moved = u @ weight.T + h @ along_weight.T
            in_scale += (share * slope * moved).sum()
            # Softmax's derivative: p (moved - mean of moved under p).
            bent = p * (moved - (p * moved).sum(dim=1, keepdim=True))
            bent *= scale * share
            slope *= scale * share
            in_hidden[part] = bent @ weight + slope @ along_weight
            in_weight += bent.T @ h + slope.T @ u
        return in_scale, in_hidden, in_weight, None, None, None, None
