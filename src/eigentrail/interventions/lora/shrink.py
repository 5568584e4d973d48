"""An adapter cut to what stands out of random adapters, or to a share of its energy: exact in its factors."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd
import torch

from eigentrail.errors import OptionError
from eigentrail.interventions.lora.adapters import AdapterUpdate, open_adapter, random_cores
from eigentrail.interventions.lora.peft_folder import balanced, write_adapter
from eigentrail.interventions.rank_choice import SPIKE_LEVEL

_DRAWS = 399


def structured_rank(update: AdapterUpdate, rng: np.random.Generator, level: float = SPIKE_LEVEL) -> int:
    """Count the singular values that stand out of random adapters of the same shape and norm.

    The largest value is compared with the largest of random adapters; where it stands out it is taken away and the rest
    compared with random adapters of one rank less, and so on: what remains is as flat as chance makes it.

    Args:
        update: the update.
        rng: source of the random adapters.
        level: chance of a false one in the first comparison.

    Returns:
        The number; r if the update is the product of directions each of its own strength, 0 if it is as flat as chance.
    """
    values = update.values.numpy()
    rank = int((values > values[0] * 1e-6).sum()) if values[0] > 0 else 0
    for k in range(rank):
        rest = values[k:rank]
        if len(rest) == 1:
            # One value has nothing left to be compared with.
            return rank if k else 0
        null = random_cores(update.shape[0] - k, update.shape[1] - k, len(rest), _DRAWS, rng)[:, 0]
        if rest[0] / np.linalg.norm(rest) <= np.quantile(null, 1.0 - level):
            return k
    return rank


def shrink(
    source: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    energy: float | None = None,
    rank: int | None = None,
    level: float = SPIKE_LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """Cut an adapter, layer by layer, and write it as PEFT reads it.

    Without `energy` and `rank` each layer keeps what stands out of random adapters of its shape and norm; a layer as
    flat as chance keeps everything, for no direction of it is better than another.

    Args:
        source: the adapter's folder.
        path: a new folder; None: only tell.
        energy: keep the fewest values that make this share of each squared norm.
        rank: keep at most this many.
        level: chance that a random adapter loses a direction.
        seed: of the random adapters.

    Returns:
        A row for each layer: `module`, `rank_before`, `rank`, `relative_error` (|dW - dW'| / |dW|),
        `parameters_before`, `parameters`.

    Raises:
        OptionError: both a rank and a share are given, or they are outside of what they may be; or the adapter's parts
            share factors.
    """
    if energy is not None and rank is not None:
        raise OptionError("give a rank or a share of the energy, not both.")
    if (energy is not None and not 0.0 < energy <= 1.0) or (rank is not None and rank < 1):
        raise OptionError("energy is a share, 0 < energy <= 1, and a rank is at least 1.")
    weights, updates = open_adapter(source)
    rng = np.random.default_rng(seed)
    rows, factors = [], {}
    for module, update in updates.items():
        if ":" in module:
            raise OptionError(
                f"the adapter of {module.partition(':')[0]} is one of several or of a fused weight's parts."
            )
        squares = update.values.square()
        before = len(update.values)
        if energy is not None:
            k = min(int((torch.cumsum(squares, 0) / squares.sum() < energy - 1e-12).sum()) + 1, before)
        elif rank is not None:
            k = min(rank, before)
        else:
            k = structured_rank(update, rng, level) or before
        total = float(squares.sum())
        rows.append(
            {
                "module": module,
                "rank_before": before,
                "rank": k,
                "relative_error": float((squares[k:].sum() / total) ** 0.5) if total else 0.0,
                "parameters_before": before * sum(update.shape),
                "parameters": k * sum(update.shape),
            }
        )
        factors[module] = balanced(update.left[:, :k], update.values[:k], update.right[:k], torch.float32)
    if path is not None:
        used = {name for spec in weights.specs.values() if spec.factors for name in spec.tensors}
        odd = [n for n in used if len(weights.store.entries[n].shape) > 2 or "embedding" in n]
        if odd:
            raise OptionError(
                f"`{odd[0]}` is of a convolution or embedding, whose adapters are not written here."
            )
        others = {name: weights.store.read(name) for name in weights.store.entries if name not in used}
        kept = {key: value for key, value in weights.store.config.items() if key != "target_modules"}
        told = {"edit": "lora shrink", "energy": energy, "rank": rank, "level": level}
        write_adapter(path, factors, others=others, settings=kept, provenance=told)
    return pd.DataFrame(rows)
