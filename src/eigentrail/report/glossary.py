"""What each number means, in which convention, from which source, and what chance would give.

The page shows an entry when a person points at a number or moves the focus to it; the same entries fill the table's
headers and the list at the end of the page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from eigentrail.analyses.framework.contract import NULL, PERCENTILE, P, Quantity
from eigentrail.analyses.framework.registry import analysis_named, find_analysis
from eigentrail.metrics.framework.contract import GROUPS as METRIC_GROUPS
from eigentrail.metrics.framework.registry import columns


@dataclass(frozen=True)
class Entry:
    """The explanation of one column.

    Attributes:
        label: short heading.
        group: which block of numbers it stands in.
        definition: what it is, in a sentence or two.
        units: units and convention.
        source: where the definition comes from.
        chance: what a random matrix, or chance in general, gives.
        absent: why it may be missing even when nothing is wrong; empty if there is no such reason.
    """

    label: str
    group: str
    definition: str
    units: str = ""
    source: str = ""
    chance: str = ""
    absent: str = ""


GROUPS = (*METRIC_GROUPS, "Change", "Over time")

GLOSSARY: dict[str, Entry] = {
    "name": Entry(
        "Name",
        "Identity",
        "The parameter's name in the checkpoint; after a colon the part of a fused tensor.",
    ),
    "kind": Entry(
        "Kind", "Identity", "What sort of weight this is, told from the module, the name or the shape."
    ),
    "shape": Entry("Shape", "Identity", "Shape of the stored tensor or of the part of it that is analysed."),
    "dtype": Entry(
        "Type", "Identity", "Number format in the checkpoint; all statistics are computed in float64."
    ),
    "matrices": Entry(
        "Matrices",
        "Identity",
        "How many matrices of one shape are pooled in this row (1 for a plain matrix).",
    ),
    "aliases": Entry(
        "Aliases", "Identity", "Other names of the same tensor (tied weights); they are analysed once."
    ),
    "note": Entry(
        "Note", "Identity", "How the stored tensor was read as this matrix, where that is not plain."
    ),
    "warnings": Entry(
        "Look at", "Identity", "What in this row needs a look, or why a number is missing; the gravest first."
    ),
    "relative_change": Entry(
        "Relative change",
        "Change",
        "‖B − A‖ / ‖A‖ in Frobenius norm.",
        "0 is unchanged",
        "",
        "Two independent matrices of one size: √2.",
    ),
    "rounding": Entry(
        "Rounding",
        "Change",
        "Relative change that storing the same numbers in the two formats gives; formats are told from the numbers.",
        "of the norm of A",
        "",
        "0 where both are stored in one format.",
    ),
    "update_energy_90": Entry(
        "Directions with 90%",
        "Change",
        "Fewest singular directions that hold 90% of the squared norm of the update B − A.",
        "1 to M",
        "",
        "The column beside it.",
    ),
    "update_energy_90_noise": Entry(
        "the same of noise",
        "Change",
        "Directions that hold 90% of a random update of equal norm, by the Marchenko-Pastur law.",
        "1 to M",
    ),
    "distance": Entry("‖B − A‖", "Change", "Frobenius norm of the difference.", "units of the weights"),
    "cosine": Entry(
        "Cosine",
        "Change",
        "Cosine of the angle between A and B as vectors.",
        "−1 to 1; 1 is unchanged up to scale",
        "",
        "About 0.",
    ),
    "subspace_size": Entry(
        "Subspace size",
        "Change",
        "How many leading directions are compared: the larger number of spikes, 1 to 16.",
        "count",
    ),
    "overlap_long": Entry(
        "Overlap, long side",
        "Change",
        "Mean squared cosine of the principal angles on the side of length N.",
        "0 to 1",
        "",
        "k / N.",
    ),
    "overlap_short": Entry(
        "Overlap, short side",
        "Change",
        "Mean squared cosine of the principal angles on the side of length M.",
        "0 to 1",
        "",
        "k / M.",
    ),
    "overlap_chance": Entry(
        "Overlap by chance",
        "Change",
        "Mean squared cosine of random subspaces on the short side: k / M.",
        "0 to 1",
    ),
    "angles_long": Entry(
        "Angles, long side",
        "Change",
        "Principal angles between the leading singular subspaces of A and B on the side of length N, smallest first.",
        "degrees",
        "Björck & Golub 1973, by sines",
        "Random subspaces of small dimension: near 90°; the page draws the band.",
    ),
    "angles_short": Entry(
        "Angles, short side",
        "Change",
        "Principal angles between the leading singular subspaces of A and B on the side of length M, smallest first.",
        "degrees",
        "Björck & Golub 1973, by sines",
        "Random subspaces of small dimension: near 90°; the page draws the band.",
    ),
}


GLOSSARY |= {
    one.name: Entry(one.label, one.group, one.meaning, one.units, one.source, one.chance, one.absent)
    for one in columns().values()
}
GLOSSARY["run"] = Entry("Run", "Over time", "Which of the compared trainings.")


def lookup(column: str) -> Entry:
    """Find the entry of a column.

    `<column>_a`, `<column>_b` and `<column>_change` are those of two checkpoints, `update_<column>` that of their
    difference, `<column>_first` and `<column>_last` those of the first and the last step of a training.

    "analysis:column" is that of an analysis' table.

    Args:
        column: name of a table's column.

    Returns:
        Its entry; a column that nobody described is labelled by its own name.
    """
    analysis, _, of = column.rpartition(":")
    if analysis and analysis_named(analysis) is not None:
        return quantity_entry(analysis, of)
    if column not in GLOSSARY and column in find_analysis("evolution").quantities:
        return quantity_entry("evolution", column)
    if column in GLOSSARY:
        return GLOSSARY[column]
    for suffix, label, what, group in (
        ("_a", "{} in A", "in A (before)", "Change"),
        ("_b", "{} in B", "in B (after)", "Change"),
        ("_change", "Change of {}", "B minus A", "Change"),
        ("_first", "{}, first", "at the first analysed step", "Over time"),
        ("_last", "{}, last", "at the last analysed step", "Over time"),
    ):
        base = column.removesuffix(suffix)
        if base != column and base in GLOSSARY:
            entry = GLOSSARY[base]
            definition = f"{entry.definition} Here {what}."
            return replace(entry, label=label.format(entry.label), group=group, definition=definition)
    base = column.removeprefix("update_")
    moved = GLOSSARY.get(base) or GLOSSARY.get(f"mp_{base}")
    if base != column and moved is not None:
        definition = f"{moved.definition} Here of the update B − A."
        return replace(moved, label=f"{moved.label} of the update", group="Change", definition=definition)
    return Entry(column.replace("_", " "), "Identity", "")


def quantity_entry(analysis: str, column: str) -> Entry:
    """Explain a column of an analysis' table.

    Args:
        analysis: the analysis' name.
        column: a quantity, or what its null gives.

    Returns:
        Its entry; a column that is none of these is labelled by its own name.
    """
    quantities = find_analysis(analysis).quantities
    if column in quantities:
        return _entry(quantities[column])
    for suffix, label, meaning, units in (
        (NULL, "{}, null median", "Median of “{}” over the draws of its null, {}.", ""),
        (PERCENTILE, "{}, percentile", "Where “{}” lies among the draws of its null, {}.", "0 to 100"),
        (P, "{}, p", "Probability of a “{}” at least as extreme under its null, {}.", "0 to 1"),
    ):
        base = column.removesuffix(suffix)
        if base != column and base in quantities:
            of = quantities[base]
            return Entry(
                label.format(of.label), "Over time", meaning.format(of.label, of.null_name), units or of.units
            )
    return Entry(column.replace("_", " "), "Over time", "")


def _entry(quantity: Quantity) -> Entry:
    chance = quantity.chance or (f"See its null, {quantity.null_name}." if quantity.null_name else "")
    return Entry(
        quantity.label,
        "Over time",
        quantity.meaning,
        quantity.units,
        quantity.source,
        chance,
        quantity.absent,
    )
