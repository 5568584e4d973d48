"""Findings in the terminal: the answers first, in at most 25 lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from eigentrail.api.analysis import RunAnalysis
from eigentrail.chance import LEVEL
from eigentrail.cli.tables import console
from eigentrail.findings import Finding, Verdict, strongest_first

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
    out.print(Text(headline(found), style="bold"))
    findings = found.findings
    if findings:
        out.print()
        print_answers(findings)
        out.print(Text(told_beside_chance(findings), style="dim"))
    left = sum(len(one) for one in found.skipped.values())
    if left:
        out.print(
            Text(
                f"{_count(left, 'entry', 'entries')} left out (vectors, or too long): see the page",
                style="dim",
            )
        )
    if next_steps:
        out.print()
        for step in next_steps[:3]:
            out.print(Text(f"next: {step}"))
    if page is not None:
        out.print(Text(f"page: {page}"), soft_wrap=True)


def print_answers(findings: Sequence[Finding], most: int = MOST_QUESTIONS) -> None:
    """Print one row for each question: how often yes, and the strongest finding.

    Args:
        findings: of any questions.
        most: how many questions; the rest is counted.
    """
    by_question: dict[str, list[Finding]] = {}
    for one in strongest_first(findings):
        by_question.setdefault(one.question, []).append(one)
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for asked in list(by_question.values())[:most]:
        first = asked[0]
        counts = Counter(one.verdict for one in asked)
        share = (
            f"{first.verdict} {counts[first.verdict]} of {len(asked)}"
            if len(asked) > 1
            else str(first.verdict)
        )
        table.add_row(
            Text(share, style="bold red" if first.needs_look else _STYLES[first.verdict]),
            Text(f"{first.subject}: {first.sentence}"),
        )
    console().print(table)
    if len(by_question) > most:
        console().print(Text(f"and {len(by_question) - most} more questions on the page", style="dim"))


def told_beside_chance(findings: Sequence[Finding]) -> str:
    """Say how many were asked, how many are yes, and how many chance alone would give.

    Args:
        findings: all findings.

    Returns:
        One sentence.
    """
    tested = [one for one in findings if one.p is not None]
    yes = sum(one.verdict is Verdict.YES for one in tested)
    asked = _count(len(tested), "test", "tests")
    return (
        f"{yes} of {asked} beyond chance after correction for how many were asked; uncorrected, chance alone gives "
        f"about {LEVEL * len(tested):.2g}."
    )


def headline(found: RunAnalysis) -> str:
    """Say what was trained and how well.

    Args:
        found: the analyses.

    Returns:
        "mlp50 on digits, 60 epochs: test accuracy 97.5%, training loss 0.021".
    """
    run, manifest = found.run, found.run.manifest
    notes: dict[str, Any] = {} if manifest is None else manifest.notes
    network = notes.get("network")
    name = network.get("name") if isinstance(network, dict) else None
    if name is None and manifest is not None:
        name = manifest.model.class_name
    data = ((manifest.data if manifest is not None else None) or {}).get("name")
    steps = f"{int(run.steps[-1])} steps"
    epochs = (notes.get("training") or {}).get("epochs")
    length = f"{epochs} epochs, {steps}" if epochs else steps
    what = " on ".join(str(part) for part in (name, data) if part) or str(run.path)
    told = []
    for metric, label in (
        ("test_accuracy", "test accuracy"),
        ("train_loss", "training loss"),
        ("loss", "loss"),
    ):
        if metric in run.metrics and (metric != "loss" or not told):
            known = run.metrics[metric].dropna("step")
            if known.size:
                value = float(known[-1])
                told.append(f"{label} {value:.1%}" if "accuracy" in metric else f"{label} {value:.3g}")
    status = "" if run.status == "finished" else f" ({run.status})"
    return f"{what}, {length}{status}{': ' if told else ''}{', '.join(told)}"


def _count(number: int, one: str, many: str) -> str:
    return f"1 {one}" if number == 1 else f"{number} {many}"
