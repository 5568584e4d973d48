"""The form of what an analysis adds to the page of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import xarray as xr

from eigentrail.report.run_story import RunStory
from eigentrail.report.sections import Item, Section


def no_items(story: RunStory, layer: str, stem: str) -> list[Item]:
    """Add nothing to a layer's entry.

    Args:
        story: the run.
        layer: the layer's name.
        stem: start of the names of its files.

    Returns:
        An empty list.
    """
    del story, layer, stem
    return []


@dataclass(frozen=True)
class RunPart:
    """What an analysis adds.

    Attributes:
        sections: from the runs of which at least one has the analysis, its sections.
        layer: from a run, a layer's name and the start of the names of its files, what the layer's entry shows.
        terms: columns of the glossary that it names.
    """

    sections: Callable[[Sequence[RunStory]], list[Section]]
    layer: Callable[[RunStory, str, str], list[Item]] = no_items
    terms: tuple[str, ...] = ()


def layer_node(story: RunStory, analysis: str, layer: str) -> xr.DataTree | None:
    """Find the result of an analysis for a layer.

    Args:
        story: the run.
        analysis: the analysis' name.
        layer: the layer's name.

    Returns:
        Its node, or None.
    """
    tree = story.results.get(analysis)
    nodes = tree.children.values() if tree is not None else ()
    return next((node for node in nodes if node.attrs["name"] == layer), None)
