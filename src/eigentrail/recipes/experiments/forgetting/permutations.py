"""The study of permuted MNIST: ten permutations of the pixels one after the other, with every way to keep the old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import nn

from eigentrail.data import as_data, take
from eigentrail.findings import Claim, ClaimResult, equals, greater_than
from eigentrail.interventions.anchors import Anchor, SynapticIntelligence
from eigentrail.recipes.experiments.forgetting.learning import accuracy
from eigentrail.recipes.experiments.forgetting.stacked import Feed, StackedNetworks, learn_stacked
from eigentrail.recipes.experiments.forgetting.summary import summary
from eigentrail.recipes.experiments.forgetting.tasks import PermutedTasks, permuted_tasks
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
        chosen_samples: strengths are chosen with so many training samples of each task; None for all.
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
    chosen_samples: int | None
    published: bool


SIZES = {
    "small": Size("mnist", 6316, None, 10, 100, 5, 10, 0.01, None, False),
    "full": Size("mnist", None, None, 10, 100, 5, 10, 0.01, 6000, True),
}


def run(
    seeds: Sequence[int], size: Literal["small", "full"] = "small"
) -> tuple[dict[str, pd.DataFrame], list[ClaimResult]]:
    """Learn the tasks one after the other in every way.

    Of each way the strength with the highest mean accuracy on the validation parts is taken, found with the first seed
    and kept for the others: the small size tries strengths on all that it learns, the full one on a tenth of the
    training samples of each task. Accuracies are those of the test parts behind the last task.

    Args:
        seeds: of the permutations, the initial weights and the order of the samples.
        size: "small" has a tenth of the training samples, 6000 of each task, and takes minutes.

    Returns:
        The tables `runs` (a row per seed and way), `summary`, and `tasks` (accuracy of each task behind the last one);
        the claims.
    """
    plan = SIZES[size]
    data = as_data(plan.data)
    taken = {
        seed: take(data, plan.train, plan.test, seed=seed) if plan.train or plan.test else data
        for seed in seeds
    }
    tasks = {seed: permuted_tasks(own, plan.tasks, 0.05, seed) for seed, own in taken.items()}
    found = [in_way(plan, way, tasks) for way in WAYS if way.name in CHOSEN]
    runs = pd.DataFrame([row for rows, _ in found for row in rows])
    by_task = pd.DataFrame([row for _, rows in found for row in rows])
    return {"runs": runs, "summary": summary(runs), "tasks": by_task}, claims(runs, plan.published)


def in_way(
    plan: Size, way: Way, tasks: Mapping[int, PermutedTasks]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Choose the strength of one way with the first seed, then learn the tasks of all seeds at once.

    Args:
        plan: how large the study is.
        way: how the old tasks are kept.
        tasks: by seed.

    Returns:
        A row for each seed, and one for each task of each.
    """
    strength = way.strengths[0]
    if len(way.strengths) > 1:
        first, own = next(iter(tasks.items()))
        own = own if plan.chosen_samples is None else own.of_few(plan.chosen_samples)
        tried = [Member(own, first, one) for one in way.strengths]
        kept = [held for held, _ in sequences(plan, way, tried)]
        strength = way.strengths[int(np.argmax(kept))]
    found = sequences(plan, way, [Member(own, seed, strength) for seed, own in tasks.items()])
    rows: list[dict[str, Any]] = []
    by_task: list[dict[str, Any]] = []
    for seed, (held, scores) in zip(tasks, found, strict=True):
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
    return rows, by_task


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


@dataclass(frozen=True)
class Member:
    """One network of a stack.

    Attributes:
        tasks: what it learns.
        seed: of its initial weights and of the order of its samples.
        strength: of the way that it goes.
    """

    tasks: PermutedTasks
    seed: int
    strength: float


def sequences(plan: Size, way: Way, members: Sequence[Member]) -> list[tuple[float, list[float]]]:
    """Learn all tasks one after the other, in many networks at once.

    Args:
        plan: how large the study is.
        way: how the old tasks are kept.
        members: the networks.

    Returns:
        For each the mean accuracy on the validation parts and the test accuracy of each task; -1 and guessing for one
        that diverged.
    """
    networks = [network(plan.width, one.seed) for one in members]
    alive = list(range(len(members)))
    anchors: dict[int, Anchor] = {}
    for number in [None] if way.joint else range(len(members[0].tasks)):
        own = [members[k] for k in alive]
        stack = StackedNetworks([networks[k] for k in alive])
        watchers = [SynapticIntelligence(networks[k]) for k in alive] if way.name == "SI" else []
        slow = [one.strength if way.meant == "factor of the rate" and number else 1.0 for one in own]
        work = learn_stacked(
            stack, Feed([one.tasks for one in own], number), rates=[plan.rate * one for one in slow],
            epochs=plan.epochs, batch=plan.batch, seeds=[one.seed + (number or 0) for one in own],
            anchors=[anchors[k] for k in alive] if anchors else None, watch=bool(watchers),
        )  # fmt: skip
        for watcher, moved in zip(watchers, work, strict=True):
            watcher.add(moved)
        still = stack.finite()
        if number is not None and number + 1 < len(members[0].tasks) and way.anchor is not None:
            for place, k in enumerate(alive):
                if still[place]:
                    learned = Learned(
                        networks[k], members[k].tasks[number], stack.names, (),
                        watchers[place] if watchers else None, before=anchors.get(k), seed=members[k].seed,
                    )  # fmt: skip
                    made = way.anchor(learned, members[k].strength)
                    assert made is not None
                    anchors[k] = made
        alive = [k for place, k in enumerate(alive) if still[place]]
        if not alive:
            break
    return [
        _judged(networks[k], member.tasks) if k in alive else (-1.0, [0.1] * len(member.tasks))
        for k, member in enumerate(members)
    ]


def _judged(model: nn.Module, tasks: PermutedTasks) -> tuple[float, list[float]]:
    held = float(np.mean([accuracy(model, task.held) for task in tasks]))
    return held, [accuracy(model, task.test) for task in tasks]


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
