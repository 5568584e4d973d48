"""VeRA: two random projections that all layers share, and two vectors of scales that each layer trains.

PEFT keeps one `vera_A` [r, inputs] and one `vera_B` [outputs, r], of the largest sides of all adapted layers, and per
layer `vera_lambda_d` [r] and `vera_lambda_b` [outputs]. The update is diag(lambda_b) B diag(lambda_d) A with as many
rows of B and columns of A as the layer has outputs and inputs (Kopiczko, Blankevoort & Asano 2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from eigentrail.weights.factored import FactoredMatrix
from eigentrail.weights.store import TensorEntry
from eigentrail.weights.view import Context, MatrixSpec, Read

if TYPE_CHECKING:
    from torch import Tensor

Parts = Mapping[str, TensorEntry]

_SHARED = "a random projection that all layers of this VeRA adapter share"
_DRAWN_ANEW = (
    "the scales of a VeRA adapter whose random projections are not in the file: save it with save_projection=True, or "
    "merge it into its base and open that"
)


def shared_projections(context: Context) -> tuple[TensorEntry, TensorEntry] | None:
    """Find the two projections.

    Args:
        context: all that planning may look at.

    Returns:
        A [r, inputs] and B [outputs, r]; None where there is not exactly one of each, or they do not fit.
    """
    found = []
    for side in ("vera_A", "vera_B"):
        ours = [entry for entry in context.entries.values() if side in entry.name.split(".")]
        if len(ours) != 1 or len(ours[0].shape) != 2:
            return None
        found.append(ours[0])
    first, second = found
    return (first, second) if first.shape[0] == second.shape[1] else None


def vera(module: str, parts: Parts, shared: tuple[TensorEntry, TensorEntry] | None) -> MatrixSpec | None:
    """Plan the update of one layer.

    Args:
        module: the path of the layer.
        parts: its tensors by the last piece of their names.
        shared: A and B.

    Returns:
        The update, never multiplied out; None where these are no scales of such a layer.
    """
    if shared is None or not {"vera_lambda_b", "vera_lambda_d"} <= set(parts):
        return None
    first, second = shared
    outputs, inner = parts["vera_lambda_b"], parts["vera_lambda_d"]
    fits = len(outputs.shape) == 1 and outputs.shape[0] <= second.shape[0] and inner.shape == first.shape[:1]
    if not fits:
        return None
    rows, cols = outputs.shape[0], first.shape[1]
    names = (outputs.name, second.name, inner.name, first.name)
    factors = partial(_factors, names)
    return MatrixSpec(
        name=f"{module}:vera", kind="vera", tensors=names, shape=(rows, cols), matrices=1, rows=rows, cols=cols,
        dtype=outputs.dtype, aliases=(), factored=True, factors=factors, build=partial(_core, factors),
        note=f"VeRA of rank {inner.shape[0]}, with all {cols} inputs of the shared projection: the file does not say "
        "whether this layer has fewer",
    )  # fmt: skip


def why_not(parts: Parts, shared: tuple[TensorEntry, TensorEntry] | None) -> str:
    """Say why tensors of a VeRA adapter make no matrix of their own.

    Args:
        parts: the tensors by the last piece of their names.
        shared: A and B, where both are there.

    Returns:
        The reason.
    """
    return _SHARED if shared and {"vera_A", "vera_B"} & set(parts) else _DRAWN_ANEW


def _factors(names: tuple[str, str, str, str], read: Read) -> FactoredMatrix:
    outputs, second, inner, first = (read(name).detach().double() for name in names)
    return FactoredMatrix(outputs[:, None] * second[: len(outputs)], inner[:, None] * first)


def _core(factors: partial[FactoredMatrix], read: Read) -> Tensor:
    return factors(read).core()
