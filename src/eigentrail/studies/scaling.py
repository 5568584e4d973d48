"""The analysis `loss-scaling`: the loss of scaled weights, exponential or quadratic (S1 6.5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eigentrail._progress import Progress
from eigentrail.evaluation import LossScaling, loss_scaling
from eigentrail.figures.loss_words import loss_told
from eigentrail.runs import Run
from eigentrail.studies.layerwise import layer_by_layer
from eigentrail.studies.probing import SAMPLES, Probe, own_layers, probed_layers

NAME = "loss-scaling"
VERSION = 1
_CURVES = ("loss", "with decay")


def loss_scaling_analysis(
    run: Run,
    *,
    layers: str | list[str] | None = None,
    jobs: int = 1,
    progress: Progress | bool | None = None,
    samples: int = SAMPLES,
) -> xr.DataTree:
    """Scale the weights of each layer in turn, and of the whole network, by 1 to 2.

    Args:
        run: the run; its network and training samples are built again.
        layers: globs over parameter names; None for all weights and the whole network.
        jobs: not used: the candidates are evaluated in batches.
        progress: as everywhere.
        samples: at most how many training samples are evaluated.

    Returns:
        A node per layer with `loss` over [curve, alpha], the loss without a penalty and that which the training lowers,
        with the penalty of its weight decay added; `accuracy` over [alpha]; and over [curve] `rate` of the fit
        c exp(-rate alpha) to log L, `curvature` of the fit a + b alpha^2 to L, `exponential_loss_r2` and
        `quadratic_r2`, both shares of the variance of L, and `form`, the better one.
        Attribute `weight_decay`, torch's.
    """
    del jobs
    probe = Probe(run, samples)

    def one(of: Run, layer: str) -> xr.Dataset:
        found = [
            loss_scaling(
                probe.model, probe.parts["train"], own_layers(of, layer), loss=probe.loss, weight_decay=decay
            )
            for decay in (0.0, probe.weight_decay)
        ]
        return _dataset(found, probe)

    return layer_by_layer(
        run,
        NAME,
        one,
        layers=probed_layers(run, layers),
        arguments={"samples": samples},
        version=VERSION,
        progress=progress,
    )


def _dataset(found: list[LossScaling], probe: Probe) -> xr.Dataset:
    numbers = ("rate", "exponential_loss_r2", "curvature", "quadratic_r2")
    data: dict[str, Any] = {
        name: ("curve", np.array([getattr(one, name) for one in found])) for name in numbers
    }
    data["form"] = ("curve", np.array([one.form for one in found]))
    data["loss"] = (("curve", "alpha"), np.stack([one.curve["loss"].values for one in found]))
    data["accuracy"] = ("alpha", found[0].curve["accuracy"].values)
    coords = {"curve": list(_CURVES), "alpha": found[0].curve["alpha"].values}
    return xr.Dataset(
        data, coords=coords, attrs={"weight_decay": probe.weight_decay, "loss_name": probe.loss_name}
    )


def loss_scaling_table(tree: xr.DataTree) -> pd.DataFrame:
    """Sum the scalings up.

    Args:
        tree: what `loss_scaling_analysis` gave.

    Returns:
        A row per layer: `name`, `loss_name`, `loss` and `accuracy` as they are, `loss_twice` at twice the weights; of
        that loss `form`, `rate`, `exponential_r2`, `quadratic_r2`; `weight_decay`, and with its penalty
        `total_form`, `total_exponential_r2`, `total_quadratic_r2`; `verdict`.
    """
    rows = []
    for child in tree.children.values():
        node = child.to_dataset()
        loss = node["loss"].values
        row: dict[str, Any] = {
            "name": child.attrs["name"],
            "loss_name": loss_told(child)[0],
            "loss": float(loss[0, 0]),
            "accuracy": float(node["accuracy"].values[0]),
            "loss_twice": float(loss[0, -1]),
        }
        for place, prefix in enumerate(("", "total_")):
            if prefix:
                row["weight_decay"] = float(child.attrs["weight_decay"])
            row[f"{prefix}form"] = str(node["form"].values[place])
            if not prefix:
                row["rate"] = float(node["rate"].values[place])
            row[f"{prefix}exponential_r2"] = float(node["exponential_loss_r2"].values[place])
            row[f"{prefix}quadratic_r2"] = float(node["quadratic_r2"].values[place])
        rows.append({**row, "verdict": _verdict(row)})
    columns = [
        "name", "loss_name", "loss", "accuracy", "loss_twice", "form", "rate", "exponential_r2", "quadratic_r2",
        "weight_decay",
        "total_form", "total_exponential_r2", "total_quadratic_r2", "verdict",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _verdict(row: dict[str, Any]) -> str:
    falls = row["loss_twice"] < row["loss"]
    text = (
        f"At twice the weights the {row['loss_name']} {'falls' if falls else 'rises'} from {row['loss']:.3g} to "
        f"{row['loss_twice']:.3g}; the better fit is {row['form']} (R² {row['exponential_r2']:.3f} exponential, "
        f"{row['quadratic_r2']:.3f} quadratic)"
    )
    if row["weight_decay"]:
        text += (
            f"; with the penalty of weight decay {row['weight_decay']:g} the loss is {row['total_form']} "
            f"(R² {row['total_exponential_r2']:.3f} exponential, {row['total_quadratic_r2']:.3f} quadratic)"
        )
    return f"{text}."
