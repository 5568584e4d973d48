"""Cards of the first screen: verdicts counted, effects beside chance, and the correction told."""

from __future__ import annotations

from dataclasses import replace

from eigentrail.findings import Chance, Effect, Finding, Verdict
from eigentrail.report.answers import beside_chance, finding_cards


def found(subject: str, verdict: Verdict, effect: float = 3.0, p: float | None = None) -> Finding:
    return Finding(
        subject,
        "Do spikes grow?",
        verdict,
        f"{subject} has {effect:g} spikes.",
        effect=Effect("spikes", effect, "count"),
        chance=Chance("shuffled entries", 0.0, 20),
        p=p,
        p_adjusted=p,
        asked=4,
    )


def test_the_effect_stands_beside_chance_and_counts_are_counts() -> None:
    [card] = finding_cards([found("a", Verdict.YES, p=0.02), found("b", Verdict.NO, 0.0, p=0.9)])
    assert card.verdict == "Yes in 1 of 2"
    assert card.chance == "Spikes: 3 (0 for shuffled entries); p = 0.02, corrected for 4 tests"
    [card] = finding_cards([found("a", Verdict.YES, 2.5)])
    assert card.chance.startswith("Spikes: 2.50 (")


def test_of_few_among_many_no_plain_yes_is_said() -> None:
    [card] = finding_cards([found("a", Verdict.YES), *(found(name, Verdict.NO) for name in "bcd")])
    assert (card.verdict, card.tone) == ("In 1 of 4", "no")


def test_no_line_ends_within_a_small_p() -> None:
    [card] = finding_cards([found("a", Verdict.YES, p=8.3e-7)])
    assert "8.3e\N{NON-BREAKING HYPHEN}07" in card.chance


def test_verdicts_of_several_runs_are_counted_by_run() -> None:
    findings = [
        found("a first", Verdict.YES),
        found("b first", Verdict.YES),
        found("a second", Verdict.NO),
        found("b second", Verdict.NO),
    ]
    [card] = finding_cards(findings, group=lambda one: one.subject.split()[1])
    assert card.verdict == "Yes in 2 of 4 (first 2 of 2, second 0 of 2)"


def test_what_chance_alone_would_give_is_told() -> None:
    untested = replace(found("c", Verdict.NO), question="Does it converge?")
    findings = [found("a", Verdict.YES, p=0.01), found("b", Verdict.NO, p=0.5), untested]
    assert beside_chance(findings).startswith("1 of 2 tests have p of at most 0.05")
    assert "would give about 0.1; after correction there are 1" in beside_chance(findings)
    # A spike has a p, no spike has none: both were looked for.
    assert beside_chance([*findings, found("d", Verdict.NO)]).startswith("1 of 3 tests")
    # Where nothing is tested, nothing is counted.
    assert beside_chance(findings[2:]) == ""


def test_checks_keep_their_order_but_for_what_needs_a_look() -> None:
    first, second, third = found("a", Verdict.NO), found("b", Verdict.YES, p=0.01), found("c", Verdict.YES)
    questions = ("first?", "second?", "third?")
    findings = [replace(one, question=q) for one, q in zip((first, second, third), questions, strict=True)]
    assert [card.question for card in finding_cards(findings)] == ["second?", "third?", "first?"]
    assert [card.question for card in finding_cards(findings, in_order=True)] == list(questions)
    looked = [*findings[:2], replace(findings[2], needs_look=True)]
    assert [card.question for card in finding_cards(looked, in_order=True)] == ["third?", "first?", "second?"]
