"""The study of permuted MNIST: ten permutations of the pixels one after the other, with every way to keep the old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import nn

from eigentrail.data import as_data, take
from eigentrail.findings import Claim, ClaimResult, equals, greater_than
from eigentrail.interventions.anchors import Anchor, SynapticIntelligence
from eigentrail.recipes.experiments.forgetting.learning import accuracy, learn
from eigentrail.recipes.experiments.forgetting.summary import summary
from eigentrail.recipes.experiments.forgetting.tasks import Task, joined, permuted_tasks
from eigentrail.recipes.experiments.forgetting.ways import WAYS, Learned, Way

_SOURCE = "Saha, Garg & Roy 2021, table 1"
#: Final mean accuracies that the paper states for ten tasks of 60,000 samples.
PUBLISHED = {"GPM": 0.9391, "EWC, exact Fisher": 0.8997, "joint": 0.9670}
#: The ways that make sense for many tasks.
CHOSEN = (
    "plain", "lower rate", "L2 to the start", "EWC, exact Fisher", "SI", "GPM", "OSF",
    "singular, penalty", "singular, gradient", "joint",
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How large the study is.

    Attributes:
        data: name of the data set.
        train: training samples of each task; None for all.
        test: test samples; None for all.
        tasks: how many tasks.
        width: of the two hidden layers.
        epochs: of each task.
        batch: samples of a step.
        rate: of plain stochastic gradient descent.
        chosen_tasks: strengths are chosen on so many of the tasks,
        chosen_epochs: learned for so many epochs each.
        published: whether what the paper states can be compared.
    """

    data: str
    train: int | None
    test: int | None
    tasks: int
    width: int
    epochs: int
    batch: int
    rate: float
    chosen_tasks: int
    chosen_epochs: int
    published: bool


SIZES = {
    "small": Size("mnist", 1500, 1000, 4, 100, 3, 10, 0.01, 4, 3, False),
    "full": Size("mnist", None, None, 10, 100, 5, 10, 0.01, 3, 1, True),
}


def run(
    seeds: Sequence[int], size: Literal["small", "full"] = "small"
) -> tuple[dict[str, pd.DataFrame], list[ClaimResult]]:
    """Learn the tasks one after the other in every way.

    Of each way the strength with the highest mean accuracy on the validation parts is taken, found with the first seed
    and kept for the others: the small size tries strengths on all that it learns, the full one on three tasks of one
    epoch. Accuracies are those of the test parts behind the last task.

    Args:
        seeds: of the permutations, the initial weights and the order of the samples.
        size: "small" has fewer tasks and samples, and takes minutes.

    Returns:
        The tables `runs` (a row per seed and way), `summary`, and `tasks` (accuracy of each task behind the last one);
        the claims.
    """
    plan = SIZES[size]
    ways = [way for way in WAYS if way.name in CHOSEN]
    strengths: dict[str, float] = {}
    rows: list[dict[str, Any]] = []
    by_task: list[dict[str, Any]] = []
    for seed in seeds:
        data = as_data(plan.data)
        data = take(data, plan.train, plan.test, seed=seed) if plan.train or plan.test else data
        tasks = permuted_tasks(data, plan.tasks, 0.05, seed)
        for way in ways:
            if way.name not in strengths:
                strengths[way.name] = _chosen_strength(plan, way, tasks, seed)
            strength = strengths[way.name]
            held, scores = _sequence(plan, way, strength, tasks, seed)
            rows.append(
                {
                    "case": f"{plan.tasks} permutations", "seed": seed, "way": way.name, "strength": strength,
                    "first": scores[0], "second": scores[-1], "mean": float(np.mean(scores)), "validation": held,
                    "published": PUBLISHED.get(way.name, np.nan) if plan.published else np.nan,
                }
            )  # fmt: skip
            by_task += [
                {"seed": seed, "way": way.name, "task": number, "accuracy": score}
                for number, score in enumerate(scores, start=1)
            ]
    runs = pd.DataFrame(rows)
    tables = {"runs": runs, "summary": summary(runs), "tasks": pd.DataFrame(by_task)}
    return tables, claims(runs, plan.published)


def network(width: int, seed: int) -> nn.Sequential:
    """Build the paper's network: 784-100-100-10 without biases.

    Args:
        width: of the hidden layers.
        seed: of torch's own initialisation.

    Returns:
        The network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(784, width, bias=False), nn.ReLU(), nn.Linear(width, width, bias=False), nn.ReLU(),
            nn.Linear(width, 10, bias=False),
        )  # fmt: skip


def _chosen_strength(plan: Size, way: Way, tasks: Sequence[Task], seed: int) -> float:
    """Find the strength that keeps most of the first tasks."""
    if len(way.strengths) == 1:
        return way.strengths[0]
    short = replace(plan, epochs=plan.chosen_epochs)
    own = tasks[: plan.chosen_tasks]
    return max(way.strengths, key=lambda strength: _sequence(short, way, strength, own, seed)[0])


def _sequence(
    plan: Size, way: Way, strength: float, tasks: Sequence[Task], seed: int
) -> tuple[float, list[float]]:
    """Learn all tasks; give the mean on the validation parts, and the test accuracy of each."""
    model = network(plan.width, seed)
    names = [name for name, _ in model.named_parameters()]
    slow = strength if way.meant == "factor of the rate" else 1.0
    if way.joint:
        learn(model, joined(tasks), names, rate=plan.rate, epochs=plan.epochs, batch=plan.batch, seed=seed)
    else:
        anchor: Anchor | None = None
        for number, task in enumerate(tasks):
            watcher = SynapticIntelligence(model) if way.name == "SI" else None
            both = _Both(watcher, anchor)
            learn(
                model, task.train, names, rate=plan.rate * (slow if number else 1.0), epochs=plan.epochs,
                batch=plan.batch, seed=seed + number, held=both,
            )  # fmt: skip
            if not all(bool(torch.isfinite(value).all()) for value in model.parameters()):
                return -1.0, [0.1] * len(tasks)
            if way.anchor is not None:
                learned = Learned(model, task, names, (), watcher, before=anchor, seed=seed)
                anchor = way.anchor(learned, strength)
    held = float(np.mean([accuracy(model, task.held) for task in tasks]))
    return held, [accuracy(model, task.test) for task in tasks]


@dataclass(frozen=True)
class _Both:
    """Watches the steps, and holds them where there is an anchor."""

    watcher: SynapticIntelligence | None
    anchor: Anchor | None

    def attach(self, optimizer: torch.optim.Optimizer) -> Any:
        """Attach both; what is given takes both off again."""
        ends = [one.attach(optimizer) for one in (self.watcher, self.anchor) if one is not None]

        def detach() -> None:
            for end in ends:
                end()

        return detach


def claims(runs: pd.DataFrame, published: bool) -> list[ClaimResult]:
    """Decide what the paper states.

    Args:
        runs: `seed`, `way`, `mean`.
        published: whether sizes are the paper's, so that its numbers can be compared.

    Returns:
        The order of the methods; at the paper's size also its three numbers within one point; and S1's anchor beside
        plain training.
    """
    wide = runs.pivot_table(index="seed", columns="way", values="mean")

    def minus(better: str, worse: str) -> list[float]:
        return [float(one) for one in (wide[better] - wide[worse])]

    mean = "final mean test accuracy of all tasks"
    found = [
        Claim(
            "permuted-gpm-ewc", _SOURCE, "GPM keeps more than EWC.", f"{mean}, GPM minus EWC", greater_than(0.0)
        ).decide(minus("GPM", "EWC, exact Fisher")),
        Claim(
            "permuted-ewc-plain", _SOURCE, "EWC keeps more than plain training.", f"{mean}, EWC minus plain",
            greater_than(0.0),
        ).decide(minus("EWC, exact Fisher", "plain")),
        Claim(
            "permuted-singular-plain", "S1 7.7", "The singular penalty keeps more than plain training.",
            f"{mean}, singular penalty minus plain", greater_than(0.0),
        ).decide(minus("singular, penalty", "plain")),
    ]  # fmt: skip
    if published:
        found += [
            Claim(
                f"permuted-{way.partition(',')[0].lower()}", _SOURCE, f"{way} reaches {value:.1%}.", mean,
                equals(value, within=0.01),
            ).decide([float(one) for one in wide[way]])
            for way, value in PUBLISHED.items()
        ]  # fmt: skip
    return found
