"""How collapsed are the features of each layer, and does collapse grow over the training?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail.analyses import Context, Figure, Needs, Probed, Quantity, Row, Size, analysis
from eigentrail.analyses.framework.probe import Probe
from eigentrail.analyses.framework.subjects import WHOLE, Subject
from eigentrail.features.over_steps import collapse_over_steps
from eigentrail.figures import style
from eigentrail.figures.evolution import Curve, over_steps
from eigentrail.findings import Effect, Finding, Skipped, Verdict
from eigentrail.runs import Run

_SAMPLES = 2000
_PARTS = ("train", "held-out")


def _network(
    run: Run, layers: str | Sequence[str] | None, probe: Probe, arguments: Mapping[str, Any]
) -> tuple[list[Subject], list[Skipped]]:
    del layers, arguments  # the layers are those of the network's modules
    size = Size(len(run.steps), sum(int(np.prod(info.shape)) for info in run.layers.values()))
    return [Subject(WHOLE, size, partial(Probed, WHOLE, probe))], []


def _findings(row: Row) -> Iterable[Finding]:
    first, last = row["nc1_first"], row["nc1"]
    if first is None or last is None:
        return
    falls = last < first
    way = f"{'falls' if falls else 'rises'} from {first:.3g} to {last:.3g}"
    if abs(last - first) <= 0.01 * first:
        way = f"stays at {last:.3g}"
    yield Finding(
        subject=str(row.case["layer"]),
        question="Do the features collapse over the training?",
        verdict=Verdict.YES if falls else Verdict.NO,
        sentence=f"Scatter within classes over that between them (NC1) {way} on training samples"
        + (f"; {row['nc1_held_out']:.3g} on held-out ones." if row["nc1_held_out"] is not None else "."),
        effect=Effect("NC1 at the last step", last),
        detail="No null: one training; the recipe `collapse` asks over seeds.",
    )


def _over_time(node: xr.DataTree, title: str) -> go.Figure:
    data = node["over_steps"].to_dataset()
    curves = []
    for number, layer in enumerate(data["layer"].values):
        for dash, part in enumerate(part for part in _PARTS if part in data["part"].values):
            values = data["nc1"].sel(layer=layer, part=part).values
            label = f"{layer}" if dash == 0 else f"{layer}, held out"
            curves.append(
                Curve(
                    label,
                    data["step"].values,
                    values,
                    data["epoch"].values,
                    number,
                    2 * dash,
                    listed=dash == 0,
                )
            )
    figure = over_steps(curves, title, "NC1")
    figure.update_yaxes(type="log")
    return figure


def _by_depth(node: xr.DataTree, title: str) -> go.Figure:
    data = node["over_steps"].to_dataset().isel(step=-1)
    layers = [str(layer) for layer in data["layer"].values]
    traces = [
        style.line(layers, data["d"].sel(part=part).values, part, colour, mode="lines+markers")
        for part, colour in zip(_PARTS, (style.DATA, style.OTHER), strict=True)
        if part in data["part"].values
    ]
    return style.build(
        traces, title=title, xaxis=style.axis("layer"), yaxis=style.axis("D = tr S_W / tr S_B", type="log")
    )


def _rows(node: xr.DataTree) -> pd.DataFrame:
    data = node["over_steps"].to_dataset()
    return data[["nc1", "d"]].to_dataframe().reset_index()


@analysis(
    "collapse",
    question="How collapsed are the features of each layer?",
    about="neural collapse and class separation by layer over the training; needs network and data",
    version=1,
    unit="probe",
    order=120,
    rows=("layer",),
    default=False,
    parallel=False,
    subjects=_network,
    needs=Needs(network=True, data=True),
    findings=_findings,
    source="S3 part 3",
    arguments={"samples": _SAMPLES},
    quantities={
        "features": Quantity("Features", "Width of the layer's features.", "count"),
        "nc1_first": Quantity("NC1, first", "NC1 of the training samples at the first step.", shown=True),
        "nc1": Quantity(
            "NC1",
            "Within-class over between-class variability, tr(S_W pinv(S_B)) / K, of the training samples at the "
            "last step.",
            source="Papyan, Han & Donoho 2020",
            shown=True,
            chance="0 by construction for square orthogonal inputs; then only D informs.",
        ),
        "nc1_held_out": Quantity(
            "NC1, held out",
            "The same of held-out samples.",
            shown=True,
            absent="the run names no held-out samples",
        ),
        "cdnv": Quantity(
            "CDNV", "Class-distance normalised variance of the training samples.", source="Galanti 2022"
        ),
        "d": Quantity(
            "D", "tr S_W / tr S_B of the training samples at the last step.", source="S3", shown=True
        ),
    },
    figures=(
        Figure(
            "collapse",
            "NC1 over the training",
            "Solid: training samples; dotted: held-out ones. Small is collapsed: samples of a class have the same "
            "features.",
            _over_time,
            _rows,
            wide=True,
        ),
        Figure(
            "separation",
            "separation by depth",
            "Within-class over between-class variability at the last step; the law of separation is a straight line.",
            _by_depth,
            _rows,
        ),
    ),
)
def collapse(subject: Probed, context: Context) -> xr.DataTree:
    """Measure the collapse of each layer of a classifier at up to 12 steps of its training.

    Args:
        subject: the network with its samples.
        context: seed and number of samples.

    Returns:
        The child `over_steps`, see `eigentrail.features.over_steps.collapse_over_steps`; the table's numbers [layer].
    """
    found = collapse_over_steps(
        context.run, samples=int(context.arguments["samples"]), model=subject.probe.model, seed=context.seed
    )
    parts = [str(part) for part in found["part"].values]
    last, first = found.isel(step=-1), found.isel(step=0)
    missing = np.full(found.sizes["layer"], np.nan)
    numbers = xr.Dataset(
        {
            "features": ("layer", np.asarray(found["features"].values, dtype=np.float64)),
            "nc1_first": ("layer", first["nc1_over_k"].sel(part="train").values),
            "nc1": ("layer", last["nc1_over_k"].sel(part="train").values),
            "nc1_held_out": (
                "layer",
                last["nc1_over_k"].sel(part="held-out").values if "held-out" in parts else missing,
            ),
            "cdnv": ("layer", last["cdnv"].sel(part="train").values),
            "d": ("layer", last["d"].sel(part="train").values),
        },
        {"layer": found["layer"].values},
    )
    tree = xr.DataTree.from_dict({"/": numbers, "/over_steps": found.drop_vars("features")})
    tree.attrs = {"n": int(sum(np.prod(info.shape) for info in context.run.layers.values()))}
    return tree
