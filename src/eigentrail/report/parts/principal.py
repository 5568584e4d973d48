"""What the page shows of principal components: where the weights move, and how much of it chance would give."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from eigentrail._untrusted import file_stem, plotly_text
from eigentrail.figures.components import scores_data, scores_over_time, scree, scree_data
from eigentrail.report.parts.motions import MOST_RUNS, layer_facts, listing, main_nodes, motion_nodes
from eigentrail.report.run_part import RunPart, layer_node
from eigentrail.report.run_story import RunStory
from eigentrail.report.sections import Item, Plot, Section
from eigentrail.studies.principal import NAME, pca_table

_CURVES = 10
_SCORES = (
    "How far the weights are along each direction. Dotted: the cosines that random walks have in these places, of the "
    "observed size: a smooth leading component says nothing by itself."
)
_SCREE = (
    "Dotted: a random walk in high dimension, 6 / (πj)² of its variance along component j. Shaded, where there is one "
    "layer: 95% of walks with the observed updates and random signs, which keep the directions that the noise prefers."
)
_UPDATES = (
    "What single updates have in common. Dotted: independent noise, equal in all directions (Marchenko-Pastur): above "
    "it the noise prefers directions."
)
_FACTS = (
    *("share_1", "share_1_flipped_low", "share_1_flipped_high", "share_1_percentile", "share_2"),
    *("components_90", "update_share_1", "update_share_1_noise"),
)


def _sections(stories: Sequence[RunStory]) -> list[Section]:
    found = motion_nodes(stories, NAME)
    if not found:
        return []
    items: list[Item] = [
        listing(stories, NAME, pca_table, ("Weights", "Along how few directions they move, beside chance"))
    ]
    leading = main_nodes(stories, NAME)[:MOST_RUNS]
    for story, node in leading:
        label = story.named(node.attrs["name"])
        items.append(_scores(node, label, file_stem(label)))
    shown = (leading if len(stories) > 1 else found)[:_CURVES]
    for of, title, caption, null in (
        ("weights", "Shares of the components of the weights", _SCREE, "random walk in high dimension"),
        ("updates", "Shares of the components of the updates", _UPDATES, "noise of the first one's shape"),
    ):
        layers = [
            (story.named(node.attrs["name"]), node[of].to_dataset())
            for story, node in shown
            if of in node.children
        ]
        if layers:
            items.append(Plot(scree(layers, title, null=null), scree_data(layers), caption, f"scree-{of}"))
    return [
        Section(
            "components",
            "Along which directions do the weights move?",
            tuple(items),
            "Principal components of the weights over the steps, and of their updates.",
        )
    ]


def _scores(node: xr.DataTree, label: str, stem: str) -> Plot:
    data = node["weights"].to_dataset()
    title = f"{plotly_text(label, 44)}: leading components over time"
    return Plot(scores_over_time(data, title), scores_data(data), _SCORES, f"{stem}-scores", wide=True)


def _layer(story: RunStory, layer: str, stem: str) -> list[Item]:
    node = layer_node(story, NAME, layer)
    if node is None:
        return []
    items: list[Item] = [
        layer_facts(story, NAME, pca_table, layer, "Principal components", _FACTS),
        _scores(node, story.named(layer), stem),
    ]
    for of, caption, null in (
        ("weights", _SCREE, "random walk in high dimension"),
        ("updates", _UPDATES, "noise of this shape"),
    ):
        if of in node.children:
            layers = [(of, node[of].to_dataset())]
            title = f"Shares of the components of the {of}"
            items.append(
                Plot(scree(layers, title, null=null), scree_data(layers), caption, f"{stem}-scree-{of}")
            )
    return items


PRINCIPAL = RunPart(_sections, _layer, _FACTS)
