"""How few directions carry the network? Accuracy and loss with the first directions of a basis added back (S1 6.2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Int64

from eigentrail.analyses import Context, Figure, Needs, Probed, Quantity, Row, analysis
from eigentrail.analyses.framework.probe import SAMPLES, WHOLE, components_of, own_layers
from eigentrail.analyses.framework.wording import percent
from eigentrail.bases import Basis, random, singular
from eigentrail.errors import DataError
from eigentrail.evaluation import add_back as add_back_of
from eigentrail.evaluation import alike
from eigentrail.figures import add_back as drawn
from eigentrail.figures.loss_labels import part_of
from eigentrail.findings import Chance, Effect, Finding, Verdict

_POINTS = 24
#: The share of the way from zeros to the full network that counts as being back.
BACK = 0.9
_RANDOM = "as many random directions"


def _findings(row: Row) -> Iterable[Finding]:
    full, zeros = row["accuracy_full"], row["accuracy_zeros"]
    if full is None or not full > zeros:
        return
    needed, random_needed, of = row["components_back"], row["random_back"], row["components"]
    if needed is None:
        sentence = f"All {of} principal components bring back less than {BACK:.0%} of the accuracy."
    else:
        beside = f"{random_needed} random ones" if random_needed is not None else f"{of} random ones do not"
        named = "principal component brings" if needed == 1 else "principal components bring"
        sentence = f"{needed} {named} back {BACK:.0%} of the accuracy; it takes {beside}."
        if random_needed is None:
            sentence = f"{needed} {named} back {BACK:.0%} of the accuracy; {of} random directions do not."
    yield Finding(
        subject=row.subject,
        question="Do few principal components carry the accuracy?",
        verdict=Verdict.YES if needed is not None and needed < (random_needed or of + 1) else Verdict.NO,
        sentence=sentence,
        effect=Effect("components for 90% of the accuracy", needed, "count"),
        chance=Chance(_RANDOM, random_needed),
        detail=f"Full accuracy {percent(full)}, {percent(zeros)} with zeros in its place.",
    )


@analysis(
    "add-back",
    question="How few directions carry the network?",
    about="accuracy and loss with the first 0 to n directions of motion, weights and chance; needs network and data",
    version=4,
    unit="probe",
    order=90,
    default=False,
    parallel=False,
    needs=Needs(network=True, data=True),
    findings=_findings,
    source="S1 6.2",
    arguments={"samples": SAMPLES},
    quantities={
        "parameters": Quantity("Parameters", "How many numbers are replaced.", "count"),
        "part": Quantity("Samples", "Which samples the row is about: held-out ones where there are any."),
        "accuracy_full": Quantity("Accuracy", "Accuracy of the network as it is.", "0 to 1", shown=True),
        "accuracy_zeros": Quantity(
            "Accuracy, zeros", "Accuracy with zeros in place of the layer.", "0 to 1", shown=True
        ),
        "guess": Quantity("Largest class", "Share of the largest class: what guessing gives.", "0 to 1"),
        "components": Quantity("Components", "How many principal components there are.", "count", shown=True),
        "components_norm": Quantity(
            "Length that they span",
            "Share of the weights' length that the components span.",
            "0 to 1",
            shown=True,
        ),
        "accuracy_first": Quantity(
            "Accuracy, one", "Accuracy with the first component alone.", "0 to 1", shown=True
        ),
        "accuracy_alike": Quantity(
            "Accuracy, one alike",
            "The same with one random direction that has the first component's overlap with the weights; median of 20.",
            "0 to 1",
            shown=True,
        ),
        "components_back": Quantity(
            "Components needed",
            "How many principal components bring back 90% of the way from zeros to the full accuracy.",
            "count",
            source="S1 6.2",
            shown=True,
            absent="all of them do not, or zeros do as well",
        ),
        "singular_back": Quantity(
            "Singular matrices needed",
            "The same with singular matrices of the last step, largest value first.",
            "count",
            shown=True,
            absent="all of them do not, or zeros do as well; the whole network has none",
        ),
        "random_back": Quantity(
            "Random directions needed",
            "The same with random orthonormal directions.",
            "count",
            shown=True,
            absent="all of them do not, or zeros do as well",
        ),
    },
    figures=(
        Figure(
            "add-back",
            "accuracy with the first k directions",
            "The weights are replaced by their part along the first k directions, largest value first; 0 is a layer of "
            "zeros. Solid: held-out samples, dotted: training samples. Grey: as many random directions.",
            lambda node, title: drawn.add_back_curves(node, str(node.attrs["name"])),
            drawn.add_back_data,
        ),
        Figure(
            "add-back-loss",
            "loss with the first k directions",
            "The loss of the same networks, without a penalty of the weight decay. Solid: held-out samples, dotted: "
            "training samples. It also tells apart networks that classify alike.",
            lambda node, title: drawn.add_back_losses(node, str(node.attrs["name"])),
            drawn.add_back_data,
        ),
    ),
)
def add_back(subject: Probed, context: Context) -> xr.DataTree:
    """Add directions back to a layer, or to the whole network; the other layers stay as they are.

    Args:
        subject: the layer, with network and samples.
        context: the seed of the random directions.

    Returns:
        The children `components` (principal components of the weights over steps, largest variance first), `singular`
        (singular matrices at the last step) and `random` (as many random orthonormal directions as components: chance),
        each with `loss` and `accuracy` over [part, k] and `norm` over [k], the share of the weights' length that is
        back. The whole network has no singular matrices. Attributes: the table's numbers, and by part
        `accuracies_full`, `accuracies_zeros`, `loss_full` and `loss_zeros`.

    Raises:
        DataError: the targets are no class numbers.
    """
    probe, run, layer = subject.probe, context.run, subject.name
    parts, model = probe.parts, probe.model
    if any(targets.is_floating_point() for _, targets in parts.values()):
        raise DataError("what is back is judged by the accuracy, and these targets are no class numbers [n]")
    components = components_of(run, layer).basis
    bases: dict[str, Basis] = {"components": components}
    if layer != WHOLE:
        last = run[layer][-1].values
        bases["singular"] = singular(last.reshape(len(last), -1))
    bases["random"] = random(components.n, components.k, context.seed)
    names = own_layers(run, layer)
    nodes: dict[str, xr.Dataset] = {}
    about: dict[str, Any] = {"parts": list(parts), "parameters": components.n, "loss_name": probe.loss_name}
    for kind, basis in bases.items():
        counts = spread_counts(basis.k)
        found = [
            add_back_of(model, data, basis, names, counts=counts.tolist(), loss=probe.loss)
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
    for name, what in (("accuracies", "accuracy"), ("loss", "loss")):
        about[f"{name}_full"] = [one.attrs[f"{what}_full"] for one in found]
        about[f"{name}_zeros"] = [float(one[what][0]) for one in found]
    first = np.asarray(components.leading(1).directions())[0]
    about["accuracies_alike"] = [
        float(np.median(alike(model, data, first, names, seed=context.seed, loss=probe.loss)))
        for data in parts.values()
    ]
    about["guesses"] = [
        float(targets.flatten().bincount().max()) / targets.numel() for _, targets in parts.values()
    ]
    tree = xr.DataTree.from_dict(nodes)
    tree.attrs = about
    tree.attrs.update(_numbers(tree))
    return tree


def _numbers(node: xr.DataTree) -> dict[str, Any]:
    place = len(node.attrs["parts"]) - 1
    curve = part_of(node, "components")
    return {
        "part": node.attrs["parts"][place],
        "accuracy_full": node.attrs["accuracies_full"][place],
        "accuracy_zeros": node.attrs["accuracies_zeros"][place],
        "guess": node.attrs["guesses"][place],
        "components": int(curve["k"].values[-1]),
        "components_norm": float(curve["norm"].values[-1]),
        "accuracy_first": float(curve["accuracy"].values[place, 1]),
        "accuracy_alike": node.attrs["accuracies_alike"][place],
        "components_back": needed(node, "components"),
        "singular_back": needed(node, "singular"),
        "random_back": needed(node, "random"),
    }


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
    zeros, full = node.attrs["accuracies_zeros"][place], node.attrs["accuracies_full"][place]
    if not full > zeros:
        return None
    part = part_of(node, kind)
    curve = part["accuracy"].values[place]
    reached = np.flatnonzero(curve >= zeros + share * (full - zeros) - 1e-12)
    return int(part["k"].values[reached[0]]) if len(reached) else None
