"""Edit the weights of a whole checkpoint or network: expected first, then done, then measured."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from eigentrail.errors import LayerError, OptionError, SourceError, SpectrumError
from eigentrail.interventions.contract import Intervention, find_intervention
from eigentrail.interventions.edited_matrix import EditedMatrix
from eigentrail.interventions.factored import factored_tensors
from eigentrail.weights import (
    EditedTensors,
    FactoredMatrix,
    Skipped,
    Weights,
    dequantised,
    open_store,
    open_weights,
    write_weights,
)


@dataclass
class Edit:
    """An edit of some weights, planned and predicted; nothing is changed until it is saved or applied.

    Attributes:
        weights: the source's matrices.
        intervention: what is done to each.
        options: with which options.
        matrices: {name: the edited matrix}, in the order of the source.
        skipped: what is left as it is, with the reason.
        measured: {name: |W - stored| / |W|}, once the edit was saved or applied.
        rounding: {name: what the stored precision took from the change}, once it was saved or applied.
    """

    weights: Weights
    intervention: Intervention
    options: Mapping[str, Any]
    matrices: dict[str, EditedMatrix]
    skipped: list[Skipped]
    measured: dict[str, float] = field(default_factory=dict)
    rounding: dict[str, float] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """A row for each edited matrix: its shape, rank, spikes, predicted and measured errors, numbers saved."""
        rows = []
        for name, made in self.matrices.items():
            spec = self.weights.specs[name]
            before, after = made.parameters
            rows.append(
                {
                    "name": name,
                    "rows": spec.rows,
                    "cols": spec.cols,
                    "matrices": spec.matrices,
                    "rank": made.rank,
                    "spikes": made.spikes,
                    "relative_error": made.relative_error,
                    "output_error": made.output_error,
                    "parameters": before,
                    "parameters_factored": after,
                    "measured_error": self.measured.get(name),
                    "rounding": self.rounding.get(name),
                }
            )
        return pd.DataFrame(rows)

    @property
    def parameters(self) -> tuple[int, int]:
        """Numbers of all edited matrices, and of their factors where these need fewer.

        The floating-point operations per input vector are twice these, times the positions of a convolution.
        """
        pairs = [made.parameters for made in self.matrices.values()]
        return sum(before for before, _ in pairs), sum(after for _, after in pairs)

    def provenance(self) -> dict[str, Any]:
        """What was done, for the metadata of what is written.

        Returns:
            Plain values.
        """
        plain = {
            key: value for key, value in self.options.items() if isinstance(value, str | int | float | bool)
        }
        return {
            "edit": self.intervention.name,
            "options": plain,
            "source": os.path.basename(self.weights.source.rstrip("/")),  # noqa: PTH119
            "source_fingerprint": self.weights.fingerprint,
            "conv": self.weights.conv,
            "ranks": {name: made.rank for name, made in self.matrices.items()},
            "relative_errors": {name: round(made.relative_error, 6) for name, made in self.matrices.items()},
        }

    def save(self, path: str | os.PathLike[str], *, factored: bool = False) -> None:
        """Write the edited weights to a new place, then read them there and measure what changed.

        Args:
            path: a file or folder; see `write_weights`.
            factored: write each linear or convolutional weight whose factors need fewer numbers as two layers, as one
                safetensors file that `load_factored` reads.
        """
        if factored:
            tensors = factored_tensors(self.weights, self.matrices)
            write_weights(open_store(tensors), path, {}, {**self.provenance(), "factored": True})
            return
        tensors_lazily = EditedTensors(self.weights, self._change, list(self.matrices))
        write_weights(self.weights.store, path, tensors_lazily, self.provenance())
        self.rounding = dict(tensors_lazily.rounding)
        self._measure(path)

    def _measure(self, path: str | os.PathLike[str]) -> None:
        store = open_store(path)
        tensor = store.read
        for name in self.matrices:
            before = self.weights[name]
            spec = self.weights.specs[name]
            if isinstance(before, FactoredMatrix):
                assert spec.factors is not None
                self.measured[name] = _factored_distance(before, spec.factors(tensor))
            else:
                self.measured[name] = _distance(before, spec.build(tensor))

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[nn.Module]:
        """Put the edited weights into a network for a while; on leaving, the old ones come back bit for bit.

        Args:
            model: a network with the source's parameter names.

        Yields:
            The network.

        Raises:
            SourceError: the network lacks an edited weight.
        """
        own = open_weights(model, conv=self.weights.conv)
        missing = [name for name in self.matrices if name not in own.specs]
        if missing:
            raise SourceError(f"the network has no weight `{missing[0]}`, which this edit changes.")
        tensors = EditedTensors(own, self._change, list(self.matrices))
        places = {name: own.store.read(name) for name in tensors}
        kept = {name: place.clone() for name, place in places.items()}
        try:
            for name in tensors:
                places[name].copy_(tensors[name])
            self.rounding = dict(tensors.rounding)
            yield model
        finally:
            for name, old in kept.items():
                places[name].copy_(old)

    def _change(self, name: str, matrix: Tensor | FactoredMatrix) -> Tensor | FactoredMatrix:
        new: Tensor | FactoredMatrix = replace(self.matrices[name], given=matrix).matrix
        return new


def edit(
    source: Any,
    how: str = "truncate",
    /,
    layers: str | Sequence[str] | None = None,
    *,
    conv: str = "flatten",
    covariances: Mapping[str, Any] | None = None,
    base: Any = None,
    dequantise: bool = False,
    **options: Any,
) -> Edit:
    """Plan an edit of the weights of a checkpoint or network, and predict what it does.

    Args:
        source: a path, an `nn.Module`, a state dict (see `open_weights`).
        how: "truncate", "denoise", "james_stein", or an edit of another package.
        layers: globs over parameter names; None: every weight matrix.
        conv: how convolutions are seen.
        covariances: {weight's name: second moment of its inputs} (`input_covariances`), for edits that use them; a
            weight without one is edited as if all input directions counted alike.
        base: the model of an adapter, whose sum is then edited.
        dequantise: take the numbers that quantised weights stand for, as float32, in the place of their codes; what
            is saved is then a safetensors file without codes. False: quantised weights are left as they are.
        options: of the edit, such as k=8, energy=.9, spikes=True, or how="gavish-donoho" of "denoise".

    Returns:
        The edit: look at `.table`, then `.save(path)` or `with edit.applied(model)`.

    Raises:
        OptionError: the edit takes no such option, or nothing could be edited (with the first reason).
    """
    chosen = find_intervention(how)
    unknown = [name for name in options if name not in chosen.options]
    if unknown:
        raise OptionError(
            f"{chosen.name} takes no option {unknown[0]}; it takes {', '.join(chosen.options)}."
        )
    if covariances and "covariance" not in chosen.options:
        raise OptionError(f"{chosen.name} makes no use of the inputs' covariance; leave it out.")
    if dequantise:
        source = dequantised(source)
    weights = open_weights(
        source, list([layers] if isinstance(layers, str) else layers or []) or None, conv, base=base
    )
    matrices: dict[str, EditedMatrix] = {}
    skipped = list(weights.skipped)
    for name, spec in weights.specs.items():
        if spec.fixed:
            skipped.append(Skipped(name, spec.fixed))
            continue
        matrix = weights[name]
        given = dict(options)
        # The parts of a fused weight, such as queries, keys and values, are given the same inputs.
        known = covariances or {}
        covariance = known.get(name, known.get(name.partition(":")[0]))
        if covariance is not None and not isinstance(matrix, FactoredMatrix) and spec.matrices == 1:
            given["covariance"] = covariance
        try:
            made = chosen.function(matrix, **given)
        except (LayerError, SpectrumError, OptionError) as error:
            skipped.append(Skipped(name, str(error).rstrip(".")))
            continue
        # Factors in the precision of the weights; the matrix itself is read again when it is needed.
        dtype = torch.float64 if spec.dtype == "float64" else torch.float32
        pieces = tuple((left.to(dtype), right.to(dtype)) for left, right in made.pieces)
        matrices[name] = replace(made, pieces=pieces, given=None)
    if not matrices:
        reasons = [left.reason for left in skipped if left.name in weights.specs]
        raise OptionError(
            f"{weights.source}: no matrix could be edited{': ' + reasons[0] if reasons else ''}."
        )
    return Edit(weights, chosen, options, matrices, skipped)


def _distance(before: Tensor, after: Tensor) -> float:
    wide = before.double()
    return float(torch.linalg.vector_norm(after.double() - wide) / torch.linalg.vector_norm(wide))


def _factored_distance(before: FactoredMatrix, after: FactoredMatrix) -> float:
    difference = FactoredMatrix(
        torch.cat([after.left.double() * after.scale, -before.left.double() * before.scale], dim=1),
        torch.cat([after.right.double(), before.right.double()], dim=0),
    )
    return float(torch.linalg.vector_norm(difference.core()) / torch.linalg.vector_norm(before.core()))
