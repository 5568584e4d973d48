"""Sweeps that come along: one file is one experiment of a source, called by its name."""

from __future__ import annotations

from pathlib import Path

from eigentrail._names import bare, none_such
from eigentrail.errors import OptionError

_ROOM = Path(__file__).parent


def sweep_names() -> list[str]:
    """List the sweeps that come along.

    Returns:
        Their names.
    """
    return sorted(one.stem for one in _ROOM.glob("*.toml"))


def file_of(source: str | Path) -> Path:
    """Find the file of a sweep.

    Args:
        source: a path, or the name of a sweep that comes along in any spelling.

    Returns:
        The path; a file in the working directory goes before one that comes along.

    Raises:
        OptionError: it is neither a file nor a name.
    """
    path = Path(source)
    if path.is_file():
        return path
    if path.suffix or len(path.parts) > 1:
        # It was meant as a path: whoever reads it says why that fails.
        return path
    for name in sweep_names():
        if bare(name) == bare(str(source)):
            return _ROOM / f"{name}.toml"
    raise OptionError(none_such(str(source), sweep_names(), "file, and no sweep that comes along,"))


def about(name: str) -> str:
    """Say what a sweep that comes along is about.

    Args:
        name: its name.

    Returns:
        The first line of its file.
    """
    return file_of(name).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
