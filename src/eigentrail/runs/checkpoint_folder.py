"""A folder of numbered checkpoints, seen as a run."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn

from eigentrail._arrays import to_numpy
from eigentrail.errors import RunError, RunWarning, SourceError
from eigentrail.runs.analyses import Analyses
from eigentrail.runs.checkpoint_metrics import metrics_of
from eigentrail.runs.checkpoint_names import Numbered
from eigentrail.runs.checkpoint_series import find_series
from eigentrail.runs.layer_array import LayerArray
from eigentrail.runs.layout import dimensions
from eigentrail.runs.lazy import RowsArray, lazy_array
from eigentrail.runs.run import LayerInfo, Run, Step
from eigentrail.weights import Skipped, TensorEntry, TensorStore, open_store


class CheckpointFolder(Run):
    """Checkpoints of one training, in any format that weights are read from; nothing is written beside them.

    The checkpoints are listed when the folder is opened and read when values are looked at. What is no checkpoint of
    the series, or cannot be read, is left out with a warning and named in `skipped`; so is, for a layer alone, one in
    which the layer is lacking or has another shape than in most of them. Metrics come from the names of the files and
    from transformers' `trainer_state.json`.

    Args:
        path: the folder.
        analyses: where results are stored; in memory only by default.

    Raises:
        RunError: there are no numbered checkpoints, or none that can be read.
    """

    def __init__(self, path: Path, analyses: Path | None = None):
        self.path = path
        self.manifest = None
        self.analyses = Analyses(analyses)
        self._entries: dict[Path, tuple[str, dict[str, TensorEntry]]] = {}
        self.refresh()
        for one in self._left_out[:1]:
            more = f" ({len(self._left_out) - 1} more are left out, see .skipped)"
            warnings.warn(
                f"{path}: {one.name} {one.reason}; the others are kept{more if len(self._left_out) > 1 else ''}",
                RunWarning,
                stacklevel=3,
            )

    def refresh(self) -> bool:
        """Look again at a folder that may be growing.

        Returns:
            True if its checkpoints are others than before.

        Raises:
            RunError: there is none any more.
        """
        series, skipped = find_series(self.path)
        kept = []
        for one in series:
            try:
                self._entries[one.path] = _list(one, self._entries.get(one.path))
                kept.append(one)
            except (SourceError, OSError) as error:
                self._entries.pop(one.path, None)
                skipped.append(Skipped(one.path.name, f"cannot be read: {_without(one.path, error)}"))
        if not kept:
            raise RunError(
                f"{self.path}: none of its {len(series)} numbered checkpoints can be read ({skipped[-1].reason})"
            )
        identity = [(one.step, self._entries[one.path][0]) for one in kept]
        if identity == getattr(self, "_identity", None):
            return False
        self._identity = identity
        self._series = {one.step: one for one in kept}
        self._steps = np.array([one.step for one in kept], dtype=np.int64)
        self.metrics, unread = metrics_of(kept)
        self._left_out = [*sorted(skipped, key=lambda one: not one.reason.startswith("cannot")), *unread]
        self.skipped = skipped = skipped + unread
        self.layers = self._list_layers(kept, skipped)
        return True

    @property
    def status(self) -> str:
        """What state the run is in: a folder of checkpoints does not tell."""
        return "checkpoints"

    @property
    def steps(self) -> np.ndarray[Any, Any]:
        """The numbers of the checkpoints that can be read [T], ascending."""
        return self._steps

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """The same numbers: each checkpoint is a full state."""
        return tuple(self._series)

    @property
    def generation(self) -> str:
        """An identity of the first checkpoint; it changes when the folder is filled anew."""
        return hashlib.sha256(repr(self._identity[0]).encode()).hexdigest()[:16]

    def store(self, step: Step) -> TensorStore:
        """See one checkpoint as a source of tensors.

        Args:
            step: one of `steps`, -1 or "last".

        Returns:
            Its tensors.
        """
        return open_store(self._series[self._check_step(step)].path)

    def training_state(self, step: int) -> dict[str, Any]:
        """Refuse: what a checkpoint of somebody else's holds besides weights is not read.

        Args:
            step: one of `checkpoints`.

        Raises:
            RunError: always.
        """
        self._refuse(f"{self.path} is a folder of checkpoints, of which only the weights are read")

    def _read(self, layer: LayerInfo) -> LayerArray:
        paths = [self._series[int(step)].path for step in layer.steps]
        first = self._entries[paths[0]][1][layer.name]
        dtype = to_numpy(torch.empty(0, dtype=getattr(torch, first.dtype))).dtype
        read = partial(_read_rows, paths, layer.name, layer.shape, dtype)
        rows = RowsArray((len(paths), *layer.shape), dtype, read)
        attributes = {"parameter": layer.name, "dtype": layer.dtype}
        return lazy_array(layer.name, rows, layer.dims, layer.steps, layer.epochs, attributes)

    def _build(self, trust: bool) -> nn.Module:
        self._refuse(
            f"{self.path} does not say how to build its network: pass one with into=... (model=... or --model where it "
            "is analysed)"
        )

    def _refuse(self, why: str) -> NoReturn:
        raise RunError(why)

    def _list_layers(self, kept: list[Numbered], skipped: list[Skipped]) -> dict[str, LayerInfo]:
        kinds: dict[str, Counter[tuple[tuple[int, ...], str]]] = {}
        for one in kept:
            for listed in self._entries[one.path][1].values():
                kinds.setdefault(listed.name, Counter())[listed.shape, listed.dtype] += 1
        layers = {}
        for name, counts in kinds.items():
            (shape, dtype), _ = counts.most_common(1)[0]
            if not getattr(torch, dtype).is_floating_point or 0 in shape:
                continue
            members, left_out = [], []
            for one in kept:
                entry = self._entries[one.path][1].get(name)
                if entry is None:
                    left_out.append(Skipped(one.path.name, "is not in this checkpoint"))
                elif (entry.shape, entry.dtype) != (shape, dtype):
                    how = f"is {entry.dtype} of shape {entry.shape}, in most others {dtype} of shape {shape}"
                    left_out.append(Skipped(one.path.name, how))
                else:
                    members.append(one)
            skipped += [Skipped(f"{one.name}: {name}", one.reason) for one in left_out]
            steps = np.array([one.step for one in members], dtype=np.int64)
            epochs = self.metrics["epoch"].sel(step=steps).values
            aliases = self._entries[members[0].path][1][name].aliases
            layers[name] = LayerInfo(
                name, shape, dtype, dimensions(len(shape)), steps, epochs, aliases, tuple(left_out)
            )
        return layers


def _list(
    one: Numbered, known: tuple[str, dict[str, TensorEntry]] | None
) -> tuple[str, dict[str, TensorEntry]]:
    """List the tensors of a checkpoint, unless its file is the one that was listed before."""
    files = sorted(one.path.iterdir()) if one.path.is_dir() else [one.path]
    stamp = repr([(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files])
    if known is not None and known[0] == stamp:
        return known
    store = open_store(one.path)
    if not store.entries:
        raise SourceError("it holds no tensors")
    return stamp, dict(store.entries)


def _read_rows(
    paths: list[Path], name: str, shape: tuple[int, ...], dtype: np.dtype[Any], rows: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    out = np.empty((len(rows), *shape), dtype)
    for place, row in enumerate(rows):
        try:
            out[place] = to_numpy(open_store(paths[int(row)]).read(name))
        except (SourceError, KeyError, ValueError, OSError) as error:
            raise RunError(
                f"{paths[int(row)]}: {name} cannot be read any more ({error}): open the folder again"
            ) from error
    return out


def _without(path: Path, error: Exception) -> str:
    """Tell an error whose file is named already, inside a sentence."""
    return str(error).removeprefix(f"{path}: ").removesuffix(".")
