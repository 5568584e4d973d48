"""The analysis `landscape`: loss and accuracy along the directions in which the weights moved (S1 6.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float64

from eigentrail._progress import Progress
from eigentrail.bases import random
from eigentrail.evaluation import landscape
from eigentrail.figures.loss_words import part_of
from eigentrail.runs import Run
from eigentrail.studies.layerwise import layer_by_layer
from eigentrail.studies.probing import SAMPLES, Probe, components_of, own_layers, probed_layers, trajectory_of
from eigentrail.trajectories.geodesic import thinned

NAME = "landscape"
VERSION = 2
_DIRECTIONS = 3
_POINTS = 41
_GRID = 15
_BEYOND = 1.25
_WIDE = 0.25
_PATH = 400


def landscape_analysis(
    run: Run,
    *,
    layers: str | list[str] | None = None,
    jobs: int = 1,
    progress: Progress | bool | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
) -> xr.DataTree:
    """Evaluate the loss around the last weights, along principal components of the trajectory and a random direction.

    Args:
        run: the run; its network and training samples are built again.
        layers: globs over parameter names; None for all weights and the whole network.
        jobs: not used: the candidates are evaluated in batches.
        progress: as everywhere.
        samples: at most how many training samples are evaluated.
        seed: of the random direction.

    Returns:
        A node per layer with children `lines`: `loss`, `accuracy` and `total` (the loss that the training lowers, with
        the penalty of its weight decay) over [direction, offset], the first components and "random", a random direction
        of the layer: chance; `plane`: `loss` and `accuracy` over [x, y], offsets along the first two components, where
        there are two; and `path`: `x` and `y` over [step], the trajectory in these coordinates. All offsets are
        distances from the last weights; they reach a quarter beyond the trajectory, along the lines at least a quarter
        of the weights' length.
        Attribute `norm`: the length of the last weights.
    """
    del jobs
    probe = Probe(run, samples)

    def one(of: Run, layer: str) -> xr.DataTree:
        return _one(probe, of, layer, seed)

    return layer_by_layer(
        run,
        NAME,
        one,
        layers=probed_layers(run, layers),
        arguments={"samples": samples, "seed": seed},
        version=VERSION,
        progress=progress,
    )


def _one(probe: Probe, run: Run, layer: str, seed: int) -> xr.DataTree:
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
    directions = [*rows, np.asarray(random(rows.shape[1], 1, seed).directions())[0]]
    lines = [landscape(probe.model, probe.loss, train, one, names, offsets=offsets) for one in directions]
    penalties = [_penalty(probe, line, offsets) for line in lines]
    labels = [*(f"component {i + 1}" for i in range(len(rows))), "random"]
    nodes = {
        "/lines": xr.Dataset(
            {
                what: (("direction", "offset"), np.stack([line[what].values for line in lines]))
                for what in ("loss", "accuracy")
            }
            | {
                "total": (
                    ("direction", "offset"),
                    np.stack(
                        [line["loss"].values + more for line, more in zip(lines, penalties, strict=True)]
                    ),
                )
            },
            coords={"direction": labels, "offset": offsets},
        )
    }
    kept = thinned(len(scores), _PATH)
    path = {"x": ("step", scores[kept, 0])}
    if len(rows) > 1:
        path["y"] = ("step", scores[kept, 1])
        nodes["/plane"] = landscape(
            probe.model, probe.loss, train, rows[:2], names, offsets=np.linspace(-reach, reach, _GRID)
        ).drop_attrs()
    nodes["/path"] = xr.Dataset(path, coords={"step": components.scores["step"].values[kept]})
    tree = xr.DataTree.from_dict(nodes)
    tree.attrs = {
        "norm": norm,
        "reach": wide,
        "parameters": rows.shape[1],
        "loss_name": probe.loss_name,
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


def landscape_table(tree: xr.DataTree) -> pd.DataFrame:
    """Sum the landscapes up.

    Args:
        tree: what `landscape_analysis` gave.

    Returns:
        A row per layer: `name`, `loss` at the last weights, with the penalty of the weight decay as
        everywhere here, `reach`, how far from them the loss was evaluated, `norm`,
        the weights' length; `lowest`, where along the first component the loss is lowest, `rise`, how much it rises
        from there at the lower end, `random_change`, between the largest and the smallest loss along a random
        direction, `well`, whether it is one; `verdict`.
    """
    rows = []
    for node in tree.children.values():
        lines = part_of(node, "lines")
        x, loss = lines["offset"].values, lines["total"].values
        lowest, rise, is_well = well(x, loss[0])
        row: dict[str, Any] = {
            "name": node.attrs["name"],
            "loss": float(loss[0, len(x) // 2]),
            "norm": float(node.attrs["norm"]),
            "reach": float(node.attrs["reach"]),
            "lowest": lowest,
            "rise": rise,
            "random_change": float(np.ptp(loss[-1])),
            "well": is_well,
        }
        penalised = bool((lines["total"] != lines["loss"]).any())
        rows.append({**row, "verdict": _verdict(row, penalised)})
    columns = ["name", "loss", "norm", "reach", "lowest", "rise", "random_change", "well", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _verdict(row: dict[str, Any], penalised: bool) -> str:
    what = "loss with the penalty of the weight decay" if penalised else "loss"
    beside = f"along a random direction it changes by {row['random_change']:.3g}"
    if not row["well"]:
        return (
            f"Along the first component the {what}, {row['loss']:.3g}, has no well within {row['reach']:.3g} of the "
            f"last weights: it is lowest at {row['lowest']:.3g}; {beside}."
        )
    share = abs(row["lowest"]) / row["reach"]
    return (
        f"Along the first component the {what} has a well, lowest {row['lowest']:.3g} from the last weights "
        f"({share:.0%} of the way that was looked at), and rises by {row['rise']:.3g}; {beside}."
    )
