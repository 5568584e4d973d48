"""Gradient projection memory: the subspaces that a task's inputs take up stay untouched (Saha, Garg & Roy 2021)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from eigentrail.errors import OptionError
from eigentrail.interventions.anchors.protected import InputSubspace
from eigentrail.interventions.anchors.spectral_anchor import Anchor
from eigentrail.interventions.covariance import input_covariances


def gradient_memory(
    model: nn.Module,
    inputs: Tensor,
    share: float = 0.95,
    layers: list[str] | str | None = None,
    before: Anchor | None = None,
    **options: Any,
) -> Anchor:
    """Protect, in each layer, all changes that answer to the leading directions of its inputs.

    Args:
        model: the network after a task.
        inputs: samples of that task (the paper takes a few hundred).
        share: of the inputs' squared norm that the kept directions make, together with those of `before`.
        layers: globs over names of linear and convolutional weights; None: all.
        before: the anchor of the tasks before, whose directions are kept and added to.
        options: `form` ("gradient" as in the paper, by default), `strength`, `gamma` (see `Anchor`).

    Returns:
        The anchor.

    Raises:
        OptionError: the share is none.
    """
    if not 0.0 < share <= 1.0:
        raise OptionError(f"share is a share of the squared norm, 0 < share <= 1, not {share}.")
    known = (
        {part.name: part.inputs for part in before.protected if isinstance(part, InputSubspace)}
        if before
        else {}
    )
    parameters = dict(model.named_parameters())
    protected = []
    for name, moment in input_covariances(model, inputs, layers).items():
        kept = known.get(name, torch.zeros(len(moment), 0)).double()
        rest = moment - kept @ (kept.T @ moment)
        rest = rest - (rest @ kept) @ kept.T
        values, vectors = torch.linalg.eigh((rest + rest.T) / 2)
        values, vectors = values.flip(0).clamp(min=0.0), vectors.flip(1)
        total = float(moment.trace())
        missing = share * total - (total - float(values.sum()))
        more = int((torch.cumsum(values, 0) < missing - 1e-12 * total).sum()) + 1 if missing > 0 else 0
        basis = torch.linalg.qr(
            torch.cat([kept, vectors[:, : min(more, len(moment) - kept.shape[1])]], dim=1)
        ).Q
        protected.append(InputSubspace(name, basis.to(parameters[name])))
    return Anchor(model, protected, **{"form": "gradient", **options})
