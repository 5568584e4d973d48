"""The page of a comparison: what moved between two checkpoints, how far, and in which directions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import pandas as pd

from eigentrail._cells import cell, is_absent
from eigentrail._text import counted
from eigentrail._untrusted import file_stem
from eigentrail.figures import block_map, comparison, density, overview, update_energy
from eigentrail.findings import Finding
from eigentrail.report.answers import finding_cards
from eigentrail.report.glossary import GROUPS, lookup
from eigentrail.report.inspection import number_fact, skipped_section, summary_items
from eigentrail.report.packing import curve_points, row_limit
from eigentrail.report.page import render
from eigentrail.report.sections import (
    Cards,
    DataTable,
    Deck,
    Facts,
    Item,
    Page,
    Plot,
    Prose,
    Section,
    frame_rows,
)
from eigentrail.report.tables import COMPARISON_ESSENTIALS, warnings_of
from eigentrail.spectra.spectrum import Spectrum


class Pair(Protocol):
    """The spectra of one matrix in two checkpoints."""

    @property
    def a(self) -> Spectrum:
        """Before."""

    @property
    def b(self) -> Spectrum:
        """After."""

    @property
    def difference(self) -> Spectrum | None:
        """Of B - A; None where nothing moved."""


def comparison_page(
    table: pd.DataFrame,
    spectra: Mapping[str, Any],
    skipped: Iterable[Any],
    summary: Mapping[str, Any],
    source_a: str,
    source_b: str,
    findings: Sequence[Finding] = (),
    progress: Callable[[str, int, int], object] | None = None,
    origin: str = "",
) -> str:
    """Write the page of a comparison.

    Args:
        table: a row per matrix of both checkpoints: `name`, `kind`, `relative_change`, `update_spikes`, the principal
            angles `angles_long` and `angles_short` in degrees, and `alpha`, `spikes`, `phase` and ranks, each with
            `_a` and `_b`.
        spectra: by name, the spectra `.a`, `.b` and `.difference` (None where nothing moved); see `Pair`.
        skipped: what could not be compared; each has `name` and `reason`.
        summary: totals.
        source_a: the checkpoint before.
        source_b: the checkpoint after.
        findings: what changed, that which needs a look first.
        progress: called with each matrix's name, its number and their count.
        origin: what the page is made of, see `Page`.

    Returns:
        One self-contained HTML document.
    """
    rows = frame_rows(table)
    names = [str(r["name"]) for r in rows]

    def entry(number: int) -> Section:
        if progress is not None:
            progress(names[number], number, len(names))
        return pair_section(rows[number], spectra.get(names[number]), number)

    order = tuple(int(i) for i in comparison.movers_data(table)["row"])
    order = tuple(dict.fromkeys([*order, *range(len(rows))]))
    deck = Deck(names, entry, row_limit([200] * len(names), 12, 250_000), curve_points(len(names)))
    sections = (
        Section(
            "answers", "What changed", (*answers(findings), *key_plots(table, spectra)), nav="What changed"
        ),
        Section(
            "matrices",
            "All matrices",
            (DataTable(table, COMPARISON_ESSENTIALS, ("phase_b", "kind"), order, "changes"), deck),
            "The most moved first. Click a row, or press Enter on it, for the figures of that matrix. Headings sort.",
            nav="Layers",
        ),
        Section(
            "before-after",
            f"What did that do to the spectra? {_phases(summary, len(table))}",
            comparison_plots(table),
            nav="Spectra",
            folded=True,
        ),
        Section("about", "About this comparison", summary_items(summary), nav="About", folded=True),
        replace(skipped_section(skipped), folded=True),
    )
    source = f"A: {source_a}   →   B: {source_b}"
    return render(
        Page(_title(findings, source_b), source, sections, tuple(map(str, table.columns)), origin=origin)
    )


def _title(findings: Sequence[Finding], source_b: str) -> str:
    moved = next((one for one in findings if not one.needs_look or one.subject == "network"), None)
    name = source_b.rstrip("/").rpartition("/")[2]
    look = len({one.subject for one in findings if one.needs_look and one.subject != "network"})
    if look:
        return f"{name}: {counted(look, 'layer needs', 'layers need')} a look"
    return "Comparison of two checkpoints" if moved is None else f"{name}: {moved.sentence.rstrip('.')}"


def _phases(summary: Mapping[str, Any], layers: int) -> str:
    changed = int(summary.get("phase_changes") or 0)
    return f"{counted(changed, 'phase')} of {counted(layers, 'layer')} changed"


def answers(findings: Sequence[Finding]) -> tuple[Item, ...]:
    """Answer first.

    Args:
        findings: what changed.

    Returns:
        A card for each question, and what to do about what needs a look.
    """
    if not findings:
        return ()
    look = [f"{one.sentence} {one.detail} {one.advice}" for one in findings if one.needs_look]
    cards = finding_cards(findings, lambda one: "", found_only=True, in_order=True)
    return (Cards(tuple(cards)), *([Prose(tuple(look[:8]))] if look else []))


def key_plots(table: pd.DataFrame, spectra: Mapping[str, Any]) -> tuple[Plot, ...]:
    """Draw where the network moved, and in how many directions.

    Args:
        table: as given to `comparison_page`.
        spectra: as given to `comparison_page`.

    Returns:
        The map of blocks and roles, or a bar for each layer where there are no blocks, and the energy of the updates.
    """
    differences = {
        name: pair.difference for name, pair in _most_moved(table, spectra) if pair.difference is not None
    }
    if block_map.has_blocks(table):
        ordered = table.sort_values("name", key=lambda names: names.map(_natural))
        where = Plot(
            block_map.block_map(
                ordered.assign(row=ordered.index),
                "relative_change",
                "Where it moved",
                "change, % of ‖A‖",
                scale=100,
            ),
            block_map.block_map_data(ordered, "relative_change"),
            "Norm of the difference over the norm of A; two independent matrices of equal norm have √2 (141%), "
            "and more where B has the larger norm.",
            "change-map",
            wide=True,
        )
    else:
        where = _movers(table)
    if not differences:
        return (where,)
    caption = (
        "Grey: a random update of equal norm. The steeper a curve, the fewer directions carry the change; an update of "
        "rank r is full after r of them."
    )
    return (
        where,
        Plot(
            update_energy.update_energy(differences),
            update_energy.update_energy_data(differences),
            caption,
            "update-energy",
            wide=True,
        ),
    )


def _most_moved(table: pd.DataFrame, spectra: Mapping[str, Any]) -> list[tuple[str, Any]]:
    names = [str(table["name"].iloc[row]) for row in comparison.movers_data(table)["row"]]
    return [(name, spectra[name]) for name in names if name in spectra]


def _natural(name: object) -> list[tuple[int, str]]:
    """Sort h.2 before h.10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(name))]


def _movers(table: pd.DataFrame) -> Plot:
    return Plot(
        comparison.movers(table),
        comparison.movers_data(table),
        "Norm of the difference over the norm of A; two independent matrices of equal norm have √2, and more where B "
        "has the larger norm.",
        "movers",
        wide=True,
    )


def comparison_plots(table: pd.DataFrame) -> tuple[Plot, ...]:
    """Draw the change of the network at one look.

    Args:
        table: as given to `comparison_page`.

    Returns:
        Tail exponent, spikes, ranks and phases before and after.
    """

    def pair(column: str, label: str) -> Plot:
        data = overview.depth_data(table, f"{column}_a", f"{column}_b")
        caption = "On the dashed line nothing changed. A click on a point opens the matrix."
        return Plot(
            comparison.before_after(table, column, label),
            data,
            caption,
            f"{column.replace('_', '-')}-before-after",
        )

    return (
        pair("alpha", "α"),
        pair("spikes", "spikes"),
        pair("stable_rank", "stable rank"),
        pair("effective_rank", "effective rank"),
        Plot(
            comparison.phase_changes(table),
            comparison.phase_changes_data(table),
            "What stayed lies on the diagonal.",
            "phase-changes",
        ),
    )


def pair_section(row: Mapping[str, Any], pair: Pair | None, number: int) -> Section:
    """Show everything about one matrix in both checkpoints.

    Args:
        row: its row of the table.
        pair: its spectra, or None where there are none.
        number: its row number.

    Returns:
        Warnings, all numbers, and the figures.
    """
    items: list[Item] = []
    said = warnings_of(dict(row))
    if said:
        items.append(Prose(tuple(said)))
    for group in GROUPS:
        facts = tuple(
            number_fact(dict(row), c)
            for c in row
            if c not in {"name", "warnings"} and lookup(c).group == group
        )
        if facts:
            items.append(Facts(group, facts))
    if pair is not None:
        items += pair_plots(dict(row), pair, f"{number + 1:03d}-{file_stem(row['name'])}")
    described = [cell(row[c]) for c in ("kind", "shape") if c in row and not is_absent(row[c])]
    return Section(f"m{number}", str(row["name"]), tuple(items), ", ".join(described))


def pair_plots(row: dict[str, Any], pair: Pair, stem: str) -> list[Plot]:
    """Draw the figures of one matrix in both checkpoints.

    Args:
        row: its row of the table.
        pair: its spectra.
        stem: start of the names of its files.

    Returns:
        Both densities, the spectrum of the difference, and the principal angles.
    """
    plots = [
        Plot(
            comparison.density_overlay(pair.a, pair.b),
            comparison.overlay_data(pair.a, pair.b),
            "Green: before. Blue: after. Grey: the noise law of each.",
            f"{stem}-densities",
        )
    ]
    if pair.difference is not None:
        plots.append(
            Plot(
                density.spectral_density(pair.difference, "Spectrum of the difference B − A"),
                density.density_data(pair.difference),
                "An update without structure follows its own noise law; spikes are directions that training wrote.",
                f"{stem}-difference",
            )
        )
    long, short = _angles(row, "long"), _angles(row, "short")
    plots.append(
        Plot(
            comparison.subspace_angles(long, short, pair.a.rows, pair.a.cols),
            comparison.angles_data(long, short, pair.a.rows, pair.a.cols),
            "0° is the same direction, 90° none in common. Shaded: 1% to 99% of random subspaces of these dimensions.",
            f"{stem}-angles",
        )
    )
    return plots


def _angles(row: dict[str, Any], side: str) -> list[float]:
    found = row.get(f"angles_{side}")
    return [] if is_absent(found) else [float(a) for a in found]  # type: ignore[union-attr]
