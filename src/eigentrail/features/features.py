"""The features of a network's layers with class labels, and how collapsed and separated they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Literal

import pandas as pd
import torch
from torch import nn

from eigentrail._numbers import whole, written
from eigentrail.data import Data
from eigentrail.errors import FeatureError, OptionError
from eigentrail.features.collapse import Collapse, collapse_of
from eigentrail.features.feature_rows import Reading
from eigentrail.features.head import Head, check_repeats, find_head
from eigentrail.features.labelled import Labelled, LabelledData
from eigentrail.features.passes import Passes
from eigentrail.features.points import choose
from eigentrail.features.separation import Nulls, Separation, separation_of
from eigentrail.features.tape import Tape
from eigentrail.findings import Skipped

_FEW = 8


class Features:
    """Features of chosen layers of a network, streamed: sums over samples are kept, K D numbers for each layer.

    Everything is computed in float64 with the network in eval mode; hooks, modes and buffers are put back.

    Args:
        model: any network.
        data: a pair (inputs, labels), a mapping of tensors, a data set, a loader, or a `Data`, whose held-out part is
            measured, too. Labels are class numbers, [n], or [n, positions] for models of sequences.
        layers: globs over module names, for what these give; "NAME:input" for what they are given. None for what every
            layer with weights is given: from the data, S3's l = 0, to the penultimate features, l = L - 1.
        held_out: samples that the network was not trained on, like `data`; their rows say so.
        reduce: "pool" for the mean over pixels or tokens, "flatten" for all of them side by side.
        token: take one position of a sequence instead (0 for a class token).
        labels: the key of the labels in dict batches; None for "labels", "label", "targets", "target" or "y".
        ignore_index: the label of what is left out.
        shift: how many positions later the label of a position stands: 1 for causal language models whose batches have
            the inputs themselves for labels.
        head: the name of the linear head, for NC3 and NC4; None to find it; False for none.
        batch_size: samples at once; loaders keep their own batches.
        memory_limit: bytes of features of each part that may be kept from the first pass; where all fit, the network is
            called once for each sample, else twice, and K D numbers per layer are all that is kept.

    Raises:
        OptionError: a glob fits nothing, or an argument is outside what it may be.
        FeatureError: the data has no class labels, or the network draws at random in eval mode.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        layers: str | Sequence[str] | None = None,
        *,
        held_out: Any = None,
        reduce: Literal["pool", "flatten"] = "pool",
        token: int | None = None,
        labels: str | None = None,
        ignore_index: int = -100,
        shift: int = 0,
        head: str | Literal[False] | None = None,
        batch_size: int = 256,
        memory_limit: int = 2**28,
    ) -> None:
        if reduce not in ("pool", "flatten"):
            raise OptionError(f'reduce is "pool" or "flatten", not {written(reduce)}')
        size = whole("batch_size", batch_size, 1)
        self._how = Reading(reduce, token, ignore_index, whole("shift", shift))
        self._model = model
        self._limit = whole("memory_limit", memory_limit)
        self._points = choose(model, layers)
        if not self._points:
            raise FeatureError("the network has no layer with weights: name modules as layers")
        given: dict[str, Any] = {"given": data}
        self._expected: int | None = None
        if isinstance(data, Data):
            self._expected = data.classes
            given = {"train": (data.train_inputs, data.train_targets)}
            if len(data.test_inputs):
                given["held-out"] = (data.test_inputs, data.test_targets)
        if held_out is not None:
            given = {"train": next(iter(given.values())), "held-out": held_out}
        parts = {name: LabelledData(one, labels, size) for name, one in given.items()}
        self._distinct = layers is None
        few = self._few(next(iter(parts.values())))
        check_repeats(model, few)
        self.head: Head | None = None if head is False else find_head(model, few, head)
        points = list(self._points)
        if layers is None and self.head is not None and self.head.point.name not in {p.name for p in points}:
            points.append(self.head.point)
        self._points = points
        self._parts = {name: self._passes(model, one) for name, one in parts.items()}
        self._made: set[tuple[str, str]] = set()

    def _passes(self, model: nn.Module, data: LabelledData) -> Passes:
        return Passes(model, data, self._points, self._how, self.head, self._distinct, Tape(self._limit))

    def _few(self, data: LabelledData) -> Labelled:
        first = next((p for p in self._model.parameters() if p.is_floating_point()), None)
        dtype = torch.float64 if first is None else first.dtype
        device = torch.device("cpu") if first is None else first.device
        batch = next(data.batches(dtype, device), None)
        if batch is None or not len(batch.labels):
            raise FeatureError("the data has no samples")
        return _head_of(batch, _FEW)

    @property
    def skipped(self) -> list[Skipped]:
        """Points that are not in the table, with the reason."""
        passes = self._gathered(next(iter(self._parts)), "classes")
        never = [Skipped(name, "no call of the network passes it") for name in passes.never()]
        return never + [
            Skipped(name, f"it is the same tensor as {other}") for name, other in passes.shared.items()
        ]

    def accuracy(self, part: str | None = None) -> float | None:
        """Give the share of samples whose largest output is their class.

        Args:
            part: "train", "held-out" or "given"; None for the first there is.

        Returns:
            From 0 to 1; None where outputs are no logits of the labels.

        Raises:
            OptionError: there is no such part.
        """
        name = next(iter(self._parts)) if part is None else part
        if name not in self._parts:
            raise OptionError(f"part is one of {', '.join(self._parts)}, not {written(part)}")
        return self._gathered(name, "classes", anything=True).accuracy

    def collapse(
        self,
        *,
        weighting: Literal["samples", "classes"] = "samples",
        centre: Literal["classes", "samples"] = "classes",
    ) -> pd.DataFrame:
        """Measure how collapsed each layer is.

        Args:
            weighting: whether each sample or each class counts alike in S_W; the same for balanced classes.
            centre: whether mu_G is the mean of the class means or that of all samples; the same for balanced classes.

        Returns:
            A row per layer and part of the data, with the fields of `features.Collapse`; `reading` says how features
            were made, `notes` what to know. NaN where a number is not defined.

        Raises:
            OptionError: an argument is none of its choices.
        """
        if weighting not in ("samples", "classes"):
            raise OptionError(f'weighting is "samples" or "classes", not {written(weighting)}')
        if centre not in ("samples", "classes"):
            raise OptionError(f'centre is "classes" or "samples", not {written(centre)}')
        rows = []
        for part in self._parts:
            passes = self._gathered(part, centre)
            names = passes.names()
            for key, layer in passes.layers.items():
                assert layer.within is not None
                headed = self.head is not None and key[0] == self.head.point.name
                found = collapse_of(
                    layer.within,
                    balanced=weighting == "classes",
                    head=self.head.module.weight.detach() if headed and self.head is not None else None,
                    expected=self._expected,
                )
                rows.append({"layer": names[key], **_row(found), "reading": layer.told, "part": part})
        return pd.DataFrame(rows).set_index("layer")

    def separation(
        self,
        *,
        of: Literal["d", "nc1"] = "d",
        part: str | None = None,
        draws: int = 20,
        networks: int = 19,
        untrained: nn.Module | None = None,
        seed: int = 0,
    ) -> Separation:
        """Fit the law of separation, log D_l = a + l log rho (He and Su 2022), and compare it with chance.

        Args:
            of: "d" for D_l, "nc1" for NC1.
            part: which samples; None for the first there are.
            draws: how often labels are permuted; 0 for never.
            networks: how many networks of random weights are compared with, of each kind; 0 for none.
            untrained: the network at its start, where it is known; else its layers draw their weights anew.
            seed: of the nulls.

        Returns:
            The fit with its nulls.

        Raises:
            FeatureError: there are fewer than four layers, or the number is not defined in one of them.
            OptionError: an argument is outside what it may be.
        """
        if of not in ("d", "nc1"):
            raise OptionError(f'of is "d" or "nc1", not {written(of)}')
        name = next(iter(self._parts)) if part is None else part
        if name not in self._parts:
            raise OptionError(f"part is one of {', '.join(self._parts)}, not {written(part)}")
        nulls = Nulls(whole("draws", draws), whole("networks", networks), untrained, whole("seed", seed))
        passes = self._gathered(name, "classes")
        return separation_of(passes, self._model, of, nulls, self._again, CENTRES["classes"])

    def _again(self, model: nn.Module, passes: Passes) -> Passes:
        """Prepare the same passes over another network of the same kind."""
        modules = dict(model.named_modules())
        names = {id(one): name for name, one in self._model.named_modules()}
        points = [type(p)(p.name, modules[names[id(p.module)]], p.side) for p in self._points]
        return passes.over(model, points)

    def _gathered(self, part: str, centre: str, anything: bool = False) -> Passes:
        passes = self._parts[part]
        if anything and any(made == part for made, _ in self._made):
            return passes
        if (part, centre) not in self._made:
            if not passes.layers:
                passes.first()
            passes.second(CENTRES[centre])
            self._made = {one for one in self._made if one[0] != part} | {(part, centre)}
        return passes

    def __repr__(self) -> str:
        parts = ", ".join(self._parts)
        return f"<Features of {type(self._model).__name__}: {len(self._points)} points, {parts} samples>"


#: The weights of the class means in the centre, from the counts of the classes.
CENTRES = {
    "classes": lambda counts: torch.full_like(counts, 1.0 / len(counts)),
    "samples": lambda counts: counts / counts.sum(),
}


def _row(found: Collapse) -> dict[str, Any]:
    told = {one.name: getattr(found, one.name) for one in fields(found)}
    return {**told, "notes": "; ".join(found.notes)}


def _head_of(batch: Labelled, count: int) -> Labelled:
    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cut(one) for key, one in value.items()}
        if isinstance(value, tuple):
            return tuple(cut(one) for one in value)
        there = isinstance(value, torch.Tensor) and value.ndim and len(value) == len(batch.labels)
        return value[:count] if there else value

    return Labelled(cut(batch.inputs), batch.labels[:count])
