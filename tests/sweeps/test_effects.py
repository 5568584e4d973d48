from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eigentrail.findings import Verdict
from eigentrail.sweeps.answers import answer, confounds, table_of_effects
from eigentrail.sweeps.blocks import axes_of, blocks_of
from eigentrail.sweeps.effects import FEWEST_BOOTSTRAP, difference, effect_of, seeds_needed

Planted = Callable[..., pd.DataFrame]


def _effect(table: pd.DataFrame, axis: str) -> Any:
    return effect_of(blocks_of(table, axes_of(table, ["rank"]), axis, "rank"))


def test_a_planted_effect_is_found_with_its_size(planted: Planted) -> None:
    axes = {"weight_decay": [0.0, 1.0, 2.0, 3.0], "lr": [0.1, 0.2]}
    table = planted(axes, 4, lambda weight_decay, lr: -10.0 * weight_decay, noise=0.5)
    found = _effect(table, "weight_decay")
    assert found.ends.value == pytest.approx(-30.0, abs=2.0) and found.ends.low < -30.0 < found.ends.high
    assert found.trend.observed == -1.0 and found.monotone is True and found.any.p < 0.001
    # The other axis does nothing, and the seeds' own levels, far larger than the noise, do not hide that.
    other = _effect(table, "lr")
    assert abs(other.ends.value) < 1.0


def test_the_difference_is_the_mean_of_paired_ones_by_hand() -> None:
    rows = [
        {"lr": lr, "decay": d, "seed": s, "status": "finished", "steps": 1, "rank": value}
        for (lr, d, s), value in {
            (1, 0, 0): 5.0, (2, 0, 0): 4.0, (1, 1, 0): 9.0, (2, 1, 0): 6.0,
            (1, 0, 1): 50.0, (2, 0, 1): 48.0, (1, 1, 1): 20.0, (2, 1, 1): 14.0,
        }.items()
    ]  # fmt: skip
    found = _effect(pd.DataFrame(rows), "lr")
    by_seed = np.array([(-1 - 3) / 2, (-2 - 6) / 2])
    half = stats.t.ppf(0.975, 1) * by_seed.std(ddof=1) / math.sqrt(2)
    assert found.ends.value == by_seed.mean()
    assert (found.ends.low, found.ends.high) == pytest.approx((-3 - half, -3 + half))
    # Two values, two seeds: 4 patterns, of which the observed and its mirror are as extreme.
    assert found.any.p == 0.5 and found.least_p == 0.5 and seeds_needed(2) == 6


def test_no_effect_is_said_in_at_most_5_percent(planted: Planted) -> None:
    """Error rate over 400 null sweeps of 4 seeds and 3 values: nominal 0.05, three standard errors allowed."""
    wrong = rising = 0
    for draw in range(400):
        found = _effect(planted({"lr": [1, 2, 3]}, 4, lambda lr: 0.0, draw=draw), "lr")
        wrong += found.any.p <= 0.05
        rising += found.trend.p <= 0.05
    assert max(wrong, rising) <= 400 * 0.05 + 3 * math.sqrt(400 * 0.05 * 0.95)


@pytest.mark.parametrize("seeds", [3, 10])
def test_intervals_hold_the_truth_in_95_percent(seeds: int) -> None:
    """Coverage over 600 Gaussian samples: 0.95, of the bootstrap at least 0.92."""
    rng = np.random.default_rng(seeds)
    held = 0
    for _ in range(600):
        found = difference(rng.normal(3.0, 2.0, seeds), rng)
        held += found.low <= 3.0 <= found.high
    assert ("bootstrap" in found.how) == (seeds >= FEWEST_BOOTSTRAP)
    assert 0.92 <= held / 600 <= 0.98


def test_what_turns_is_not_monotone(planted: Planted) -> None:
    table = planted({"lr": [1, 2, 3, 4]}, 5, lambda lr: {1: 0.0, 2: 9.0, 3: 12.0, 4: 6.0}[lr], noise=0.2)
    found = _effect(table, "lr")
    assert found.monotone is False and found.any.p < 0.001


def test_an_axis_without_order_is_compared_without_trend(planted: Planted) -> None:
    table = planted({"network": ["a", "b", "c"]}, 5, lambda network: {"a": 3.0, "b": 0.0, "c": 8.0}[network])
    found = _effect(table, "network")
    assert found.trend is None and found.between == ("b", "c")
    assert found.ends.value == pytest.approx(8.0, abs=2.0)


def test_too_few_seeds_decide_nothing_and_the_number_that_would_is_said(planted: Planted) -> None:
    for seeds in (1, 2):
        table = planted({"lr": [1, 2]}, seeds, lambda lr: 100.0 * lr, noise=0.01)
        (found,) = [f for f in answer(table, ["rank"]).findings if "change" in f.question]
        assert found.verdict is Verdict.UNDECIDED and "6 seeds" in found.sentence


def test_what_differs_in_the_middle_only_does_not_rise(planted: Planted) -> None:
    table = planted({"lr": [1, 2, 3]}, 8, lambda lr: 10.0 * (lr == 2), noise=1.0)
    (found,) = [f for f in answer(table, ["rank"]).findings if "change" in f.question]
    assert found.verdict is Verdict.YES and found.interval[0] < 0.0 < found.interval[1]
    assert found.sentence.startswith("rank differs along lr") and "rises" not in found.sentence


def test_runs_that_diverged_take_their_blocks_with_them(planted: Planted) -> None:
    table = planted({"lr": [1, 2, 3], "wd": [0, 1]}, 3, lambda lr, wd: float(lr))
    gone = (table["lr"] == 3) | ((table["lr"] == 2) & (table["wd"] == 0) & (table["seed"] == 1))
    table.loc[gone, "rank"] = None
    blocks = blocks_of(table, ["lr", "wd"], "lr", "rank")
    assert blocks.levels == (1, 2) and blocks.seeds == (0, 2) and blocks.values.shape == (2, 2, 2)
    assert "lr 3" in blocks.left_out and "1 of 3 seeds" in blocks.left_out
    assert not blocks_of(table.assign(rank=None), ["lr", "wd"], "lr", "rank").usable


def test_several_questions_are_corrected(planted: Planted) -> None:
    axes = {name: [0, 1, 2] for name in "abcd"}
    table = planted(axes, 5, lambda a, b, c, d: 5.0 * a, noise=1.0)
    found = [f for f in answer(table, ["rank"]).findings if "change" in f.question]
    assert {f.asked for f in found} == {4}
    assert all(f.p_adjusted >= f.p for f in found)
    verdicts = {f.subject[0]: f.verdict for f in found}
    assert verdicts["a"] is Verdict.YES and Verdict.YES not in (verdicts["b"], verdicts["c"], verdicts["d"])
    assert len(table_of_effects(answer(table, ["rank"]).effects)) == 4


def test_confounds_are_named(planted: Planted) -> None:
    table = planted({"batch_size": [8, 32], "momentum": [0.0, 0.9]}, 2, lambda batch_size, momentum: 0.0)
    table["steps"] = 800 // table["batch_size"]
    axes = ["batch_size", "momentum"]
    assert "25 to 100" in confounds(table, axes, "batch_size") and "steps = N" in confounds(
        table, axes, "batch_size"
    )
    assert "effective_lr" in confounds(table, axes, "momentum")
    assert "steps" not in confounds(table.assign(steps=100), axes, "batch_size")
    (found,) = [f for f in answer(table, ["rank"]).findings if f.subject.startswith("batch_size")]
    assert "number of steps" in found.detail


def test_rank_against_accuracy_counts_runs_of_equal_fit(planted: Planted) -> None:
    table = planted({"lr": list(range(10))}, 2, lambda lr: 1.0 * lr, noise=0.0)
    table = table.assign(train_accuracy=1.0, test_accuracy=0.9 - table["rank"] / 100)
    found = next(f for f in answer(table, ["rank"]).findings if f.subject == "equal fit")
    assert (
        found.verdict is Verdict.YES
        and found.effect is not None
        and found.effect.value == pytest.approx(-1.0)
    )
    none = table.assign(train_accuracy=0.9)
    found = next(f for f in answer(none, ["rank"]).findings if f.subject == "equal fit")
    assert found.verdict is Verdict.UNDECIDED and "0 of 20" in found.sentence
