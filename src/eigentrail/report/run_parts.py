"""What each analysis adds to the page of a run: a section of its own, and figures to the entry of each layer.

An analysis' part of the page is added by one more entry of `PARTS`, under the analysis' name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eigentrail.report.parts.crossings import CROSSING
from eigentrail.report.parts.curvature import CURVATURE
from eigentrail.report.parts.drifts import DRIFT
from eigentrail.report.parts.evaluated import ADD_BACK, LANDSCAPE, LOSS_SCALING
from eigentrail.report.parts.geodesics import GEODESICS
from eigentrail.report.parts.overlaps import OVERLAP
from eigentrail.report.parts.principal import PRINCIPAL
from eigentrail.report.parts.subspaces import SUBSPACE
from eigentrail.report.run_part import RunPart
from eigentrail.report.run_story import RunStory
from eigentrail.report.sections import Item, Section

PARTS: Mapping[str, RunPart] = {
    "pca": PRINCIPAL,
    "drift": DRIFT,
    "overlap": OVERLAP,
    "geodesic": GEODESICS,
    "crossings": CROSSING,
    "subspaces": SUBSPACE,
    "curvature": CURVATURE,
    "add-back": ADD_BACK,
    "landscape": LANDSCAPE,
    "loss-scaling": LOSS_SCALING,
}


def part_sections(stories: Sequence[RunStory]) -> list[Section]:
    """Make the sections of all analyses that the runs have, in the order of `PARTS`.

    Args:
        stories: the runs.

    Returns:
        The sections.
    """
    return [
        section
        for name, part in PARTS.items()
        if any(name in story.results for story in stories)
        for section in part.sections([story for story in stories if name in story.results])
    ]


def part_terms(stories: Sequence[RunStory]) -> tuple[str, ...]:
    """Collect the columns of the glossary that the parts of a page name.

    Args:
        stories: the runs.

    Returns:
        The columns, in the order of `PARTS`.
    """
    return tuple(
        term
        for name, part in PARTS.items()
        if any(name in story.results for story in stories)
        for term in part.terms
    )


def part_items(story: RunStory, layer: str, stem: str) -> list[Item]:
    """Make what the analyses of a run add to the entry of a layer.

    Args:
        story: the run.
        layer: the layer's name.
        stem: start of the names of its files.

    Returns:
        The items, in the order of `PARTS`.
    """
    return [
        item
        for name, part in PARTS.items()
        if name in story.results
        for item in part.layer(story, layer, stem)
    ]
