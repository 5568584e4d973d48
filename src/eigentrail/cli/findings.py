"""Findings in the terminal: the answers first, in at most 25 lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from eigentrail._text import counted
from eigentrail.api.analysis import RunAnalysis
from eigentrail.cli.fitting import SENTENCE, TableColumn, print_fitting
from eigentrail.cli.tables import console
from eigentrail.findings import Finding, Verdict, strongest_first
from eigentrail.report.answers import beside_chance
from eigentrail.report.run_story import headline

#: Questions that a summary answers, strongest first; the page has all of them.
MOST_QUESTIONS = 7
_STYLES = {Verdict.YES: "bold green", Verdict.NO: "dim", Verdict.UNDECIDED: "yellow"}


def print_summary(found: RunAnalysis, page: Path | None, next_steps: Sequence[str] = ()) -> None:
    """Print what a run showed: what was trained, the strongest findings, how many were asked, what to do next.

    Args:
        found: the analyses.
        page: the page that has the rest; None for none.
        next_steps: commands to try, at most three.
    """
    out = console()
    out.print(Text(headline(found.run), style="bold"))
    findings = found.findings
    if findings:
        out.print()
        print_answers(findings)
        out.print(Text(beside_chance(findings), style="dim"))
    left = sum(len(one) for one in found.skipped.values())
    if left:
        out.print(
            Text(
                f"{counted(left, 'entry', 'entries')} left out (vectors, or too long): see the page",
                style="dim",
            )
        )
    if next_steps:
        out.print()
        for step in next_steps[:3]:
            out.print(Text(f"next: {step}"))
    if page is not None:
        # Alone on its line, as all commands that write a page end.
        out.print(Text(str(page)), soft_wrap=True)


def print_answers(findings: Sequence[Finding], most: int = MOST_QUESTIONS) -> None:
    """Print one row for each question: how often yes, and the strongest finding.

    Args:
        findings: of any questions.
        most: how many questions; the rest is counted.
    """
    by_question: dict[str, list[Finding]] = {}
    for one in strongest_first(findings):
        by_question.setdefault(one.question, []).append(one)
    rows, styles = [], []
    for asked in list(by_question.values())[:most]:
        first = asked[0]
        counts = Counter(one.verdict for one in asked)
        share = (
            f"{first.verdict} {counts[first.verdict]} of {len(asked)}"
            if len(asked) > 1
            else str(first.verdict)
        )
        rows.append((share, f"{first.subject}: {first.sentence}"))
        styles.append("bold red" if first.needs_look else _STYLES[first.verdict])
    print_fitting(console(), (TableColumn(""), TableColumn("", prose=SENTENCE)), rows, styles)
    if len(by_question) > most:
        console().print(Text(f"and {len(by_question) - most} more questions on the page", style="dim"))
