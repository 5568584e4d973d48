"""Loggers by name, as the command line's `--log-to` opens them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eigentrail._names import FOREIGN, first_line, import_object
from eigentrail.errors import OptionError

#: What can be named, with what may follow behind a colon.
LOGGERS = {
    "tensorboard": "a folder",
    "mlflow": "an address or file of its store",
    "wandb": "a project",
    "trackio": "a project",
}
_PROJECT = "eigentrail"


@contextmanager
def opened_logger(name: str, run: str | None = None) -> Iterator[Any]:
    """Open a logger for as long as numbers are sent to it.

    Args:
        name: "tensorboard", "mlflow", "wandb" or "trackio", with ":" and its folder, store or project behind it where
            the usual one will not do; or an import path "package.module:name" of a logger.
        run: what a run is called there, of several that are shown one after the other.

    Yields:
        What `eigentrail.runs.sinks.as_sink` takes.

    Raises:
        OptionError: there is no such logger, its package is not installed, or it cannot be opened.
    """
    kind, _, where = name.partition(":")
    if kind == "tensorboard":
        package = _package("torch.utils.tensorboard", "tensorboard")
        with _opening(name):
            folder = str(Path(where or "runs") / run) if run else where or None
            writer = package.SummaryWriter(folder)
        with writer:
            yield writer
    elif kind == "mlflow":
        mlflow = _package("mlflow", "mlflow")
        with _opening(name):
            if where:
                mlflow.set_tracking_uri(where)
            begun = mlflow.start_run(run_name=run)
        with begun:
            yield mlflow
    elif kind in {"wandb", "trackio"}:
        package = _package(kind, kind)
        with _opening(name):
            begun = package.init(project=where or _PROJECT, name=run)
        try:
            yield begun if kind == "wandb" else package
        finally:
            package.finish()
    elif where:
        yield import_object(name, "logger", OptionError)
    else:
        raise OptionError(_unknown(name))


def check_logger(name: str) -> None:
    """Refuse a logger that is not there before hours of work whose numbers it is to show.

    Args:
        name: as for `opened_logger`.

    Raises:
        OptionError: there is no such logger, or its package is not installed.
    """
    kind, _, where = name.partition(":")
    if kind == "tensorboard":
        _package("torch.utils.tensorboard", "tensorboard")
    elif kind in LOGGERS:
        _package(kind, kind)
    elif where:
        import_object(name, "logger", OptionError)
    else:
        raise OptionError(_unknown(name))


def _unknown(name: str) -> str:
    known = ", ".join(f"{one}[:{what}]" for one, what in LOGGERS.items())
    return f'there is no logger "{name}": give {known}, or "package.module:name"'


@contextmanager
def _opening(name: str) -> Iterator[None]:
    try:
        yield
    except FOREIGN as error:
        raise OptionError(
            f'the logger "{name}" cannot be opened ({type(error).__name__}: {first_line(error)}): give a place '
            "that can be written, or an address that answers"
        ) from error


def _package(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise OptionError(f"--log-to {package} needs its package: pip install {package}") from error
