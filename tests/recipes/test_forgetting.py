"""The studies of forgetting: their tasks, what they sum up, and that every way is gone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binom
from torch import nn

from eigentrail import networks
from eigentrail.data import load
from eigentrail.figures.of_table import draw
from eigentrail.findings import Verdict
from eigentrail.interventions.anchors import Anchor
from eigentrail.interventions.anchors.protected import Importance
from eigentrail.recipes import recipes
from eigentrail.recipes.experiments.forgetting import permutations, two_tasks
from eigentrail.recipes.experiments.forgetting.claims import claims
from eigentrail.recipes.experiments.forgetting.learning import accuracy, features_before, learn
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


def test_permutations_are_learned_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    data = load("digits")
    wide = replace(
        data, name="mnist",
        train_inputs=data.train_inputs.flatten(1)[:200].repeat(1, 13)[:, :784],
        train_targets=data.train_targets[:200],
        test_inputs=data.test_inputs.flatten(1)[:100].repeat(1, 13)[:, :784],
        test_targets=data.test_targets[:100],
    )  # fmt: skip
    monkeypatch.setattr(permutations, "as_data", lambda name: wide)
    monkeypatch.setitem(
        permutations.SIZES, "small", permutations.Size("mnist", None, None, 2, 20, 1, 10, 0.05, 1, 1, True)
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
