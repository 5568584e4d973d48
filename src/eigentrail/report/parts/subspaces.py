"""What the page shows of singular subspaces: how far they turn from the first step on."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from eigentrail._untrusted import file_stem, plotly_text
from eigentrail.figures import subspace_angles as figures
from eigentrail.report.run_part import RunPart, layer_node
from eigentrail.report.run_story import RunStory
from eigentrail.report.sections import Item, Listing, Plot, Section
from eigentrail.studies.subspace_angles import SUBSPACES, subspaces_table

_LISTED, _MOST_RUNS = 40, 4
_ANGLES = (
    "Principal angles between subspaces, from sines. Dotted: the angle whose squared cosine is what random subspaces "
    "share on average. Angles of single vectors would mean nothing among nearly equal singular values."
)
_VALUES = (
    "Each singular value in the colour of the angle between its vector and the block of nearly equal values to which "
    "it belonged at the first step."
)


def _sections(stories: Sequence[RunStory]) -> list[Section]:
    rows = []
    for story in stories:
        table = subspaces_table(story.results[SUBSPACES.name])
        rows += [
            (story.named(name), verdict, None)
            for name, verdict in zip(table["name"], table["verdict"], strict=True)
        ]
    if not rows:
        return []
    more = f" (the first {_LISTED} of {len(rows)})" if len(rows) > _LISTED else ""
    items: list[Item] = [
        Listing((f"Layer{more}", "What is left of the first step's directions"), tuple(rows[:_LISTED]))
    ]
    for story in stories[:_MOST_RUNS]:
        nodes = list(story.results[SUBSPACES.name].children.values())
        if nodes:
            node = max(nodes, key=lambda n: n.attrs["rows"] * n.attrs["cols"])
            label = story.named(node.attrs["name"])
            items += _shown(node, label, file_stem(label), ("right",))
    return [
        Section(
            "subspaces",
            "How far do singular subspaces turn?",
            tuple(items),
            "Principal angles of the leading and trailing singular subspaces against the first step.",
        )
    ]


def _shown(node: xr.DataTree, label: str, stem: str, sides: Sequence[str]) -> list[Item]:
    found = node.to_dataset()
    items: list[Item] = []
    for side in sides:
        name = plotly_text(label, 40)
        items += [
            Plot(
                figures.principal_angles(found, side, f"{name}: principal angles, {side} subspaces"),
                figures.angle_data(found, side),
                _ANGLES,
                f"{stem}-angles-{side}",
            ),
            Plot(
                figures.values_by_angle(found, side, f"{name}: singular values by angle, {side} vectors"),
                figures.value_data(found, side),
                _VALUES,
                f"{stem}-values-by-angle-{side}",
            ),
        ]
    return items


def _layer(story: RunStory, layer: str, stem: str) -> list[Item]:
    node = layer_node(story, SUBSPACES.name, layer)
    return [] if node is None else _shown(node, story.named(layer), stem, ("right", "left"))


SUBSPACE = RunPart(_sections, _layer)
