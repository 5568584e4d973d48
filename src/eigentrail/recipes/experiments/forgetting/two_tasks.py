"""The study of forgetting: five classes, then the other five, with every way to keep the first (S1 7.7)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eigentrail import networks
from eigentrail.data import as_data, take
from eigentrail.findings import ClaimResult
from eigentrail.interventions.anchors import SynapticIntelligence, forgetting, gradient_memory
from eigentrail.interventions.anchors.protected import InputSubspace
from eigentrail.interventions.decomposition import decompose
from eigentrail.recipes.experiments.forgetting.claims import claims
from eigentrail.recipes.experiments.forgetting.learning import accuracy, features_before, learn
from eigentrail.recipes.experiments.forgetting.summary import summary
from eigentrail.recipes.experiments.forgetting.tasks import OwnTask, Samples, Task, class_tasks, joined
from eigentrail.recipes.experiments.forgetting.ways import SINGULAR, WAYS, Learned, Way

#: A weight that moved so many times the largest one ran away.
_RUN_AWAY = 100.0
HALVES = (tuple(range(5)), tuple(range(5, 10)))


@dataclass(frozen=True)
class Case:
    """What is studied of which network.

    Attributes:
        network: name of the network.
        layers: the layers that both tasks train; none for all.
        kind: "last", "single", "convolution" or "all".
    """

    network: str
    layers: tuple[str, ...]
    kind: str

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.network}, {', '.join(self.layers) or 'all layers'}"


@dataclass(frozen=True)
class Size:
    """How large the study is.

    Attributes:
        data: name of the data set.
        train: training samples of all classes; None for all.
        test: test samples; None for all.
        cases: what is studied.
        pretrained: epochs on all ten classes.
        first: epochs of the first task at most; it ends when all its training samples are right.
        second: epochs of the second task.
        rate: of the first.
        factor: rate of the second over that of the first.
        batch: samples of a step.
        directions: Hessian eigenvectors that are kept.
    """

    data: str
    train: int | None
    test: int | None
    cases: tuple[Case, ...]
    pretrained: int
    first: int
    second: int
    rate: float
    factor: float
    batch: int
    directions: int


SIZES = {
    "small": Size(
        "digits", None, None,
        (
            Case("lenet", ("fc3",), "last"),
            Case("resnet20-projection", ("linear",), "last"),
            Case("lenet", ("fc2",), "single"),
            Case("lenet", ("conv2",), "convolution"),
            Case("lenet", (), "all"),
            Case("mlp256", (), "all"),
        ),
        8, 40, 8, 0.1, 0.3, 50, 10,
    ),
    "full": Size(
        "cifar10", None, None,
        (
            *(Case(one, (last,), "last") for one, last in (
                ("lenet", "fc3"), ("mini-alexnet-s1", "fc3"), ("mlp256", "fc4"), ("resnet20-projection", "linear"))),
            *(Case("lenet", (one,), "convolution" if "conv" in one else "single")
              for one in ("conv1", "conv2", "fc1", "fc2")),
            *(Case(one, (), "all") for one in ("lenet", "mini-alexnet-s1", "mlp256", "resnet20-projection")),
        ),
        60, 200, 50, 0.02, 0.01, 32, 50,
    ),
}  # fmt: skip


def run(
    seeds: Sequence[int], size: Literal["small", "full"] = "small"
) -> tuple[dict[str, pd.DataFrame], list[ClaimResult]]:
    """Train, forget, and decide the source's claims.

    For each case and seed the network is trained on all classes, the studied layers begin anew and learn the first
    task alone, then the second. Of each way the strength and the epoch with the highest mean accuracy of both tasks on
    the validation part are taken; accuracies are those of the test part with all ten outputs.

    Args:
        seeds: of the initial weights, the order of the samples and the validation part.
        size: "small" takes a few CPU minutes for five seeds.

    Returns:
        The tables `runs` (a row per case, seed and way), `summary` (means and paired intervals over seeds) and
        `overlap` (what weights and activations say matters); the claims.
    """
    plan = SIZES[size]
    rows: list[dict[str, Any]] = []
    overlaps: list[dict[str, Any]] = []
    for seed in seeds:
        data = as_data(plan.data)
        if plan.train is not None or plan.test is not None:
            data = take(data, plan.train, plan.test, seed=seed)
        tasks = class_tasks(data, HALVES, 0.2, seed)
        pretrained: dict[str, nn.Module] = {}
        for case in plan.cases:
            if case.network not in pretrained:
                model = networks.build(case.network, data.input_shape, data.classes, seed=seed)
                learn(
                    model, joined(tasks), [name for name, _ in model.named_parameters()],
                    rate=plan.rate, epochs=plan.pretrained, batch=plan.batch, seed=seed,
                )  # fmt: skip
                pretrained[case.network] = model
            one = _Sequence(plan, case, deepcopy(pretrained[case.network]), tasks, seed)
            rows += one.ways(WAYS)
            overlaps += one.overlaps()
    runs = pd.DataFrame(rows)
    tables = {"runs": runs, "summary": summary(runs), "overlap": pd.DataFrame(overlaps)}
    return tables, claims(tables)


class _Sequence:
    """One case with one seed: the first task is learned when it is made."""

    def __init__(self, plan: Size, case: Case, model: nn.Module, tasks: Sequence[Task], seed: int) -> None:
        self.plan, self.case, self.seed = plan, case, seed
        fresh = networks.build(case.network, tasks[0].train[0].shape[1:], 10, seed=seed + 1000)
        new = dict(fresh.named_parameters())
        own = [name for name in new if not case.layers or name.rpartition(".")[0] in case.layers]
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name in own:
                    parameter.copy_(new[name])
        if case.kind == "last":
            # What comes before the last layer stays as it is: it is computed once.
            layer = model.get_submodule(case.layers[0])
            tasks = [_behind(model.eval(), layer, task) for task in tasks]
            model, own = layer, [name.rpartition(".")[2] for name in own]
        self.model, self.tasks = model, tasks
        named = dict(model.named_parameters())
        watcher = SynapticIntelligence(model)
        train = tasks[0].train
        learn(
            model, train, own, rate=plan.rate, epochs=plan.first, batch=plan.batch, seed=seed, held=watcher,
            see=lambda _: accuracy(model, train) == 1.0,
        )  # fmt: skip
        self.learned = Learned(
            model,
            tasks[0],
            [name for name in own if named[name].ndim > 1],
            [name for name in own if named[name].ndim == 1],
            watcher,
            directions=plan.directions,
            seed=seed,
        )
        # With the running statistics of batch norms.
        self.start = {name: value.clone() for name, value in model.state_dict().items()}

    def ways(self, ways: Sequence[Way]) -> list[dict[str, Any]]:
        """Learn the second task in every way.

        Args:
            ways: which.

        Returns:
            A row for each.
        """
        rows = []
        first = accuracy(self.model, self.tasks[0].test)
        for way in ways:
            names = self.learned.names if way.trained == "all" else list(self.learned.biases)
            if not names:
                continue
            best: tuple[float, dict[str, Any], dict[str, Tensor]] | None = None
            for strength in way.strengths:
                found = self._second(way, strength, names)
                if found is not None and (best is None or found[0] > best[0]):
                    best = found
            if best is None:
                continue
            held, row, state = best
            change = {name: state[name] - self.start[name] for name in names}
            cost = forgetting(self.model, F.cross_entropy, self.tasks[0].train, change)
            rows.append(
                {
                    "case": self.case.name,
                    "kind": self.case.kind,
                    "seed": self.seed,
                    "way": way.name,
                    "learned_first": first,
                    **row,
                    "validation": held,
                    "predicted": cost.predicted,
                    "measured": cost.measured,
                }
            )
        return rows

    def _second(
        self, way: Way, strength: float, names: Sequence[str]
    ) -> tuple[float, dict[str, Any], dict[str, Tensor]] | None:
        """Learn the second task once; None where it diverges."""
        plan = self.plan
        anchor = way.anchor(self.learned, strength) if way.anchor is not None else None
        if way.anchor is not None and anchor is None:
            return None
        rate = plan.rate * plan.factor * (strength if way.meant == "factor of the rate" else 1.0)
        samples = joined(self.tasks) if way.joint else self.tasks[1].train
        # As many steps for the joint training, whose epochs are longer.
        epochs = (
            plan.second
            if not way.joint
            else max(1, round(plan.second * len(self.tasks[1].train[0]) / len(samples[0])))
        )
        best: list[Any] = [-1.0, 0, {}]

        def see(epoch: int) -> bool:
            held = float(np.mean([accuracy(self.model, task.held) for task in self.tasks]))
            finite = self._stayed(names)
            if finite and held > best[0]:
                state = {name: value.clone() for name, value in self.model.state_dict().items()}
                best[:] = [held, epoch, state]
            return not finite

        learn(
            self.model, samples, names, rate=rate, epochs=epochs, batch=plan.batch, seed=self.seed + 1,
            held=anchor, see=see,
        )  # fmt: skip
        found: tuple[float, dict[str, Any], dict[str, Tensor]] | None = None
        if best[1]:
            self._put(best[2])
            scores = [accuracy(self.model, task.test) for task in self.tasks]
            directions = 0 if anchor is None else sum(part.count for part in anchor.protected)
            found = best[0], {
                "strength": strength,
                "epoch": best[1],
                "first": scores[0],
                "second": scores[1],
                "mean": float(np.mean(scores)),
                "directions": directions,
            }, best[2]  # fmt: skip
        self._put(self.start)
        return found

    @torch.no_grad()
    def _stayed(self, names: Sequence[str]) -> bool:
        """Whether no weight ran away, as entries do whose penalty is too stiff for the rate; outputs need not tell."""
        named = dict(self.model.named_parameters())
        far = _RUN_AWAY * max(float(self.start[name].abs().max()) for name in named)
        return all(bool(((named[name] - self.start[name]).abs() < far).all()) for name in names)

    @torch.no_grad()
    def _put(self, state: dict[str, Tensor]) -> None:
        self.model.load_state_dict(state)

    def overlaps(self) -> list[dict[str, Any]]:
        """Compare what the weights say matters with what the activations say.

        Returns:
            For each weight and each of its leading right singular vectors the share that lies in the subspace of
            gradient projection memory, and what a random vector has there.
        """
        memory = gradient_memory(self.model, self.tasks[0].train[0][:300], 0.97, list(self.learned.weights))
        rows = []
        for part in memory.protected:
            assert isinstance(part, InputSubspace)
            weight = dict(self.model.named_parameters())[part.name].detach().flatten(1)
            right = decompose(weight)[0].right[:SINGULAR].to(part.inputs)
            shares = (right @ part.inputs).square().sum(dim=1)
            rows += [
                {
                    "case": self.case.name,
                    "seed": self.seed,
                    "weight": part.name,
                    "direction": number,
                    "share": float(share),
                    "chance": part.inputs.shape[1] / part.inputs.shape[0],
                }
                for number, share in enumerate(shares, start=1)
            ]
        return rows


def _behind(model: nn.Module, layer: nn.Module, task: Task) -> Task:
    def moved(samples: Samples) -> Samples:
        return features_before(model, layer, samples[0]), samples[1]

    return OwnTask(task.name, moved(task.train), moved(task.held), moved(task.test))
