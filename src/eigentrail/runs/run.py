"""A training that was recorded, whatever it lies on disk as."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, KeysView, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, overload

import numpy as np
import torch
import xarray as xr
from torch import nn

from eigentrail._text import counted, html_table
from eigentrail.errors import RunError
from eigentrail.runs.analyses import Analyses
from eigentrail.runs.given import Given
from eigentrail.runs.layer_array import LayerArray
from eigentrail.runs.layout import METRICS, VALUES, node_name
from eigentrail.runs.manifest import Manifest
from eigentrail.runs.selection import match, no_match
from eigentrail.weights import Skipped, TensorStore, Weights, open_weights

#: A step of a run: its number; a negative one counts from the end, -1 is the last; or "last", the last complete one.
Step: TypeAlias = "int | Literal['last']"

#: What people type, and what it is called.
_ALSO = {"config": "settings", "to_xarray": "to_datatree"}


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
        return f"<{self.name}: {self.shape} {self.dtype}, {counted(len(self.steps), 'step')}, {steps}>"


class Run(ABC):
    """Weights and metrics over the steps of a training.

    `run[layer]` is the layer over its steps as a `LayerArray` (an xarray DataArray with `.numpy()` that torch takes
    as well), read when its values are looked at; `run[step]` are the weights of one step as matrices. Everything shows
    what was committed when the run was opened or last refreshed. Where a step is asked for, -1 is the last one, and
    "last" the last of which every layer is kept.

    Attributes:
        path: the run's folder.
        layers: what is recorded, by name.
        metrics: the metrics over steps, with coordinates `step` and `epoch`; NaN where one was not told.
        manifest: what the run says about itself; None for a folder of checkpoints.
        skipped: what could not be read, each with its reason.
        analyses: the results stored with the run.
        trusted: whether its user trusts what it names for its network and samples, see `open_run`.
        given: the network, samples and loss that its user gave in place of those it names, see `with_given`.
    """

    path: Path
    layers: dict[str, LayerInfo]
    metrics: xr.Dataset
    manifest: Manifest | None
    skipped: list[Skipped]
    analyses: Analyses
    trusted: bool = False
    given: Given = Given()

    @property
    @abstractmethod
    def status(self) -> str:
        """What state the run is in: "running", "finished", "interrupted", or "checkpoints" for a folder of those."""

    @property
    @abstractmethod
    def steps(self) -> np.ndarray[Any, Any]:
        """All committed steps [T], ascending; a layer may be recorded at some of them only."""

    @property
    def last_complete(self) -> int | None:
        """The last step of which every layer is kept, with a full state or layer by layer; None if there is none."""
        whole = set(self.checkpoints)
        if self.layers:
            whole |= set.intersection(*(set(info.steps.tolist()) for info in self.layers.values()))
        return max(whole, default=None)

    def with_given(self, model: Any = None, data: Any = None, loss: Any = None) -> Self:
        """See the run with a network, samples or a loss of one's own, for every analysis that needs them.

        Args:
            model: the network, or a class or function that gives one when called without arguments; each step's weights
                are loaded into a copy.
            data: a pair of tensors (inputs, targets), a Dataset, a DataLoader, a `Data`, the name of a data set, or
                {"train": ..., "test": ...} of these; alone they are the training samples.
            loss: loss(outputs, targets), a mean over samples, or "cross-entropy" or "squared-error".

        Returns:
            The same run, with what is not None in place of what it had.
        """
        found = copy.copy(self)
        known = self.given
        found.given = Given(
            known.model if model is None else model,
            known.data if data is None else data,
            known.loss if loss is None else loss,
        )
        return found

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
    def store(self, step: Step) -> TensorStore:
        """See the weights of one step as a source of tensors.

        Args:
            step: one of `steps`, -1 or "last".

        Returns:
            The tensors recorded at this step, or all of the state where a checkpoint is kept.

        Raises:
            RunError: the step is not one of `steps`.
        """

    @abstractmethod
    def _read(self, layer: LayerInfo) -> LayerArray:
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

    @overload
    def __getitem__(self, layer: str) -> LayerArray: ...
    @overload
    def __getitem__(self, layer: int) -> Weights: ...
    def __getitem__(self, layer: str | int) -> LayerArray | Weights:
        """Read a layer over its steps, or, by a number, all weights of one step."""
        if not isinstance(layer, str):
            return self.weights(layer)
        return self._read(self.layers[self.resolve(layer)])

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __contains__(self, layer: object) -> bool:
        return isinstance(layer, str) and layer in self.layers

    def __repr__(self) -> str:
        steps = self.steps
        span = f"{counted(len(steps), 'step')}, {steps[0]} to {steps[-1]}" if len(steps) else "no step"
        return f"<Run {self.path}: {self.status}, {counted(len(self.layers), 'layer')}, {span}>"

    def _repr_html_(self) -> str:
        rows = [
            (name, " × ".join(map(str, info.shape)) or "scalar", info.dtype, len(info.steps))
            for name, info in self.layers.items()
        ]
        metrics = ", ".join(map(str, self.metrics)) or "none"
        return html_table(
            repr(self)[1:-1], ("layer", "shape", "precision", "steps"), rows, f"metrics: {metrics}"
        )

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the training, as the run tells them; empty where it does not."""
        notes = self.manifest.notes if self.manifest is not None else {}
        return dict(notes.get("training") or {})

    def __getattr__(self, name: str) -> Any:
        called = {
            "plot": "et.analyze(run).plot(...)",
            "report": "et.report_runs(run)",
            "spectrum": "et.Spectrum.from_matrix(run[layer][-1])",
        }
        if name in _ALSO:
            return getattr(self, _ALSO[name])
        if name in called:
            raise AttributeError(f"a run has no {name}; there is {called[name]}")
        layers = self.__dict__.get("layers")
        if layers is not None and f"{name}.weight" in layers:
            return self[f"{name}.weight"]
        raise AttributeError(f"a run has no {name}; layers are read as run[name]")

    def keys(self) -> KeysView[str]:
        """List the layers' names.

        Returns:
            The names, in the run's order.
        """
        return self.layers.keys()

    def arrays(self, layers: str | Sequence[str] | None = None) -> dict[str, LayerArray]:
        """Get several layers over their steps.

        Args:
            layers: globs over names, where a module's name stands for its weight; None for all.

        Returns:
            {name: the layer over its steps}, in the run's order, read when values are looked at.
        """
        return {name: self[name] for name in self.select(layers)}

    def resolve(self, layer: str) -> str:
        """Find the layer that a name means.

        Args:
            layer: a parameter's name, an alias of it, a module's name, which stands for its weight, or a glob that
                fits one layer.

        Returns:
            The name in `layers`.

        Raises:
            RunError: there is no such layer (near names are offered), or there are several.
        """
        for name in (layer, f"{layer}.weight"):
            if name in self.layers:
                return name
            for info in self.layers.values():
                if name in info.aliases:
                    return info.name
        fitting = match(layer, self.layers)
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise RunError(
                f'"{layer}" fits {len(fitting)} layers ({", ".join(fitting[:3])}, ...): name one, or take them all '
                f'with arrays("{layer}")'
            )
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

    def weights(
        self, step: Step, layers: str | Sequence[str] | None = None, conv: str = "flatten"
    ) -> Weights:
        """See the weights of one step as matrices.

        Args:
            step: one of `steps`, -1 or "last".
            layers: globs over parameter names; None for all that are there.
            conv: how convolutions become matrices: "flatten", "spatial" or "slices".

        Returns:
            The matrices by name, read when they are looked at.
        """
        return open_weights(self.store(step), layers=layers, conv=conv)

    def state_dict(self, step: Step) -> dict[str, torch.Tensor]:
        """Read the weights of one step as a state dict, for `load_state_dict`.

        Args:
            step: one of `steps`, -1 or "last".

        Returns:
            What is recorded, in the network's precisions, tied tensors under all of their names; buffers where they are
            recorded or a full state is kept.

        Raises:
            RunError: a recorded layer is not recorded at this step; the text says which, and names a step.
        """
        step = self._check_step(step)
        store = self.store(step)
        lacking = [name for name in self.layers if name not in store.entries]
        if lacking:
            raise RunError(self._lacking(step, lacking, False))
        state = {}
        for name, entry in store.entries.items():
            state.update(dict.fromkeys((name, *entry.aliases), store.read(name)))
        return state

    def model(self, step: Step, into: nn.Module | None = None, trust: bool = False) -> nn.Module:
        """Build the network with the weights of one step.

        Args:
            step: one of `steps`, -1 or "last".
            into: a network to load the weights into; None to build one as the run says.
            trust: True to import and call whatever the run names to build its network; without it, and without that of
                `open_run`, only eigentrail's own networks, torch's, and classes in modules that are imported already.

        Returns:
            The network, on the CPU if it was built here; in the mode (train or eval) it was built in.

        Raises:
            RunError: a tensor of the network is not recorded at this step (the text says which), or does not fit; or
                the run does not say how to build its network.
        """
        step = self._check_step(step)
        store = self.store(step)
        model = self._network(trust) if into is None else into
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

    def _network(self, trust: bool) -> nn.Module:
        return self._build(trust or self.trusted) if self.given.model is None else self.given.network()

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
        recorded = [name for name, info in self.layers.items() if step in info.steps]
        if not recorded:
            known = {int(one) for info in self.layers.values() for one in info.steps}
            near = min(known, key=lambda one: abs(one - step))
            return f"no layer of {self.path} is recorded at step {step}: the nearest one is step {near}"
        if none_fits:
            return f"{self.path} is the run of another network: it has no {names[0]}"
        some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        lacks = {name: set(self.layers[name].steps.tolist()) for name in names if name in self.layers}
        whole = sorted(set.intersection(*lacks.values())) if len(lacks) == len(names) else []
        nearest = sorted({*whole, *self.checkpoints}, key=lambda s: abs(s - step))
        mend = "record them too, or keep checkpoints while recording"
        if nearest:
            # What is not recorded at all can be had at every step of another recording.
            mend = f"choose step {nearest[0]}" + ("" if lacks else ", or record them too")
        verb = "is" if len(names) == 1 else "are"
        return f"the network cannot be built at step {step}: {some} {verb} not recorded then; {mend}"

    def _check_step(self, step: Step) -> int:
        steps = self.steps
        if isinstance(step, str):
            if step != "last":
                raise RunError(
                    f'"{step}" is no step: give a number, -1 for the last or "last" for the last complete'
                )
            if self.last_complete is None:
                raise RunError(
                    f"{self.path} has no step of which every layer is kept: give the number of a step"
                )
            return self.last_complete
        if -len(steps) <= step < 0:
            return int(steps[step])
        place = int(np.searchsorted(steps, step))
        if place == len(steps) or steps[place] != step:
            near = steps[[p for p in (place - 1, place) if 0 <= p < len(steps)]].tolist()
            raise RunError(
                f"{self.path} has no step {step}: the nearest are {' and '.join(map(str, near)) or 'none'}"
            )
        return int(step)
