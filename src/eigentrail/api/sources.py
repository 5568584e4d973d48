"""What `inspect` and `compare` take as a source: anything that holds weights, a recorded run too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from eigentrail.errors import OptionError
from eigentrail.runs import Run, open_run
from eigentrail.runs.manifest import FILE
from eigentrail.runs.run import Step
from eigentrail.weights import Weights, open_weights


def origin_of_sources(kind: str, *sources: Weights) -> str:
    """Name what a page of weights is made of.

    Args:
        kind: of the page.
        sources: the weights.

    Returns:
        The same for the same file or folder, whatever it holds by now; of weights in memory for the same numbers.
    """
    from eigentrail.report.origin import origin_of

    named = [
        one.source if Path(one.source).exists() else f"{one.source} {one.fingerprint}" for one in sources
    ]
    return origin_of(kind, *named)


def open_matrices(
    source: Any,
    layers: str | list[str] | None = None,
    conv: str = "flatten",
    *,
    heads: bool = False,
    products: bool = False,
    base: Any = None,
    step: Step | None = None,
) -> Weights:
    """Open the weight matrices of a source, at one step where it is a run.

    Args:
        source: what `open_weights` takes, an open `Weights`, a `Run`, or the folder of one.
        layers: globs over parameter names; None: all.
        conv: how convolution kernels become matrices.
        heads: cut queries, keys and values into attention heads where their number is known.
        products: add the products of the attention heads.
        base: with an adapter as source, the model that it was trained on.
        step: of a run or a folder of checkpoints: a recorded step, -1 or "last"; None for the last one of a run.

    Returns:
        The matrices, read when they are looked at.

    Raises:
        OptionError: a step of what has none.
    """
    if isinstance(source, Weights):
        if step is not None:
            raise OptionError(f"step={step!r}: open weights have no steps; give the run itself")
        return source
    is_path = isinstance(source, (str, os.PathLike))
    if is_path and (step is not None or (Path(source) / FILE).is_file()):
        source = open_run(source)
    if isinstance(source, Run):
        source = source.store(-1 if step is None else step)
    elif step is not None:
        raise OptionError(f"step={step!r}: a {type(source).__name__} has no steps; give a run or its folder")
    return open_weights(source, layers=layers, conv=conv, heads=heads, products=products, base=base)
