"""Whether weights are still those of the step that was told last."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from eigentrail._arrays import to_numpy
from eigentrail.errors import RunError
from eigentrail.runs.recorded import RecordedRun
from eigentrail.runs.selection import Finder, Source, clean_name

# Rows of a layer that are compared at once, in bytes.
_BLOCK = 16 * 2**20


class Watch:
    """Note recorded tensors at every step that is told, and find those that were changed since.

    Torch counts the changes made to a tensor in place; those made past it (`p.data.add_(...)`) show in its values only.

    Args:
        model: the network without wrappers.
        sources: what is recorded of it.
    """

    def __init__(self, model: nn.Module, sources: Sequence[Source]) -> None:
        self._model = model
        self._sources = sources
        self._finder = Finder(model, sources)
        self._known = {clean_name(name) for name, _ in model.named_parameters(remove_duplicate=False)}
        self.note()

    def note(self, tensors: Sequence[torch.Tensor] | None = None) -> None:
        """Say that the tensors are now as they are at the step told last.

        Args:
            tensors: the recorded tensors as they were just found, in the order of the sources; None to find them.
        """
        self._tensors = self.find() if tensors is None else tensors
        self._stamps = [_stamp(tensor) for tensor in self._tensors]

    def find(self) -> list[torch.Tensor]:
        """Find the tensors as they are now.

        Returns:
            The tensors in the order of the sources.
        """
        return self._finder.find()

    def any_touched(self) -> bool:
        """Tell whether any of the tensors was.

        Returns:
            True if so.
        """
        return any(self._touched(place) for place in range(len(self._sources)))

    def untouched(self) -> set[int]:
        """List what was neither replaced nor changed in place.

        Returns:
            The places among the sources.
        """
        return {place for place in range(len(self._sources)) if not self._touched(place)}

    def untold(self, run: RecordedRun, step: int) -> list[Source]:
        """Find what has other values than at the step told last.

        Args:
            run: what is on disk.
            step: the step told last.

        Returns:
            The sources whose tensors are of the same kind as recorded and hold other numbers. Where a layer is not
            recorded at the step, only changes that torch counts are seen.
        """
        changed = []
        for place, source in enumerate(self._sources):
            try:
                tensor = source.find(self._model)
            except RunError:
                continue
            steps = run.layers[source.spec.name].steps
            if len(steps) and steps[-1] == step:
                stored: Any = run[source.spec.name].variable[-1].values
                now = to_numpy(tensor)
                if not np.array_equal(now.astype(stored.dtype, copy=False), stored, equal_nan=True):
                    changed.append(source)
            elif self._touched(place):
                changed.append(source)
        return changed

    def are_of_an_earlier_step(self, run: RecordedRun, sources: Sequence[Source]) -> bool:
        """Tell whether tensors hold what was recorded of them at one earlier step, as after loading the best weights.

        Args:
            run: what is on disk.
            sources: the tensors.

        Returns:
            True if there is a step at which all of those that are recorded then have their present values.
        """
        with contextlib.suppress(RunError):
            smallest = min(sources, key=lambda source: source.nbytes)
            for step in self._steps_with(run, smallest)[::-1]:
                there = [s for s in sources if step in run.layers[s.spec.name].steps]
                if all(self._is_at(run, source, int(step)) for source in there):
                    return True
        return False

    def added(self) -> list[str]:
        """List floating parameters that the network did not have when recording began.

        Returns:
            Their names.
        """
        return [
            name
            for path, p in self._model.named_parameters()
            if (name := clean_name(path)) not in self._known and p.is_floating_point()
        ]

    def _touched(self, place: int) -> bool:
        try:
            tensor = self._sources[place].find(self._model)
        except RunError:
            return True
        return tensor is not self._tensors[place] or _stamp(tensor) != self._stamps[place]

    def _steps_with(self, run: RecordedRun, source: Source) -> np.ndarray[Any, Any]:
        """Find the steps at which a layer had its present values."""
        layer = run[source.spec.name]
        now = to_numpy(source.find(self._model)).astype(layer.dtype, copy=False)
        rows = max(1, _BLOCK // max(1, source.nbytes))
        found = []
        for first in range(0, layer.sizes["step"], rows):
            block: Any = layer.variable[first : first + rows].values
            same = (block == now).reshape(len(block), -1).all(1)
            found.append(layer.step.values[first : first + rows][same])
        return np.concatenate(found)

    def _is_at(self, run: RecordedRun, source: Source, step: int) -> bool:
        stored: Any = run[source.spec.name].sel(step=step).variable.values
        now = to_numpy(source.find(self._model)).astype(stored.dtype, copy=False)
        return bool(np.array_equal(now, stored))


def _stamp(tensor: torch.Tensor) -> int:
    # Where the numbers lie says nothing: they may be moved to another device.
    try:
        return tensor._version
    except RuntimeError:
        # Tensors of inference mode do not count their changes.
        return 0
