"""Elastic weight consolidation, with the Fisher information that is meant by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, cast

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
    sums = {name: torch.zeros_like(p) for name, p in chosen.items()}
    count = 0
    training = model.training
    model.eval()
    try:
        plain = {} if fisher == "batch" else _plain_layers(model, chosen, data[0][:batch], data[1][:batch])
        of_layers = {name for owned in plain.values() for name in owned}
        rest = {name: p for name, p in chosen.items() if name not in of_layers}
        for x, y in zip(torch.split(data[0], batch), torch.split(data[1], batch), strict=True):
            counted = _labels(model, x, y, fisher, generator)
            if plain:
                _add_layers(model, plain, x, counted, sums)
            if rest:
                for labels, weights in counted:
                    _add_samples(model, rest, x, labels, None if fisher == "batch" else weights, sums)
            count += 1 if fisher == "batch" else len(x)
    finally:
        model.train(training)
    return Anchor(model, [Importance(name, total / (2.0 * count)) for name, total in sums.items()], **options)


def _plain_layers(
    model: nn.Module, chosen: Mapping[str, Tensor], x: Tensor, labels: Tensor
) -> dict[nn.Linear, dict[str, str]]:
    """Dense layers that see each sample once, with their chosen parameters (name to "weight" or "bias")."""
    names = {id(p): name for name, p in model.named_parameters() if name in chosen}
    layers = {
        layer: {names[id(p)]: kind for kind, p in layer.named_parameters() if id(p) in names}
        for layer in model.modules()
        if type(layer) is nn.Linear
    }
    values = {name: p.clone().requires_grad_() for name, p in chosen.items()}
    with (
        _watched([one for one, own in layers.items() if own]) as (calls, inputs, outputs),
        torch.enable_grad(),
    ):
        loss = F.cross_entropy(functional_call(model, values, (x,)), labels, reduction="sum")
        once = {one: own for one, own in layers.items() if calls[one] == 1 and inputs[one].ndim == 2}
        wanted = [*(outputs[one] for one in once), *values.values()]
        gradients = torch.autograd.grad(loss, wanted, materialize_grads=True)
    whole = dict(zip(values, gradients[len(once) :], strict=True))
    found = {}
    for (layer, own), gradient in zip(once.items(), gradients, strict=False):
        # Where something else uses the layer's tensors, its own gradient is not all of theirs.
        parts = {"weight": gradient.T @ inputs[layer], "bias": gradient.sum(0)}
        if all(torch.allclose(parts[kind], whole[name], rtol=1e-3, atol=1e-5) for name, kind in own.items()):
            found[layer] = own
    return found


@contextmanager
def _watched(
    layers: Iterable[nn.Linear],
) -> Iterator[tuple[Counter[nn.Linear], dict[nn.Linear, Tensor], dict[nn.Linear, Tensor]]]:
    """Keep what layers are given and give, and how often they are called."""
    calls: Counter[nn.Linear] = Counter()
    inputs: dict[nn.Linear, Tensor] = {}
    outputs: dict[nn.Linear, Tensor] = {}

    def keep(layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
        one = cast("nn.Linear", layer)
        calls[one] += 1
        # Where all before it is frozen, the gradient begins here.
        inputs[one], outputs[one] = given[0].detach(), out if out.requires_grad else out.requires_grad_()
        return outputs[one]

    handles = [layer.register_forward_hook(keep) for layer in layers]
    try:
        yield calls, inputs, outputs
    finally:
        for handle in handles:
            handle.remove()


def _add_layers(
    model: nn.Module,
    plain: Mapping[nn.Linear, Mapping[str, str]],
    x: Tensor,
    counted: Sequence[tuple[Tensor, Tensor]],
    sums: Mapping[str, Tensor],
) -> None:
    """Add squared gradients of dense layers.

    That of a sample is the outer product of the gradient d of its outputs and its inputs a; the weighted sum of the
    squares over samples and classes is one product of matrices, (sum_c w_c d_c^2)^T a^2: no gradient of a sample is
    ever made, and the network is called once for all classes.
    """
    with _watched(plain) as (_, inputs, outputs), torch.enable_grad():
        logits = model(x)
        squares: list[Tensor | float] = [0.0] * len(plain)
        for labels, weights in counted:
            loss = F.cross_entropy(logits, labels, reduction="sum")
            gradients = torch.autograd.grad(loss, [outputs[layer] for layer in plain], retain_graph=True)
            squares = [
                one + weights[:, None] * gradient.square()
                for one, gradient in zip(squares, gradients, strict=True)
            ]
    for (layer, own), square in zip(plain.items(), squares, strict=True):
        assert isinstance(square, Tensor)
        for name, kind in own.items():
            sums[name].add_(square.T @ inputs[layer].square() if kind == "weight" else square.sum(0))


def _add_samples(
    model: nn.Module,
    chosen: Mapping[str, Tensor],
    x: Tensor,
    labels: Tensor,
    weights: Tensor | None,
    sums: Mapping[str, Tensor],
) -> None:
    """Add squared gradients of any parameters, sample by sample; without weights the square of their mean."""

    def log_probability(values: dict[str, Tensor], x: Tensor, label: Tensor) -> Tensor:
        return -F.cross_entropy(functional_call(model, values, (x[None],)), label[None])

    gradients = vmap(grad(log_probability), in_dims=(None, 0, 0))(dict(chosen), x, labels)
    for name, gradient in gradients.items():
        if weights is None:
            sums[name].add_(gradient.detach().mean(0).square())
        else:
            shape = (-1, *[1] * (gradient.ndim - 1))
            sums[name].add_((weights.reshape(shape) * gradient.detach().square()).sum(0))


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
