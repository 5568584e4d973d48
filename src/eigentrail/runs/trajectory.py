"""The trajectory on disk: rows go into chunk files, and one replaced file says how many of them count.

The consolidated metadata in the root's `zarr.json` holds the shapes of all arrays; it is the one file that
Zarr and xarray look at when they open the whole tree, so replacing it in one step commits all arrays at once.
The `zarr.json` files further down are brought in line whenever a writer ends.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from eigentrail._files import replace_file
from eigentrail.errors import RunError
from eigentrail.runs.columns import Buffer, Column, OpenFiles, read_rows
from eigentrail.runs.layout import METRICS, VALUES, ArraySpec, NodeText, group_metadata, node_name
from eigentrail.runs.manifest import LayerSpec

FOLDER = "trajectory.zarr"
_STEP = ArraySpec.of("int64")
_EPOCH = ArraySpec.of("float64")
_METRIC = ArraySpec.of("float64")


@dataclass(frozen=True)
class NodeState:
    """What a commit says about one node.

    Attributes:
        rows: its number of committed rows.
        attributes: its attributes.
        arrays: its arrays.
        names: the true name of each array that is a metric.
    """

    rows: int
    attributes: dict[str, Any]
    arrays: dict[str, ArraySpec]
    names: dict[str, str]


@dataclass(frozen=True)
class Commit:
    """One committed state of a trajectory.

    Attributes:
        attributes: the root's attributes: `generation` grows when steps are taken back, `last_step` and
            `last_epoch` are the last that were told.
        nodes: the nodes by name.
    """

    attributes: dict[str, Any]
    nodes: dict[str, NodeState]


def read_commit(folder: Path) -> Commit | None:
    """Read what is committed.

    Args:
        folder: the trajectory's folder.

    Returns:
        The last commit; None if there is none.

    Raises:
        RunError: the file that holds it cannot be read.
    """
    path = folder / "zarr.json"
    try:
        root = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    try:
        members: dict[str, Any] = root["consolidated_metadata"]["metadata"]
        nodes = {}
        for node in [key for key, value in members.items() if value["node_type"] == "group"]:
            inside = {k.split("/")[1]: v for k, v in members.items() if k.startswith(f"{node}/")}
            nodes[node] = NodeState(
                inside["step"]["shape"][0],
                members[node]["attributes"],
                {array: ArraySpec.from_metadata(of) for array, of in inside.items()},
                {
                    array: of["attributes"]["metric"]
                    for array, of in inside.items()
                    if "metric" in of["attributes"]
                },
            )
        return Commit(root["attributes"], nodes)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise RunError(f"{path} was not written by a recorder: its {error} is missing") from error


@dataclass
class _Node:
    """A node that rows are appended to: `written` lie in the files, the first `closed` belong to whole steps."""

    attributes: dict[str, Any]
    columns: dict[str, Column]
    names: dict[str, str] = field(default_factory=dict)
    written: int = 0
    closed: int = 0
    last_step: int = -1
    closed_step: int = -1
    text: NodeText | None = None


class TrajectoryWriter:
    """Append steps to a trajectory, and commit them.

    Args:
        folder: the trajectory's folder.
        layers: the recorded tensors.
        commit: what is committed already, to go on from; None for a new trajectory.
        upto: with `commit`, the last step to keep.
        steps: the planned number of steps, if known.
    """

    def __init__(
        self,
        folder: Path,
        layers: Sequence[LayerSpec],
        commit: Commit | None = None,
        upto: int = -1,
        steps: int | None = None,
    ):
        self._folder = folder
        self._files = OpenFiles()
        self._nodes: dict[str, _Node] = {}
        self.attributes: dict[str, Any] = {"generation": 0, "last_step": -1, "last_epoch": 0.0}
        folder.mkdir(parents=True, exist_ok=True)
        self._add(METRICS, {"coordinates": "epoch"}, {"step": _STEP, "epoch": _EPOCH})
        for node, (attributes, values) in node_arrays(layers, steps).items():
            self._add(node, attributes, {"step": _STEP, "epoch": _EPOCH, VALUES: values})
        if commit is not None:
            self._continue(commit, upto)

    def _add(self, name: str, attributes: dict[str, Any], arrays: Mapping[str, ArraySpec]) -> None:
        folder = self._folder / name
        columns = {array: Column(folder / array, spec, self._files) for array, spec in arrays.items()}
        self._nodes[name] = _Node(attributes, columns)

    def _continue(self, commit: Commit, upto: int) -> None:
        self.attributes.update(commit.attributes)
        taken_back = False
        for name, node in self._nodes.items():
            state = commit.nodes[name]
            steps = read_column(self._folder, name, state, "step")
            keep = int(np.searchsorted(steps, upto, side="right"))
            taken_back |= keep < state.rows
            for array, spec in state.arrays.items():
                node.columns[array] = Column(
                    self._folder / name / array,
                    _chunks_to_go_on(spec, node.columns.get(array), state.rows),
                    self._files,
                    state.rows,
                )
                # Before the commit that tells the size of chunks again.
                node.columns[array].resize()
            node.names = dict(state.names)
            node.written = node.closed = keep
            node.last_step = node.closed_step = int(steps[keep - 1]) if keep else -1
        if taken_back or upto < self.attributes["last_step"]:
            epochs = read_column(self._folder, METRICS, commit.nodes[METRICS], "epoch")
            kept = self._nodes[METRICS].closed
            epoch = float(epochs[kept - 1]) if kept else 0.0
            generation = self.attributes["generation"] + 1
            self.attributes |= {"generation": generation, "last_step": upto, "last_epoch": epoch}
            # The shorter lengths are committed before files go.
            self.commit()
            for node in self._nodes.values():
                for column in node.columns.values():
                    column.truncate(node.closed)
        else:
            self.commit()

    def append(
        self, name: str, steps: Sequence[int], epochs: Sequence[float], values: Sequence[Buffer]
    ) -> None:
        """Write records of one tensor; they count from the next `close_step` and `commit` on.

        Args:
            name: the tensor's node.
            steps: the steps [n].
            epochs: the completed epochs at each of them [n].
            values: the bytes of each record [n].
        """
        node = self._nodes[name]
        self._append_coordinates(node, steps, epochs)
        node.columns[VALUES].append(values)
        node.written += len(steps)

    def append_metrics(
        self, steps: Sequence[int], epochs: Sequence[float], metrics: Sequence[Mapping[str, float]]
    ) -> None:
        """Write rows of metrics.

        Args:
            steps: the steps [n].
            epochs: the completed epochs at each of them [n].
            metrics: the metrics told at each of them [n]; one that is missing is NaN there.
        """
        node = self._nodes[METRICS]
        for metric in dict.fromkeys(name for row in metrics for name in row):
            self._metric_column(node, metric)
        self._append_coordinates(node, steps, epochs)
        for array, metric in node.names.items():
            numbers = [row.get(metric, math.nan) for row in metrics]
            node.columns[array].append([struct.pack(f"<{len(numbers)}d", *numbers)])
        node.written += len(steps)

    def amend(self, step: int, epoch: float, metrics: Mapping[str, float]) -> None:
        """Tell the epoch and more metrics of the step that was written last.

        Args:
            step: that step.
            epoch: the completed epochs.
            metrics: metrics that are added to it, or replaced.
        """
        for name, node in self._nodes.items():
            if node.last_step != step or not node.written:
                continue
            node.columns["epoch"].overwrite(node.written - 1, np.float64(epoch).tobytes())
            if name == METRICS:
                for metric, number in metrics.items():
                    column = self._metric_column(node, metric, node.written - 1)
                    if column.rows < node.written:
                        column.append([np.float64("nan").tobytes()])
                    column.overwrite(node.written - 1, np.float64(number).tobytes())
        self.attributes["last_epoch"] = epoch

    def close_step(self, step: int, epoch: float) -> None:
        """Say that all rows written so far belong to whole steps.

        Args:
            step: the last of them.
            epoch: the completed epochs at it.
        """
        for node in self._nodes.values():
            node.closed, node.closed_step = node.written, node.last_step
        self.attributes |= {"last_step": step, "last_epoch": epoch}

    def last_step(self, name: str) -> int:
        """Name the step of the last record of a tensor.

        Args:
            name: the tensor's node.

        Returns:
            The step, -1 if there is no record.
        """
        return self._nodes[name].last_step

    def abandon_step(self) -> None:
        """Forget rows of a step that was begun and not ended."""
        for node in self._nodes.values():
            node.written, node.last_step = node.closed, node.closed_step

    def give_back(self) -> None:
        """Forget rows of steps that were not ended, and give their room on the disk back."""
        self.abandon_step()
        for node in self._nodes.values():
            for column in node.columns.values():
                column.give_back(node.closed)

    def finish(self) -> None:
        """Commit everything for good: files of arrays that end in their first one are cut to what they hold.

        Whoever opens a tree between the commit and the cut finds a file that is too long, and reads it again.
        """
        for node in self._nodes.values():
            for column in node.columns.values():
                column.rows = node.closed
                if 0 < node.closed <= column.spec.chunk_rows:
                    column.spec = replace(column.spec, chunk_rows=node.closed)
            node.text = None
        self.commit(sync=True)
        for node in self._nodes.values():
            for column in node.columns.values():
                column.resize()
        self.write_members()

    def commit(self, sync: bool = False) -> None:
        """Make all whole steps count, in one step for every reader.

        Args:
            sync: True to bring everything to the disk itself.
        """
        if sync:
            self._files.sync()
        members = ",".join(self._text(name, node).filled(node.closed) for name, node in self._nodes.items())
        root = json.dumps(group_metadata(self.attributes))[:-1]
        consolidated = (
            f'"consolidated_metadata":{{"kind":"inline","must_understand":false,"metadata":{{{members}}}}}'
        )
        replace_file(self._folder / "zarr.json", f"{root},{consolidated}}}", sync=sync)

    @property
    def size(self) -> int:
        """The bytes of the file that a commit replaces."""
        return sum(len(self._text(name, node).filled(node.closed)) for name, node in self._nodes.items())

    def write_members(self) -> None:
        """Bring the `zarr.json` of every node and array in line with the last commit."""
        for name, node in self._nodes.items():
            for path, text in self._text(name, node).files(node.closed).items():
                replace_file(self._folder / path / "zarr.json", text)

    def close(self) -> None:
        """Close all files."""
        self._files.close()

    def _append_coordinates(self, node: _Node, steps: Sequence[int], epochs: Sequence[float]) -> None:
        # After an abandoned step the next row goes where its row was.
        for column in node.columns.values():
            column.rows = node.written
        node.columns["step"].append([struct.pack(f"<{len(steps)}q", *steps)])
        node.columns["epoch"].append([struct.pack(f"<{len(epochs)}d", *epochs)])
        node.last_step = int(steps[-1])

    def _metric_column(self, node: _Node, metric: str, row: int | None = None) -> Column:
        array = node_name(metric)
        if array not in node.columns:
            column = Column(self._folder / METRICS / array, _METRIC, self._files)
            column.start_at(node.written if row is None else row)
            node.columns[array] = column
            node.names[array] = metric
            node.text = None
            replace_file(column.folder / "zarr.json", json.dumps(_METRIC.metadata(0, {"metric": metric})))
        return node.columns[array]

    def _text(self, name: str, node: _Node) -> NodeText:
        if node.text is None:
            arrays = {
                array: (column.spec, {"metric": node.names[array]} if array in node.names else {})
                for array, column in node.columns.items()
            }
            node.text = NodeText(name, node.attributes, arrays)
        return node.text


def node_arrays(
    layers: Sequence[LayerSpec], steps: int | None = None
) -> dict[str, tuple[dict[str, Any], ArraySpec]]:
    """Say what nodes the layers of a trajectory have.

    Args:
        layers: the recorded tensors.
        steps: the planned number of steps, if known.

    Returns:
        {node: (its attributes, its array of weights)}; for a pack its attribute `packed` tells `offset`, `shape`,
        `dtype` and `dims` of each tensor in it.
    """
    packs: dict[str, list[LayerSpec]] = {}
    found: dict[str, tuple[dict[str, Any], ArraySpec]] = {}
    for layer in layers:
        rows = layer.schedule.rows(steps)
        if layer.offset is not None:
            packs.setdefault(layer.node, []).append(layer)
            continue
        attributes: dict[str, Any] = {
            "coordinates": "epoch",
            "parameter": layer.name,
            "dtype": layer.dtype,
        }
        if layer.stored == "uint16":
            attributes["bits"] = "bfloat16"
        spec = ArraySpec.of(layer.stored, tuple(layer.shape), tuple(layer.dims), rows)
        found[layer.node] = (attributes, spec)
    for node, inside in packs.items():
        entries = sum(math.prod(layer.shape) for layer in inside)
        told = {
            layer.name: {
                "offset": layer.offset,
                "shape": layer.shape,
                "dtype": layer.dtype,
                "dims": layer.dims,
            }
            for layer in inside
        }
        spec = ArraySpec.of(inside[0].stored, (entries,), ("entry",), inside[0].schedule.rows(steps))
        bits = {"bits": "bfloat16"} if inside[0].stored == "uint16" else {}
        found[node] = ({"coordinates": "epoch", "packed": told, **bits}, spec)
    return found


def _chunks_to_go_on(spec: ArraySpec, chosen: Column | None, rows: int) -> ArraySpec:
    """Choose the chunks of an array that is gone on with: a file that was cut at the end gets its full size again."""
    wanted = _METRIC if chosen is None else chosen.spec
    if rows <= spec.chunk_rows < wanted.chunk_rows:
        return replace(spec, chunk_rows=wanted.chunk_rows)
    return spec


def read_layer(
    folder: Path, layer: LayerSpec, state: NodeState, rows: Int[np.ndarray, " n"]
) -> Shaped[np.ndarray, "n ..."]:
    """Read committed rows of one tensor.

    Args:
        folder: the trajectory's folder.
        layer: the tensor.
        state: what the commit says about its node.
        rows: the numbers of the rows.

    Returns:
        The rows [n, *shape]; bfloat16 as float32.
    """
    part = None
    if layer.offset is not None:
        part = slice(layer.offset, layer.offset + math.prod(layer.shape))
    values = read_rows(
        folder / layer.node / VALUES, state.arrays[VALUES], rows, f"{layer.name}: {VALUES}", part=part
    )
    if layer.stored == "uint16":
        # The bits of bfloat16 are the upper half of those of the float32 of the same value.
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values.reshape(len(rows), *layer.shape)


def read_column(
    folder: Path, node: str, state: NodeState, array: str, rows: Int[np.ndarray, " n"] | None = None
) -> Shaped[np.ndarray, "n ..."]:
    """Read committed rows of one array.

    Args:
        folder: the trajectory's folder.
        node: the node's name.
        state: what the commit says about it.
        array: the array's name.
        rows: the numbers of the rows; None for all.

    Returns:
        The rows [n, ...].
    """
    what = f"{state.attributes.get('parameter', node)}: {state.names.get(array, array)}"
    wanted = np.arange(state.rows) if rows is None else rows
    # A metric that was told late has no files for the time before.
    return read_rows(folder / node / array, state.arrays[array], wanted, what, sparse=array in state.names)
