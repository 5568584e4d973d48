"""Findings in the terminal: the answers first, in at most 25 lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from eigentrail._text import counted
from eigentrail.api.analysis import RunAnalysis
from eigentrail.cli.tables import console
from eigentrail.findings import Finding, Verdict, strongest_first
from eigentrail.report.answers import beside_chance
from eigentrail.report.run_story import headline

#: Questions that a summary answers, strongest first; the page has all of them.
MOST_QUESTIONS = 7
_INDENT = 2
#: Lines of the terminal that the end of a study takes at most.
MOST_LINES = 25
_STYLES = {Verdict.YES: "bold green", Verdict.NO: "dim", Verdict.UNDECIDED: "yellow"}


def print_summary(found: RunAnalysis, page: Path | None, next_steps: Sequence[str] = ()) -> None:
    """Print what a run showed: what was trained, the strongest findings, how many were asked, what to do next.

    Args:
        found: the analyses.
        page: the page that has the rest; None for none.
        next_steps: commands to try, at most three.
    """
    out = console()
    first = headline(found.run)
    after: list[str] = []
    findings = found.findings
    left = sum(len(one) for one in found.skipped.values())
    if findings:
        after += [told for told in (beside_chance(findings),) if told]
    if left:
        after.append(f"{counted(left, 'entry', 'entries')} left out (vectors, or too long): see the page")
    # A command stays whole on a line where it can; what it is good for stands behind it where there is room.
    steps = [
        told if len(told) <= out.width else told.partition("   #")[0]
        for told in (f"next: {step}" for step in next_steps[:3])
    ]
    out.print(Text(first, style="bold"))
    if findings:
        out.print()
        # Two empty lines, and the page's path.
        taken = 3 + sum(height(text, out.width) for text in (first, *after, *steps))
        print_answers(findings, lines=MOST_LINES - taken)
    for text in after:
        out.print(Text(text, style="dim"))
    if steps:
        out.print()
        for step in steps:
            out.print(Text(step))
    if page is not None:
        # Alone on its line, as all commands that write a page end.
        out.print(Text(str(page)), soft_wrap=True)


def height(text: str, width: int) -> int:
    """Count the lines that a text takes.

    Args:
        text: the text.
        width: characters of a line.

    Returns:
        At least one.
    """
    return max(1, len(Text(text).wrap(console(), width)))


def print_answers(findings: Sequence[Finding], most: int = MOST_QUESTIONS, lines: int | None = None) -> None:
    """Print each question with its answer, how often that is given, and the strongest finding.

    Args:
        findings: of any questions.
        most: how many questions; the rest is counted.
        lines: of the terminal, that these rows and what is told of the rest may take; None for any number.
    """
    by_question: dict[str, list[Finding]] = {}
    for one in strongest_first(findings):
        by_question.setdefault(one.question, []).append(one)
    out = console()
    told, taken = 0, 0
    for question, asked in list(by_question.items())[:most]:
        first = asked[0]
        counts = Counter(one.verdict for one in asked)
        share = f" in {counts[first.verdict]} of {len(asked)}" if len(asked) > 1 else ""
        head, sentence = f"{question} {first.verdict}{share}", f"{first.subject}: {first.sentence}"
        # One more line says how many questions are left.
        taken += height(head, out.width) + height(sentence, out.width - _INDENT)
        if lines is not None and told and taken + (told + 1 < len(by_question)) > lines:
            break
        style = "bold red" if first.needs_look else _STYLES[first.verdict]
        out.print(Text.assemble(f"{question} ", (f"{first.verdict}{share}", style)))
        # Padding of rich would fill each line with blanks up to its end.
        for line in Text(sentence).wrap(out, out.width - _INDENT):
            out.print(Text(" " * _INDENT + line.plain.rstrip()))
        told += 1
    if len(by_question) > told:
        more = counted(len(by_question) - told, "more question")
        out.print(Text(f"and {more} on the page (--verbose prints all)", style="dim"))
