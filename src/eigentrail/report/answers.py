"""The first screen of a page of runs: the answers with their chance, the key picture, and one table of layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import xarray as xr

from eigentrail._cells import cell
from eigentrail.chance import LEVEL, p_text
from eigentrail.findings import Finding, Verdict, strongest_first
from eigentrail.report.run_story import RunStory
from eigentrail.report.sections import Card, Cards, Grid, Item, Prose, Section

_MOST_CARDS = 4
_MOST_ROWS = 12
# Whole numbers below it are counts.
_COUNTS = 1e6


def answers_section(
    stories: Sequence[RunStory], layers: Sequence[tuple[RunStory, str, xr.DataTree]], picture: Sequence[Item]
) -> Section:
    """Answer first: the strongest finding of each question, and the layers in one table.

    Args:
        stories: the runs.
        layers: run, name and node of each layer of their evolutions.
        picture: the key picture.

    Returns:
        The section.
    """
    findings = [
        (story, one) for story in stories for result in story.found.values() for one in result.findings
    ]
    items: list[Item] = []
    if findings:
        whose = {id(one): story for story, one in findings}
        cards = finding_cards(
            [one for _, one in findings],
            lambda one: whose[id(one)].named(one.subject),
            group=(lambda one: whose[id(one)].label) if len(stories) > 1 else None,
        )
        items.append(Cards(tuple(cards)))
        if told := beside_chance([one for _, one in findings]):
            items.append(Prose((told,)))
    items += picture
    if layers:
        items.append(_layers(stories, layers))
    return Section("answers", "Answers", tuple(items), nav="Answers")


def beside_chance(findings: Sequence[Finding]) -> str:
    """Say how many tests were made, how many are beyond chance, and how many chance alone would give.

    Args:
        findings: all findings.

    Returns:
        One sentence; empty where nothing was tested.
    """
    # A question whose p is known only where something was found has tested the others, too.
    asked = {one.question for one in findings if one.p is not None}
    tested = [one for one in findings if one.question in asked]
    if not tested:
        return ""
    yes = sum(one.verdict is Verdict.YES for one in tested)
    small = sum(one.p is not None and one.p <= LEVEL for one in tested)
    return (
        f"{small} of {len(tested)} tests have p of at most {LEVEL:g}, where chance alone would give about "
        f"{LEVEL * len(tested):.2g}; after correction there are {yes}."
    )


def finding_cards(
    findings: Sequence[Finding],
    named: Callable[[Finding], str] = lambda one: "" if one.subject in one.sentence else one.subject,
    *,
    found_only: bool = False,
    in_order: bool = False,
    group: Callable[[Finding], str] | None = None,
) -> list[Card]:
    """Make a card of each question's strongest finding.

    Args:
        findings: of any questions.
        named: says what a finding is about; empty where its sentence says it.
        in_order: whether questions keep their order but for what needs a look, as checks have one; the strongest
            first otherwise.
        found_only: whether layers of which nothing was found have no finding, as the checks of a checkpoint do.
        group: the run that a finding is of, where the verdicts of several are counted by run.

    Returns:
        At most four cards, what needs a look first.
    """
    cards = []
    for question, asked in _by_question(findings, in_order=in_order).items():
        first = asked[0]
        same = sum(one.verdict is first.verdict for one in asked)
        many = first.asked if found_only and first.subject != "network" else len(asked)
        # Of a few among many no plain yes is said.
        few = first.verdict is Verdict.YES and 2 * same < many
        verdict = (
            f"{'' if few else first.verdict} in {same} of {many}".strip() if many > 1 else str(first.verdict)
        )
        if group is not None:
            verdict += f" ({_by_run(asked, first.verdict, group)})"
        subject = named(first) if first.subject != "network" else ""
        text = f"{subject}: {first.sentence}" if subject else first.sentence
        tone = "look" if first.needs_look else str(Verdict.NO if few else first.verdict)
        cards.append(Card(question, verdict[:1].upper() + verdict[1:], text, _chance(first), tone))
    return cards


def _by_run(asked: Sequence[Finding], verdict: Verdict, group: Callable[[Finding], str]) -> str:
    """Count a verdict by run, as "first 3 of 3, second 0 of 3"."""
    runs = dict.fromkeys(sorted(group(one) for one in asked))
    counts = [
        (run, sum(one.verdict is verdict for one in own), len(own))
        for run in runs
        for own in [[one for one in asked if group(one) == run]]
    ]
    return ", ".join(f"{run} {count} of {many}" for run, count, many in counts)


def _chance(finding: Finding) -> str:
    """Put the effect beside what chance gives, and the p-value behind."""
    words: list[str] = []
    beside, effect = finding.chance, finding.effect
    if beside is not None and beside.median is not None:
        null = f"{_number(beside.median)} for {beside.null}"
        if effect is not None and effect.value is not None:
            if finding.interval is not None and finding.p is None:
                low, high = map(_number, finding.interval)
                null = f"95% interval {low} to {high}; {null}"
            null = f"{effect.name[:1].upper()}{effect.name[1:]}: {_number(effect.value)} ({null})"
        words.append(null)
    if finding.p_adjusted is not None:
        p = p_text(finding.p_adjusted)
        # A hyphen at which no line ends.
        p = f"p {'' if p[0] in '<≤' else '= '}{p.replace('-', chr(0x2011))}"
        words.append(f"{p}, corrected for {finding.asked} tests" if finding.asked > 1 else p)
    return "; ".join(words)


def _number(value: float) -> str:
    """Write counts as counts."""
    return str(int(value)) if float(value).is_integer() and abs(value) < _COUNTS else cell(value)


def on_cards(findings: Sequence[Finding], *, in_order: bool = False) -> list[Finding]:
    """List what `finding_cards` tells in full.

    Args:
        findings: of any questions.
        in_order: as given to `finding_cards`.

    Returns:
        The finding of each card.
    """
    return [asked[0] for asked in _by_question(findings, in_order=in_order).values()]


def _by_question(findings: Sequence[Finding], *, in_order: bool = False) -> dict[str, list[Finding]]:
    by_question: dict[str, list[Finding]] = {}
    for one in strongest_first(findings):
        by_question.setdefault(one.question, []).append(one)
    if in_order:
        place = {question: number for number, question in enumerate(one.question for one in findings)}
        ordered = sorted(by_question, key=lambda q: (not by_question[q][0].needs_look, place[q]))
        by_question = {question: by_question[question] for question in ordered}
    return dict(list(by_question.items())[:_MOST_CARDS])


def _layers(stories: Sequence[RunStory], layers: Sequence[tuple[RunStory, str, xr.DataTree]]) -> Grid:
    drift = {
        (id(story), row.name): row["straightness"]
        for story in stories
        if "drift" in story.found
        for row in story.found["drift"].rows
    }
    rows = []
    for number, (story, name, node) in enumerate(layers[:_MOST_ROWS]):
        about: dict[str, Any] = {str(key): value for key, value in node.attrs.items()}
        limit = about.get("noise_ks_high")
        bulk = about.get("mp_ks_distance_last")
        inside = (
            "-"
            if bulk is None or not limit
            else "as noise"
            if bulk <= limit
            else f"{bulk / limit:.2f} × noise's 95%"
        )
        phases = [about.get("phase_first"), about.get("phases_between"), about.get("phase_last")]
        strip = " → ".join(dict.fromkeys(str(p) for p in phases if p)) or "-"
        rows.append(
            (
                story.named(name),
                f"{cell(about.get('spikes_first'))} → {cell(about.get('spikes_last'))}",
                inside,
                strip,
                f"{cell(about.get('effective_rank_first'))} → {cell(about.get('effective_rank_last'))}",
                cell(drift.get((id(story), name))),
                number,
            )
        )
    more = f" (the first {_MOST_ROWS} of {len(layers)})" if len(layers) > _MOST_ROWS else ""
    headings = (f"Layer{more}", "Spikes", "Bulk", "Phase", "Effective rank", "Straightness")
    return Grid(headings, tuple((row[:-1], row[-1]) for row in rows))
