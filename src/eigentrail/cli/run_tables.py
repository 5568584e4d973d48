"""What a person sees of a run in the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.text import Text

from eigentrail.analyses.framework.registry import analyses
from eigentrail.api.analysis import RunAnalysis
from eigentrail.cli.findings import print_answers
from eigentrail.cli.tables import console, new_table, number
from eigentrail.findings import ClaimResult, Skipped, strongest_first
from eigentrail.recipes import ClaimStudy, recipes
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
        out.print(Text.assemble((one.analysis.name, "bold"), f": {one.analysis.question}"))
        if one.findings:
            print_answers(one.findings)
        if one.analysis.name == "evolution" and not verbose:
            _print_evolution(one.table)
        else:
            columns = one.analysis.columns if verbose else one.analysis.shown
            print_table(one.table[[c for c in columns if c in one.table]])
        if verbose:
            for finding in strongest_first(one.findings):
                out.print(Text.assemble((f"{finding.subject}: {finding.verdict} ", "bold"), finding.sentence))
                if finding.detail:
                    out.print(Text(f"  {finding.detail}", style="dim"))
    for name, left in found.skipped.items():
        for line in _left_out(left, verbose):
            out.print(Text(f"not analysed ({name}): {line}", style="dim"))


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


def _print_evolution(table: pd.DataFrame) -> None:
    out = console()
    shown = new_table(
        [("layer", "l"), ("shape", "l"), ("steps", "r"), ("spikes", "r"), ("shuffled", "r"), ("born", "r"),
         ("died", "r"), ("crossed", "r"), ("bulk to law", "r"), ("noise <", "r"), ("rank", "r"), ("alpha", "r"),
         ("phase", "l")]
    )  # fmt: skip
    rows: list[dict[str, Any]] = table.to_dict(orient="records")
    for row in rows:
        phases = (row["phase_first"] or "-", row["phase_last"] or "-")
        shown.add_row(
            Text(row["name"]),
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
    out.print(shown)


def _change(row: dict[str, Any], column: str) -> str:
    return f"{number(row[f'{column}_first'])} → {number(row[f'{column}_last'])}"


def print_table(table: pd.DataFrame) -> None:
    """Print a table as it is.

    Args:
        table: the table.
    """
    # With spaces a long heading breaks into lines between its words.
    shown = new_table([(str(c).replace("_", " "), "l") for c in table.columns])
    for row in table.to_dict(orient="records"):
        shown.add_row(*(Text(_cell(v)) for v in row.values()))
    console().print(shown)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else number(value)
    return "-" if value is None else str(value)


def print_claims(claims: pd.DataFrame) -> None:
    """Print what became of each claim of a source.

    Args:
        claims: a row for each, as `et.study` gives them; nothing is printed for none.
    """
    out = console()
    for row in claims.to_dict(orient="records"):
        out.print()
        out.print(Text.assemble((f"{row['source']} ", "dim"), f"{row['claim']} ", (row["verdict"], "bold")))
        out.print(Text(f"  {row['finding']}"))


def print_claim_results(claims: Sequence[ClaimResult]) -> None:
    """Print what became of the claims of a source, over seeds: first those that are decided.

    Args:
        claims: the claims with their verdicts.
    """
    table = new_table([("verdict", "l"), ("claim", "l")])
    told = {"yes": "holds", "no": "does not hold", "undecided": "not decided"}
    for one in sorted(claims, key=lambda one: list(told).index(str(one.verdict))):
        text = Text.assemble(
            (f"{one.claim.source} ", "dim"), f"{one.claim.statement} ", (one.sentence, "dim")
        )
        table.add_row(Text(told[str(one.verdict)], style="bold"), text)
    console().print(table)


def print_analyses() -> None:
    """Describe the analyses: what each finds, and whether it is made unasked."""
    table = new_table([("analysis", "l"), ("what it finds", "l"), ("made unasked", "l")])
    for analysis in analyses().values():
        table.add_row(Text(analysis.name), Text(analysis.about), "yes" if analysis.default else "with --only")
    console().print(table)


def print_studies() -> None:
    """Describe the studies: source, what each shows, its time and its disk."""
    table = new_table(
        [
            ("study", "l"),
            ("source", "l"),
            ("data", "l"),
            ("what it shows", "l"),
            ("time on 2 cores", "l"),
            ("disk", "l"),
        ]
    )
    for study in recipes().values():
        if isinstance(study, ClaimStudy):
            source, data = study.source, study.data
        else:
            source, data = study.training.source, study.training.data
        table.add_row(Text(study.name), source, data, Text(study.shows), study.minutes, study.disk)
    console().print(table)
