"""What a person sees in the terminal."""

from __future__ import annotations

import math
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from rich.console import Console
from rich.text import Text

from eigentrail._text import counted
from eigentrail.cli.fitting import TableColumn, print_fitting

if TYPE_CHECKING:
    import pandas as pd

    from eigentrail.api.comparison import Comparison
    from eigentrail.api.inspection import Inspection

# A line of a pipe or a file, where COLUMNS does not say otherwise.
_PIPED = 140
# Blanks at the end of a line, before the code that ends a style.
_BLANKS = re.compile(r" +((?:\x1b\[0m)?)$", re.MULTILINE)


def console() -> Console:
    """Make the console for results: as wide as the terminal or COLUMNS say, wide enough for all columns elsewhere.

    Returns:
        A console on standard output that interprets no markup in names.
    """
    width = None if sys.stdout.isatty() else shutil.get_terminal_size((_PIPED, 24)).columns
    out = cast("IO[str]", _WithoutBlanks(sys.stdout))
    return Console(file=out, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


class _WithoutBlanks:
    """A stream whose lines do not end in blanks: rich keeps the blank at which it breaks a line, and fills tables."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what rich made, whole lines."""
        return self._stream.write(_BLANKS.sub(r"\1", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def number(x: Any, digits: int = 3) -> str:
    """Write a number for people.

    Args:
        x: a number, or None.
        digits: significant digits.

    Returns:
        Text; a dash for None.
    """
    if x is None:
        return "-"
    if isinstance(x, int):
        return str(x)
    return f"{x:.{digits}g}" if abs(x) < 1000 or abs(x) >= 1e6 else f"{x:.0f}"


def note(text: str) -> None:
    """Tell something that is no result, on standard error.

    Args:
        text: one line.
    """
    print(text, file=sys.stderr)  # noqa: T201


def note_written(folder: Path) -> None:
    """Say what an output folder holds now.

    Args:
        folder: the output folder.
    """
    note(
        f"wrote layers.parquet, spectra.npz and summary.json into {folder}; the page is {folder / 'report.html'}"
    )


def print_frame(
    table: pd.DataFrame, *, elsewhere: str = "--format json", headings: Mapping[str, str] | None = None
) -> None:
    """Print a table of pandas with as many of its columns, from the first on, as there is room for.

    Args:
        table: the table.
        elsewhere: which option gives the columns that are left out.
        headings: of columns whose names are no words.
    """
    columns = [
        TableColumn(
            # With spaces a long heading breaks into lines between its words.
            (headings or {}).get(str(name), str(name).replace("_", " ")),
            rank=place,
            right=not any(isinstance(value, str | bool) for value in table[name]),
        )
        for place, name in enumerate(table.columns)
    ]
    rows = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    print_fitting(console(), columns, rows, elsewhere=elsewhere)


def _cell(value: Any) -> str:
    if isinstance(value, Real) and not isinstance(value, Integral):
        value = float(value)
        if math.isnan(value):  # pandas has it where a column lacks a number
            return "-"
        return str(int(value)) if value.is_integer() and abs(value) < 1e6 else number(value)
    return "-" if value is None else str(value)


_INSPECTION = (
    TableColumn(" "),
    TableColumn("layer"),
    TableColumn("shape", 4),
    TableColumn("alpha", 1, right=True),
    TableColumn("tail", 7),
    TableColumn("spikes", 1, right=True),
    TableColumn("edge", 6, right=True),
    TableColumn("max", 6, right=True),
    TableColumn("rank", 2, right=True),
    TableColumn("spread", 3, right=True),
    TableColumn("r-ratio", 8, right=True),
    TableColumn("phase", 1),
    TableColumn("conf", 5, right=True),
)
_MOST_ALERTS, _MOST_OTHERS = 5, 4
# A table of more rows pushes what stands above it off a screen.
_LONG = 12


def print_inspection(found: Inspection, next_steps: Sequence[str] = ()) -> None:
    """Print an inspection: what was found, then a line per matrix, then what was skipped.

    Args:
        found: the inspection.
        next_steps: commands to try.
    """
    out = console()
    _print_findings(out, found)
    alerts = {one.subject for one in found.alerts}
    rows = found.table.to_dict(orient="records")
    out.print()
    print_fitting(
        out,
        _INSPECTION,
        [_inspection_cells(row, alerts) for row in rows],
        ["bold red" if row["name"] in alerts else "" for row in rows],
    )
    summary = found.summary
    phases = ", ".join(f"{count} {label}" for label, count in summary["phases"].items())
    out.print()
    out.print(
        Text(
            f"{counted(summary['matrices'], 'matrix', 'matrices')} of {found.source} (convolutions: {found.conv}); "
            f"mean alpha {number(summary['means']['alpha'])}, {counted(summary['spikes'], 'spike')} where "
            f"chance gives fewer than {max(summary['expected_false_spikes'], 0.01):.2g}; "
            f"phases: {phases or 'none told'}."
        )
    )
    for said in summary["notes"]:
        out.print(Text(said))
    out.print(
        Text(
            "alpha: exponent of the eigenvalue density's tail; edge, max: Marchenko-Pastur edge and largest eigenvalue"
            " of W^T W / N; rank: effective rank of how many; spread: variance of the eigenvalues over noise's;"
            " r-ratio: 0.531 for random-matrix level repulsion, 0.386 for independent levels; conf: how sure the"
            " phase is. A phase is a shape, not a fault.",
            style="dim",
        )
    )
    _print_skipped(out, found.skipped)
    _print_end(out, _headline(found), len(rows), next_steps)


def _print_end(out: Console, headline: str, rows: int, next_steps: Sequence[str]) -> None:
    """End with the answer where a long table has pushed it off the screen, and with what to do next."""
    if rows > _LONG or next_steps:
        out.print()
    if rows > _LONG:
        out.print(Text(headline, style="bold"))
    for step in next_steps:
        told = f"next: {step}"
        # A command stays whole on a line where it can; what it is good for stands behind it where there is room.
        out.print(Text(told if len(told) <= out.width else told.partition("   #")[0]))


def _headline(found: Inspection) -> str:
    alerts, total = found.alerts, len(found.table) + len(found.not_finite)
    layers = list(dict.fromkeys(one.subject for one in alerts))
    if not alerts:
        return f"None of {counted(total, 'layer')} needs a look."
    if layers[0] == "network":
        return alerts[0].sentence
    needs = "needs" if len(layers) == 1 else "need"
    more = f" and {len(layers) - 1} more" if len(layers) > 1 else ""
    return f"{len(layers)} of {counted(total, 'layer')} {needs} a look: {layers[0]}{more}."


def _print_findings(out: Console, found: Inspection) -> None:
    alerts = found.alerts
    out.print(Text(_headline(found), style="bold"))
    for one in alerts[:_MOST_ALERTS]:
        if one is not alerts[0] or one.subject != "network":  # the headline said it
            out.print(Text(f"- {one.sentence}"))
        out.print(Text(f"  Try: {one.advice}", style="dim"))
    if len(alerts) > _MOST_ALERTS:
        out.print(Text(f"  and {len(alerts) - _MOST_ALERTS} more; --format json has all"))
    others = [one for one in found.findings if not one.needs_look]
    for one in others[:_MOST_OTHERS]:
        out.print(Text(f"  {one.sentence}"))
    if len(others) > _MOST_OTHERS:
        out.print(Text(f"  and {counted(len(others) - _MOST_OTHERS, 'more finding')}; --format json has all"))


def _inspection_cells(row: dict[str, Any], alerts: set[str]) -> tuple[str, ...]:
    alpha = "-" if row["alpha"] is None else f"{row['alpha']:.2f} ±{row['alpha_error']:.2f}"
    ratio = row["spacing_ratio"]
    return (
        "!" if row["name"] in alerts else "",
        str(row["name"]),
        "x".join(map(str, row["shape"])),
        alpha,
        row["tail_model"] or "-",
        number(row["spikes"]),
        number(row["mp_edge_high"]),
        number(row["lambda_max"]),
        f"{number(row['effective_rank'])}/{row['cols']}",
        number(row["spread_ratio"]),
        "-" if ratio is None else f"{ratio:.3f}",
        row["phase"] or "-",
        "-" if row["phase_confidence"] is None else f"{row['phase_confidence']:.2f}",
    )


_COMPARISON = (
    TableColumn("layer"),
    TableColumn("shape", 5),
    TableColumn("change", right=True),
    TableColumn("cosine", 4, right=True),
    TableColumn("update spikes", 6, right=True),
    TableColumn("update 90%", 1, right=True),
    TableColumn("angle", 7, right=True),
    TableColumn("alpha", 3, right=True),
    TableColumn("spikes", 2, right=True),
    TableColumn("phase", 2),
)


def print_comparison(found: Comparison, next_steps: Sequence[str] = ()) -> None:
    """Print a comparison: what changed, then a line per matrix, the most moved first.

    Args:
        found: the comparison.
        next_steps: commands to try.
    """
    out = console()
    for place, one in enumerate(found.findings):
        out.print(Text(one.sentence, style="bold" if place == 0 or one.needs_look else ""))
        if one.advice:
            out.print(Text(f"  Try: {one.advice}", style="dim"))
    out.print()
    rows = found.table.to_dict(orient="records")
    print_fitting(out, _COMPARISON, [_comparison_cells(row) for row in rows])
    summary = found.summary
    out.print()
    out.print(
        Text(
            f"{summary['moved']} of {counted(summary['matrices'], 'matrix', 'matrices')} moved from {found.source_a} "
            f"to {found.source_b}; median relative change {100 * summary['median_relative_change']:.3g}%."
        )
    )
    out.print(
        Text(
            "change: |B - A| / |A|; update: B - A, its spikes above the Tracy-Widom threshold, and how many directions"
            " hold 90% of it (a random update's in brackets);"
            " angle: largest principal angle between the leading right subspaces (short side).",
            style="dim",
        )
    )
    _print_skipped(out, found.skipped)
    _print_end(out, found.findings[0].sentence if found.findings else "", len(rows), next_steps)


def _comparison_cells(row: dict[str, Any]) -> tuple[str, ...]:
    angles = row["angles_short"]
    same = row["phase_a"] == row["phase_b"]
    return (
        str(row["name"]),
        "x".join(map(str, row["shape"])),
        "from 0" if math.isinf(row["relative_change"]) else f"{100 * row['relative_change']:.3g}%",
        "-" if row["cosine"] is None else f"{row['cosine']:.3f}",
        number(row["update_spikes"]),
        _directions(row),
        "-" if not angles else f"{angles[-1]:.1f}°",
        f"{number(row['alpha_a'])} → {number(row['alpha_b'])}",
        f"{number(row['spikes_a'])} → {number(row['spikes_b'])}",
        (row["phase_a"] or "-") if same else f"{row['phase_a'] or '-'} → {row['phase_b'] or '-'}",
    )


def _directions(row: dict[str, Any]) -> str:
    many, noise = row["update_energy_90"], row["update_energy_90_noise"]
    return "-" if many is None else f"{many} ({noise})"


def _print_skipped(out: Console, skipped: list[Any]) -> None:
    if not skipped:
        return
    out.print()
    by_reason: dict[str, list[str]] = {}
    for s in skipped:
        by_reason.setdefault(s.reason, []).append(s.name)
    out.print(Text(f"Not analysed: {len(skipped)}", style="bold"))
    for reason, names in by_reason.items():
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        out.print(Text(f"  {reason}: {shown}"))
