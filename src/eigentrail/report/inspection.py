"""The page of an inspection: the network at one look, the table, and each matrix with its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from eigentrail._cells import ABSENT, cell, is_absent
from eigentrail._text import counted
from eigentrail._untrusted import file_stem
from eigentrail.figures import block_map, density, ks, levels, overview, tail, vectors
from eigentrail.figures.overview import PHASE_ORDER
from eigentrail.findings import Finding
from eigentrail.report.answers import finding_cards, on_cards
from eigentrail.report.glossary import GROUPS, lookup
from eigentrail.report.packing import curve_points, row_limit
from eigentrail.report.page import render
from eigentrail.report.sections import (
    Cards,
    DataTable,
    Deck,
    Fact,
    Facts,
    Item,
    Listing,
    Page,
    Plot,
    Prose,
    Section,
    frame_rows,
)
from eigentrail.report.tables import ESSENTIALS, reason, warnings_of
from eigentrail.spectra.spectrum import Spectrum

# The tables of tail and fit distance have a row per eigenvalue and nine columns together.
_CELLS_PER_EIGENVALUE = 9
_CELL_BUDGET = 250_000
_WORST = 12

Drawer = tuple[Callable[[Spectrum], go.Figure], Callable[[Spectrum], pd.DataFrame], str, str]

FIGURES: dict[str, Drawer] = {
    "density": (
        density.spectral_density,
        density.density_data,
        "density",
        "Bars: eigenvalues. Grey: the law of noise of this shape and variance, scaled to the bulk. Shaded: where the "
        "largest eigenvalue of noise falls (Tracy-Widom). Triangles beyond the dashed threshold are spikes.",
    ),
    "tail": (
        tail.tail_ccdf,
        tail.tail_data,
        "tail",
        "A power law is a straight line here. Alternatives are fitted to the same tail; p tells whether one of the two "
        "models is better. The noise law bends down at its edge.",
    ),
    "tail_density": (
        tail.tail_density,
        tail.tail_density_data,
        "tail-density",
        "The same eigenvalues in bins of equal logarithmic width, with the noise law and the power law above xmin.",
    ),
    "ks": (
        ks.ks_against_xmin,
        ks.ks_data,
        "ks-distance",
        "The chosen xmin is the lowest point. Below the dashed line a distance is what a true power law gives. An α "
        "that keeps changing with xmin is a sign that there is no power law.",
    ),
    "spacings": (
        levels.spacing_histogram,
        levels.spacing_data,
        "spacings",
        "Neighbouring eigenvalues of a random matrix repel each other (Wigner); independent ones do not (Poisson).",
    ),
    "ratios": (
        levels.spacing_ratio,
        levels.ratio_data,
        "spacing-ratios",
        "The same question without unfolding.",
    ),
    "vectors": (
        vectors.porter_thomas_quantiles,
        vectors.quantile_data,
        "vector-entries",
        "Entries of the strongest singular vectors. On the diagonal they are those of a random direction.",
    ),
    "participation": (
        vectors.localisation,
        vectors.localisation_data,
        "participation",
        "The share of entries that carries a vector: 1 even, 1/3 random, near 0 a few entries only.",
    ),
}


def inspection_page(
    table: pd.DataFrame,
    spectra: Mapping[str, Spectrum],
    skipped: Iterable[Any],
    summary: Mapping[str, Any],
    source: str,
    findings: Sequence[Finding] = (),
    progress: Callable[[str, int, int], object] | None = None,
    origin: str = "",
) -> str:
    """Write the page of an inspection.

    Args:
        table: a row per matrix, in the order of the network.
        spectra: the spectrum of each row, by name; a row without one is shown with its numbers alone.
        skipped: what was not analysed; each has `name` and `reason`.
        summary: totals over the network.
        source: what was inspected.
        findings: of the checks, those that need a look first.
        progress: called with each matrix's name, its number and their count.
        origin: what the page is made of, see `Page`.

    Returns:
        One self-contained HTML document.
    """
    rows = frame_rows(table)
    names = [str(r["name"]) for r in rows]
    order = attention_order(table, findings)

    def entry(number: int) -> Section:
        if progress is not None:
            progress(names[number], number, len(names))
        return matrix_section(rows[number], spectra.get(names[number]), number)

    # No table is shorter than that of the vectors' quantiles.
    sizes = [max(len(spectra[n]), 201) for n in names if n in spectra]
    limit = row_limit(sizes, _CELLS_PER_EIGENVALUE, _CELL_BUDGET)
    deck = Deck(names, entry, limit, curve_points(len(names)))
    sections = [
        answers_section(table, rows, findings),
        Section(
            "matrices",
            "All matrices",
            (DataTable(table, ESSENTIALS, ("phase", "kind"), order, "layers"), deck),
            " ".join(
                (
                    "Click a row, or press Enter on it, for the figures of that matrix. Headings sort.",
                    *summary.get("notes", ()),
                )
            ),
            nav="Layers",
        ),
        *question_sections(table),
        Section("about", "About this inspection", summary_items(summary), nav="About", folded=True),
        replace(skipped_section(skipped), folded=True),
    ]
    terms = (*map(str, table.columns),)
    return render(Page(_title(rows, findings, source), source, tuple(sections), terms, origin=origin))


def _title(rows: Sequence[Mapping[str, Any]], findings: Sequence[Finding], source: str) -> str:
    name = source.rstrip("/").rpartition("/")[2]
    return f"{name}: {verdict(rows, findings)}" if findings else f"Spectral inspection: {name}"


def verdict(rows: Sequence[Mapping[str, Any]], findings: Sequence[Finding]) -> str:
    """Say in a few words whether anything needs a look.

    Args:
        rows: of the table.
        findings: of the checks.

    Returns:
        "1 of 26 layers needs a look".
    """
    named = {one.subject for one in findings if one.needs_look}
    if "network" in named:
        return "the network looks untrained"
    many = counted(len(rows), "layer")
    if not named:
        return f"none of {many} needs a look"
    return f"{len(named)} of {many} {'needs' if len(named) == 1 else 'need'} a look"


def attention_order(table: pd.DataFrame, findings: Sequence[Finding]) -> tuple[int, ...]:
    """Order the matrices, those that need a look first.

    Args:
        table: a row per matrix.
        findings: what they name that needs a look comes first, in their order.

    Returns:
        Row numbers.
    """
    names = {str(n): i for i, n in reversed(list(enumerate(table["name"])))}
    listed = [names[one.subject] for one in findings if one.needs_look and one.subject in names]
    return tuple(dict.fromkeys([*listed, *range(len(table))]))


def summary_items(summary: Mapping[str, Any]) -> tuple[Item, ...]:
    """Show the totals of a summary, whatever it holds.

    Args:
        summary: numbers, texts, tables of such by name, and lists.

    Returns:
        A block for the single values and one for each table; `attention` and `notes` stand elsewhere.
    """
    single, blocks = [], []
    for key, value in summary.items():
        if key in {"attention", "notes"}:
            continue
        if isinstance(value, Mapping):
            facts = tuple(
                Fact(_term(k), _name(k), cell(v), "" if not is_absent(v) else "no matrix has it")
                for k, v in value.items()
            )
            if facts:
                blocks.append(
                    Facts(
                        {"means": "Means over the matrices", "phases": "Matrices by phase"}.get(
                            key, _words(key)
                        ),
                        facts,
                    )
                )
        else:
            single.append(Fact(_term(key), _words(key), cell(value)))
    return (*([Facts("Network", tuple(single))] if single else []), *blocks)


def _term(key: object) -> str:
    return str(key) if lookup(str(key)).definition else ""


def _name(key: object) -> str:
    """Name a number of the summary by its column, phases as they are, and all else by its own words."""
    if str(key) in PHASE_ORDER:
        return str(key)
    return lookup(str(key)).label if _term(key) else _words(str(key))


def _words(key: str) -> str:
    text = key.replace("_", " ")
    return text[:1].upper() + text[1:]


def answers_section(table: pd.DataFrame, rows: list[dict[str, Any]], findings: Sequence[Finding]) -> Section:
    """Answer first: a card for each question, what to do about what needs a look, and the key picture.

    Args:
        table: a row per matrix.
        rows: the same as plain values.
        findings: of the checks, those that need a look first.

    Returns:
        The section.
    """
    listed = findings_section(rows, findings, on_cards(findings, in_order=True))
    cards = (Cards(tuple(finding_cards(findings, found_only=True, in_order=True))),) if findings else ()
    if block_map.has_blocks(table) and "spread_ratio" in table:
        key = Plot(
            block_map.block_map(table, "spread_ratio", "Structure by block and role", "variance / noise"),
            block_map.block_map_data(table, "spread_ratio"),
            "Variance of the eigenvalues over what independent entries of the same shape give: noise has 1.",
            "structure-map",
            wide=True,
        )
    else:
        key = _spikes(table)
    return replace(listed, key="overview", items=(*cards, *listed.items, key), nav="Answers")


def question_sections(table: pd.DataFrame) -> Iterator[Section]:
    """Fold the figures of the network by question, each with its answer in the heading.

    Args:
        table: a row per matrix.

    Yields:
        Sections on spikes, tails, ranks and phases.
    """
    many = counted(len(table), "matrix", "matrices")
    by_depth = overview.depth_data
    spikes, alpha = overview.numbers(table, "spikes"), overview.numbers(table, "alpha")
    with_spikes = int((np.nan_to_num(spikes) > 0).sum())
    heading = f"Do directions stand above noise? In {with_spikes} of {many}"
    yield Section("spikes", heading, (_spikes(table),), nav="Spikes", folded=True)
    inside = int(((alpha >= 2) & (alpha <= 6)).sum())
    heading = f"How heavy are the tails? α lies between 2 and 6 in {inside} of {many}"
    tails = (
        Plot(
            overview.alpha_by_depth(table),
            by_depth(table, "alpha", "alpha_error"),
            "Bars: standard errors. Shaded: the usual range of 2 to 6, a convention. A click on a point opens its "
            "matrix.",
            "alpha-by-depth",
        ),
        Plot(
            overview.alpha_by_kind(table),
            by_depth(table, "alpha"),
            "Boxes: quartiles. Shaded: the usual range of 2 to 6, a convention.",
            "alpha-by-kind",
        ),
    )
    yield Section("tails", heading, tails, nav="Tails", folded=True)
    share = overview.numbers(table, "effective_rank") / overview.numbers(table, "cols")
    told = f"{100 * float(np.nanmedian(share)):.0f}% of its directions" if np.isfinite(share).any() else "-"
    ranks = Plot(
        overview.ranks_by_depth(table),
        overview.ranks_data(table),
        "Short grey lines: the ranks of a random matrix of the same shape.",
        "ranks-by-depth",
    )
    heading = f"How many directions are used? The median effective rank is {told}"
    yield Section("ranks", heading, (ranks,), nav="Ranks", folded=True)
    counts = Counter(one for one in overview.labels(table, "phase"))
    told = ", ".join(f"{count} {label}" for label, count in counts.most_common())
    phases = (
        Plot(
            overview.phases_by_depth(table),
            by_depth(table, "phase", "phase_confidence"),
            "A random matrix is random-like.",
            "phases-by-depth",
        ),
        Plot(overview.phases_by_kind(table), overview.phase_counts(table), "", "phases-by-kind"),
    )
    yield Section("phases", f"Which phases? {told}", phases, nav="Phases", folded=True)


def overview_plots(table: pd.DataFrame) -> tuple[Plot, ...]:
    """Draw the network at one look.

    Args:
        table: a row per matrix.

    Returns:
        Spikes, tail exponent, ranks and phases by depth, tail exponent and phases by kind of layer.
    """
    return tuple(
        item for section in question_sections(table) for item in section.items if isinstance(item, Plot)
    )


def _spikes(table: pd.DataFrame) -> Plot:
    return Plot(
        overview.spikes_by_depth(table),
        overview.depth_data(table, "spikes", "null_spikes"),
        "Eigenvalues above what noise reaches in 1% of cases. Spikes that survive shuffling are large entries.",
        "spikes-by-depth",
        wide=True,
    )


def findings_section(
    rows: list[dict[str, Any]], findings: Sequence[Finding], told: Sequence[Finding] = ()
) -> Section:
    """List what was found: what needs a look with what to do about it, then the structures.

    Args:
        rows: the table.
        findings: of the checks, those that need a look first.
        told: those that a card tells already; what needs a look is listed nevertheless, with what to try.

    Returns:
        A section; it says so if nothing needs a look.
    """
    places = {str(row["name"]): place for place, row in enumerate(rows)}
    alerts = [one for one in findings if one.needs_look]
    items: list[Item] = []
    if alerts:
        listed = tuple(
            (one.subject, f"{one.sentence} {one.detail} {one.advice}".strip(), places.get(one.subject))
            for one in alerts[:_WORST]
        )
        items.append(Listing(("Where", "What needs a look, why, and what to try"), listed))
    else:
        items.append(
            Prose(("No layer shows signs of a fault. Structure alone is none: training leaves it.",))
        )
    others = tuple(
        (one.subject, one.sentence, places.get(one.subject))
        for one in findings
        if not one.needs_look and one not in told
    )
    if others:
        items.append(Listing(("Where", "What else was found"), others[:_WORST]))
    hidden = max(0, len(alerts) - _WORST) + max(0, len(others) - _WORST)
    more = f" {hidden} more stand in summary.json." if hidden else ""
    subjects = len({one.subject for one in alerts if one.subject in places})
    needs = "needs" if subjects == 1 else "need"
    lead = (
        f"{subjects} of {counted(len(rows), 'matrix', 'matrices')} {needs} a look, the gravest first.{more}"
        if subjects
        else more
    )
    return Section("look", "Look first" if alerts else "Findings", tuple(items), lead.strip())


def skipped_section(skipped: Iterable[Any], lead: str = "") -> Section:
    """List what was not analysed, with the reason.

    Args:
        skipped: each has `name` and `reason`.
        lead: what is said of all of them; empty for their number.

    Returns:
        A section; many tensors with one reason are one row.
    """
    found = [(str(s.name), str(s.reason)) for s in skipped]
    if not found:
        return Section("skipped", "Skipped", (Prose(("Nothing was skipped.",)),))
    counts = Counter(reason for _, reason in found)
    listed: list[tuple[str, str, int | None]] = []
    folded: set[str] = set()
    for name, why in found:
        if counts[why] <= 3:
            listed.append((name, why, None))
        elif why not in folded:
            folded.add(why)
            alike = [n for n, w in found if w == why]
            listed.append((f"{len(alike)} tensors", f"{why}: {', '.join(alike)}", None))
    count = len({name for name, _ in found})
    told = "1 tensor of the source was" if count == 1 else f"{count} tensors of the source were"
    text = lead or f"{told} not analysed."
    return Section("skipped", "Skipped", (Listing(("Tensor", "Reason"), tuple(listed)),), text)


def matrix_section(row: Mapping[str, Any], spectrum: Spectrum | None, number: int) -> Section:
    """Show everything about one matrix.

    Args:
        row: its row of the table.
        spectrum: its spectrum, or None where there is none.
        number: its row number.

    Returns:
        Warnings, all numbers by group, the evidence for its phase, and the figures.
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
    if spectrum is None:
        items.append(Prose(("There is no spectrum to draw for this matrix.",)))
    else:
        items += evidence(spectrum)
        items += matrix_plots(spectrum, f"{number + 1:03d}-{file_stem(row['name'])}")
    described = [cell(row[c]) for c in ("kind", "shape", "phase") if c in row and not is_absent(row[c])]
    return Section(f"m{number}", str(row["name"]), tuple(items), ", ".join(described))


def number_fact(row: dict[str, Any], column: str) -> Fact:
    """Show one number of a row.

    Args:
        row: a row of the table.
        column: which number.

    Returns:
        The fact, with the reason where it is missing.
    """
    shown = cell(row[column])
    return Fact(column, lookup(column).label, shown, reason(row, column) if shown == ABSENT else "")


def evidence(spectrum: Spectrum) -> list[Item]:
    """Show what the phase was concluded from.

    Args:
        spectrum: of the matrix.

    Returns:
        A block of numbers, or nothing where the phase could not be told (the row's warnings say why).
    """
    law, _ = density.law_of(spectrum)
    fit, _ = tail.fit_of(spectrum)
    if law is None or fit is None:
        return []
    found = spectrum.phase().evidence
    facts = tuple(Fact("", str(k).replace("_", " "), cell(v)) for k, v in found.items())
    return [Facts("Evidence for the phase", facts)] if facts else []


def matrix_plots(spectrum: Spectrum, stem: str) -> list[Plot]:
    """Draw all figures of one matrix.

    Args:
        spectrum: of the matrix.
        stem: start of the names of its files.

    Returns:
        The figures in reading order.
    """
    return [
        Plot(draw(spectrum), tabulate(spectrum), caption, f"{stem}-{name}")
        for draw, tabulate, name, caption in FIGURES.values()
    ]
