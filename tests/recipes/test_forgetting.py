"""The studies of forgetting: their tasks, what they sum up, and that every way is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binom
from torch import nn

from eigentrail import networks
from eigentrail.data import Data, load
from eigentrail.errors import OptionError
from eigentrail.figures.of_table import draw
from eigentrail.findings import Verdict
from eigentrail.interventions.anchors import Anchor, SynapticIntelligence, plain_anchor
from eigentrail.interventions.anchors.protected import Importance
from eigentrail.recipes import recipes
from eigentrail.recipes.experiments.forgetting import permutations, two_tasks
from eigentrail.recipes.experiments.forgetting.claims import claims
from eigentrail.recipes.experiments.forgetting.learning import accuracy, features_before, learn
from eigentrail.recipes.experiments.forgetting.stacked import StackedNetworks
from eigentrail.recipes.experiments.forgetting.stacked_holds import stacked_hold
from eigentrail.recipes.experiments.forgetting.summary import summary
from eigentrail.recipes.experiments.forgetting.tasks import class_tasks, joined, permuted_tasks
from eigentrail.recipes.experiments.forgetting.ways import WAYS, Learned, Way


def test_tasks_share_no_class_and_keep_a_part_for_choosing() -> None:
    data = load("digits")
    first, second = class_tasks(data, two_tasks.HALVES, 0.2, seed=0)
    assert set(first.train[1].tolist()) == set(range(5)) and set(second.test[1].tolist()) == set(range(5, 10))
    assert len(first.held[0]) + len(first.train[0]) == int((data.train_targets < 5).sum())
    both = joined([first, second])
    assert len(both[0]) == len(first.train[0]) + len(second.train[0])
    assert set(both[1][:50].tolist()) > {0, 9}


def test_permuted_tasks_are_the_same_samples_in_other_places() -> None:
    tasks = permuted_tasks(load("digits"), 3, 0.1, seed=0)
    assert torch.equal(
        tasks[0].train[0], class_tasks(load("digits"), [range(10)], 0.1, 0)[0].train[0].flatten(1)
    )
    for task in tasks[1:]:
        assert not torch.equal(task.test[0], tasks[0].test[0])
        assert torch.equal(task.test[0].sort(dim=1).values, tasks[0].test[0].sort(dim=1).values)
        assert torch.equal(task.test[1], tasks[0].test[1])


def test_only_what_is_trained_moves_and_features_are_the_layers_inputs() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    samples = torch.randn(30, 4), torch.arange(30) % 2
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    learn(model, samples, ["2.weight"], rate=0.1, epochs=2, batch=10, seed=0)
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"2.weight"} and all(p.requires_grad for p in model.parameters())
    features = features_before(model, model[2], samples[0], batch=7)
    torch.testing.assert_close(features, model[:2](samples[0]))
    assert accuracy(model[2], (features, samples[1])) == accuracy(model, samples)


def test_every_way_is_gone_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = replace(
        two_tasks.SIZES["small"],
        cases=(two_tasks.Case("mlp-2-16", ("fc2",), "single"), two_tasks.Case("mlp-2-16", ("fc3",), "last")),
        pretrained=2, first=3, second=1, directions=3,
    )  # fmt: skip
    monkeypatch.setitem(two_tasks.SIZES, "small", quick)
    tables, results = two_tasks.run([0])
    runs = tables["runs"]
    assert set(runs["way"]) == {way.name for way in WAYS}
    assert np.isfinite(runs[["first", "second", "predicted", "measured"]]).all().all()
    # Both scores are those of all ten outputs: their mean is at most one, and joint training learns both.
    assert ((runs["mean"] >= 0) & (runs["mean"] <= 1)).all()
    by_way = runs.groupby("way")["first"].mean()
    assert by_way["weights frozen"] >= by_way["plain"]
    assert set(tables["summary"]["floor"]) == {0.1}
    assert ((tables["overlap"]["share"] >= 0) & (tables["overlap"]["share"] <= 1 + 1e-6)).all()
    assert len({one.claim.id for one in results}) == len(results) == 11
    for figure in recipes()["forgetting"].plan.figures:
        assert len(draw(figure, tables[figure.table]).data)


def test_weights_that_run_away_unseen_are_not_taken() -> None:
    """A penalty too stiff for the rate triples, each step, what a unit has moved that hardly any output depends on."""
    data = load("digits")
    case = two_tasks.Case("mlp-2-16", ("fc2",), "single")
    plan = replace(two_tasks.SIZES["small"], cases=(case,), first=2, second=3, directions=3)
    model = networks.build("mlp-2-16", data.input_shape, 10, seed=0)
    with torch.no_grad():
        model.get_parameter("fc3.weight")[:, 0] *= 1e-4
    one = two_tasks._Sequence(plan, case, model, class_tasks(data, two_tasks.HALVES, 0.2, 0), 0)

    def stiff(learned: Learned, strength: float) -> Anchor:
        weights = torch.zeros_like(learned.model.get_parameter("fc2.weight"))
        weights[0] = 1.0
        return Anchor(learned.model, [Importance("fc2.weight", weights)], strength=strength)

    # w - rate * 2 * strength * (w - w_1): a factor of -3 for the distance.
    [row] = one.ways([Way("stiff", (2.0 / (plan.rate * plan.factor),), anchor=stiff)])
    assert row["epoch"] == 1  # 12 steps; behind the second epoch it is some 3^24 1e-7 away


@pytest.mark.parametrize(("size", "shape"), [("small", (1, 8, 8)), ("full", (3, 32, 32))])
def test_networks_have_the_layers_that_are_studied(size: str, shape: tuple[int, ...]) -> None:
    for case in two_tasks.SIZES[size].cases:
        model = networks.build(case.network, shape, 10)
        for layer in case.layers:
            weight = model.get_parameter(f"{layer}.weight")
            assert (weight.ndim == 4) == (case.kind == "convolution")
            assert case.kind != "last" or len(weight) == 10


def test_each_way_begins_with_the_running_statistics_that_the_first_task_left() -> None:
    data = load("digits")
    case = two_tasks.Case("mlp-bn-3-16", (), "all")
    plan = replace(two_tasks.SIZES["small"], cases=(case,), first=2, second=2, directions=3)
    model = networks.build("mlp-bn-3-16", data.input_shape, 10, seed=0)
    one = two_tasks._Sequence(plan, case, model, class_tasks(data, two_tasks.HALVES, 0.2, 0), 0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plain = [way for way in WAYS if way.name == "plain"]
    [first], [again] = one.ways(plain), one.ways(plain)
    assert first == again
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_gains_are_those_of_the_same_seed() -> None:
    rows = [
        {"case": "a", "kind": "last", "seed": seed, "way": way, "mean": base + gain, "first": base, "second": base,
         "epoch": 3, "directions": 5, "predicted": gain, "measured": gain}
        for seed, base in enumerate((0.1, 0.5, 0.9))
        for way, gain in {
            "plain": 0.0, "singular, penalty": 0.05, "singular, gradient": 0.01, "lower rate": 0.2
        }.items()
    ]  # fmt: skip
    runs = pd.DataFrame(rows)
    row = summary(runs).set_index("way").loc["singular, penalty"]
    assert (row["gain"], row["gain low"], row["gain high"]) == pytest.approx((0.05, 0.05, 0.05))
    assert row["high"] - row["low"] > 0.5
    found = {one.claim.id: one.verdict for one in claims({"runs": runs})}
    assert found["s1-forgetting-penalty"] is Verdict.YES
    assert found["forgetting-more-than-a-rate"] is Verdict.NO
    assert found["forgetting-predicted"] is Verdict.YES
    assert found["s1-forgetting-convolution"] is Verdict.UNDECIDED


def test_cases_that_forget_more_as_a_whole_do_not_make_a_prediction() -> None:
    """Null of the claim about the order: only cases differ; called "holds" in one of twenty at most."""
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(20):
        rows = [
            {"case": f"case {case}", "kind": "last", "seed": seed, "way": f"way {way}", "mean": 0.5, "first": 0.5,
             "epoch": 1, "directions": 1, "predicted": 10 * case + rng.random(), "measured": 10 * case + rng.random()}
            for seed in range(5) for case in range(3) for way in range(8)
        ]  # fmt: skip
        found = {one.claim.id: one for one in claims({"runs": pd.DataFrame(rows)})}
        held += found["forgetting-predicted"].verdict is Verdict.YES
    assert binom.sf(held - 1, 20, 0.05) > 1e-3


def _wide(count: int) -> Data:
    """Digits with as many pixels as MNIST."""
    data = load("digits")
    return replace(
        data, name="mnist",
        train_inputs=data.train_inputs.flatten(1)[:count].repeat(1, 13)[:, :784],
        train_targets=data.train_targets[:count],
        test_inputs=data.test_inputs.flatten(1)[:100].repeat(1, 13)[:, :784],
        test_targets=data.test_targets[:100],
    )  # fmt: skip


@dataclass
class _Both:
    """Watches the steps, and holds them where there is an anchor."""

    watcher: SynapticIntelligence
    anchor: Anchor | None

    def attach(self, optimizer: torch.optim.Optimizer) -> Callable[[], None]:
        ends = [one.attach(optimizer) for one in (self.watcher, self.anchor) if one is not None]

        def detach() -> None:
            for end in ends:
                end()

        return detach


def _alone(plan: permutations.Size, way: Way, member: permutations.Member) -> nn.Module:
    """One network with torch's own optimizer and autograd, as anybody would train it."""
    model = permutations.network(plan.width, member.seed).double()
    names = [name for name, _ in model.named_parameters()]
    if way.joint:
        learn(model, joined(member.tasks), names, rate=plan.rate, epochs=1, batch=10, seed=member.seed)
        return model
    anchor = None
    for number, task in enumerate(member.tasks):
        watcher = SynapticIntelligence(model)
        slow = member.strength if way.meant == "factor of the rate" and number else 1.0
        learn(
            model, task.train, names, rate=plan.rate * slow, epochs=1, batch=10, seed=member.seed + number,
            held=_Both(watcher, anchor),
        )  # fmt: skip
        if way.anchor is not None:
            learned = Learned(model, task, names, (), watcher, before=anchor, seed=member.seed)
            anchor = way.anchor(learned, member.strength)
    return model


@pytest.mark.parametrize("name", permutations.CHOSEN)
def test_networks_of_a_stack_are_those_that_learn_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seeds and strengths at once against torch's optimizer with the anchors' own hooks, in float64."""
    data = _wide(60)
    data = replace(data, train_inputs=data.train_inputs.double(), test_inputs=data.test_inputs.double())
    plan = permutations.Size("mnist", None, None, 3, 20, 1, 10, 0.02, None, False)
    [way] = [way for way in WAYS if way.name == name]
    # An eigendecomposition of 784 x 784 for each task.
    count = 2 if name == "GPM" else 3
    members = [
        permutations.Member(permuted_tasks(data, count, 0.1, seed), seed, way.strengths[:2][-seed])
        for seed in (0, 1)
    ]
    made = []
    own = permutations.network
    monkeypatch.setattr(
        permutations, "network", lambda width, seed: made.append(own(width, seed).double()) or made[-1]
    )
    permutations.sequences(plan, way, members)
    monkeypatch.setattr(permutations, "network", own)
    for stacked, member in zip(made, members, strict=True):
        alone = _alone(plan, way, member)
        for one, other in zip(stacked.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_a_network_that_diverges_leaves_the_others_as_they_are() -> None:
    plan = permutations.Size("mnist", None, None, 3, 20, 1, 10, 0.02, None, False)
    tasks = permuted_tasks(_wide(60), 3, 0.1, 0)
    [way] = [way for way in WAYS if way.name == "L2 to the start"]
    # A factor of 1 - 2 * rate * strength for the distance, in each of 15 steps.
    wild, tame = (permutations.Member(tasks, 0, strength) for strength in (1e9, 0.1))
    found = permutations.sequences(plan, way, [wild, tame])
    assert found[0] == (-1.0, [0.1] * 3)
    assert found[1] == permutations.sequences(plan, way, [tame])[0]


def test_only_dense_layers_and_known_forms_are_stacked() -> None:
    with pytest.raises(OptionError, match="without biases"):
        StackedNetworks([nn.Sequential(nn.Linear(3, 2))])
    model = permutations.network(5, 0)
    stack = StackedNetworks([model])
    anchor = plain_anchor(model, form="gradient")
    with pytest.raises(OptionError, match="Importance in the form 'gradient'"):
        stacked_hold("0.weight", stack.weights[0], [anchor], torch.ones(1))


def test_permutations_are_learned_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permutations, "as_data", lambda name: _wide(200))
    monkeypatch.setitem(
        permutations.SIZES, "small", permutations.Size("mnist", None, None, 2, 20, 1, 10, 0.05, 50, True)
    )
    monkeypatch.setattr(permutations, "WAYS", [replace(way, strengths=way.strengths[:2]) for way in WAYS])
    tables, results = permutations.run([0, 1])
    runs = tables["runs"]
    assert set(runs["way"]) == set(permutations.CHOSEN)
    # The strength of the first seed is that of the others.
    assert (runs.groupby("way")["strength"].nunique() == 1).all()
    assert len(tables["tasks"]) == 2 * 2 * len(permutations.CHOSEN)
    for figure in recipes()["permuted-mnist"].plan.figures:
        assert len(draw(figure, tables[figure.table]).data)
    published = {one.claim.id: one.claim.rule.text for one in results}
    assert published["permuted-gpm"] == "equals 0.9391 within 0.01"
    assert (
        sum(p.numel() for p in permutations.network(100, 0).parameters()) == 784 * 100 + 100 * 100 + 100 * 10
    )
