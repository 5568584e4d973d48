"""Elastic weight consolidation, with the Fisher information that is meant by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from eigentrail.errors import OptionError
from eigentrail.interventions.anchors.protected import Importance
from eigentrail.interventions.anchors.spectral_anchor import Anchor, chosen_parameters

#: The Fisher informations that published code calls by this one name.
FISHERS = ("exact", "sampled", "empirical", "batch")
Fisher = Literal["exact", "sampled", "empirical", "batch"]


def fisher_anchor(
    model: nn.Module,
    data: tuple[Tensor, Tensor],
    fisher: Fisher = "exact",
    layers: str | Sequence[str] | None = None,
    *,
    batch: int = 100,
    seed: int = 0,
    **options: Any,
) -> Anchor:
    """Protect each entry by its diagonal Fisher information (Kirkpatrick et al. 2017).

    Four different things go by that name and need different strengths (van de Ven 2025, arXiv 2502.11756): "exact", the
    mean over samples of sum_c p_c (d log p_c)^2 with the network's own probabilities; "sampled", the same with one
    class drawn from them; "empirical", with the true class; "batch", the squared gradient of each batch's mean loss.

    Args:
        model: a classifier after the first task; gives logits.
        data: inputs and class numbers.
        fisher: which of them.
        layers: globs over parameter names; None: all.
        batch: samples at once.
        seed: of the drawn classes.
        options: `form`, `strength`, `gamma` (see `Anchor`).

    Returns:
        The anchor with h = F / 2 for each entry, so that `strength` is the method's lambda.

    Raises:
        OptionError: there is no such Fisher information.
    """
    if fisher not in FISHERS:
        raise OptionError(f"fisher is one of {', '.join(FISHERS)}, not {fisher!r}.")
    chosen = {name: p.detach() for name, p in chosen_parameters(model, layers).items()}
    generator = torch.Generator().manual_seed(seed)
    training = model.training
    model.eval()

    def log_probability(weights: dict[str, Tensor], x: Tensor, label: Tensor) -> Tensor:
        logits = functional_call(model, weights, (x[None],))
        return -F.cross_entropy(logits, label[None])

    per_sample = vmap(grad(log_probability), in_dims=(None, 0, 0))
    sums = {name: torch.zeros_like(p) for name, p in chosen.items()}
    count = 0
    try:
        for x, y in zip(torch.split(data[0], batch), torch.split(data[1], batch), strict=True):
            for labels, weights in _labels(model, x, y, fisher, generator):
                gradients = per_sample(chosen, x, labels)
                for name, gradient in gradients.items():
                    shape = (-1, *[1] * (gradient.ndim - 1))
                    if fisher == "batch":
                        sums[name] += gradient.mean(0).square()
                    else:
                        sums[name] += (weights.reshape(shape) * gradient.square()).sum(0)
            count += 1 if fisher == "batch" else len(x)
    finally:
        model.train(training)
    return Anchor(model, [Importance(name, total / (2.0 * count)) for name, total in sums.items()], **options)


@torch.no_grad()
def _labels(
    model: nn.Module, x: Tensor, y: Tensor, fisher: str, generator: torch.Generator
) -> list[tuple[Tensor, Tensor]]:
    """The classes whose gradients count, and how much each does."""
    ones = torch.ones(len(x), dtype=x.dtype, device=x.device)
    if fisher in {"empirical", "batch"}:
        return [(y, ones)]
    probabilities = model(x).softmax(dim=1)
    if fisher == "sampled":
        drawn = torch.multinomial(probabilities.cpu(), 1, generator=generator)[:, 0]
        return [(drawn.to(x.device), ones)]
    return [(torch.full_like(y, c), probabilities[:, c]) for c in range(probabilities.shape[1])]
