"""What the page shows of the analyses that evaluate the network: adding back, landscapes, loss scaling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import xarray as xr

from eigentrail._untrusted import file_stem
from eigentrail.figures import add_back, landscape, loss_scaling
from eigentrail.figures.loss_words import loss_told
from eigentrail.report.run_part import RunPart, layer_node
from eigentrail.report.run_story import RunStory
from eigentrail.report.sections import Item, Listing, Plot, Section
from eigentrail.studies.analyses import ANALYSES
from eigentrail.studies.probing import WHOLE

_SHOWN = 4
_LISTED = 40

_Plots = Callable[[xr.DataTree, str, str], list[Item]]

_ADD_BACK = (
    "The weights are replaced by their part along the first k directions, largest value first; 0 is a layer of zeros. "
    "Solid: held-out samples, dotted: training samples. Orange: as many random directions, what chance brings back."
)
_BACK_LOSS = (
    "The loss of the same networks, without a penalty of the weight decay. Solid: held-out samples, dotted: "
    "training samples. It also tells apart networks that classify alike."
)
# What is moved, of the whole network and of a layer.
_MOVED = {
    True: "The weights of the whole network are moved together",
    False: "Only this layer's weights are moved, all others stay at their last values",
}
# What the loss is, with a weight decay and without.
_LINES_LOSS = {
    True: "the loss is the {loss} of training samples with the penalty of the weight decay, what the training "
    "lowers",
    False: "the loss is the {loss} of training samples; the training has no weight decay",
}
_LINES = (
    "Shaded: where the training came from along component 1. A well is a loss that rises on both sides; along the "
    "random direction it does what chance does."
)
_PLANE_LOSS = {
    True: "the loss is the {loss} alone, without the penalty of the weight decay",
    False: _LINES_LOSS[False],
}
_PLANE = "The trajectory is projected onto the plane, so it had other losses."
_SCALING = (
    "A network that classifies everything becomes more confident when its weights grow: a cross-entropy falls "
    "exponentially. The penalty of a weight decay grows as α². Lines are least-squares fits."
)


def _add_back(node: xr.DataTree, name: str, stem: str) -> list[Item]:
    return [
        Plot(
            add_back.add_back_curves(node, name), add_back.add_back_data(node), _ADD_BACK, f"{stem}-add-back"
        ),
        Plot(
            add_back.add_back_losses(node, name),
            add_back.add_back_data(node),
            _BACK_LOSS,
            f"{stem}-add-back-loss",
        ),
    ]


def _landscape(node: xr.DataTree, name: str, stem: str) -> list[Item]:
    moved, decays = _MOVED[node.attrs["name"] == WHOLE], landscape.has_penalty(node)
    loss = loss_told(node)[0]
    lines = f"{moved}; {_LINES_LOSS[decays].format(loss=loss)}. {_LINES}"
    items: list[Item] = [
        Plot(landscape.loss_lines(node, name), landscape.lines_data(node), lines, f"{stem}-landscape")
    ]
    if "plane" in node.children:
        plane = f"{moved}; {_PLANE_LOSS[decays].format(loss=loss)}. {_PLANE}"
        items.append(
            Plot(landscape.loss_plane(node, name), landscape.plane_data(node), plane, f"{stem}-plane")
        )
    return items


def _scaling(node: xr.DataTree, name: str, stem: str) -> list[Item]:
    return [
        Plot(
            loss_scaling.scaled_loss(node, name),
            loss_scaling.scaled_data(node),
            _SCALING,
            f"{stem}-loss-scaling",
        )
    ]


def _part(analysis: str, key: str, title: str, lead: str, plots: _Plots) -> RunPart:
    def sections(stories: Sequence[RunStory]) -> list[Section]:
        rows: list[tuple[str, str, int | None]] = []
        nodes: list[tuple[RunStory, xr.DataTree]] = []
        for story in stories:
            table: pd.DataFrame = ANALYSES[analysis].tabulate(story.results[analysis])
            named = zip(table["name"], table["verdict"], strict=True)
            rows += [(story.named(str(name)), str(text), None) for name, text in named]
            nodes += [(story, node) for node in story.results[analysis].children.values()]
        if not nodes:
            return []
        # The whole network, where it was analysed, then the first layers.
        nodes.sort(key=lambda pair: pair[1].attrs["name"] in pair[0].run.layers)
        items: list[Item] = [Listing(("Weights", "What was found, beside chance"), tuple(rows[:_LISTED]))]
        for story, node in nodes[:_SHOWN]:
            name = story.named(str(node.attrs["name"]))
            items += plots(node, name, file_stem(name))
        rest = len(nodes) - _SHOWN
        more = f" {rest} more are among the layers' own figures." if rest > 0 else ""
        return [Section(key, title, tuple(items), f"{lead}{more}")]

    def layer(story: RunStory, name: str, stem: str) -> list[Item]:
        node = layer_node(story, analysis, name)
        return [] if node is None else plots(node, story.named(name), stem)

    return RunPart(sections, layer)


ADD_BACK = _part(
    "add-back",
    "add-back",
    "How few directions carry the network",
    "Directions of the motion, of the weights and of chance are added back one after the other.",
    _add_back,
)
LANDSCAPE = _part(
    "landscape",
    "landscape",
    "The loss where the weights went",
    "Loss around the last weights, along the principal components of their motion and a random direction.",
    _landscape,
)
LOSS_SCALING = _part(
    "loss-scaling",
    "loss-scaling",
    "The loss of larger weights",
    "The weights of a layer, or all together, are multiplied by 1 to 2.",
    _scaling,
)
