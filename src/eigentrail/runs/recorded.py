"""A run as the recorder writes it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from eigentrail.errors import RunError
from eigentrail.runs import checkpoints, lock, trajectory
from eigentrail.runs.analyses import Analyses
from eigentrail.runs.layer_array import LayerArray
from eigentrail.runs.layout import METRICS
from eigentrail.runs.lazy import RowsArray, lazy_array
from eigentrail.runs.manifest import Manifest, Overhead
from eigentrail.runs.run import LayerInfo, Run, Step
from eigentrail.runs.sessions import ANALYSES
from eigentrail.runs.trajectory import Commit, read_column, read_commit, read_layer
from eigentrail.weights import ModuleHint, Skipped, TensorEntry, TensorStore, open_store


class RecordedRun(Run):
    """A run in the recorder's own layout.

    Args:
        path: the run's folder.
        analyses: where results are stored; in the run by default.

    Raises:
        RunError: it holds no committed step, or is damaged.
    """

    manifest: Manifest

    def __init__(self, path: Path, analyses: Path | None = None):
        self.path = path
        self.skipped = []
        self.analyses = Analyses(analyses or path / ANALYSES)
        self._commit: Commit | None = None
        self.refresh()

    def refresh(self) -> bool:
        """Look again at a run that may be growing.

        Returns:
            True if something was committed since.

        Raises:
            RunError: the run is gone or damaged.
        """
        manifest = Manifest.read(self.path)
        commit = read_commit(self._folder)
        if commit is None:
            raise RunError(f"{self.path} holds no step yet: its recorder has not written the initial weights")
        self.manifest = manifest
        if self._commit is not None and commit == self._commit:
            return False
        layers = {}
        times: dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = {}
        for layer in manifest.layers:
            state = commit.nodes.get(layer.node)
            if state is None:
                raise RunError(f"{self._folder} lacks the layer {layer.name}; the run's folder is damaged")
            if layer.node not in times:
                step, epoch = (
                    read_column(self._folder, layer.node, state, name) for name in ("step", "epoch")
                )
                times[layer.node] = (step, epoch)
            layers[layer.name] = LayerInfo(
                layer.name,
                tuple(layer.shape),
                layer.dtype,
                tuple(layer.dims),
                *times[layer.node],
                tuple(layer.aliases),
            )
        # Set together, so that an error above leaves the view as it was.
        self.layers, self._commit = layers, commit
        self._metrics: xr.Dataset | None = None
        metrics = commit.nodes[METRICS]
        told = [read_column(self._folder, METRICS, metrics, "step")]
        self._steps = np.unique(np.concatenate(told + [steps for steps, _ in times.values()]))
        return True

    @property
    def metrics(self) -> xr.Dataset:  # type: ignore[override]
        """The metrics over steps, with coordinates `step` and `epoch`; NaN where one was not told."""
        if self._metrics is None:
            state = self._committed.nodes[METRICS]
            step, epoch = (read_column(self._folder, METRICS, state, name) for name in ("step", "epoch"))
            data = {
                m: ("step", read_column(self._folder, METRICS, state, array))
                for array, m in state.names.items()
            }
            self._metrics = xr.Dataset(data, coords={"step": step, "epoch": ("step", epoch)})
        return self._metrics

    @property
    def status(self) -> str:
        """What state the run is in: "running", "finished" or "interrupted"."""
        if self.manifest.status != "running":
            return self.manifest.status
        return "running" if lock.is_being_written(self.path) else "interrupted"

    @property
    def steps(self) -> np.ndarray[Any, Any]:
        """All committed steps [T], ascending."""
        return self._steps

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """The steps whose full state, buffers included, is kept."""
        return checkpoints.steps_of(self.path)

    @property
    def generation(self) -> str:
        """An identity of the committed steps: while it stays the same, steps are only added."""
        return f"{self.manifest.run_id}-{self._committed.attributes['generation']}"

    @property
    def overhead(self) -> Overhead | None:
        """What recording cost the training, as measured; None before the first commit of a session."""
        if self.manifest.overhead is not None and self.manifest.status != "running":
            return self.manifest.overhead
        told = self._committed.attributes.get("overhead")
        return None if told is None else Overhead.model_validate(told)

    def store(self, step: Step) -> TensorStore:
        """See the weights of one step as a source of tensors.

        Args:
            step: one of `steps`, -1 or "last".

        Returns:
            The tensors recorded at this step, and the rest of the state where a checkpoint is kept.
        """
        return StepStore(self, self._check_step(step))

    def training_state(self, step: int) -> dict[str, Any]:
        """Read what else a training needs to go on from a checkpoint.

        Args:
            step: one of `checkpoints`.

        Returns:
            What was given to `Recorder.checkpoint`; tensors and plain data only are read.

        Raises:
            RunError: nothing was kept at this step, or it cannot be read.
        """
        path = checkpoints.training_path_of(self.path, step)
        if not path.is_file():
            raise RunError(
                f"{self.path} keeps no state of the training at step {step}: it was not given one then"
            )
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            # torch raises many kinds for a damaged or hostile file.
            raise RunError(f"{path} cannot be read: {error}") from error
        return state

    @property
    def _folder(self) -> Path:
        return self.path / trajectory.FOLDER

    @property
    def _committed(self) -> Commit:
        assert self._commit is not None
        return self._commit

    def _read(self, layer: LayerInfo) -> LayerArray:
        spec = next(one for one in self.manifest.layers if one.name == layer.name)
        state = self._committed.nodes[spec.node]
        rows = RowsArray(
            (state.rows, *layer.shape),
            np.dtype("float32" if spec.stored == "uint16" else spec.stored),
            partial(read_layer, self._folder, spec, state),
        )
        attributes = {"parameter": layer.name, "dtype": layer.dtype}
        return lazy_array(layer.name, rows, layer.dims, layer.steps, layer.epochs, attributes)

    def _build(self, trust: bool) -> nn.Module:
        if self.manifest.model.build is None:
            raise RunError(
                f"{self.path} does not say how to build its network ({self.manifest.model.class_name}): pass one with "
                "into=... (model=... or --model where it is analysed), or record with rebuild=..."
            )
        return self.manifest.model.build.build(trust)


class StepStore(TensorStore):
    """The weights of a recorded run at one step.

    Args:
        run: the run, as it is committed now.
        step: one of its steps.
    """

    def __init__(self, run: RecordedRun, step: int):
        self.source = f"{run.path} at step {step}"
        self.config = {}
        self.modules = {
            layer.name: ModuleHint(**layer.hint) for layer in run.manifest.layers if layer.hint is not None
        }
        self.entries = {}
        self.skipped = []
        self._generation = run.generation
        self._step = step
        self._arrays: dict[str, xr.DataArray] = {}
        self._checkpoint: TensorStore | None = None
        path = checkpoints.path_of(run.path, step)
        ties: dict[str, list[str]] = {}
        if path.is_file():
            self._checkpoint = open_store(path)
            for alias, name in checkpoints.read_ties(path).items():
                ties.setdefault(name, []).append(alias)
        for name, info in run.layers.items():
            place = int(np.searchsorted(info.steps, step))
            if place < len(info.steps) and info.steps[place] == step:
                self._arrays[name] = run[name][place]
                nbytes = int(np.prod(info.shape)) * getattr(torch, info.dtype).itemsize
                self.entries[name] = TensorEntry(name, info.shape, info.dtype, nbytes, info.aliases)
            elif self._checkpoint is None:
                near = info.steps[np.argmin(np.abs(info.steps - step))] if len(info.steps) else None
                when = "" if near is None else f"; step {near} is the nearest that has it"
                self.skipped.append(Skipped(name, f"not recorded at step {step}{when}"))
        taken = {alias for entry in self.entries.values() for alias in (entry.name, *entry.aliases)}
        for name, entry in (self._checkpoint.entries if self._checkpoint else {}).items():
            if name not in taken:
                aliases = tuple(sorted({*entry.aliases, *ties.get(name, [])}))
                self.entries[name] = TensorEntry(name, entry.shape, entry.dtype, entry.nbytes, aliases)

    @property
    def fingerprint(self) -> str:
        """The run, and how often steps of it were taken back, and the step."""
        return f"{self._generation}-{self._step}"

    def read(self, name: str) -> torch.Tensor:
        """Read one tensor.

        Args:
            name: one of `entries`, or one of their aliases.

        Returns:
            The tensor in the precision that it has in the network.

        Raises:
            KeyError: there is no tensor of that name.
        """
        name = self._resolve(name)
        if name in self._arrays:
            return self._tensor(name, self._arrays[name].variable.values)
        return self._rest().read(name)

    def read_rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        """Read a part of a tensor along its first axis.

        Args:
            name: one of `entries`, or one of their aliases.
            start: the first entry.
            stop: one past the last.

        Returns:
            [stop - start, ...] in the precision that the tensor has in the network.

        Raises:
            KeyError: there is no tensor of that name.
        """
        name = self._resolve(name)
        if name in self._arrays:
            return self._tensor(name, self._arrays[name].variable[start:stop].values)
        return self._rest().read_rows(name, start, stop)

    def _resolve(self, name: str) -> str:
        if name in self.entries:
            return name
        for entry in self.entries.values():
            if name in entry.aliases:
                return entry.name
        raise KeyError(name)

    def _rest(self) -> TensorStore:
        assert self._checkpoint is not None
        return self._checkpoint

    def _tensor(self, name: str, values: np.ndarray[Any, Any]) -> torch.Tensor:
        # Scalars come as numbers, which torch does not take for arrays.
        tensor = torch.from_numpy(np.array(values))
        return tensor.to(getattr(torch, self.entries[name].dtype))
