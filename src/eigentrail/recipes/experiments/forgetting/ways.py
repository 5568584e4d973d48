"""The ways to keep an old task while a new one is learned, each with the strengths that are tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn
from torch.nn import functional as F

from eigentrail.curvature import Curvature
from eigentrail.interventions.anchors import (
    Anchor,
    SpectralAnchor,
    SynapticIntelligence,
    fisher_anchor,
    gradient_memory,
    orthogonal_subspace,
    plain_anchor,
)
from eigentrail.recipes.experiments.forgetting.tasks import Task

#: Singular matrices of each weight that S1 keeps, and the share of the biases' Hessian eigenvectors.
SINGULAR, BIASES = 5, 0.2
#: Samples that gradient projection memory looks at.
_MEMORY = 300


@dataclass
class Learned:
    """What is known when a task has been learned.

    Attributes:
        model: the network.
        task: the task.
        weights: names of the weights that the next task trains.
        biases: names of the biases that it trains.
        watched: what watched the task being learned.
        before: the anchor of the tasks before it.
        directions: so many Hessian eigenvectors are kept.
        seed: of what is random.
        cache: what several strengths share.
    """

    model: nn.Module
    task: Task
    weights: Sequence[str]
    biases: Sequence[str]
    watched: SynapticIntelligence | None = None
    before: Anchor | None = None
    directions: int = 10
    seed: int = 0
    cache: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """All parameters that are trained."""
        return [*self.weights, *self.biases]

    def eigenvectors(self, layers: Sequence[str], count: int) -> Any:
        """Leading Hessian eigenvectors of the task's loss over some parameters."""
        key = f"hessian {' '.join(layers)} {count}"
        if key not in self.cache:
            curvature = Curvature(self.model, F.cross_entropy, self.task.train, layers=list(layers))
            self.cache[key] = curvature.top(min(count, curvature.n))
        return self.cache[key]


@dataclass(frozen=True)
class Way:
    """One way to keep what was learned.

    Attributes:
        name: what it is called.
        strengths: what is tried: lambda, gamma, a share or a factor of the rate, as `meant` says.
        meant: what the strengths are.
        anchor: makes what holds the weights; None for nothing.
        trained: what the new task trains.
        joint: whether the old tasks' samples are there, too.
    """

    name: str
    strengths: tuple[float, ...]
    meant: str = "lambda"
    anchor: Callable[[Learned, float], Anchor | None] | None = None
    trained: Literal["all", "biases"] = "all"
    joint: bool = False


def _summed(anchors: Sequence[Anchor]) -> Anchor:
    total = anchors[0]
    for one in anchors[1:]:
        total = total + one
    return total


def _with_biases(learned: Learned, anchors: list[Anchor], options: Mapping[str, Any]) -> Anchor:
    """Add the biases' own Hessian, of which S1 keeps a fifth."""
    if learned.biases:
        count = sum(dict(learned.model.named_parameters())[name].numel() for name in learned.biases)
        basis = learned.eigenvectors(learned.biases, max(1, min(learned.directions, round(BIASES * count))))
        if bool((basis.values > 0).any()):
            anchors.append(SpectralAnchor.directions(learned.model, basis, list(learned.biases), **options))
    return _summed(anchors)


def _singular(learned: Learned, **options: Any) -> Anchor:
    named = dict(learned.model.named_parameters())
    anchors: list[Anchor] = []
    for name in learned.weights:
        count = min(SINGULAR, *named[name].flatten(1).shape)
        anchors.append(SpectralAnchor.singular(learned.model, name, count, **options))
    return _with_biases(learned, anchors, options)


def _hessian(learned: Learned, **options: Any) -> Anchor:
    basis = learned.eigenvectors(learned.names, learned.directions)
    return SpectralAnchor.directions(learned.model, basis, learned.names, **options)


def _added(learned: Learned, new: Anchor) -> Anchor:
    """What is known of each entry adds up over the tasks, about the latest weights."""
    return new if learned.before is None else new + learned.before


def _elastic(learned: Learned, strength: float) -> Anchor:
    if "fisher" not in learned.cache:
        learned.cache["fisher"] = fisher_anchor(
            learned.model, learned.task.train, "exact", learned.names, seed=learned.seed
        ).protected
    return _added(learned, Anchor(learned.model, learned.cache["fisher"], strength=strength))


def _intelligent(learned: Learned, strength: float) -> Anchor | None:
    if learned.watched is None:
        return None
    found = learned.watched.anchor(strength=strength)
    found = Anchor(
        learned.model,
        [part for part in found.protected if set(part.names) <= set(learned.names)],
        strength=strength,
    )
    return _added(learned, found)


_LAMBDAS = (0.1, 1.0, 10.0, 100.0)
_GAMMAS = (0.5, 0.9, 1.0)

#: All of them, in the order in which they are told.
WAYS = (
    Way("plain", (1.0,), "factor of the rate"),
    Way("weights frozen", (1.0,), "factor of the rate", trained="biases"),
    Way("lower rate", (0.3, 0.1, 0.03, 0.01), "factor of the rate"),
    Way(
        "L2 to the start",
        (0.01, 0.1, 1.0, 4.0),
        anchor=lambda w, s: plain_anchor(w.model, w.names, strength=s),
    ),
    Way("EWC, exact Fisher", (1.0, 10.0, 100.0, 1000.0), anchor=_elastic),
    Way("SI", _LAMBDAS, anchor=_intelligent),
    Way(
        "GPM",
        (0.9, 0.97, 0.99),
        "share of the inputs' squared norm",
        lambda w, s: gradient_memory(w.model, w.task.train[0][:_MEMORY], s, list(w.weights), w.before),
    ),
    Way(
        "OSF",
        (0.1, 0.5, 0.9),
        "share of the singular directions",
        lambda w, s: orthogonal_subspace(w.model, list(w.weights), s),
    ),
    Way("singular, penalty", _LAMBDAS, anchor=lambda w, s: _singular(w, strength=s)),
    Way("singular, gradient", _GAMMAS, "gamma", lambda w, s: _singular(w, form="gradient", gamma=s)),
    Way("Hessian, penalty", _LAMBDAS, anchor=lambda w, s: _hessian(w, strength=s)),
    Way("Hessian, gradient", _GAMMAS, "gamma", lambda w, s: _hessian(w, form="gradient", gamma=s)),
    Way("joint", (1.0,), "factor of the rate", joint=True),
)
