"""Watch the weights of a network while it trains, without keeping them: numbers at every look, and alarms."""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from eigentrail.chance import LEVEL
from eigentrail.chance.walk_bounds import growth_p, share_of_level, spectral_bound
from eigentrail.errors import OptionError, RunWarning
from eigentrail.findings import Chance, Effect, Finding, Verdict
from eigentrail.runs.layer_numbers import NUMBERS, as_matrix, layer_numbers, singular_values
from eigentrail.runs.selection import Finder, Layers, select_sources, unwrap
from eigentrail.runs.sinks import as_sink

#: The kinds of alarms.
ALARMS = ("spike birth", "rank collapse", "exploding norm", "not finite", "stopped moving")
# How many of these are compared with chance: the last two cannot happen to a walk.
_TESTS = 4
_NULL = "random walk with the layer's own step norms"
# What is improbable for a walk is an alarm only if it is large as well.
_GROWN, _FALLEN = 2.0, 0.5
_LOOKS = 1000


@dataclass
class _Watched:
    """A matrix between two looks: its last weights, and what it has moved since the first look."""

    name: str
    place: int
    rows: int
    cols: int
    last: torch.Tensor
    first: np.ndarray[Any, Any]
    start: dict[str, float]
    spikes: int
    moved: float = 0.0
    excess: float = 0.0
    variance: float = 0.0
    raised: set[str] = field(default_factory=set)


class Monitor:
    """Look at weight matrices every few steps: norms, ranks, spikes and phases, and alarms.

    Call `step` after every optimizer step. Nothing is written; of each matrix one copy is kept, that of the last look,
    and of the numbers the last thousand looks. Convolutions [out, in, ...] count as matrices [out, in * ...].

    An alarm is raised for a layer where

    - "spike birth": a singular value leaves the Marchenko-Pastur bulk,
    - "rank collapse": the effective rank falls below half of that at the start, and the largest singular value grows or
      the norm shrinks,
    - "exploding norm": the norm is more than twice that of a walk,
    - "not finite": a weight is NaN or infinite,
    - "stopped moving": no weight has changed since the last look, while other layers moved.

    The first three are raised only where a random walk from the layer's own start with its own step norms would not do
    it: such a training raises any false alarm, in all layers and at all looks together, with a chance of at most
    `false_alarms`, however long it is. A walk cannot do the last two.

    Args:
        model: the network; wrappers are looked through.
        every: look every so many steps.
        layers: which layers, as for `Recorder`; None for every matrix.
        alarms: True to warn of alarms, a callable to be called with each (a `Finding` with `needs_look`, whose `data`
            has the `step` and the `kind`), False for none.
        log_to: where to show the numbers as they are made, see `eigentrail.runs.sinks.as_sink`; None for nowhere.
        false_alarms: the chance of any false alarm in the whole training.

    Attributes:
        latest: {layer: its numbers} of the last look: `frobenius_norm`, `spectral_norm`, `stable_rank`,
            `effective_rank`, `spikes`, `phase` (its place in `eigentrail.spectra.phases.PHASES`), and `update_norm`,
            the norm of what changed since the look before. NaN where one cannot be told.
        alarms: the alarms so far.

    Raises:
        OptionError: an argument is not one of these, or there is no matrix to look at.
    """

    def __init__(
        self,
        model: nn.Module,
        every: int = 100,
        layers: Layers = None,
        *,
        alarms: bool | Callable[[Finding], object] = True,
        log_to: Any = None,
        false_alarms: float = LEVEL,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise OptionError(f"Monitor takes an nn.Module first, not a {type(model).__name__}")
        if not isinstance(every, int) or every < 1:
            raise OptionError(f"every={every!r}: give a number of steps, at least 1")
        share_of_level(false_alarms, 1, 1)
        self._every = every
        self._sink = None if log_to is None else as_sink(log_to)
        self._told = alarms
        self._level = false_alarms
        sources = select_sources(unwrap(model), layers, 1)
        self._finder = Finder(unwrap(model), sources)
        self._step = self._looks = 0
        self.alarms: list[Finding] = []
        self.latest: dict[str, dict[str, float]] = {}
        self._rows: deque[tuple[int, dict[str, dict[str, float]]]] = deque(maxlen=_LOOKS)
        self._watched: list[_Watched] = []
        for place, tensor in enumerate(self._finder.find()):
            matrix = as_matrix(tensor)
            if matrix is not None:
                self._begin(sources[place].spec.name, place, matrix)
        if not self._watched:
            raise OptionError(f"{type(model).__name__} has no weight matrix among the layers to look at")
        self._keep()

    def step(self, step: int | None = None) -> bool:
        """Tell that the optimizer has made a step.

        Args:
            step: its number; counted on by one if left out.

        Returns:
            True if the weights were looked at.
        """
        before, self._step = self._step, self._step + 1 if step is None else int(step)
        if self._step // self._every <= before // self._every:
            return False
        self.look()
        return True

    def look(self) -> None:
        """Look at the weights now."""
        self._looks += 1
        level = share_of_level(self._level, self._looks, _TESTS * len(self._watched))
        tensors = self._finder.find()
        found: list[tuple[_Watched, float]] = []
        for one in self._watched:
            matrix = as_matrix(tensors[one.place])
            if matrix is None or not bool(torch.isfinite(matrix).all()):
                self.latest[one.name] = dict.fromkeys((*NUMBERS, "update_norm"), math.nan)
                self._raise(one, "not finite", "weights that are not finite", math.nan, None)
                continue
            moved = self._move(one, matrix)
            found.append((one, moved))
            self.latest[one.name] = self._compare(one, singular_values(matrix), level)
            self.latest[one.name]["update_norm"] = math.sqrt(moved)
        if any(moved > 0.0 for _, moved in found):
            for one, moved in found:
                if moved > 0.0:
                    one.raised.discard("stopped moving")
                else:
                    self._raise(one, "stopped moving", "norm of the update", 0.0, None)
        self._keep()

    @property
    def table(self) -> pd.DataFrame:
        """The numbers of the last thousand looks: a row for each step and layer."""
        rows = [
            {"step": step, "layer": name, **numbers}
            for step, looked in self._rows
            for name, numbers in looked.items()
        ]
        return pd.DataFrame(rows)

    def _begin(self, name: str, place: int, matrix: torch.Tensor) -> None:
        if not bool(torch.isfinite(matrix).all()):
            raise OptionError(f"{name} has weights that are not finite before the first step")
        rows, cols = max(matrix.shape), min(matrix.shape)
        values = singular_values(matrix)
        start = layer_numbers(values, rows, cols, LEVEL)
        spikes = 0 if math.isnan(start["spikes"]) else int(start["spikes"])
        self._watched.append(_Watched(name, place, rows, cols, matrix.clone(), values, start, spikes))
        self.latest[name] = {**start, "update_norm": 0.0}

    def _move(self, one: _Watched, matrix: torch.Tensor) -> float:
        """Count what a matrix has moved since the last look."""
        update = matrix.double() - one.last.double()
        moved, before = float((update**2).sum()), float((one.last.double() ** 2).sum())
        one.moved += moved
        one.excess += 2.0 * float((one.last.double() * update).sum())
        one.variance += 4.0 * before * moved / matrix.numel()
        one.last.copy_(matrix)
        return moved

    def _compare(self, one: _Watched, values: np.ndarray[Any, Any], level: float) -> dict[str, float]:
        """Compute the numbers of a matrix, and compare them with what a walk does."""
        numbers = layer_numbers(values, one.rows, one.cols, LEVEL)
        bound = spectral_bound(one.moved, one.rows, one.cols, level)
        while one.spikes < numbers["spikes"] and values[one.spikes] > one.first[one.spikes] + bound:
            one.raised.discard("spike birth")
            self._raise(one, "spike birth", "singular value", float(values[one.spikes]), level)
            one.spikes += 1
        fallen = numbers["effective_rank"] < _FALLEN * one.start["effective_rank"]
        # A walk adds to the squared norm; what cuts a matrix down to few directions takes from it.
        shrunk = growth_p(-one.excess, one.variance)
        if fallen and (values[0] > one.first[0] + bound or shrunk < level):
            self._raise(one, "rank collapse", "effective rank", numbers["effective_rank"], level)
        walked = math.hypot(one.start["frobenius_norm"], math.sqrt(one.moved))
        p = growth_p(one.excess, one.variance)
        if p < level and numbers["frobenius_norm"] > _GROWN * walked:
            self._raise(one, "exploding norm", "Frobenius norm", numbers["frobenius_norm"], p)
        return numbers

    def _raise(self, one: _Watched, kind: str, name: str, value: float, p: float | None) -> None:
        if self._told is False or kind in one.raised:
            return
        one.raised.add(kind)
        number = None if math.isnan(value) else value
        told = "" if number is None else f"{name} {number:.3g}, "
        alarm = Finding(
            one.name,
            f"Does {kind} occur?",
            Verdict.YES,
            f"{one.name}: {told}{kind} at step {self._step}.",
            effect=Effect(name, number),
            chance=None if p is None else Chance(_NULL, None),
            p=p,
            needs_look=True,
            data={"step": self._step, "kind": kind},
        )
        self.alarms.append(alarm)
        if callable(self._told):
            self._told(alarm)
        else:
            warnings.warn(alarm.sentence, RunWarning, stacklevel=4)

    def _keep(self) -> None:
        self._rows.append((self._step, {name: dict(numbers) for name, numbers in self.latest.items()}))
        if self._sink is not None:
            flat = {f"{name}/{key}": v for name, some in self.latest.items() for key, v in some.items()}
            self._sink(flat, self._step)
