"""The update of a fine-tuned model as an adapter, each layer at the rank that stands out of the noise."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import scipy.linalg
import torch
from torch import Tensor

from eigentrail._numbers import whole
from eigentrail.errors import OptionError, SpectrumError
from eigentrail.interventions.lora.peft_folder import balanced, write_adapter
from eigentrail.interventions.lora.updates import Pair, Update, paired
from eigentrail.interventions.rank_choice import SPIKE_LEVEL
from eigentrail.spectra.marchenko_pastur import fit_marchenko_pastur
from eigentrail.weights import Skipped, open_weights

# Of a Gram matrix in float64, smaller eigenvalues than this share of the largest are rounding.
_ROUNDED_OFF = 1e-13


@dataclass
class Extraction:
    """The updates of a tuned model, cut to adapters; nothing is written until `save`.

    Attributes:
        pair: base and tuned model.
        factors: {module: (B, A)} of the layers with an update that stands out.
        table: a row for each layer: `module`, `rows`, `cols`, `rank`, `norm` (|dW|), `relative_norm` (|dW| / |W|),
            `threshold` (the singular value that noise goes above with the stated probability), `relative_error` (|dW -
            B A| / |dW|, predicted), `measured_error` (the same of what was written), `parameters`.
        skipped: layers without an update, and changes that no adapter carries.
    """

    pair: Pair
    factors: dict[str, tuple[Tensor, Tensor]]
    table: pd.DataFrame
    skipped: list[Skipped]
    provenance: dict[str, Any] = field(default_factory=dict)

    def save(self, path: str | os.PathLike[str], *, task: str | None = None) -> None:
        """Write the adapter as PEFT reads it, read it again beside the base and measure what it lacks.

        Args:
            path: a new folder.
            task: PEFT's task type, such as "CAUSAL_LM".
        """
        turned = {self.pair.names[f"{module}.weight"] for module in self.factors}
        write_adapter(
            path,
            self.factors,
            modules=self.pair.modules,
            base=os.path.basename(self.pair.base.source.rstrip("/")),  # noqa: PTH119
            fan_in_fan_out=turned == {True},
            task=task,
            provenance=self.provenance,
        )
        merged = open_weights(path, base=self.pair.base)
        measured = {}
        for module in self.factors:
            name = f"{module}.weight"
            old, new = (store.read(name).double() for store in (self.pair.base, self.pair.tuned))
            found = merged.store.read(name).double()
            measured[module] = float(
                torch.linalg.vector_norm(found - new) / torch.linalg.vector_norm(new - old)
            )
        self.table["measured_error"] = self.table["module"].map(measured)


def extract(
    base: Any, tuned: Any, *, rank: int | None = None, energy: float | None = None, level: float = SPIKE_LEVEL
) -> Extraction:
    """Take the update of a fine-tuned model out as a low-rank adapter.

    Without `rank` and `energy` each layer's update is cut at what stands out of its noise bulk (Marchenko-Pastur with
    Tracy-Widom edge), and the strengths are put back to what they were without the noise (inverse BBP). An update whose
    bulk is nothing but rounding keeps all that is larger than rounding.

    Args:
        base: the model before: a path, a module or a state dict.
        tuned: the model after.
        rank: the same rank for every layer, strengths as they are.
        energy: the fewest values that make this share of each |dW|^2, strengths as they are.
        level: chance that pure noise in one layer shows a rank at all.

    Returns:
        The factors with their predicted errors.

    Raises:
        OptionError: both a rank and a share are given, or they are outside of what they may be.
    """
    if rank is not None and energy is not None:
        raise OptionError("give a rank or a share of the energy, not both.")
    if rank is not None:
        whole("rank", rank, 1)
    if energy is not None and not 0.0 < energy <= 1.0:
        raise OptionError(f"energy is a share of the squared norm, 0 < energy <= 1, not {energy}.")
    pair = paired(base, tuned)
    factors: dict[str, tuple[Tensor, Tensor]] = {}
    rows: list[dict[str, Any]] = []
    skipped = list(pair.skipped)
    for update in pair:
        cut = _cut(update, rank, energy, level)
        if cut is None:
            skipped.append(Skipped(update.module, "its update vanishes or does not stand out of its noise"))
            continue
        left, values, right, row = cut
        b, a = balanced(left, values, right, update.dtype if update.dtype.itemsize >= 4 else torch.float32)
        if len(update.shape) > 2:
            a = a.reshape(-1, *update.shape[1:])
        factors[update.module] = (b, a)
        rows.append({"module": update.module, **row})
    columns = [
        "module",
        "rows",
        "cols",
        "rank",
        "norm",
        "relative_norm",
        "threshold",
        "relative_error",
        "parameters",
    ]
    table = pd.DataFrame(rows, columns=columns)
    told = {"edit": "lora extract", "level": level, "rank": rank, "energy": energy}
    return Extraction(pair, factors, table, skipped, told)


def _cut(
    update: Update, rank: int | None, energy: float | None, level: float
) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]] | None:
    change = update.change.numpy()
    n, m = change.shape
    long, short = max(n, m), min(n, m)
    tall = change if n >= m else change.T
    gram = tall.T @ tall
    eigenvalues = np.maximum(scipy.linalg.eigh(gram, eigvals_only=True, check_finite=False)[::-1], 0.0)
    total = float(eigenvalues.sum())
    if total == 0.0:
        return None
    # The entries of a stored weight are rounded: what rounding alone makes of a spectrum is no update.
    rounding = 0.5 * torch.finfo(update.dtype).eps * update.size * (long**0.5 + short**0.5)
    alive = eigenvalues > max(_ROUNDED_OFF * eigenvalues[0], rounding**2)
    threshold = rounding
    strengths = None
    if rank is not None:
        k = min(rank, int((eigenvalues > _ROUNDED_OFF * eigenvalues[0]).sum()))
    elif energy is not None:
        k = min(int((np.cumsum(eigenvalues) / total < energy - 1e-12).sum()) + 1, short)
    else:
        k, threshold, strengths = _spikes(eigenvalues, alive, long, short, level, rounding)
    if k == 0:
        return None
    vectors = scipy.linalg.eigh(gram, subset_by_index=(short - k, short - 1), check_finite=False)[1][:, ::-1]
    found = np.sqrt(eigenvalues[:k])
    thin = tall @ vectors / found
    values = found if strengths is None else strengths
    left, right = (thin, vectors.T) if n >= m else (vectors, thin.T)
    lost = ((found - values) ** 2).sum() + eigenvalues[k:].sum()
    row = {
        "rows": n,
        "cols": m,
        "rank": k,
        "norm": total**0.5,
        "relative_norm": total**0.5 / (update.size * (n * m) ** 0.5) if update.size else None,
        "threshold": threshold,
        "relative_error": float(np.sqrt(lost / total)),
        "parameters": k * (n + m),
    }
    return torch.from_numpy(left.copy()), torch.from_numpy(values.copy()), torch.from_numpy(right.copy()), row


def _spikes(
    eigenvalues: Any, alive: Any, long: int, short: int, level: float, rounding: float
) -> tuple[int, float, Any]:
    """How many values stand out, of what threshold, and their strengths without the noise."""
    try:
        noise = fit_marchenko_pastur(eigenvalues / long, long, short, level=level)
    except SpectrumError:
        # Fewer than five values differ from zero: a product of thin factors, written without rounding.
        return int(alive.sum()), rounding, None
    edge = (noise.threshold * long) ** 0.5
    if edge < rounding:
        return int(alive.sum()), rounding, None
    k = noise.spikes
    return k, edge, noise.spike_strengths[:k] * noise.sigma * long**0.5
