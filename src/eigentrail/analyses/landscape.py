"""The loss where the weights went: along the principal components of their motion and over their plane (S1 6.3)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr
from jaxtyping import Float64

from eigentrail.analyses import Context, Figure, Needs, Probed, Quantity, Row, analysis
from eigentrail.analyses.framework.probe import (
    SAMPLES,
    WHOLE,
    Probe,
    components_of,
    own_layers,
    trajectory_of,
)
from eigentrail.bases import random
from eigentrail.evaluation import landscape as landscape_of
from eigentrail.figures import landscape as drawn
from eigentrail.figures.loss_labels import loss_label_of
from eigentrail.findings import Chance, Effect, Finding, Verdict
from eigentrail.trajectories.geodesic import thinned

_DIRECTIONS = 3
_POINTS = 41
_GRID = 15
_BEYOND = 1.25
_WIDE = 0.25
_PATH = 400


def _findings(row: Row) -> Iterable[Finding]:
    change = f"a random direction changes it by {row['random_change']:.2g}"
    where = f"{row['lowest']:.2g} away from the last weights, rising {row['rise']:.2g}"
    yes = f"The loss has a well along component 1 {where}; "
    no = f"Along component 1 the loss has no well within {row['reach']:.2g} of the last weights; "
    yield Finding(
        subject=row.subject,
        question="Does the loss have a well along the motion?",
        verdict=Verdict.YES if row["well"] else Verdict.NO,
        sentence=(yes if row["well"] else no) + f"{change}.",
        effect=Effect("rise of the loss along component 1", row["rise"], "loss"),
        chance=Chance("a random direction", row["random_change"], 1),
    )


def _lines_caption(node: xr.DataTree) -> str:
    loss = loss_label_of(node)[0]
    penalty = (
        f"the loss is the {loss} of training samples with the penalty of the weight decay, what the training lowers"
        if drawn.has_penalty(node)
        else f"the loss is the {loss} of training samples; the training has no weight decay"
    )
    return (
        f"{_moved(node)}; {penalty}. Shaded: where the training came from along component 1. A well is a loss that "
        "rises "
        "on both sides; along the random direction it does what chance does."
    )


def _plane_caption(node: xr.DataTree) -> str:
    loss = loss_label_of(node)[0]
    without = ", without the penalty of the weight decay" if drawn.has_penalty(node) else ""
    return (
        f"{_moved(node)}; the loss is the {loss} of training samples{without}. The trajectory is projected onto the "
        "plane, so it had other losses."
    )


def _moved(node: xr.DataTree) -> str:
    if node.attrs["name"] == WHOLE:
        return "The weights of the whole network are moved together"
    return "Only this layer's weights are moved, all others stay at their last values"


@analysis(
    "landscape",
    question="The loss where the weights went",
    about="loss along the leading components of the motion and over their plane; needs network and data",
    version=3,
    unit="probe",
    order=100,
    default=False,
    parallel=False,
    needs=Needs(network=True, data=True),
    findings=_findings,
    source="S1 6.3",
    arguments={"samples": SAMPLES},
    quantities={
        "loss": Quantity(
            "Loss", "Loss at the last weights, with the penalty of the weight decay.", "loss", shown=True
        ),
        "norm": Quantity("Length", "Euclidean norm of the last weights.", shown=True),
        "reach": Quantity(
            "Reach", "How far from the last weights the loss is evaluated.", "weights", shown=True
        ),
        "lowest": Quantity(
            "Lowest at", "Where along the first component the loss is lowest.", "weights", shown=True
        ),
        "rise": Quantity("Rise", "How much the loss rises from there at the lower end.", "loss", shown=True),
        "random_change": Quantity(
            "Change along a random direction",
            "Difference of the largest and the smallest loss along a random direction as far.",
            "loss",
            shown=True,
        ),
        "well": Quantity("Well", "Whether the loss is lowest inside, with both ends clearly above."),
    },
    figures=(
        Figure(
            "landscape",
            "loss along the motion",
            _lines_caption,
            lambda node, title: drawn.loss_lines(node, str(node.attrs["name"])),
            drawn.lines_data,
        ),
        Figure(
            "plane",
            "loss over the plane of the motion",
            _plane_caption,
            lambda node, title: drawn.loss_plane(node, str(node.attrs["name"])),
            drawn.plane_data,
            when=lambda node: "plane" in node.children,
        ),
    ),
)
def landscape(subject: Probed, context: Context) -> xr.DataTree:
    """Evaluate the loss around the last weights, along principal components of the trajectory and a random direction.

    Args:
        subject: the layer, with network and samples.
        context: the seed of the random direction.

    Returns:
        The children `lines`: `loss`, `accuracy` and `total` (the loss that the training lowers, with the penalty of its
        weight decay) over [direction, offset], the first components and "random", a random direction of the layer:
        chance; `plane`: `loss` and `accuracy` over [x, y], offsets along the first two components, where there are two;
        and `path`: `x` and `y` over [step], the trajectory in these coordinates. All offsets are distances from the
        last weights; they reach a quarter beyond the trajectory, along the lines at least a quarter of the weights'
        length.
    """
    probe, run, layer = subject.probe, context.run, subject.name
    components = components_of(run, layer, _DIRECTIONS)
    rows = np.asarray(components.basis.directions())
    scores = components.scores.values - components.scores.values[-1]
    reach = _BEYOND * float(np.abs(scores[:, :2]).max())
    last = np.asarray(trajectory_of(run, layer)[-1].values, dtype=np.float64)
    norm = float(np.linalg.norm(last))
    # A short stretch of a training says little about the shape of the loss: look as far as the weights are long.
    wide = max(reach, _WIDE * norm)
    names = own_layers(run, layer)
    train = probe.parts["train"]
    offsets = np.linspace(-wide, wide, _POINTS)
    directions = [*rows, np.asarray(random(rows.shape[1], 1, context.seed).directions())[0]]
    lines = [landscape_of(probe.model, probe.loss, train, one, names, offsets=offsets) for one in directions]
    total = np.stack([line["loss"].values + _penalty(probe, line, offsets) for line in lines])
    labels = [*(f"component {i + 1}" for i in range(len(rows))), "random"]
    nodes = {
        "/lines": xr.Dataset(
            {
                what: (("direction", "offset"), np.stack([line[what].values for line in lines]))
                for what in ("loss", "accuracy")
            }
            | {"total": (("direction", "offset"), total)},
            coords={"direction": labels, "offset": offsets},
        )
    }
    kept = thinned(len(scores), _PATH)
    path = {"x": ("step", scores[kept, 0])}
    if len(rows) > 1:
        path["y"] = ("step", scores[kept, 1])
        nodes["/plane"] = landscape_of(
            probe.model, probe.loss, train, rows[:2], names, offsets=np.linspace(-reach, reach, _GRID)
        ).drop_attrs()
    nodes["/path"] = xr.Dataset(path, coords={"step": components.scores["step"].values[kept]})
    lowest, rise, is_well = well(offsets, total[0])
    tree = xr.DataTree.from_dict(nodes)
    tree.attrs = {
        "norm": norm,
        "reach": wide,
        "parameters": rows.shape[1],
        "loss_name": probe.loss_name,
        "loss": float(total[0, len(offsets) // 2]),
        "lowest": lowest,
        "rise": rise,
        "random_change": float(np.ptp(total[-1])),
        "well": int(is_well),
    }
    return tree


def _penalty(probe: Probe, line: xr.Dataset, offsets: Float64[np.ndarray, " x"]) -> Float64[np.ndarray, " x"]:
    """Compute weight_decay ||w + x d||^2 / 2 of the whole network."""
    square = sum(float((p.detach().double() ** 2).sum()) for p in probe.model.parameters())
    [along] = line.attrs["coordinates"]
    return np.asarray(probe.weight_decay / 2.0 * (square + 2.0 * offsets * along + offsets**2))


def well(x: Float64[np.ndarray, " x"], loss: Float64[np.ndarray, " x"]) -> tuple[float, float, bool]:
    """Describe the loss along a direction.

    Args:
        x: offsets, ascending, 0 among them.
        loss: the loss at each.

    Returns:
        The offset where the loss is lowest, the smaller of the two rises from there to the ends, and whether it is a
        well: lowest inside, with the loss at both ends above it by a hundredth of its range or more.
    """
    low = int(np.argmin(loss))
    rise = float(min(loss[0], loss[-1]) - loss[low])
    return float(x[low]), rise, 0 < low < len(x) - 1 and rise > 0.01 * float(np.ptp(loss))
