"""What a person sees of a run in the terminal."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from rich.text import Text

from eigentrail.analyses import AnalysisResult
from eigentrail.analyses.framework.registry import analyses
from eigentrail.api.analysis import RunAnalysis
from eigentrail.cli.tables import console, new_table, number
from eigentrail.findings import strongest_first
from eigentrail.studies import STUDIES
from eigentrail.trajectories.narrative import describe_layer, verdict


def print_analysis(found: RunAnalysis) -> None:
    """Print what is known of a run: its metrics at the end, and a table and sentences for each analysis.

    Args:
        found: the analyses.
    """
    out = console()
    about = found.to_dict()
    out.print(Text(f"{about['run']}: {about['status']}, steps {about['first_step']} to {about['last_step']}"))
    told = [f"{name} {number(value)}" for name, value in about["metrics"].items() if value is not None]
    if told:
        out.print(Text(f"at the end: {', '.join(told)}"))
    for name, one in found.found.items():
        out.print()
        if name == "evolution":
            _print_evolution(one.table)
        else:
            _print_summary(one)
    for name, left in found.skipped.items():
        for skip in left:
            out.print(Text(f"not analysed ({name}): {skip.name}: {skip.reason}", style="dim"))


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
    out.print()
    for row in rows:
        out.print(Text.assemble((f"{row['name']} ", "bold"), describe_layer(row)))
    out.print(Text(verdict(table), style="bold"))


def _change(row: dict[str, Any], column: str) -> str:
    return f"{number(row[f'{column}_first'])} → {number(row[f'{column}_last'])}"


def _print_summary(found: AnalysisResult) -> None:
    out = console()
    out.print(Text.assemble((found.analysis.name, "bold"), f": {found.analysis.about}"))
    table = found.table
    print_table(table[[c for c in found.analysis.shown if c in table]])
    for one in strongest_first(found.findings):
        out.print(Text.assemble((f"{one.subject}: {one.verdict} ", "bold"), one.sentence))


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
    for study in STUDIES.values():
        training = study.training
        table.add_row(
            Text(study.name),
            training.source,
            training.data,
            Text(study.shows),
            study.minutes,
            study.disk,
        )
    console().print(table)
