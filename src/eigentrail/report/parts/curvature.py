"""What the page shows of the Hessian of a run's layers and of the whole network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from eigentrail._untrusted import file_stem
from eigentrail.figures import (
    hessian_moves,
    hessian_overlaps,
    hessian_spectrum,
    hessian_vectors,
    levels,
)
from eigentrail.report.run_part import RunPart, layer_node
from eigentrail.report.run_story import RunStory
from eigentrail.report.sections import Item, Listing, Plot, Section
from eigentrail.studies.analyses import ANALYSES
from eigentrail.studies.hessian.place import WHOLE

NAME = "curvature"

_SPECTRUM = (
    "A few eigenvalues stand far above all others, the rest crowd at zero. Dotted: sizes of the negative ones. What "
    "lies nine decades below the largest is rounding."
)
_DENSITY = "Each eigenvalue counts as a Gaussian of the width in the title. Bands: two standard errors."
_PRODUCT = (
    "How much of the weights lies along each eigenvector. Random directions have the dotted level; eigenvectors "
    "of small products can be taken out without harm. The eigenvectors are those at the last step for both."
)
_MAPS = (
    "Each cell is the mean overlap of a block of directions in units of what random directions have; blocks grow with "
    "rank."
)
_MOVES = (
    "Open circles: where the weights are. At α = 0 the eigenvector is taken out of the weights. Dashed: the parabola "
    "of slope and curvature, which holds near the circle only."
)
_ADDED = (
    "The weights are put together out of their parts along the first k eigenvectors; the others are zero."
)
_WHERE = (
    "A running mean of each eigenvector's squared norm by parameter; dotted lines of the same colour are the "
    "parameters' shares of the network, what random directions have."
)
_PARTICIPATION = "Large: the eigenvector lives on few weights."
_PORTER = "Entries of a random direction are Gaussian and give p-values of 0.5 on average."
_FLATNESS = (
    "Over the second half of the training, down to 1/10,000 of the largest curvature. Noise proportional to the "
    "Hessian gives exponent 1 below h_cross and 0 above it, where the samples of an epoch average out."
)


def _spectra(node: xr.DataTree) -> dict[str, NDArray[np.float64]]:
    found = {"at the last step": node["spectrum"].to_dataset()["eigenvalue"].values}
    if "initial" in node.children:
        found["at the first step"] = node["initial"].to_dataset()["eigenvalue"].values
    return found


def _main(node: xr.DataTree, stem: str) -> list[Item]:
    spectra = _spectra(node)
    densities = {"at the last step": node["density"].to_dataset()}
    if "initial_density" in node.children:
        densities["at the first step"] = node["initial_density"].to_dataset()
    width = f"Gaussian kernel of width {float(densities['at the last step'].attrs['width']):.2g}"
    vectors = node["vectors"].to_dataset()
    products = {"weights of the last step": vectors["product"].values}
    if "product_first" in vectors:
        products["weights of the first step"] = vectors["product_first"].values
    values = spectra["at the last step"]
    return [
        Plot(
            hessian_spectrum.by_rank(spectra),
            hessian_spectrum.by_rank_data(spectra),
            _SPECTRUM,
            f"{stem}-eigenvalues",
        ),
        Plot(
            hessian_spectrum.density_curves(densities, width),
            hessian_spectrum.density_data(densities),
            _DENSITY,
            f"{stem}-density",
        ),
        Plot(
            hessian_vectors.weight_products(products, float(node.attrs["n"]) ** -0.5),
            hessian_vectors.vector_data(vectors, values),
            _PRODUCT,
            f"{stem}-weight-product",
        ),
    ]


def _maps(node: xr.DataTree, stem: str) -> list[Item]:
    wanted = (
        (
            "weights_components",
            "Eigenvectors and components of the weights",
            "principal component of the weights",
        ),
        (
            "updates_components",
            "Eigenvectors and components of the updates",
            "principal component of the updates",
        ),
        (
            "singular",
            f"Eigenvectors and singular matrices of {node.attrs.get('singular_of', '')}",
            "singular matrix",
        ),
    )
    return [
        Plot(
            hessian_overlaps.overlap_map(node[key].to_dataset(), title, other),
            hessian_overlaps.overlap_data(node[key].to_dataset()),
            _MAPS,
            f"{stem}-{key.replace('_', '-')}",
        )
        for key, title, other in wanted
        if key in node.children
    ]


def _moves(node: xr.DataTree, stem: str) -> list[Item]:
    items: list[Item] = []
    if "landscape" in node.children:
        curves = node["landscape"].to_dataset()
        items += [
            Plot(
                hessian_moves.landscape(curves, what),
                hessian_moves.landscape_data(curves),
                _MOVES,
                f"{stem}-landscape-{what}",
            )
            for what in ("loss", "accuracy")
        ]
    if "add_back" in node.children:
        added = node["add_back"].to_dataset()
        items += [
            Plot(
                hessian_moves.add_back(added, what),
                hessian_moves.add_back_data(added),
                _ADDED,
                f"{stem}-add-back-{what}",
            )
            for what in ("accuracy", "loss")
        ]
    if "flatness" in node.children:
        flat = node["flatness"].to_dataset()
        items.append(
            Plot(
                hessian_moves.flatness(flat), hessian_moves.flatness_data(flat), _FLATNESS, f"{stem}-flatness"
            )
        )
    return items


def _vectors(node: xr.DataTree, stem: str) -> list[Item]:
    vectors = node["vectors"].to_dataset()
    table = hessian_vectors.vector_data(vectors, node["spectrum"].to_dataset()["eigenvalue"].values)
    items: list[Item] = []
    if "concentration" in vectors:
        items.append(Plot(hessian_vectors.concentration(vectors), table, _WHERE, f"{stem}-concentration"))
    shares = {"at the last step": vectors["participation"].values}
    if "initial" in node.children:
        shares["at the first step"] = node["initial"].to_dataset()["participation"].values
    n = int(node.attrs["n"])
    items.append(
        Plot(hessian_vectors.participation(shares, n), table, _PARTICIPATION, f"{stem}-participation")
    )
    if node.attrs["exact"] and "porter_thomas_mean" in vectors:
        items.append(Plot(hessian_vectors.porter_thomas(vectors), table, _PORTER, f"{stem}-porter-thomas"))
    if "levels" in node.children:
        found = node["levels"].to_dataset()
        told = (node.attrs.get("spacing_p_wigner"), node.attrs.get("spacing_p_poisson"))
        items += [
            Plot(
                levels.histogram_of_spacings(found["spacing"].values, *told),
                pd.DataFrame({"spacing": found["spacing"].values}),
                "Eigenvalues without the null space, unfolded over ten neighbours on either side.",
                f"{stem}-spacings",
            ),
            Plot(
                levels.histogram_of_ratios(found["ratio"].values, node.attrs.get("spacing_ratio")),
                pd.DataFrame({"ratio": found["ratio"].values}),
                "Ratios need no unfolding: the surer test.",
                f"{stem}-spacing-ratios",
            ),
        ]
    return items


def _sections(stories: Sequence[RunStory]) -> list[Section]:
    rows: list[tuple[str, str, int | None]] = []
    nodes: list[tuple[RunStory, xr.DataTree]] = []
    for story in stories:
        table = ANALYSES[NAME].tabulate(story.results[NAME])
        named = zip(table["name"], table["verdict"], strict=True)
        rows += [(story.named(str(name)), str(text), None) for name, text in named]
        nodes += [(story, node) for node in story.results[NAME].children.values()]
    if not nodes:
        return []
    # The whole network where all of its eigenpairs are known, else the largest layer of which they are.
    nodes.sort(key=lambda pair: (not pair[1].attrs["exact"], -int(pair[1].attrs["n"])))
    story, shown = nodes[0]
    name = story.named(str(shown.attrs["name"]))
    stem = f"curvature-{file_stem(name)}"
    found = [
        Section(
            "curvature",
            "The Hessian at the last step",
            (
                Listing(("Parameters", "What their Hessian says, beside what chance gives"), tuple(rows)),
                *_main(shown, stem),
            ),
            f"Second derivatives of the mean training loss. Figures: {name}; others are with the layers below.",
        ),
        Section(
            "curvature-motion", "The Hessian and the motion of the weights", tuple(_maps(shown, stem)), name
        ),
        Section("curvature-moves", "Loss along Hessian eigenvectors", tuple(_moves(shown, stem)), name),
        Section("curvature-vectors", "Eigenvectors and level spacings", tuple(_vectors(shown, stem)), name),
    ]
    # That of the same training first: what is shown of its layer is to be held against it.
    others = [pair for pair in nodes if pair[1].attrs["name"] == WHOLE and pair[1] is not shown]
    others.sort(key=lambda pair: pair[0] is not story)
    if others:
        whose, whole = others[0]
        items = (
            *_main(whole, "curvature-whole"),
            *_moves(whole, "curvature-whole"),
            *_vectors(whole, "curvature-whole"),
        )
        found.append(
            Section(
                "curvature-whole",
                "The Hessian of the whole network",
                items,
                f"{whose.named(WHOLE)}. {_known(whole)}",
            )
        )
    return [section for section in found if section.items]


def _known(node: xr.DataTree) -> str:
    return (
        "All of its eigenpairs are known."
        if node.attrs["exact"]
        else "Only its largest eigenpairs are known."
    )


def _layer(story: RunStory, layer: str, stem: str) -> list[Item]:
    node = layer_node(story, NAME, layer)
    if node is None:
        return []
    start = f"{stem}-hessian"
    return [*_main(node, start), *_maps(node, start), *_moves(node, start), *_vectors(node, start)]


CURVATURE = RunPart(_sections, _layer)
