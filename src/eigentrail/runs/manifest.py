"""run.json: what a run is, how it was made, and how it ended."""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, Field, ValidationError
from torch import nn

from eigentrail._files import replace_file
from eigentrail._names import FOREIGN, first_line
from eigentrail.errors import OptionError, RunError
from eigentrail.runs.schedules import Schedule

FILE = "run.json"
#: The newest layout on disk: 1 has a node for each tensor and no bfloat16, packs and bfloat16 make it 2.
FORMAT = 2
# The one function of ours that a run may name: it builds a network of the zoo from its name and sizes.
_OWN_NETWORKS = "eigentrail.networks.registry:build_known"
_PACKAGES = ("eigentrail", "torch", "numpy", "zarr", "xarray", "lightning", "transformers")


def package_versions() -> dict[str, str]:
    """Name the versions of Python and of the packages that a training depends on.

    Returns:
        {package: version}, those that are not installed left out.
    """
    return dict(_found_versions())


@functools.cache
def _found_versions() -> tuple[tuple[str, str], ...]:
    """Look the versions up once: what is imported stays, and reading them takes longer than opening a run."""
    versions = [("python", platform.python_version())]
    for package in _PACKAGES:
        try:
            versions.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(versions)


class BuildSpec(BaseModel):
    """How to build the network again.

    Attributes:
        target: an import path, "package.module:name", of a class or function.
        args: its positional arguments.
        kwargs: its keyword arguments.
    """

    target: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}

    def build(self, trust: bool = False) -> nn.Module:
        """Build the network, freshly initialised.

        Args:
            trust: True to import and call whatever the file names. Without it a file, which may come from somebody
                else, can name only eigentrail's own networks, torch's, and classes of networks in modules that this
                process has imported already.

        Returns:
            The network.

        Raises:
            RunError: the import path leads nowhere, is not trusted, or does not build a network.
        """
        module, _, name = self.target.partition(":")
        known = module.startswith("torch.nn.") or module in {"torch.nn", *sys.modules}
        if not (trust or known or self.target == _OWN_NETWORKS):
            raise RunError(
                f"the run names {self.target} to build its network: if you trust that, open the run with trust=True "
                f"(eigentrail analyze --trust) or import {module} first; or pass a network with into=..."
            )
        try:
            found: Any = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except FOREIGN as error:
            raise RunError(
                f"the network's {self.target} cannot be imported ({first_line(error)}): make it importable, or pass a "
                "network with model(step, into=...)"
            ) from error
        ours = self.target == _OWN_NETWORKS
        if not (trust or ours or (inspect.isclass(found) and issubclass(found, nn.Module))):
            raise RunError(
                f"the run names the function {self.target} to build its network: if you trust that, open the run with "
                "trust=True (eigentrail analyze --trust); or pass a network with into=..."
            )
        try:
            built = found(*self.args, **self.kwargs)
        except FOREIGN as error:
            raise RunError(
                f"{self.target} does not build the network from the recorded arguments: {first_line(error)}"
            ) from error
        if not isinstance(built, nn.Module):
            raise RunError(f"{self.target} gives a {type(built).__name__}, not a network")
        return built


class ModelSpec(BaseModel):
    """The recorded network.

    Attributes:
        class_name: the import path of its class.
        parameters: the shape of each of its parameters, in the order of `named_parameters`.
        build: how to build it again, where the recorder was told.
    """

    class_name: str
    parameters: dict[str, list[int]]
    build: BuildSpec | None = None


class LayerSpec(BaseModel):
    """One recorded tensor.

    Attributes:
        name: the parameter's name, wrappers' prefixes taken off.
        node: its node in `trajectory.zarr`.
        shape: its shape.
        dtype: its precision in the network, as torch names it.
        stored: its precision on disk, as numpy names it, "uint16" for the bits of bfloat16; exact for every value of
            `dtype`.
        dims: the names of its dimensions.
        schedule: when it is recorded.
        aliases: other names of the same parameter (tied weights).
        hint: what the network's modules say about the parameter (kind of layer, groups, heads, ...).
        offset: where it begins in a row of its node, if it shares the node with others; else None.
    """

    name: str
    node: str
    shape: list[int]
    dtype: str
    stored: str
    dims: list[str]
    schedule: Schedule
    aliases: list[str] = []
    hint: dict[str, Any] | None = None
    offset: int | None = None


class Session(BaseModel):
    """One stretch of recording; a run that was resumed has several.

    Attributes:
        started: when, in UTC.
        from_step: the step of the state it began with.
        pid: the process that recorded.
        host: its machine.
    """

    started: datetime
    from_step: int
    pid: int
    host: str


class Overhead(BaseModel):
    """What recording cost the training loop in its last session.

    Attributes:
        steps: how many steps were told.
        loop_seconds: from the first of them to the last.
        recorder_seconds: spent inside the recorder, waiting included.
        waiting_seconds: spent waiting for the disk.
        cpu_seconds: CPU time of the recorder and of the thread that writes; None in runs of earlier versions.
        loop_cpu_seconds: CPU time of the whole process over the loop; None in runs of earlier versions.
        fraction: cpu_seconds as a share of the other CPU time; None before the second step. In runs of earlier
            versions recorder_seconds as a share of the other time, the thread that writes not counted.
    """

    steps: int
    loop_seconds: float
    recorder_seconds: float
    waiting_seconds: float
    cpu_seconds: float | None = None
    loop_cpu_seconds: float | None = None
    fraction: float | None


class Manifest(BaseModel):
    """The content of run.json.

    Attributes:
        format: the version of the layout on disk.
        run_id: a name that no other run has.
        created: when the run was begun, in UTC.
        status: "running", "finished" or "interrupted", as its last writer left it.
        error: what ended an interrupted run, in words, where its recorder could still tell.
        model: the network.
        layers: the recorded tensors.
        data: the data set, as the recorder was told.
        optimizer: the optimizer's class and settings.
        seed: the seed, as the recorder was told.
        notes: what else the recorder was told.
        packages: the versions of Python and of the packages in use.
        sessions: the stretches of recording.
        overhead: what recording cost; None until the first session ends.
    """

    format: int = 1
    run_id: str
    created: datetime
    status: Literal["running", "finished", "interrupted"]
    error: str | None = None
    model: ModelSpec
    layers: list[LayerSpec]
    data: dict[str, Any] | None = None
    optimizer: dict[str, Any] | None = None
    seed: int | None = None
    notes: dict[str, Any] = {}
    packages: dict[str, str] = Field(default_factory=package_versions)
    sessions: list[Session] = []
    overhead: Overhead | None = None

    def write(self, folder: Path) -> None:
        """Put the manifest into its run's folder, in place of an older one.

        Args:
            folder: the run's folder.
        """
        replace_file(folder / FILE, self.model_dump_json(indent=1) + "\n", sync=True)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a run.

        Args:
            folder: the run's folder.

        Returns:
            The manifest.

        Raises:
            RunError: it cannot be read, or a newer eigentrail wrote it.
        """
        path = folder / FILE
        try:
            text = path.read_text(encoding="utf-8")
            manifest = cls.model_validate_json(text)
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"{path} cannot be read: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise RunError(f"{path} is no manifest of a run ({where}: {first['msg']})") from error
        if manifest.format > FORMAT:
            raise RunError(
                f"{path} has format {manifest.format}, newer than {FORMAT}: install a newer eigentrail"
            )
        return manifest


def format_of(layers: Sequence[LayerSpec]) -> int:
    """Tell the oldest format that holds some layers, so that earlier versions open what they understand.

    Args:
        layers: the recorded tensors.

    Returns:
        The format.
    """
    return 2 if any(layer.offset is not None or layer.stored == "uint16" for layer in layers) else 1


def new_session(from_step: int) -> Session:
    """Describe the stretch of recording that begins now.

    Args:
        from_step: the step of the state it begins with.

    Returns:
        The session.
    """
    return Session(started=datetime.now(UTC), from_step=from_step, pid=os.getpid(), host=platform.node())


def import_path(target: Any) -> str:
    """Name a class or function so that it can be imported again.

    Args:
        target: a class or function.

    Returns:
        "package.module:name".
    """
    return f"{target.__module__}:{target.__qualname__}"


def build_spec(rebuild: str | Callable[..., nn.Module] | BuildSpec | None) -> BuildSpec | None:
    """Read the argument `rebuild` of a recorder.

    Args:
        rebuild: an import path "package.module:name", a class or function, a `functools.partial` of one with
            plain arguments, or a `BuildSpec`.

    Returns:
        What the manifest keeps; None for None.

    Raises:
        OptionError: it cannot be imported again, or its arguments are not plain data.
    """
    if rebuild is None or isinstance(rebuild, BuildSpec):
        return rebuild
    if isinstance(rebuild, str):
        if not all(rebuild.partition(":")):
            raise OptionError(f'rebuild="{rebuild}" is no import path: write "package.module:name"')
        return BuildSpec(target=rebuild)
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    target: Any = rebuild
    if isinstance(rebuild, functools.partial):
        target, args, kwargs = rebuild.func, rebuild.args, rebuild.keywords
    if "<" in getattr(target, "__qualname__", "<"):
        raise OptionError(
            f"rebuild={target!r} cannot be imported again: define it at the top level of a module, or give "
            '"package.module:name"'
        )
    return BuildSpec(
        target=import_path(target), args=plain(list(args), "rebuild"), kwargs=plain(kwargs, "rebuild")
    )


def plain(value: Any, what: str) -> Any:
    """Turn a value into what JSON can keep.

    Args:
        value: nested mappings, sequences, numbers (of numpy and torch as well), texts, paths.
        what: what people call it, for errors.

    Returns:
        The same of dict, list, str, int, float, bool and None; numbers that are not finite become texts.

    Raises:
        OptionError: something else is in it.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, np.generic) or (isinstance(value, torch.Tensor) and value.ndim == 0):
        return plain(value.item(), what)
    if isinstance(value, float):
        return value if np.isfinite(value) else repr(value)
    if isinstance(value, Mapping):
        return {str(key): plain(part, what) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        parts = sorted(value) if isinstance(value, (set, frozenset)) else list(value)
        return [plain(part, what) for part in parts]
    if isinstance(value, (os.PathLike, torch.dtype, torch.device)):
        return str(value)
    raise OptionError(
        f"{what} holds a {type(value).__name__}, which a file cannot keep: give numbers and texts"
    )
