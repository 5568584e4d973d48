"""Layers that are exact copies of each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eigentrail.checks.framework.contract import Checkpoint, Layer, check
from eigentrail.checks.framework.wording import shown
from eigentrail.findings import Finding, Verdict
from eigentrail.weights.naming import block

_QUESTION = "Is a layer a copy of another?"


@check(question=_QUESTION, order=60)
def duplicates(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Look for layers of the same entries; names of one tensor (tied weights) are one layer already.

    Args:
        checkpoint: the layers.

    Yields:
        A finding for each later copy. Embeddings that are shared, with each other or with the head, are no fault.
    """
    seen: dict[object, list[Layer]] = {}
    for layer in checkpoint.dense:
        # Moments of the entries tell different matrices apart, the eigenvalues those of permuted entries.
        key = (layer.row["rows"], layer.row["cols"], layer.row["matrices"], layer.spectrum.entries)
        first = next((one for one in seen.get(key, []) if _same(one, layer)), None)
        seen.setdefault(key, []).append(layer)
        if first is None:
            continue
        tied = "embedding" in {first.kind, layer.kind} and _outside(first) and _outside(layer)
        yield Finding(
            subject=layer.name,
            question=_QUESTION,
            verdict=Verdict.YES,
            sentence=f"{shown(layer.name)} is an exact copy of {shown(first.name)}"
            + (": a tied embedding, stored twice." if tied else "."),
            asked=len(checkpoint.dense),
            needs_look=not tied,
            detail="Entries and singular values agree to the last digit. Possible causes: a mistake while "
            "loading or merging, "
            "or blocks that were copied to make the network deeper.",
            advice="" if tied else "See whether the copy was meant; load the layer again, or train on.",
        )


def _outside(layer: Layer) -> bool:
    """Tell whether it may be tied to an embedding: another embedding, or a head, which stands in no block."""
    return layer.kind == "embedding" or not block(layer.name)


def _same(a: Layer, b: Layer) -> bool:
    x, y = np.asarray(a.spectrum.eigenvalues), np.asarray(b.spectrum.eigenvalues)
    return bool(np.allclose(x, y, rtol=1e-9, atol=1e-12 * float(x[-1])))
