"""What a person sees in the terminal."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eigentrail.api.comparison import Comparison
from eigentrail.api.inspection import Inspection

# Below this many characters a line, a table keeps its most telling columns only.
_WIDE = 120


def console() -> Console:
    """Make the console for results: as wide as the terminal, wide enough for all columns elsewhere.

    Returns:
        A console on standard output that interprets no markup in names.
    """
    width = None if sys.stdout.isatty() else max(140, shutil.get_terminal_size().columns)
    return Console(width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


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


def new_table(columns: list[tuple[str, str]]) -> Table:
    """Make a table without lines.

    Args:
        columns: title of each, and "l" or "r" for how it is set.

    Returns:
        An empty table.
    """
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for title, justify in columns:
        table.add_column(
            title,
            justify="right" if justify == "r" else "left",
            overflow="fold",
            no_wrap=justify == "r",
            min_width={"layer": 12, "phase": len("rank-collapse")}.get(title),
        )
    return table


def _fitting(out: Console, columns: list[tuple[str, str]], narrow: tuple[str, ...]) -> list[int]:
    """Choose the columns that a terminal has room for: a table folded letter by letter says nothing.

    Args:
        out: where the table goes.
        columns: of the whole table.
        narrow: titles of those that stay below `_WIDE` characters.

    Returns:
        Their places.
    """
    return [i for i, (title, _) in enumerate(columns) if out.width >= _WIDE or title in narrow]


def _note_narrow(out: Console, narrow: bool) -> None:
    if narrow:
        out.print(Text(f"{_WIDE} characters a line show all columns; --format csv always does.", style="dim"))


def print_inspection(found: Inspection) -> None:
    """Print an inspection: a line per matrix, the worst layers with their reasons, what was skipped.

    Args:
        found: the inspection.
    """
    out = console()
    rows = found.table.to_dict(orient="records")
    attention = {a["name"]: a for a in found.summary["attention"]}
    worst = [a["name"] for a in found.summary["attention"][:5]]
    columns = [
        (" ", "l"), ("layer", "l"), ("shape", "l"), ("alpha", "r"), ("tail", "l"), ("spikes", "r"),
        ("edge", "r"), ("max", "r"), ("rank", "r"), ("r-ratio", "r"), ("phase", "l"), ("conf", "r"),
    ]  # fmt: skip
    kept = _fitting(out, columns, (" ", "layer", "alpha", "spikes", "rank", "phase"))
    table = new_table([columns[i] for i in kept])
    for row in rows:
        name = row["name"]
        mark = "!!" if name in worst else "!" if name in attention else ""
        style = "bold red" if name in worst else "yellow" if mark else ""
        alpha = "-" if row["alpha"] is None else f"{row['alpha']:.2f} ±{row['alpha_error']:.2f}"
        ratio = row["spacing_ratio"]
        cells: tuple[str | Text, ...] = (
            Text(mark, style=style),
            Text(name, style=style),
            "x".join(map(str, row["shape"])),
            alpha,
            row["tail_model"] or "-",
            number(row["spikes"]),
            number(row["mp_edge_high"]),
            number(row["lambda_max"]),
            f"{number(row['effective_rank'])}/{row['cols']}",
            "-" if ratio is None else f"{ratio:.3f}",
            row["phase"] or "-",
            "-" if row["phase_confidence"] is None else f"{row['phase_confidence']:.2f}",
        )
        table.add_row(*(cells[i] for i in kept))
    out.print(table)
    _note_narrow(out, len(kept) < len(columns))
    summary = found.summary
    phases = ", ".join(f"{count} {label}" for label, count in summary["phases"].items())
    means = summary["means"]
    out.print()
    out.print(
        Text(
            f"{summary['matrices']} matrices of {found.source} (convolutions: {found.conv}); mean alpha"
            f" {number(means['alpha'])}, {summary['spikes']} spikes where chance gives fewer than"
            f" {max(summary['expected_false_spikes'], 0.01):.2g}; phases: {phases or 'none told'}."
        )
    )
    out.print(
        Text(
            "alpha: exponent of the eigenvalue density's tail; edge, max: Marchenko-Pastur edge and largest eigenvalue"
            " of W^T W / N; rank: effective rank of how many; r-ratio: 0.531 for random-matrix level repulsion,"
            " 0.386 for independent levels; conf: how sure the phase is.",
            style="dim",
        )
    )
    if worst:
        out.print()
        out.print(Text("Layers to look at first", style="bold"))
        for a in summary["attention"][:5]:
            out.print(Text(f"  {a['name']}: {'; '.join(a['reasons'])}"))
        rest = len(summary["attention"]) - len(worst)
        if rest:
            out.print(Text(f"  and {rest} more, marked ! above"))
    _print_skipped(out, found.skipped)


def print_comparison(found: Comparison) -> None:
    """Print a comparison: a line per matrix, the most moved first.

    Args:
        found: the comparison.
    """
    out = console()
    columns = [
        ("layer", "l"), ("shape", "l"), ("change", "r"), ("cosine", "r"), ("update spikes", "r"),
        ("update rank", "r"), ("angle", "r"), ("alpha", "r"), ("spikes", "r"), ("phase", "l"),
    ]  # fmt: skip
    kept = _fitting(out, columns, ("layer", "change", "update rank", "spikes", "phase"))
    table = new_table([columns[i] for i in kept])
    for row in found.table.to_dict(orient="records"):
        angles = row["angles_short"]
        same = row["phase_a"] == row["phase_b"]
        cells = (
            Text(row["name"]),
            "x".join(map(str, row["shape"])),
            f"{100 * row['relative_change']:.3g}%",
            f"{row['cosine']:.3f}",
            number(row["update_spikes"]),
            number(row["update_effective_rank"]),
            "-" if not angles else f"{angles[-1]:.1f}°",
            f"{number(row['alpha_a'])} → {number(row['alpha_b'])}",
            f"{number(row['spikes_a'])} → {number(row['spikes_b'])}",
            (row["phase_a"] or "-") if same else f"{row['phase_a'] or '-'} → {row['phase_b'] or '-'}",
        )
        table.add_row(*(cells[i] for i in kept))
    out.print(table)
    _note_narrow(out, len(kept) < len(columns))
    summary = found.summary
    out.print()
    out.print(
        Text(
            f"{summary['moved']} of {summary['matrices']} matrices moved from {found.source_a} to {found.source_b};"
            f" median relative change {100 * summary['median_relative_change']:.3g}%."
        )
    )
    out.print(
        Text(
            "change: |B - A| / |A|; update: B - A, its spikes above the Tracy-Widom threshold and its effective rank;"
            " angle: largest principal angle between the leading right subspaces (short side).",
            style="dim",
        )
    )
    _print_skipped(out, found.skipped)


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
