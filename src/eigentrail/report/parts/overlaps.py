"""What the page shows of overlaps: components of the weights beside singular matrices and components of the updates."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import xarray as xr

from eigentrail._untrusted import file_stem, plotly_text
from eigentrail.figures.drift import walk_histogram
from eigentrail.figures.overlap_maps import overlap_map, overlap_rows
from eigentrail.report.parts.motions import MOST_RUNS, layer_facts, listing, main_nodes
from eigentrail.report.run_part import RunPart, layer_node
from eigentrail.report.run_story import RunStory
from eigentrail.report.sections import Item, Plot, Section
from eigentrail.studies.overlapping import LEADING, NAME, overlap_table

_SINGULAR = (
    "|⟨pᵢ, sⱼ⟩| of component i and singular matrix uⱼvⱼᵀ of the last step. White is what a random direction has on "
    "average, √(2/πn). Left of the dashed line: singular values above the Marchenko-Pastur bulk."
)
_UPDATES = (
    "|⟨pᵢ, uⱼ⟩| of components of the weights and of their updates. White is chance. Noise that prefers some directions "
    "makes both alike without any drift: the walks beside it tell."
)
_WALKS = (
    "The largest overlap of the first component with a singular matrix. A walk's first component lies along its "
    "displacement, and so do the weights at its end: untrained matrices that only walk are the null."
)
_SIGNS = (
    f"The share of the first component in the leading {LEADING} components of the updates, at the steps of the walks. "
    "The null walks have the observed updates with random signs."
)
_FACTS = (
    *("singular_largest", "singular_times_chance", "singular_percentile", "spike_share"),
    *("updates_share", "updates_percentile"),
)


def _sections(stories: Sequence[RunStory]) -> list[Section]:
    leading = main_nodes(stories, NAME)[:MOST_RUNS]
    if not leading:
        return []
    items: list[Item] = [
        listing(
            stories,
            NAME,
            overlap_table,
            ("Weights", "How their motion meets other directions, beside chance"),
        )
    ]
    for story, node in leading:
        matrices = [one for one in story.results[NAME].children.values() if "with_singular" in one.data_vars]
        if matrices:
            first = max(matrices, key=lambda one: float(one["with_singular"].max()) / one.attrs["chance"])
            label = story.named(first.attrs["name"])
            items += _singular_plots(first, file_stem(label), f"{plotly_text(label, 44)}: ")
        label = story.named(node.attrs["name"])
        items += _update_plots(node, file_stem(label), f"{plotly_text(label, 44)}: ")
    return [
        Section(
            "overlaps",
            "How do the directions relate to each other?",
            tuple(items),
            "Overlaps in multiples of what a random direction has; shown are the layer that reaches most and the whole "
            "network, the others are among the layers' own figures.",
        )
    ]


def _singular_plots(node: xr.DataTree, stem: str, before: str = "") -> list[Item]:
    data, about = node.to_dataset(), node.attrs
    if "with_singular" not in data:
        return []
    values = data["with_singular"].values
    items: list[Item] = [
        Plot(
            overlap_map(
                values,
                about["chance"],
                _titled(before, "components and singular matrices"),
                "singular matrix, largest value first",
                mark=about.get("spikes"),
            ),
            overlap_rows(values, about["chance"]),
            _SINGULAR,
            f"{stem}-singular",
        )
    ]
    if "largest_singular" in about:
        null = data["largest_singular_null"].values
        items.append(
            Plot(
                walk_histogram(
                    null,
                    about["largest_singular"],
                    _titled(before, "largest overlap of component 1, beside walks"),
                    "largest overlap with a singular matrix",
                    "untrained walks",
                ),
                pd.DataFrame({"walk": null}),
                _WALKS,
                f"{stem}-singular-walks",
            )
        )
    return items


def _update_plots(node: xr.DataTree, stem: str, before: str = "") -> list[Item]:
    data, about = node.to_dataset(), node.attrs
    if "with_updates" not in data:
        return []
    values = data["with_updates"].values
    items: list[Item] = [
        Plot(
            overlap_map(
                values,
                about["chance"],
                _titled(before, "components of weights and updates"),
                "component of the updates",
            ),
            overlap_rows(values, about["chance"]),
            _UPDATES,
            f"{stem}-updates",
        )
    ]
    if "updates_share" in about:
        null = data["updates_share_null"].values
        items.append(
            Plot(
                walk_histogram(
                    null,
                    about["updates_share"],
                    _titled(before, "component 1 in the updates, beside walks"),
                    f"share in the leading {LEADING} components of the updates",
                    "walks with random signs",
                ),
                pd.DataFrame({"walk": null}),
                _SIGNS,
                f"{stem}-updates-walks",
            )
        )
    return items


def _titled(before: str, text: str) -> str:
    return f"{before}{text}" if before else text[:1].upper() + text[1:]


def _layer(story: RunStory, layer: str, stem: str) -> list[Item]:
    node = layer_node(story, NAME, layer)
    if node is None:
        return []
    facts = layer_facts(story, NAME, overlap_table, layer, "Overlaps", _FACTS)
    return [facts, *_singular_plots(node, stem), *_update_plots(node, stem)]


OVERLAP = RunPart(_sections, _layer, _FACTS)
