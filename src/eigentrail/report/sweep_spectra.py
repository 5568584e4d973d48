"""The section of a sweep's page with the spectra of a layer for each value of an axis."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from eigentrail._cells import cell
from eigentrail.figures.density import density_data, spectral_density
from eigentrail.figures.of_table import TableFigure, draw
from eigentrail.report.sections import Grid, Item, Plot, Prose, Section
from eigentrail.sweeps.spectra_of import AxisSpectrum, singular_values, spectra_table

# Densities that are drawn for one layer along one axis.
_MOST = 16


def spectra_section(spectra: Sequence[AxisSpectrum], why: str = "") -> Section:
    """Show singular values, densities and what they are called, a row and a density for each value of an axis.

    Args:
        spectra: from `axis_spectra`.
        why: why some are lacking; empty where none is.

    Returns:
        The section.
    """
    items: list[Item] = []
    for (axis, layer), group in itertools.groupby(spectra, key=lambda one: (one.axis, one.layer)):
        chosen = list(group)
        said = f"{layer} by {axis.replace('_', ' ')}"
        told = spectra_table(chosen).drop(columns=["layer", "axis"]).rename(columns={"value": axis})
        rows = tuple((tuple(cell(value) for value in row), None) for row in told.itertuples(index=False))
        items.append(Grid(tuple(str(column).replace("_", " ") for column in told.columns), rows))
        values = singular_values(chosen)
        values = values.assign(value=[f"{axis} {cell(value)}" for value in values["value"]])
        figure = TableFigure(
            "singular-values", f"Singular values of {said}", "index", "share",
            "Shares of the Frobenius norm; S4 counts those above 10⁻³ as the rank.", by=("value",),
            x_label="index", y_label="σ / ‖W‖", log="y", marks=False,
        )  # fmt: skip
        stem = f"{layer}-{axis}".replace(".", "-")
        items.append(Plot(draw(figure, values), values, figure.caption, f"singular-values-{stem}", wide=True))
        items += [
            Plot(
                spectral_density(one.spectrum, f"{layer} at {axis.replace('_', ' ')} {cell(one.value)}"),
                density_data(one.spectrum),
                "Beside the law of pure noise of the same shape and variance.",
                f"density-{stem}-{cell(one.value)}",
            )
            for one in chosen[:_MOST]
        ]
    if why:
        items.append(Prose((f"Spectra are lacking: {why}.",)))
    return Section(
        "spectra",
        "Spectra along each axis",
        tuple(items),
        "At the last step of the first seed's runs, the other axes at their first values.",
        nav="Spectra",
    )
