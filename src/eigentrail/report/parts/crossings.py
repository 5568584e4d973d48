"""What the page shows of crossings: when the leading singular directions change places."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from eigentrail._untrusted import file_stem, plotly_text
from eigentrail.figures.crossings import crossing_data, crossing_timeline
from eigentrail.report.run_part import RunPart, layer_node
from eigentrail.report.run_story import RunStory
from eigentrail.report.sections import Item, Listing, Plot, Section
from eigentrail.studies.leading_crossings import CROSSINGS, crossings_table

_LISTED, _MOST_RUNS, _EVENTS = 40, 4, 24
_CAPTION = (
    "Directions are followed by the overlap of both singular vectors, never by rank. Crosses: two change places. In "
    "the bulk of noise vectors mix at every step, and exchanges say nothing; those above its edge are pink."
)


def _sections(stories: Sequence[RunStory]) -> list[Section]:
    rows = []
    for story in stories:
        table = crossings_table(story.results[CROSSINGS.name])
        rows += [
            (story.named(name), verdict, None)
            for name, verdict in zip(table["name"], table["verdict"], strict=True)
        ]
    if not rows:
        return []
    more = f" (the first {_LISTED} of {len(rows)})" if len(rows) > _LISTED else ""
    items: list[Item] = [Listing((f"Layer{more}", "Do leading values cross?"), tuple(rows[:_LISTED]))]
    for story in stories[:_MOST_RUNS]:
        nodes = list(story.results[CROSSINGS.name].children.values())
        if nodes:
            node = max(nodes, key=lambda n: (int(n["events"]["above_noise"].sum()), n.attrs["cols"]))
            label = story.named(node.attrs["name"])
            items += _shown(node, label, file_stem(label))
    return [
        Section(
            "crossings",
            "Do leading singular values cross?",
            tuple(items),
            "A vector followed by its rank jumps where values cross; one followed by its overlap does not.",
        )
    ]


def _shown(node: xr.DataTree, label: str, stem: str) -> list[Item]:
    tracks, events = node["tracks"].to_dataset(), node["events"].to_dataset()
    title = f"{plotly_text(label, 44)}: leading singular values, followed"
    items: list[Item] = [
        Plot(
            crossing_timeline(tracks, events, title),
            crossing_data(tracks),
            _CAPTION,
            f"{stem}-crossings",
            wide=True,
        )
    ]
    listed = tuple(
        (
            f"step {int(step)}",
            f"direction {int(up) + 1} rises above direction {int(down) + 1}, to place {int(rank) + 1}; "
            + ("both above the noise" if above else "inside the noise"),
            None,
        )
        for step, up, down, rank, above in zip(
            *(events[c].values for c in ("step", "up", "down", "rank", "above_noise")), strict=True
        )
    )
    if listed:
        more = f" (the first {_EVENTS} of {len(listed)})" if len(listed) > _EVENTS else ""
        items.append(Listing((f"First seen at{more}", "Which change places"), listed[:_EVENTS]))
    return items


def _layer(story: RunStory, layer: str, stem: str) -> list[Item]:
    node = layer_node(story, CROSSINGS.name, layer)
    return [] if node is None else _shown(node, story.named(layer), stem)


CROSSING = RunPart(_sections, _layer)
