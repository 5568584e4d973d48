"""What the page shows of geodesics: the path on the sphere, and whether it is more than chance."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import xarray as xr

from eigentrail._untrusted import file_stem, plotly_text
from eigentrail.figures import geodesics as figures
from eigentrail.figures.sphere import sphere, sphere_data
from eigentrail.report.run_part import RunPart, layer_node
from eigentrail.report.run_story import RunStory
from eigentrail.report.sections import Item, Listing, Plot, Prose, Section
from eigentrail.studies.geodesics import GEODESIC, geodesic_table

# Browsers draw a handful of turning scenes at a time.
_MOST_RUNS, _LISTED, _MOST_ROWS = 4, 40, 60
_SPHERE = (
    "Turn it with the mouse. The leading singular vector of each step, projected onto the great 2-sphere that holds "
    "its path best. Purple: the great circle through all steps. Thick arcs, where there are any: the great circle "
    "fitted to each segment, drawn thinly beyond its ends; pink rings: steps from which on another circle fits better. "
    "Short paths are shown from nearer."
)
_NULL = (
    "Orange: scores of random walks of matrices of this shape, with the norms of the observed start and steps, done "
    "with as with the weights. Without them a score says nothing: walks of weights reach high ones by themselves."
)
_START = (
    "The score where the path, and the walks with it, begins at a later step. Who looks for the best start finds one: "
    "the words above compare it with walks that may choose theirs too."
)
_RESIDUALS = (
    "Angle between the vector and its circle at each step. A smooth path that is no circle is cut into several circles "
    "too, at most four are shown; a kink is a change with a narrow interval."
)
_SCORES = (
    "Great circles from the same step on as above. Orange: median and 90% of 200 random walks of the weights."
)


def _sections(stories: Sequence[RunStory]) -> list[Section]:
    tables = [_table(story) for story in stories]
    table = pd.concat([one for one in tables if len(one)] or [pd.DataFrame()], ignore_index=True)
    if not len(table):
        return []
    rows = tuple(
        (str(label), str(verdict), None)
        for label, verdict in zip(table["label"][:_LISTED], table["verdict"][:_LISTED], strict=True)
    )
    more = f" (the first {_LISTED} of {len(table)})" if len(table) > _LISTED else ""
    items: list[Item] = [
        Prose((summary(table),)),
        Listing((f"Singular vector{more}", "More of a geodesic than chance?"), rows),
    ]
    if len(table) > 1:
        shown = table[:_MOST_ROWS]
        figure = figures.scores_by_layer(shown, "Scores beside random walks")
        items.append(Plot(figure, table, _SCORES, "geodesic-scores", wide=True))
    for story in stories[:_MOST_RUNS]:
        node = _largest(story)
        if node is None:
            continue
        stem = file_stem(story.named(node.attrs["name"]))
        sides = ("right", "left") if len(stories) == 1 else ("right",)
        items += [_sphere(node, story.named(node.attrs["name"]), stem, side) for side in sides]
        if len(stories) == 1:
            items += _plots(node, stem, "right")
    return [
        Section(
            "geodesics",
            "Do the leading singular vectors follow geodesics?",
            tuple(items),
            "Great circles and great 2-spheres through the paths of the leading singular vectors.",
        )
    ]


def summary(table: pd.DataFrame) -> str:
    """Say how many paths are more of a geodesic than chance gives.

    Args:
        table: rows of `geodesic_table`.

    Returns:
        One or two sentences.
    """
    circles, spheres = table["percentile"].dropna(), table["sphere_percentile"].dropna()
    many = len(circles)
    paths = f"{many} path{'s' if many != 1 else ''}"
    said = (
        f"Of {paths} {int((circles > 95).sum())} lie closer to a great circle than 95% of random walks of the weights, "
        f"and {int((spheres > 95).sum())} of {len(spheres)} closer to a great 2-sphere; chance alone gives about "
        f"{0.05 * many:.2g} of each. Left and right vectors of a layer are not independent."
    )
    high = int((table["score"] > 0.8).sum())
    bare = int(((table["score"] > 0.8) & (table["percentile"] <= 95)).sum())
    if bare:
        scores = "score is" if high == 1 else "scores are"
        within = "it is" if high == 1 else f"{bare} of these {'is' if bare == 1 else 'are'}"
        said += f" {high} {scores} above 0.8; {within} within what walks reach."
    return said


def _table(story: RunStory) -> pd.DataFrame:
    table = geodesic_table(story.results[GEODESIC.name])
    if not len(table):
        return table
    labels, bands = [], []
    for name, side in zip(table["name"], table["side"], strict=True):
        node = layer_node(story, GEODESIC.name, name)
        assert node is not None
        band = _path(node, side)["null_from"].sel(dims=1).isel(start=0).values
        labels.append(f"{story.named(name)}, {side}")
        bands.append((float(band[0]), float(band[-1])))
    return figures.with_bands(table, bands, labels)


def _path(node: xr.DataTree, side: str) -> xr.Dataset:
    return node[node.attrs["start"]].to_dataset().sel(side=side)


def _largest(story: RunStory) -> xr.DataTree | None:
    nodes = list(story.results[GEODESIC.name].children.values())
    if not nodes:
        return None
    return max(nodes, key=lambda node: node["first"].attrs["rows"] * node["first"].attrs["cols"])


def _sphere(node: xr.DataTree, label: str, stem: str, side: str) -> Plot:
    path, cut = _path(node, side), node[f"segments_{side}"].to_dataset()
    title = f"{plotly_text(label, 40)}: path of the leading {side} vector"
    return Plot(sphere(path, cut, title), sphere_data(path, cut), _SPHERE, f"{stem}-sphere-{side}")


def _plots(node: xr.DataTree, stem: str, side: str) -> list[Item]:
    path, cut = _path(node, side), node[f"segments_{side}"].to_dataset()
    return [
        Plot(
            figures.null_histogram(path, f"Is it more than chance? Leading {side} vector"),
            figures.null_data(path),
            _NULL,
            f"{stem}-null-{side}",
        ),
        Plot(
            figures.residuals(path, cut, f"Off the geodesic: leading {side} vector"),
            sphere_data(path, cut),
            _RESIDUALS,
            f"{stem}-residuals-{side}",
        ),
        Plot(
            figures.score_by_start(
                node["first"].to_dataset().sel(side=side), f"Score by first step: leading {side} vector"
            ),
            figures.start_data(node["first"].to_dataset().sel(side=side)),
            _START,
            f"{stem}-starts-{side}",
        ),
    ]


def _layer(story: RunStory, layer: str, stem: str) -> list[Item]:
    node = layer_node(story, GEODESIC.name, layer)
    if node is None:
        return []
    table = _table(story)
    told = tuple(str(verdict) for verdict in table[table["name"] == layer]["verdict"])
    items: list[Item] = [Prose(told)]
    for side in table[table["name"] == layer]["side"]:
        items += [_sphere(node, story.named(layer), stem, side), *_plots(node, stem, side)]
    return items


GEODESICS = RunPart(_sections, _layer)
