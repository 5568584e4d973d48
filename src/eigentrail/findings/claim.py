"""A claim of a source as data: a statistic, one value of it for each seed, and the rule that decides it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import nctdtr, stdtr, stdtrit

from eigentrail._text import counted
from eigentrail.chance import LEVEL, adjust
from eigentrail.errors import OptionError
from eigentrail.findings.finding import Verdict
from eigentrail.findings.rules import Rule

#: Fewer seeds decide nothing.
FEWEST_SEEDS = 3
_MOST_SEEDS = 1000
#: What the verdict about a claim is called.
TOLD = {Verdict.YES: "holds", Verdict.NO: "does not hold", Verdict.UNDECIDED: "not decided"}


@dataclass(frozen=True)
class ClaimResult:
    """What became of a claim.

    Attributes:
        claim: the claim.
        verdict: yes (holds), no (its opposite is shown) or undecided.
        values: the statistic for each seed.
        beside: what chance gives for each, or the rival that the rule names; empty where there is none.
        mean: mean of the claim's effect over seeds.
        interval: its 95% confidence interval (Student's t).
        p: p-value of the test that the claim holds, one-sided; None with fewer than three seeds.
        p_fails: that of the test that its opposite holds; None with fewer than three seeds.
        seeds: how many there are.
        seeds_needed: about how many would decide at the observed effect and spread (power .8); None where decided,
            where no number below a thousand would, or where too few of the given ones have a value.
        detail: what was found, or why nothing was, in words with numbers.
    """

    claim: Claim
    verdict: Verdict
    values: tuple[Any, ...]
    beside: tuple[Any, ...]
    mean: float | None
    interval: tuple[float, float] | None
    p: float | None
    p_fails: float | None
    seeds: int
    seeds_needed: int | None
    detail: str = ""

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return f"{TOLD[self.verdict]} ({self.measured})"

    @property
    def measured(self) -> str:
        """What the verdict rests on: the statistic, its interval, how many seeds, and how many would decide."""
        unit = self.claim.unit
        told = [counted(self.seeds, unit)]
        if self.mean is not None:
            interval = (
                "" if self.interval is None else f", 95% {self.interval[0]:.3g} to {self.interval[1]:.3g}"
            )
            told.insert(0, f"{self.claim.effect}: {self.mean:.3g}{interval}")
            if self.level is not None:
                told.insert(1, f"{self.claim.rule.rival or 'chance'} {self.level:.3g}")
        more = ""
        if self.verdict is Verdict.UNDECIDED and self.seeds_needed:
            more = f"; about {self.seeds_needed} {unit}s would decide"
        return ", ".join(told) + more

    @property
    def level(self) -> float | None:
        """What chance or the rule's rival gives, mean over seeds; None where the rule names none."""
        beside = np.asarray(self.beside, dtype=np.float64)
        return float(np.mean(beside)) if beside.size else None

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values: a row of claims.csv.

        Returns:
            A dict without NaN or infinite numbers.
        """
        low, high = self.interval if self.interval is not None else (None, None)
        rival = self.claim.rule.rival
        return {
            "id": self.claim.id,
            "source": self.claim.source,
            "claim": self.claim.statement,
            "statistic": self.claim.effect,
            "rule": self.claim.rule.text,
            "verdict": TOLD[self.verdict],
            "value": self.mean,
            "low": low,
            "high": high,
            "chance": None if rival else self.level,
            "rival": rival or None,
            "rival_value": self.level if rival else None,
            "p": self.p,
            "p_fails": self.p_fails,
            "seeds": self.seeds,
            "seeds_needed": self.seeds_needed,
            "values": list(self.values),
            "detail": self.detail,
        }


@dataclass(frozen=True)
class Claim:
    """A claim of a source.

    Attributes:
        id: a short name, unique in the ledger ("s0-leading-geodesic").
        source: document and place ("S0 slide 20").
        statement: the source's words, in plain English.
        statistic: what is measured for each seed, in the field's terms.
        rule: how the values over seeds decide.
        needs: names of the analyses that the statistic is taken from.
        unit: what the repetitions are, in the singular.
    """

    id: str
    source: str
    statement: str
    statistic: str
    rule: Rule
    needs: tuple[str, ...] = ()
    unit: str = "seed"

    @property
    def effect(self) -> str:
        """What the number beside the verdict is: the statistic; of a sequence its last entry minus its first."""
        return self.statistic + (", last minus first" if self.rule.sequence else "")

    def decide(
        self, values: Sequence[Any], beside: Sequence[Any] = (), level: float = LEVEL, detail: str = ""
    ) -> ClaimResult:
        """Decide the claim from one value for each seed.

        Args:
            values: [seeds] the statistic for each seed ([seeds, k] for the rules about sequences); those that are
                not finite are left out.
            beside: [seeds] what chance gives for each, or the rule's rival; a single value serves all.
            level: of each one-sided test.
            detail: what was found, in words with numbers.

        Returns:
            The verdict with its numbers: "undecided" with fewer than three seeds or where the spread allows both.

        Raises:
            OptionError: there is no value beside each seed.
        """
        x = np.asarray(list(values), dtype=np.float64)
        null = np.asarray(list(beside), dtype=np.float64)
        if null.size and len(null) not in {1, len(x)}:
            raise OptionError(
                f"claim {self.id}: {len(null)} values of {self.rule.rival or 'chance'} for {len(x)} seeds: give one "
                "for each"
            )
        spread_null = np.broadcast_to(null, x.shape[:1]) if null.size else np.zeros(x.shape[:1])
        finite = np.isfinite(x).all(axis=tuple(range(1, x.ndim))) & np.isfinite(spread_null)
        x, spread_null = x[finite], spread_null[finite]
        seeds = len(x)
        effect = x[:, -1] - x[:, 0] if x.ndim > 1 else x
        mean = float(effect.mean()) if effect.size else None
        interval = _interval(effect)
        if seeds < FEWEST_SEEDS:
            return ClaimResult(
                self,
                Verdict.UNDECIDED,
                tuple(x.tolist()),
                tuple(null.tolist()),
                mean,
                interval,
                None,
                None,
                seeds,
                # Where seeds have no value, more of them promise none.
                None if not finite.all() else FEWEST_SEEDS,
                detail,
            )
        margins = self.rule.margin(x, spread_null)
        holds = max(_p_positive(row) for row in margins)
        # The claim fails where one of its conditions is shown to be violated; the level is shared among them.
        fails = min(1.0, len(margins) * min(_p_positive(-row) for row in margins))
        verdict = Verdict.YES if holds <= level else Verdict.NO if fails <= level else Verdict.UNDECIDED
        needed = None if verdict is not Verdict.UNDECIDED else _seeds_needed(margins, level)
        return ClaimResult(
            self,
            verdict,
            tuple(x.tolist()),
            tuple(null.tolist()),
            mean,
            interval,
            holds,
            fails,
            seeds,
            needed,
            detail,
        )


def _interval(x: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float] | None:
    if len(x) < FEWEST_SEEDS:
        return None
    half = float(stdtrit(len(x) - 1, 0.975) * x.std(ddof=1) / math.sqrt(len(x)))
    return float(x.mean()) - half, float(x.mean()) + half


def _p_positive(x: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    error = float(x.std(ddof=1)) / math.sqrt(len(x))
    centre = float(x.mean())
    if error <= 1e-12 * abs(centre) or error == 0.0:
        # The same value for every seed: the difference is beyond any error of the mean.
        return 0.0 if centre > 0.0 else 1.0
    return float(stdtr(len(x) - 1, -centre / error))


def _seeds_needed(margins: np.ndarray[Any, np.dtype[np.float64]], level: float) -> int | None:
    needed = 0
    for row in margins:
        spread = float(row.std(ddof=1))
        if spread == 0.0:
            continue
        size = abs(float(row.mean())) / spread
        count = FEWEST_SEEDS
        while count <= _MOST_SEEDS:
            bar = stdtrit(count - 1, 1.0 - level)
            if 1.0 - nctdtr(count - 1, size * math.sqrt(count), bar) >= 0.8:
                break
            count = max(count + 1, int(1.15 * count))
        needed = max(needed, count)
    return None if needed == 0 or needed > _MOST_SEEDS else needed


def adjusted_p(claims: Sequence[ClaimResult]) -> list[float | None]:
    """Correct the p-values of the claims of one study for how many were asked (false discovery rate, any dependence).

    A claim is asked both ways, whether it holds and whether its opposite does: its p-value is twice the smaller one.

    Args:
        claims: the claims, decided.

    Returns:
        For each claim its corrected p-value; None where it has too few seeds for one.
    """
    both = {
        place: min(1.0, 2.0 * min(one.p, one.p_fails))
        for place, one in enumerate(claims)
        if one.p is not None and one.p_fails is not None
    }
    corrected = dict(zip(both, adjust(list(both.values())), strict=True))
    return [float(corrected[place]) if place in corrected else None for place in range(len(claims))]
