"""What a sweep answers: does an axis change a measure, by how much, all one way, and what else changed with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from eigentrail._cells import cell
from eigentrail.chance import LEVEL, adjust
from eigentrail.chance.comparing import p_text
from eigentrail.findings import Chance, Effect, Finding, Verdict, adjusted
from eigentrail.sweeps.blocks import ABOUT, axes_of, blocks_of
from eigentrail.sweeps.effects import AxisEffect, effect_of, seeds_needed

_EXCHANGED = "values of the axis exchanged within each seed"
_MONOTONE = "Does {measure} only rise or only fall along the axis?"
#: What a batch or a rate does besides what it is asked about.
_FIT = 0.999


@dataclass(frozen=True)
class Answers:
    """All that a sweep says.

    Attributes:
        effects: of each axis on each measure.
        findings: the same in sentences, corrected for how many were asked.
        left_out: axes and measures that could not be compared, with the reasons.
    """

    effects: tuple[AxisEffect, ...]
    findings: tuple[Finding, ...]
    left_out: tuple[tuple[str, str], ...]


def answer(table: pd.DataFrame, measures: Sequence[str], seed: int = 0) -> Answers:
    """Answer what each axis does to each measure.

    Args:
        table: of a sweep, a row for each run.
        measures: the measures.
        seed: of bootstrap and permutations.

    Returns:
        The answers.
    """
    axes = axes_of(table, measures)
    effects, findings, left_out = [], [], []
    for measure in measures:
        for axis in axes:
            blocks = blocks_of(table, axes, axis, measure)
            if not blocks.usable:
                why = blocks.left_out or "there are no two values to compare"
                left_out.append((f"{axis}, {measure}", why))
                continue
            one = effect_of(blocks, seed)
            effects.append(one)
            findings += [_changes(one, confounds(table, axes, axis)), *_monotone(one)]
    findings += _equal_fit(table, measures)
    return Answers(tuple(effects), tuple(adjusted(findings)), tuple(left_out))


def confounds(table: pd.DataFrame, axes: Sequence[str], axis: str) -> str:
    """Say what else changes along an axis.

    Args:
        table: of a sweep.
        axes: all axes.
        axis: the axis.

    Returns:
        A sentence; empty where nothing is known to.
    """
    rows = table[table["status"] == "finished"] if "status" in table else table
    told = []
    if axis != "steps" and "steps" in rows and len(rows):
        others = [name for name in (*axes, "seed") if name != axis]
        spread = rows.groupby([rows[name].astype(str) for name in others])["steps"].agg(["min", "max"])
        if (spread["min"] < spread["max"]).any():
            low, high = int(spread["min"].min()), int(spread["max"].max())
            mend = (
                "give steps = N instead of epochs for the effect at equal steps"
                if axis in {"batch_size", "data", "drop_last"}
                else "the number of steps is part of the effect"
            )
            told.append(f"the number of steps changes with {axis} too, {low:,} to {high:,}: {mend}")
    if axis == "momentum" and "effective_lr" not in axes:
        told.append(
            "the effective rate lr / (1 - momentum) changes with it: give effective_lr for a fixed one"
        )
    if axis == "network":
        told.append("networks have matrices of other sizes, which bound the ranks")
    return "; ".join(told)


def _changes(one: AxisEffect, beside: str) -> Finding:
    blocks, ends = one.blocks, one.ends
    compared = one.any
    small, large = (cell(value) for value in one.between)
    grows = "rises" if ends.value > 0 else "falls" if ends.value < 0 else "stays"
    said = (
        f"{blocks.measure} {grows} by {abs(ends.value):.3g} ({_interval(ends.low, ends.high)}) from {blocks.axis} "
        f"{small} to {large}"
    )
    lead = compared is not None and compared.p <= LEVEL
    if lead and not ends.clear:
        # What differs somewhere on the axis need not differ between its ends.
        said = (
            f"{blocks.measure} differs along {blocks.axis}, from {small} to {large} by {ends.value:+.3g} "
            f"({_interval(ends.low, ends.high)})"
        )
    can = one.least_p <= LEVEL
    verdict = Verdict.YES if lead else Verdict.NO if can else Verdict.UNDECIDED
    seeds = len(blocks.seeds)
    if compared is None or not can:
        tail = f"{seeds_needed(len(blocks.levels))} seeds could decide, there {'is' if seeds == 1 else 'are'} {seeds}"
    else:
        tail = f"values exchanged within seeds: p {_p(compared.p)}"
    detail = [
        f"Mean over {seeds} seeds and {blocks.values.shape[1]} other settings at "
        + ", ".join(
            f"{cell(level)}: {mean:.4g}" for level, mean in zip(blocks.levels, one.means, strict=True)
        ),
        ends.how,
        beside and f"Beside it: {beside}",
        blocks.left_out and f"Left out: {blocks.left_out}",
    ]
    return Finding(
        subject=f"{blocks.axis} → {blocks.measure}",
        question=f"Does the axis change {blocks.measure}?",
        verdict=verdict,
        sentence=f"{said}; {tail}.",
        effect=Effect(f"difference of {blocks.measure}", ends.value),
        interval=None if math.isnan(ends.low) else (ends.low, ends.high),
        chance=None if compared is None else Chance(_EXCHANGED, 0.0, compared.draws),
        p=None if compared is None else compared.p,
        detail=". ".join(filter(None, detail)) + ".",
        data={"confounded": bool(beside)},
    )


def _monotone(one: AxisEffect) -> list[Finding]:
    """The trend of an axis with an order and three values or more."""
    blocks, trend = one.blocks, one.trend
    if trend is None or len(blocks.levels) < 3:
        return []
    told = one.monotone
    way = "rises" if trend.observed > 0 else "falls"
    if told:
        clear = all(difference.clear for difference in one.neighbours)
        said = (
            f"{blocks.measure} {way} from each {blocks.axis} to the next"
            if clear
            else f"{blocks.measure} {way} along {blocks.axis} without a turn"
        )
    elif told is None:
        said = f"Whether {blocks.measure} {way} all along {blocks.axis} is not clear"
    else:
        said = f"{blocks.measure} turns along {blocks.axis}, against its trend"
    return [
        Finding(
            subject=f"{blocks.axis} → {blocks.measure}",
            question=_MONOTONE.format(measure=blocks.measure),
            verdict=Verdict.UNDECIDED if told is None else Verdict.YES if told else Verdict.NO,
            sentence=f"{said}: Page's trend {trend.observed:.2g} of 1; values exchanged within seeds: p "
            f"{_p(trend.p)}.",
            effect=Effect("Page's trend", trend.observed, "-1 to 1"),
            chance=Chance(_EXCHANGED, 0.0, trend.draws),
            p=trend.p,
            detail="Neighbouring values differ by "
            + ", ".join(f"{d.value:.3g} ({_interval(d.low, d.high)})" for d in one.neighbours)
            + ".",
        )
    ]


def _equal_fit(table: pd.DataFrame, measures: Sequence[str]) -> list[Finding]:
    """Rank against test accuracy among runs that fit their training data alike (S4 4.2)."""
    rank = next((name for name in measures if name.partition("@")[0].startswith("rank")), None)
    if rank is None or not {"train_accuracy", "test_accuracy"} <= set(table.columns):
        return []
    numbers = table[[rank, "train_accuracy", "test_accuracy"]].apply(pd.to_numeric, errors="coerce").dropna()
    fit = numbers[numbers["train_accuracy"] >= _FIT]
    question = "Do runs of lower rank test better at equal fit?"
    if len(fit) < 5 or fit[rank].nunique() < 2 or fit["test_accuracy"].nunique() < 2:
        return [
            Finding(
                subject="equal fit",
                question=question,
                verdict=Verdict.UNDECIDED,
                sentence=f"{len(fit)} of {len(numbers)} runs reach {_FIT:.1%} training accuracy: too few to compare.",
                effect=Effect("runs of equal fit", len(fit), "count"),
            )
        ]
    from scipy import stats

    found = stats.spearmanr(fit[rank], fit["test_accuracy"])
    rho, p = float(found.statistic), float(found.pvalue)
    verdict = Verdict.YES if p <= LEVEL and rho < 0 else Verdict.NO
    return [
        Finding(
            subject="equal fit",
            question=question,
            verdict=verdict,
            sentence=f"Spearman correlation {rho:.2f} of {rank} with test accuracy over {len(fit)} runs of "
            f"{_FIT:.1%} training accuracy; no correlation: p {_p(p)}.",
            effect=Effect("rank correlation", rho, "-1 to 1"),
            chance=Chance("no correlation", 0.0),
            p=p,
            detail="S4's abstract ties low rank to slightly better performance, its section 4.2 says it is not crucial "
            "for good generalization. Runs that share a seed are not independent: p is a guide.",
        )
    ]


def table_of_effects(effects: Sequence[AxisEffect]) -> pd.DataFrame:
    """Put effects into a table.

    Args:
        effects: from `answer`.

    Returns:
        A row for each axis and measure: the two values compared, the difference with its interval, p-values as they are
        and corrected for all rows, trend, and whether it is monotone.
    """
    p = [1.0 if one.any is None else one.any.p for one in effects]
    rows = [
        {
            "axis": one.blocks.axis,
            "measure": one.blocks.measure,
            "from": str(one.between[0]),
            "to": str(one.between[1]),
            "difference": one.ends.value,
            "low": one.ends.low,
            "high": one.ends.high,
            "p": None if one.any is None else one.any.p,
            "p_adjusted": None if one.any is None else corrected,
            "trend": None if one.trend is None else one.trend.observed,
            "p_trend": None if one.trend is None else one.trend.p,
            "monotone": one.monotone,
            "seeds": len(one.blocks.seeds),
        }
        for one, corrected in zip(effects, adjust(p), strict=True)
    ]
    return pd.DataFrame(rows)


def levels_table(one: AxisEffect) -> pd.DataFrame:
    """Give the means of a measure along an axis.

    Args:
        one: the effect.

    Returns:
        A row for each value: `value`, `mean`, `low`, `high`.
    """
    return pd.DataFrame({
        one.blocks.axis: list(one.blocks.levels),
        "mean": one.means,
        "low": one.intervals[:, 0],
        "high": one.intervals[:, 1],
    })  # fmt: skip


def _interval(low: float, high: float) -> str:
    return "one seed" if math.isnan(low) else f"{low:.3g} to {high:.3g}"


def _p(p: float) -> str:
    text = p_text(p)
    return text if text[0] in "<≤" else f"= {text}"


def measures_of(table: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Name the measures of a table.

    Args:
        table: of a sweep.
        axes: its axes.

    Returns:
        All other columns but those about the run.
    """
    return [str(c) for c in table.columns if c not in (*axes, *ABOUT)]
