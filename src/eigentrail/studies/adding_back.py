"""The analysis `add-back`: how much of the accuracy comes back with the first directions of a basis (S1 6.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Int64

from eigentrail._progress import Progress
from eigentrail.bases import Basis, random, singular
from eigentrail.evaluation import add_back
from eigentrail.figures.loss_words import part_of
from eigentrail.runs import Run
from eigentrail.studies.layerwise import layer_by_layer
from eigentrail.studies.probing import SAMPLES, WHOLE, Probe, components_of, own_layers, probed_layers

NAME = "add-back"
VERSION = 2
_POINTS = 24
#: The share of the way from zeros to the full network that counts as being back.
BACK = 0.9


def add_back_analysis(
    run: Run,
    *,
    layers: str | list[str] | None = None,
    jobs: int = 1,
    progress: Progress | bool | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
) -> xr.DataTree:
    """Add directions back to each layer in turn, and to the whole network; the other layers stay as they are.

    Args:
        run: the run; its network and samples are built again.
        layers: globs over parameter names; None for all weights and the whole network.
        jobs: not used: the candidates are evaluated in batches.
        progress: as everywhere.
        samples: at most how many training and how many held-out samples are evaluated.
        seed: of the random directions.

    Returns:
        A node per layer with children `components` (principal components of the weights over steps, largest variance
        first), `singular` (singular matrices at the last step) and `random` (as many random orthonormal directions as
        components: chance), each with `loss` and `accuracy` over [part, k] and `norm` over [k], the share of the
        weights' length that is back. The whole network has no singular matrices. Attributes: `accuracy_full`,
        `accuracy_zeros`, `loss_full` and `loss_zeros` by part, `guess`, the share of the largest class.
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
    parts, model = probe.parts, probe.model
    components = components_of(run, layer).basis
    bases: dict[str, Basis] = {"components": components}
    if layer != WHOLE:
        last = run[layer][-1].values
        bases["singular"] = singular(last.reshape(len(last), -1))
    bases["random"] = random(components.n, components.k, seed)
    names = own_layers(run, layer)
    nodes: dict[str, xr.Dataset] = {}
    attrs: dict[str, Any] = {"parts": list(parts), "parameters": components.n, "loss_name": probe.loss_name}
    for kind, basis in bases.items():
        counts = spread_counts(basis.k)
        found = [
            add_back(model, data, basis, names, counts=counts.tolist(), loss=probe.loss)
            for data in parts.values()
        ]
        nodes[f"/{kind}"] = xr.Dataset(
            {
                "loss": (("part", "k"), np.stack([one["loss"].values for one in found])),
                "accuracy": (("part", "k"), np.stack([one["accuracy"].values for one in found])),
                "norm": ("k", found[0]["norm"].values),
            },
            coords={"part": list(parts), "k": counts},
        )
    for what in ("loss", "accuracy"):
        attrs[f"{what}_full"] = [one.attrs[f"{what}_full"] for one in found]
        attrs[f"{what}_zeros"] = [float(one[what][0]) for one in found]
    attrs["guess"] = [float(targets.bincount().max()) / len(targets) for _, targets in parts.values()]
    tree = xr.DataTree.from_dict(nodes)
    tree.attrs = attrs
    return tree


def spread_counts(k: int, points: int = _POINTS) -> Int64[np.ndarray, " c"]:
    """Choose numbers of directions from 0 to k, log-spaced.

    Args:
        k: how many directions there are.
        points: about how many numbers are chosen.

    Returns:
        Ascending; 0, 1 and k are among them.
    """
    spaced = np.geomspace(1, k, points) if k > 1 else np.ones(1)
    return np.unique(np.concatenate([[0], np.round(spaced)]).astype(np.int64))


def needed(node: xr.DataTree, kind: str, share: float = BACK) -> int | None:
    """Find with how many directions the accuracy is back.

    Args:
        node: a layer of the analysis.
        kind: "components", "singular" or "random".
        share: of the way from the accuracy with zeros to that of the full network, on held-out samples where there
            are any.

    Returns:
        The smallest evaluated number; None where it is not reached, or where zeros do as well as the layer.
    """
    if kind not in node.children:
        return None
    place = len(node.attrs["parts"]) - 1
    zeros, full = node.attrs["accuracy_zeros"][place], node.attrs["accuracy_full"][place]
    if not full > zeros:
        return None
    part = part_of(node, kind)
    curve = part["accuracy"].values[place]
    reached = np.flatnonzero(curve >= zeros + share * (full - zeros) - 1e-12)
    return int(part["k"].values[reached[0]]) if len(reached) else None


def add_back_table(tree: xr.DataTree) -> pd.DataFrame:
    """Sum the curves up.

    Args:
        tree: what `add_back_analysis` gave.

    Returns:
        A row per layer: `name`, `parameters`, `part` (of the samples that the row is about), `accuracy_full`,
        `accuracy_zeros`, `guess`; `components`, how many there are, `components_norm`, the share of the weights'
        length that they span, `accuracy_first`, with the first one alone; `components_back`, `singular_back` and
        `random_back`, the numbers of directions that bring back 90% of the way from zeros; `verdict`.
    """
    rows = []
    for node in tree.children.values():
        place = len(node.attrs["parts"]) - 1
        curve = part_of(node, "components")
        row: dict[str, Any] = {
            "name": node.attrs["name"],
            "parameters": int(node.attrs["parameters"]),
            "part": node.attrs["parts"][place],
            "accuracy_full": node.attrs["accuracy_full"][place],
            "accuracy_zeros": node.attrs["accuracy_zeros"][place],
            "guess": node.attrs["guess"][place],
            "components": int(curve["k"].values[-1]),
            "components_norm": float(curve["norm"].values[-1]),
            "accuracy_first": float(curve["accuracy"].values[place, 1]),
            "components_back": needed(node, "components"),
            "singular_back": needed(node, "singular"),
            "random_back": needed(node, "random"),
        }
        rows.append({**row, "verdict": _verdict(row, "singular" in node.children)})
    columns = [
        "name", "parameters", "part", "accuracy_full", "accuracy_zeros", "guess", "components", "components_norm",
        "accuracy_first", "components_back", "singular_back", "random_back", "verdict",
    ]  # fmt: skip
    # Counts stay whole numbers beside those that are missing.
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in columns})


def _verdict(row: dict[str, Any], has_singular: bool) -> str:
    full, zeros = row["accuracy_full"], row["accuracy_zeros"]
    about = f"full accuracy {full:.1%}, {zeros:.1%} with zeros in its place"
    if not full > zeros:
        return f"Adding back tells nothing here: {about}."

    def said(kind: str, one: str, many: str) -> str:
        count = row[f"{kind}_back"]
        if count is None:
            return f"not by all {k} {many}"
        return f"by {count} {one if count == 1 else many}"

    k = row["components"]
    told = [said("components", "principal component", "principal components")]
    if has_singular:
        told.append(said("singular", "singular matrix", "singular matrices"))
    told.append(said("random", "random direction", "random directions"))
    span = "the one component spans" if k == 1 else f"the {k} components span"
    spanned = f"{span} {row['components_norm']:.0%} of the weights' length"
    return f"90% of the way back is reached {', '.join(told)} ({about}; {spanned})."
