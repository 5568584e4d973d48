"""What a person sees of a run in the terminal."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.text import Text

from eigentrail._citations import cited
from eigentrail._text import counted
from eigentrail.analyses.framework.contract import NULL, PERCENTILE, Analysis, P
from eigentrail.analyses.framework.registry import analyses
from eigentrail.api.analysis import RunAnalysis
from eigentrail.cli.findings import MOST_LINES, height, print_answers
from eigentrail.cli.fitting import SENTENCE, TableColumn, print_fitting
from eigentrail.cli.tables import console, number, print_frame
from eigentrail.findings import TOLD, ClaimResult, Skipped, strongest_first
from eigentrail.report.answers import beside_chance
from eigentrail.report.claims import counted_verdicts
from eigentrail.report.run_story import headline

# Names that one line lists of what was left out for the same reason.
_FOLDED = 4


def print_analysis(found: RunAnalysis, *, verbose: bool = False) -> None:
    """Print what is known of a run: the answers first, then a table for each question.

    Args:
        found: the analyses.
        verbose: whether all columns, all findings with their details and all that was left out are printed.
    """
    out = console()
    out.print(Text(headline(found.run), style="bold"))
    for one in found.found.values():
        out.print()
        out.print(Text.assemble((one.analysis.name, "bold"), f": {one.analysis.about}"))
        if one.findings:
            print_answers(one.findings)
        if one.analysis.name == "evolution" and not verbose:
            _print_evolution(one.table)
        else:
            columns = one.analysis.columns if verbose else one.analysis.shown
            print_frame(one.table[[c for c in columns if c in one.table]], headings=_headings(one.analysis))
        if verbose:
            for finding in strongest_first(one.findings):
                out.print(Text.assemble((f"{finding.subject}: {finding.verdict} ", "bold"), finding.sentence))
                if finding.detail:
                    out.print(Text(f"  {finding.detail}", style="dim"))
    for name, left in found.skipped.items():
        for line in _left_out(left, verbose):
            out.print(Text(f"not analysed ({name}): {line}", style="dim"))
    # The tables have pushed the answers off the screen: what they amount to, and where they stand together.
    out.print()
    if any(one.p is not None for one in found.findings):
        out.print(Text(beside_chance(found.findings), style="bold"))
    out.print(
        Text(f"next: eigentrail report {shlex.quote(str(found.run.path))}   # the page: answers and figures"),
        soft_wrap=True,
    )


def _headings(analysis: Analysis) -> dict[str, str]:
    """Name the columns as the page does; what chance gives stands behind each number."""
    named = {key: quantity.label for key, quantity in analysis.quantities.items()}
    for key in analysis.quantities:
        named |= {f"{key}{NULL}": "null median", f"{key}{PERCENTILE}": "percentile", f"{key}{P}": "p"}
    return named


def _left_out(left: Sequence[Skipped], verbose: bool) -> list[str]:
    """Fold what was left out for one reason into a line."""
    by_reason: dict[str, list[str]] = {}
    for one in left:
        by_reason.setdefault(one.reason, []).append(one.name)
    told = []
    for reason, names in by_reason.items():
        some = (
            names if verbose or len(names) <= _FOLDED else [*names[:_FOLDED], f"{len(names) - _FOLDED} more"]
        )
        told.append(f"{', '.join(some)}: {reason}")
    return told


_EVOLUTION = (
    TableColumn("layer"),
    TableColumn("shape", 6),
    TableColumn("steps", 9, right=True),
    TableColumn("spikes", right=True),
    TableColumn("shuffled", 4, right=True),
    TableColumn("born", 5, right=True),
    TableColumn("died", 7, right=True),
    TableColumn("crossed", 8, right=True),
    TableColumn("bulk to law", 3, right=True),
    TableColumn("noise below", 3, right=True),
    TableColumn("rank", 2, right=True),
    TableColumn("alpha", 2, right=True),
    TableColumn("phase", 1),
)


def _print_evolution(table: pd.DataFrame) -> None:
    print_fitting(console(), _EVOLUTION, [_evolution_cells(row) for row in table.to_dict(orient="records")])


def _evolution_cells(row: dict[Any, Any]) -> tuple[str, ...]:
    phases = (row["phase_first"] or "-", row["phase_last"] or "-")
    return (
        str(row["name"]),
        f"{row['rows']}x{row['cols']}",
        str(row["steps"]),
        _change(row, "spikes"),
        number(row["null_spikes_last"]),
        str(row["births"]),
        str(row["deaths"]),
        str(row["crossings"]),
        _change(row, "mp_ks_distance"),
        number(row["noise_ks_high"]),
        _change(row, "effective_rank"),
        _change(row, "alpha"),
        phases[0] if phases[0] == phases[1] else " → ".join(phases),
    )


def _change(row: dict[Any, Any], column: str) -> str:
    return f"{number(row[f'{column}_first'])} → {number(row[f'{column}_last'])}"


def print_claim_results(
    claims: Sequence[ClaimResult], page: Path, *, verbose: bool = False, notes: Sequence[str] = ()
) -> None:
    """Print what became of the claims of a source, over seeds: how many hold, then those that are decided.

    Args:
        claims: the claims with their verdicts.
        page: the page that has the rest.
        verbose: whether all are printed, in however many lines, each with its place in the source.
        notes: what else is told.
    """
    out = console()
    order = list(TOLD)
    first, rows = counted_verdicts(claims), []
    for one in sorted(claims, key=lambda one: order.index(one.verdict)):
        where = f"{cited(one.claim.source)}: " if verbose else ""
        rows.append((TOLD[one.verdict], f"{where}{one.claim.statement.rstrip('.')} ({one.measured})"))
    out.print(Text(first, style="bold"))
    room = MOST_LINES - 2 - height(first, out.width) - sum(height(note, out.width) for note in notes)
    width = max(SENTENCE, out.width - max(len(verdict) for verdict, _ in rows) - 2)
    told = taken = 0
    for _, text in rows:
        taken += len(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False))
        if not verbose and told and taken + (told + 1 < len(rows)) > room:
            break
        told += 1
    print_fitting(out, (TableColumn(""), TableColumn("", prose=SENTENCE)), rows[:told])
    if left := len(rows) - told:
        out.print(Text(f"and {counted(left, 'more claim')} on the page (--verbose prints all)", style="dim"))
    for note in notes:
        out.print(Text(note, style="dim"))
    out.print(Text(str(page)), soft_wrap=True)


def print_analyses() -> None:
    """Describe the analyses: what each finds, and whether it is made unasked."""
    columns = (
        TableColumn("analysis"),
        TableColumn("what it finds", prose=SENTENCE),
        TableColumn("made unasked"),
    )
    rows = [(one.name, one.about, "yes" if one.default else "with --only") for one in analyses().values()]
    print_fitting(console(), columns, rows)
