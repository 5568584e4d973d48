"""The page of one recorded training, or of several compared: training as a story in time."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eigentrail._cells import is_absent
from eigentrail._untrusted import file_stem, plotly_text
from eigentrail.figures import evolution as curves
from eigentrail.figures import evolution_density, evolution_phases, evolution_values, sorted_values
from eigentrail.figures.evolution import Curve
from eigentrail.figures.loss_labels import loss_label
from eigentrail.report.analysis_sections import analysis_sections, layer_items, result_terms
from eigentrail.report.answers import answers_section
from eigentrail.report.inspection import number_fact
from eigentrail.report.left_out import left_out_section
from eigentrail.report.page import render
from eigentrail.report.run_story import RunStory, about_items, headline, labelled
from eigentrail.report.runs_compared import runs_section
from eigentrail.report.runs_compared import title as compared_title
from eigentrail.report.sections import DataTable, Deck, Facts, Item, Page, Plot, Prose, Section

ESSENTIALS = (
    "name", "run", "rows", "cols", "spikes_first", "spikes_last", "null_spikes_last", "births", "deaths", "crossings",
    "mp_ks_distance_first", "mp_ks_distance_last", "farthest_bulk", "noise_ks_high",
    "effective_rank_last", "phase_first", "phase_last",
)  # fmt: skip
# More curves in one figure cannot be told apart.
_MOST_CURVES = 10

#: Numbers over steps: column, title, unit, what chance gives, counts or not.
_NUMBERS: dict[str, tuple[str, str, str, bool]] = {
    "spikes": (
        "Spikes over time",
        "spikes",
        "Eigenvalues above what noise reaches in 1% of cases: noise shows none at 99 of 100 steps.",
        True,
    ),
    "bulk": (
        "Does the bulk stay Marchenko-Pastur?",
        "distance to the law ÷ 95% of noise",
        "Kolmogorov-Smirnov distance between the bulk and its fitted law, in units of what noise of the layer's shape "
        "stays below in 95% of cases: up to 1 the bulk cannot be told from noise.",
        False,
    ),
    "effective_rank": (
        "Effective rank over time",
        "effective rank ÷ M",
        "exp of the entropy of the squared singular values, as a share of the largest rank M.",
        False,
    ),
    "stable_rank": (
        "Stable rank over time",
        "stable rank",
        "‖W‖² in Frobenius norm over the largest singular value squared: it falls when spikes grow.",
        False,
    ),
    "spectral_norm": (
        "Largest singular value over time",
        "σ₁ ÷ its first value",
        "How much the leading direction grows or shrinks.",
        False,
    ),
    "norm_ratio": (
        "Norm ratio ‖W(T−1)‖ ÷ ‖W(T)‖",
        "ratio per step, minus 1",
        "Frobenius norms of neighbouring recorded steps, brought to one step where fewer are recorded: above 0 the "
        "layer shrinks, below 0 it grows; weight decay alone would give rate × decay.",
        False,
    ),
    "alpha": (
        "Tail exponent α over time",
        "α of the eigenvalues' density",
        "2 to 6 is usual for trained layers, a convention; small matrices give uncertain exponents.",
        False,
    ),
    "spacing_ratio": (
        "Level repulsion over time",
        "mean ratio of neighbouring spacings",
        "0.531 for the repelling levels of a random matrix, 0.386 for independent ones.",
        False,
    ),
}

# Those that a page of several runs shows at once.
_COMPARED = ("spikes", "bulk", "effective_rank", "spectral_norm", "norm_ratio")


def run_page(stories: Sequence[RunStory], first: Sequence[Section] = (), origin: str = "") -> str:
    """Write the page of one run or of several compared.

    Args:
        stories: the runs with their analyses; at least one.
        first: sections that the page begins with.
        origin: what the page is made of, see `Page`.

    Returns:
        One self-contained HTML document.
    """
    known = labelled(stories)
    layers = [
        (story, str(node.attrs["name"]), node)
        for story in known
        for node in (story.evolution.children.values() if story.evolution is not None else ())
    ]
    terms: tuple[str, ...] = ()
    picture: list[Item] = []
    sections = [*first]
    if len(known) > 1:
        sections.append(runs_section(known))
    if layers:
        table = layer_table(known)
        terms = tuple(map(str, table.columns))
        story, name, node = layers[leading_layer(table)]
        values, density = main_plots(node, file_stem(story.named(name)), story.named(name))
        picture = [values]
        if len(known) > 1:
            # The same layer of all runs in one figure, a colour for each run.
            of = [one for one in layers if one[1] == name][:_MOST_CURVES]
            spikes = _number_plot("spikes", of, by_run=True, layer=name)
            picture = [
                replace(spikes, stem=f"key-{spikes.stem}"),
                replace(_sorted_plot(of, by_run=True, layer=name), stem=f"key-sorted-{spikes.stem}"),
            ]
    analysed = analysis_sections(known)
    if not picture:
        # Without an evolution the first figure of what was analysed is the key picture.
        plots = [item for section in analysed for item in section.items if isinstance(item, Plot)]
        picture = [replace(one, stem=f"key-{one.stem}", wide=True) for one in plots[:1]]
    sections.append(answers_section(known, layers, picture))
    sections.append(learning_section(known))
    if layers:
        sections.append(together_section(known, layers))
        closer: tuple[Item, ...] = (density, _sorted_plot([layers[leading_layer(table)]], by_run=False))
        if len(known) > 1:
            closer = (values, *closer)
        title = f"A closer look: {story.named(name)}"
        sections.append(Section("leader", title, closer, nav="Closer look", folded=True))
    sections += analysed
    if layers:
        sections.append(layers_section(known, layers, table))
    left = left_out_section(known)
    sections.append(replace(left, nav="Left out", folded=True))
    sections.append(about_section(known))
    title = headline(known[0].run, short=True) if len(known) == 1 else compared_title(known)
    source = "   ·   ".join(str(story.run.path) for story in known)
    return render(Page(title, source, tuple(sections), (*terms, *result_terms(known)), origin=origin))


def about_section(stories: Sequence[RunStory]) -> Section:
    """Say how each run was made: settings, choices, versions, and the command that makes the page again.

    Args:
        stories: the runs.

    Returns:
        A section, closed at first.
    """
    items: list[Item] = []
    for story in stories:
        items += about_items(story)
    paths = " ".join(shlex.quote(str(story.run.path)) for story in stories)
    items.append(Prose((f"Made on {date.today().isoformat()} by: eigentrail report {paths}",)))
    title = "About this run" if len(stories) == 1 else "About these runs"
    return Section("about", title, tuple(items), nav="About", folded=True)


def layer_table(stories: Sequence[RunStory]) -> pd.DataFrame:
    """Put the tables of all runs together.

    Args:
        stories: the runs.

    Returns:
        A row per layer and run; column `run` where there are several; `warnings` holds the notes.
    """
    parts = []
    for story in stories:
        table = story.table
        if not len(table):
            continue
        if story.label:
            table.insert(1, "run", story.label)
        parts.append(table.rename(columns={"notes": "warnings"}))
    return pd.concat(parts, ignore_index=True)


def leading_layer(table: pd.DataFrame) -> int:
    """Choose the layer that the page shows first.

    Args:
        table: a row per layer.

    Returns:
        The row number of the layer with most births, of those the one with most spikes, then the largest one.
    """

    def weight(row: int) -> tuple[float, ...]:
        births, spikes = table["births"][row], table["spikes_last"][row]
        return (births, -1.0 if is_absent(spikes) else spikes, table["cols"][row])

    return max(range(len(table)), key=weight)


def _loss_unit(stories: Sequence[RunStory]) -> str:
    names = {story.loss for story in stories}
    words = [word for word in loss_label(names.pop()) if word] if len(names) == 1 else []
    return f"loss ({', '.join(words)})" if words else "loss"


def learning_section(stories: Sequence[RunStory]) -> Section:
    """Show loss and accuracy over steps.

    Args:
        stories: the runs.

    Returns:
        A section; it says so where no metric was recorded.
    """
    kinds: dict[str, tuple[str, tuple[str, ...]]] = {
        "loss": (_loss_unit(stories), ("loss", "train_loss", "test_loss")),
        "accuracy": ("accuracy", ("train_accuracy", "test_accuracy")),
    }
    used = {name for _, names in kinds.values() for name in names} | {"lr"}
    others = [str(n) for s in stories for n in s.run.metrics.data_vars if str(n) not in used]
    kinds |= {name: (name.replace("_", " "), (name,)) for name in dict.fromkeys(others[:4])}
    batches = "Grey: batches before their update, block by block. Others: all samples, after each epoch."
    epochs = "Over all samples, after each epoch; dotted, in the colours of their runs: test samples."
    plots: list[Item] = []
    for kind, (unit, names) in kinds.items():
        drawn = [
            c
            for number, story in enumerate(stories)
            for c in _metric_curves(story, number, len(stories), names)
        ]
        if not drawn:
            continue
        options: dict[str, Any] = {"tickformat": ".0%", "range": [0, 1.02]} if kind == "accuracy" else {}
        title = f"{kind[:1].upper()}{kind[1:].replace('_', ' ')} over time"
        figure = curves.over_steps(drawn, title, unit, **options)
        caption = {
            "loss": batches if len(stories) == 1 else epochs,
            "accuracy": epochs if len(stories) > 1 else "Over all samples, after each epoch.",
        }.get(kind, "As it was recorded.")
        plots.append(Plot(figure, curves.curve_table(drawn, kind), caption, file_stem(kind)))
    if not plots:
        plots = [Prose(("No loss or accuracy was recorded with this run.",))]
    return Section("learning", "Learning", tuple(plots), nav="Learning")


def _metric_curves(story: RunStory, number: int, runs: int, names: Sequence[str]) -> list[Curve]:
    found = []
    for name in names:
        if name not in story.run.metrics:
            continue
        if name == "loss" and runs > 1 and "train_loss" in story.run.metrics:
            continue  # several runs' batches on top of each other show nothing
        known = story.run.metrics[name].dropna("step")
        if not known.size:
            continue
        rows = curves.thinned(known.size) if name != "loss" else np.arange(known.size)
        if name == "loss" and known.size > 2 * 280:
            known = _block_means(known)
            rows = np.arange(known.size)
        label = "batch loss" if name == "loss" else name.replace("_", " ")
        colour = {"loss": 8, "train_loss": 0, "train_accuracy": 0}.get(name, 1) if runs == 1 else number
        found.append(
            Curve(
                story.named(label),
                known["step"].values[rows],
                known.values[rows].astype(np.float64),
                known["epoch"].values[rows].astype(np.float64),
                colour,
                0 if runs == 1 else 2 * name.startswith("test"),
                listed=runs == 1 or not name.startswith("test"),
            )
        )
    return found


def _block_means(values: xr.DataArray) -> xr.DataArray:
    # Thousands of batch losses are a smear; their means over blocks of steps are a curve.
    return values.coarsen(step=int(np.ceil(values.size / 280)), boundary="trim").mean()


def together_section(
    stories: Sequence[RunStory], layers: Sequence[tuple[RunStory, str, xr.DataTree]]
) -> Section:
    """Show all layers over time: in one figure each for a single run, runs beside each other for several.

    Args:
        stories: the runs.
        layers: run, name and node of each layer.

    Returns:
        The section.
    """
    named = [(story.named(name), node) for story, name, node in layers]
    timeline = Plot(
        evolution_phases.phase_timeline(named[:40]),
        evolution_phases.phase_table(named),
        "Which of six phases of self-regularisation each layer is in; the rules are calibrated on random matrices with "
        "known truth. Noise is random-like.",
        "phases",
        wide=True,
    )
    if len(stories) == 1:
        # The largest ones, where there are too many to tell apart.
        large = sorted(range(len(layers)), key=lambda i: -layers[i][2].attrs["cols"])[:_MOST_CURVES]
        chosen = [layers[i] for i in sorted(large)]
        plots = [_number_plot(column, chosen, by_run=False) for column in _NUMBERS]
        lead = (
            ""
            if len(chosen) == len(layers)
            else f"Of {len(layers)} layers the {len(chosen)} largest are drawn."
        )
        return Section(
            "layers-in-time", "Layers in time", (*plots[:2], timeline, *plots[2:]), lead, nav="Layers in time"
        )
    items: list[Item] = []
    names = list(dict.fromkeys(name for _, name, _ in layers))
    for name in names[:6]:
        of = [one for one in layers if one[1] == name][:_MOST_CURVES]
        items += [_number_plot(column, of, by_run=True, layer=name) for column in _COMPARED]
        items.append(_sorted_plot(of, by_run=True, layer=name))
    rest = (
        ""
        if len(names) <= 6
        else f" The first 6 of {len(names)} layers are drawn; the others are in the table."
    )
    return Section(
        "layers-in-time", "Runs compared", (*items, timeline), f"Each layer of all runs in one figure.{rest}"
    )


def _number_plot(
    column: str, layers: Sequence[tuple[RunStory, str, xr.DataTree]], *, by_run: bool, layer: str = ""
) -> Plot:
    heading, unit, caption, stairs = _NUMBERS[column]
    drawn = []
    for number, (story, name, node) in enumerate(layers):
        steps, values, epochs = _series(column, node)
        label = story.label if by_run else story.named(name)
        drawn.append(Curve(label, steps, values, epochs, number))
    limits = {"bulk": (1.0, "95% of noise lies below"), "norm_ratio": (0.0, "constant norm")}
    options: dict[str, Any] = {"rangemode": "tozero"} if column in {"spikes", "bulk", "stable_rank"} else {}
    if column == "norm_ratio":
        options = {"exponentformat": "power", "automargin": True}
    if column == "spikes":
        top = max([1.0, *(float(np.nanmax(c.values)) for c in drawn if np.isfinite(c.values).any())])
        options = {"range": [0, 1.06 * top], "dtick": max(1, round(top / 6))}
    title = f"{plotly_text(layer, 44)}: {heading[:1].lower()}{heading[1:]}" if layer else heading
    figure = curves.over_steps(drawn, title, unit, limit=limits.get(column), stairs=stairs, **options)
    stem = file_stem(f"{column.replace('_', '-')}{'-' if layer else ''}{layer}")
    return Plot(figure, curves.curve_table(drawn, column), caption, stem)


def _sorted_plot(
    layers: Sequence[tuple[RunStory, str, xr.DataTree]], *, by_run: bool, layer: str = ""
) -> Plot:
    shown = sorted_values.ordered_values([(story.label if by_run else "", node) for story, _, node in layers])
    heading = sorted_values.TITLE
    title = f"{plotly_text(layer, 44)}: {heading[:1].lower()}{heading[1:]}" if layer else heading
    return Plot(
        sorted_values.sorted_values(shown, title),
        sorted_values.ordered_table(shown),
        "Dotted: the first recorded step; solid: the last one. A few values far above a "
        "flat rest are spikes; a fall to values near zero is a loss of rank.",
        file_stem(f"sorted-values{'-' if layer else ''}{layer}"),
    )


def _series(column: str, node: xr.DataTree) -> tuple[Any, Any, Any]:
    """Read a number of a layer over steps."""
    every, diagnosis = node["every"].to_dataset(), node["diagnosis"].to_dataset()
    if column in {"spectral_norm", "norm_ratio"}:
        if column == "norm_ratio":
            between = np.maximum(every["steps_between"].values, 1)
            values = every["norm_ratio"].values ** (1.0 / between) - 1.0
        else:
            values = every["spectral_norm"].values
            known = values[np.isfinite(values) & (values > 0)]
            values = values / known[0] if len(known) else values
        rows = curves.thinned(len(values))
        return every["step"].values[rows], values[rows], every["epoch"].values[rows]
    if column == "bulk":
        limit = diagnosis.attrs.get("noise_ks_high")
        values = diagnosis["mp_ks_distance"].values / (limit if limit else np.nan)
    else:
        values = diagnosis[column].values
        if column == "effective_rank":
            values = values / (node.attrs["cols"] * node.attrs["matrices"])
    return diagnosis["step"].values, values, diagnosis["epoch"].values


def main_plots(node: xr.DataTree, stem: str, label: str = "") -> list[Plot]:
    """Draw the two figures that tell the story of one layer.

    Args:
        node: a layer of an evolution.
        stem: start of the names of its files.
        label: whose it is, for the headings; empty where that is said elsewhere.

    Returns:
        Singular values against time with the band of noise, and the density with a slider over steps.
    """
    spikes = node["spikes"].attrs
    heading = f"{plotly_text(label, 44)}: singular values" if label else "Singular values"
    heading += " against time"
    spectra = evolution_density.density_spectra(node)
    return [
        Plot(
            evolution_values.singular_values(node, heading),
            evolution_values.values_table(node),
            "Shaded: where the singular values of noise of this shape and the bulk's variance lie. What rises above "
            "the dashed line is a spike. Spikes are followed by the overlap of their singular vectors with those "
            f"before, never by rank: at least {spikes['minimum_overlap']:g}, where chance gives "
            f"{spikes['chance_overlap']:.2g}. Triangles: births and deaths; crosses: two spikes change places.",
            f"{stem}-singular-values",
            wide=True,
        ),
        Plot(
            evolution_density.density_over_time(node, spectra=spectra),
            evolution_density.density_table(node, spectra),
            "Move the slider through the training. Bars: eigenvalues. Grey: the law of noise fitted to the bulk of "
            "that step. Triangles beyond the dashed threshold are spikes. The axes stay the same.",
            f"{stem}-density",
            wide=True,
        ),
    ]


def layers_section(
    stories: Sequence[RunStory], layers: Sequence[tuple[RunStory, str, xr.DataTree]], table: pd.DataFrame
) -> Section:
    """Show the table of layers, each of which opens with all its figures.

    Args:
        stories: the runs.
        layers: run, name and node of each layer, in the order of the table.
        table: a row per layer.

    Returns:
        The section.
    """
    records = [{str(k): v for k, v in row.items()} for row in table.to_dict(orient="records")]

    def entry(number: int) -> Section:
        story, name, node = layers[number]
        stem = f"{number + 1:03d}-{file_stem(story.named(name))}"
        row = records[number]
        items: list[Item] = []
        if node.attrs.get("story"):
            items.append(Prose((str(node.attrs["story"]),)))
        if row["warnings"]:
            items.append(Prose(tuple(row["warnings"])))
        facts = tuple(number_fact(row, c) for c in row if c not in {"name", "run", "warnings"})
        items.append(Facts("Over the training", facts))
        items += main_plots(node, stem)
        same = [one for one in layers if one[1] == name][:_MOST_CURVES]
        items.append(_sorted_plot(same, by_run=len(stories) > 1))
        items += [_number_plot(column, same, by_run=len(stories) > 1) for column in _NUMBERS]
        events = evolution_values.event_table(node)
        if len(events):
            items.append(Prose((_events_in_words(events),)))
        items += layer_items(story, name, stem)
        return Section(f"m{number}", story.named(name), tuple(items), f"{node.attrs['kind']}")

    order = sorted(range(len(table)), key=lambda i: (-table["births"][i], -table["cols"][i], i))
    essentials = tuple(c for c in ESSENTIALS if c in table)
    deck = Deck([story.named(name) for story, name, _ in layers], entry, 400, 280)
    filters = tuple(c for c in ("run", "phase_last", "kind") if c in table)
    return Section(
        "layers",
        "All layers",
        (DataTable(table, essentials, filters, tuple(order), "layers-over-time"), deck),
        "Click a row, or press Enter on it, for the figures of that layer. Headings sort.",
        nav="All layers",
    )


def _events_in_words(events: pd.DataFrame) -> str:
    listed = []
    for row in events.head(60).itertuples():
        what = f"spike {int(row.track) + 1}"
        if row.kind == "crossing":
            listed.append(f"step {row.step}: {what} above spike {int(row.other) + 1}")
        else:
            listed.append(f"step {row.step}: {row.kind} of {what}")
    more = f"; and {len(events) - 60} more" if len(events) > 60 else ""
    return f"Events: {'; '.join(listed)}{more}."
