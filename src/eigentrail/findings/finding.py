"""A finding: the answer to one question about one subject, as a value that every surface shows alike."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from eigentrail.chance import LEVEL, adjust
from eigentrail.errors import OptionError

#: A finding's sentence has at most so many words.
MOST_WORDS = 25
_STRICT: ContextVar[bool] = ContextVar("_STRICT", default=False)


class Verdict(StrEnum):
    """The answer to a question."""

    YES = "yes"
    NO = "no"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Effect:
    """The number that a finding is about.

    Attributes:
        name: what it is, in the field's term.
        value: the number; None where it could not be computed.
        units: its unit; empty for none.
    """

    name: str
    value: float | None
    units: str = ""


@dataclass(frozen=True)
class Chance:
    """What chance gives for an effect.

    Attributes:
        null: the null model's name, as a reader knows it ("random walks with the same steps").
        median: the median of the effect over its draws.
        draws: how many were made; 0 for a null with a closed form.
    """

    null: str
    median: float | None
    draws: int = 0


@dataclass(frozen=True)
class Skipped:
    """What was left out, and why.

    Attributes:
        name: the layer, step or file.
        reason: one sentence.
    """

    name: str
    reason: str

    def to_dict(self) -> dict[str, str]:
        """Give it as plain values.

        Returns:
            `name` and `reason`.
        """
        return {"name": self.name, "reason": self.reason}


@dataclass(frozen=True)
class Finding:
    """The answer to one question about one subject.

    Attributes:
        subject: what it is about: a layer's name, the network, a comparison.
        question: the question that was asked of all such subjects.
        verdict: yes, no or undecided.
        effect: the number that carries the verdict; None where the verdict rests on no single number.
        interval: the effect's confidence interval (95%); None where there is none.
        chance: what the null model gives for the effect; None where no null model fits the sentence.
        p: probability of an effect at least as strong under the null model; None without one.
        p_adjusted: p corrected for how many were asked (`adjusted`); None before that, or without p.
        sentence: one plain sentence of at most 25 words, effect first; a longer one is cut where its parts meet, and
            the rest begins the detail.
        detail: everything else, for readers who ask.
        needs_look: whether a person should act: a fault, not merely a structure.
        asked: of how many subjects the question was asked.
        advice: what to try, where a person should act; empty for nothing.
    """

    subject: str
    question: str
    verdict: Verdict
    sentence: str
    effect: Effect | None = None
    interval: tuple[float, float] | None = None
    chance: Chance | None = None
    p: float | None = None
    p_adjusted: float | None = None
    detail: str = ""
    needs_look: bool = False
    asked: int = 1
    advice: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        words = len(self.sentence.split())
        if words == 0 or (words > MOST_WORDS and _STRICT.get()):
            raise OptionError(
                f"the sentence of a finding has 1 to {MOST_WORDS} words, not {words}: {self.sentence!r}"
            )
        if words > MOST_WORDS:
            # No wording is worth an analysis: what is too long is told in the detail.
            first, rest = _cut(self.sentence)
            object.__setattr__(self, "sentence", first)
            object.__setattr__(self, "detail", f"{rest} {self.detail}".strip())
        for name in ("p", "p_adjusted"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise OptionError(f"{name} is a probability from 0 to 1, not {value!r}")

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values, as `--format json` prints it.

        Returns:
            A dict without NaN or infinite numbers.
        """
        return {
            "subject": self.subject,
            "question": self.question,
            "verdict": str(self.verdict),
            "sentence": self.sentence,
            "effect": None
            if self.effect is None
            else {
                "name": self.effect.name,
                "value": _finite(self.effect.value),
                "units": self.effect.units,
            },
            "interval": None if self.interval is None else [_finite(end) for end in self.interval],
            "chance": None
            if self.chance is None
            else {
                "null": self.chance.null,
                "median": _finite(self.chance.median),
                "draws": self.chance.draws,
            },
            "p": _finite(self.p),
            "p_adjusted": _finite(self.p_adjusted),
            "asked": self.asked,
            "needs_look": self.needs_look,
            "detail": self.detail,
            "advice": self.advice,
        }


def adjusted(findings: Sequence[Finding], level: float = LEVEL) -> list[Finding]:
    """Correct findings for how many subjects each question was asked of.

    The p-values of one question are corrected together (false discovery rate, Benjamini and Yekutieli, which holds
    under any dependence). A "yes" that rests on a p-value and does not survive becomes "undecided".

    Args:
        findings: all findings of a page, a table or a run.
        level: the false discovery rate of each question.

    Returns:
        The findings in their order, with `p_adjusted` and `asked`.
    """
    made = list(findings)
    families: dict[str, list[int]] = {}
    for place, one in enumerate(made):
        families.setdefault(one.question, []).append(place)
    for places in families.values():
        known = [(place, p) for place in places if (p := made[place].p) is not None]
        corrected = dict(zip((place for place, _ in known), adjust([p for _, p in known]), strict=True))
        for place in places:
            p, verdict = corrected.get(place), made[place].verdict
            detail = made[place].detail
            if verdict is Verdict.YES and p is not None and p > level:
                verdict = Verdict.UNDECIDED
                corrected_away = (
                    f"Asked of {len(places)} subjects it could be chance (corrected p = {p:.2g})."
                )
                detail = f"{corrected_away} {detail}".rstrip()
            made[place] = replace(
                made[place],
                asked=len(places),
                verdict=verdict,
                detail=detail,
                p_adjusted=None if p is None else float(p),
            )
    return made


def strongest_first(findings: Iterable[Finding]) -> list[Finding]:
    """Order findings: those that need a look, then yes before undecided before no, then by p.

    Args:
        findings: any findings.

    Returns:
        The findings, the most important first; equal ones keep their order.
    """
    order = {Verdict.YES: 0, Verdict.UNDECIDED: 1, Verdict.NO: 2}

    def weight(one: Finding) -> tuple[bool, int, float]:
        p = one.p_adjusted if one.p_adjusted is not None else one.p
        return (not one.needs_look, order[one.verdict], 1.0 if p is None else p)

    return sorted(findings, key=weight)


def _cut(sentence: str) -> tuple[str, str]:
    """Cut a sentence that is too long where its parts meet, else between words."""
    for mark in ("; ", ": ", ", "):
        at = sentence.rfind(mark)
        while at > 0:
            if len(sentence[:at].split()) <= MOST_WORDS:
                rest = sentence[at + len(mark) :]
                return f"{sentence[:at]}.", f"{rest[:1].upper()}{rest[1:]}"
            at = sentence.rfind(mark, 0, at)
    words = sentence.split()
    return f"{' '.join(words[: MOST_WORDS - 1])} ...", sentence


@contextmanager
def strict_sentences() -> Iterator[None]:
    """Refuse sentences of findings that are too long, which are cut otherwise: for tests.

    Yields:
        Nothing; findings that are made inside are checked.
    """
    token = _STRICT.set(True)
    try:
        yield
    finally:
        _STRICT.reset(token)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
