"""A training that was recorded, whatever it lies on disk as."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from torch import nn

from eigentrail.errors import RunError
from eigentrail.runs.analyses import Analyses
from eigentrail.runs.layout import METRICS, VALUES, node_name
from eigentrail.runs.manifest import Manifest
from eigentrail.runs.selection import match, no_match
from eigentrail.weights import Skipped, TensorStore, Weights, open_weights


@dataclass(frozen=True)
class LayerInfo:
    """One recorded tensor.

    Attributes:
        name: the parameter's name.
        shape: its shape.
        dtype: its precision in the network, as torch names it.
        dims: the names of its dimensions.
        steps: the steps at which it is recorded [T], ascending.
        epochs: the completed epochs at each of them [T].
        aliases: other names of the same parameter (tied weights).
        left_out: checkpoints of a folder in which it is lacking or has another shape, each with the reason.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    dims: tuple[str, ...]
    steps: np.ndarray[Any, Any]
    epochs: np.ndarray[Any, Any]
    aliases: tuple[str, ...] = ()
    left_out: tuple[Skipped, ...] = ()

    def __repr__(self) -> str:
        steps = f"{self.steps[0]} to {self.steps[-1]}" if len(self.steps) else "none"
        return f"<{self.name}: {self.shape} {self.dtype}, {len(self.steps)} steps, {steps}>"


class Run(ABC):
    """Weights and metrics over the steps of a training.

    `run[layer]` is the layer over its steps as a labelled array, read when its values are looked at. Everything shows
    what was committed when the run was opened or last refreshed.

    Attributes:
        path: the run's folder.
        layers: what is recorded, by name.
        metrics: the metrics over steps, with coordinates `step` and `epoch`; NaN where one was not told.
        manifest: what the run says about itself; None for a folder of checkpoints.
        skipped: what could not be read, each with its reason.
        analyses: the results stored with the run.
        trusted: whether its user trusts what it names for its network and samples, see `open_run`.
    """

    path: Path
    layers: dict[str, LayerInfo]
    metrics: xr.Dataset
    manifest: Manifest | None
    skipped: list[Skipped]
    analyses: Analyses
    trusted: bool = False

    @property
    @abstractmethod
    def status(self) -> str:
        """What state the run is in: "running", "finished", "interrupted", or "checkpoints" for a folder of those."""

    @property
    @abstractmethod
    def steps(self) -> np.ndarray[Any, Any]:
        """All committed steps [T], ascending; a layer may be recorded at some of them only."""

    @property
    @abstractmethod
    def checkpoints(self) -> tuple[int, ...]:
        """The steps whose full state, buffers included, is kept."""

    @property
    @abstractmethod
    def generation(self) -> str:
        """An identity of the committed steps: while it stays the same, steps are only added."""

    @abstractmethod
    def refresh(self) -> bool:
        """Look again at a run that may be growing.

        Returns:
            True if something was committed since.
        """

    @abstractmethod
    def store(self, step: int) -> TensorStore:
        """See the weights of one step as a source of tensors.

        Args:
            step: one of `steps`.

        Returns:
            The tensors recorded at this step, or all of the state where a checkpoint is kept.

        Raises:
            RunError: the step is not one of `steps`.
        """

    @abstractmethod
    def _read(self, layer: LayerInfo) -> xr.DataArray:
        """Make the lazy array of a layer."""

    @abstractmethod
    def training_state(self, step: int) -> dict[str, Any]:
        """Read what else a training needs to go on from a checkpoint.

        Args:
            step: one of `checkpoints`.

        Returns:
            What was given to `Recorder.checkpoint`.

        Raises:
            RunError: nothing was kept at this step.
        """

    @abstractmethod
    def _build(self, trust: bool) -> nn.Module:
        """Build the network, freshly initialised."""

    def __getitem__(self, layer: str) -> xr.DataArray:
        return self._read(self.layers[self.resolve(layer)])

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __contains__(self, layer: object) -> bool:
        return isinstance(layer, str) and layer in self.layers

    def __repr__(self) -> str:
        steps = self.steps
        span = f"{len(steps)} steps, {steps[0]} to {steps[-1]}" if len(steps) else "no step"
        return f"<Run {self.path}: {self.status}, {len(self.layers)} layers, {span}>"

    def resolve(self, layer: str) -> str:
        """Find the layer that a name means.

        Args:
            layer: a parameter's name, an alias of it, or a module's name, which stands for its weight.

        Returns:
            The name in `layers`.

        Raises:
            RunError: there is no such layer; near names are offered.
        """
        for name in (layer, f"{layer}.weight"):
            if name in self.layers:
                return name
            for info in self.layers.values():
                if name in info.aliases:
                    return info.name
        raise RunError(no_match(layer, self.layers))

    def select(self, layers: str | Sequence[str] | None = None) -> list[str]:
        """Choose layers by globs.

        Args:
            layers: globs over names, where a module's name stands for its weight; None for all.

        Returns:
            The names, in the run's order.

        Raises:
            RunError: a glob fits nothing.
        """
        if layers is None:
            return list(self.layers)
        chosen: set[str] = set()
        for glob in [layers] if isinstance(layers, str) else layers:
            fitting = match(glob, self.layers) or [self.resolve(glob)]
            chosen.update(fitting)
        return [name for name in self.layers if name in chosen]

    def weights(self, step: int, layers: str | Sequence[str] | None = None, conv: str = "flatten") -> Weights:
        """See the weights of one step as matrices.

        Args:
            step: one of `steps`.
            layers: globs over parameter names; None for all that are there.
            conv: how convolutions become matrices: "flatten", "spatial" or "slices".

        Returns:
            The matrices by name, read when they are looked at.
        """
        return open_weights(self.store(step), layers=layers, conv=conv)

    def model(self, step: int, into: nn.Module | None = None, trust: bool = False) -> nn.Module:
        """Build the network with the weights of one step.

        Args:
            step: one of `steps`.
            into: a network to load the weights into; None to build one as the run says.
            trust: True to import and call whatever the run names to build its network; without it, and without that of
                `open_run`, only eigentrail's own networks, torch's, and classes in modules that are imported already.

        Returns:
            The network, on the CPU if it was built here; in the mode (train or eval) it was built in.

        Raises:
            RunError: a tensor of the network is not recorded at this step (the text says which), or does not fit; or
                the run does not say how to build its network.
        """
        store = self.store(step)
        model = self._build(trust or self.trusted) if into is None else into
        known = {alias: name for name, entry in store.entries.items() for alias in (name, *entry.aliases)}
        # A tied tensor counts as there if any of its names is.
        state = model.state_dict(keep_vars=True)
        groups: dict[int, str] = {}
        for name, tensor in state.items():
            if name in known:
                groups.setdefault(id(tensor), known[name])
        lacking = [
            name
            for name, tensor in state.items()
            # The counter of batch norm does not enter what the network computes.
            if id(tensor) not in groups and not name.endswith("num_batches_tracked")
        ]
        if lacking:
            raise RunError(self._lacking(step, lacking, set(known).isdisjoint(state)))
        loaded = {}
        for name, tensor in state.items():
            if id(tensor) in groups:
                value = store.read(groups[id(tensor)])
                if value.shape != tensor.shape:
                    raise RunError(
                        f"{name} has shape {tuple(value.shape)} at step {step} and {tuple(tensor.shape)} in the network"
                    )
                loaded[name] = value
        model.load_state_dict(loaded, strict=False)
        return model

    def to_datatree(self) -> xr.DataTree:
        """See the whole run as one tree.

        Returns:
            A node `metrics` and a node for each layer, not yet read; slashes in names are percent-encoded, because a
            tree's paths are made of them.
        """
        metrics = {name: node_name(str(name)) for name in self.metrics.data_vars}
        nodes = {f"/{METRICS}": self.metrics.rename_vars(metrics)}
        for name in self.layers:
            layer = self[name]
            nodes[f"/{node_name(name)}"] = layer.to_dataset(name=VALUES).assign_attrs(layer.attrs)
        return xr.DataTree.from_dict(nodes, name=self.path.name)

    def _lacking(self, step: int, names: list[str], none_fits: bool) -> str:
        if none_fits:
            return f"{self.path} is the run of another network: it has no {names[0]}"
        some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        lacks = {name: set(self.layers[name].steps.tolist()) for name in names if name in self.layers}
        whole = sorted(set.intersection(*lacks.values())) if len(lacks) == len(names) else []
        near = sorted({*whole, *self.checkpoints}, key=lambda s: abs(s - step))
        mend = f"choose step {near[0]}" if near else "record them too, or keep checkpoints while recording"
        verb = "is" if len(names) == 1 else "are"
        return f"the network cannot be built at step {step}: {some} {verb} not recorded then; {mend}"

    def _check_step(self, step: int) -> int:
        steps = self.steps
        place = int(np.searchsorted(steps, step))
        if place == len(steps) or steps[place] != step:
            near = steps[[p for p in (place - 1, place) if 0 <= p < len(steps)]].tolist()
            raise RunError(
                f"{self.path} has no step {step}: the nearest are {' and '.join(map(str, near)) or 'none'}"
            )
        return int(step)
