"""Which files of a folder are the numbered checkpoints of one training."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from eigentrail.errors import RunError
from eigentrail.runs.checkpoint_names import ENDINGS, SHARD, Numbered, read_name
from eigentrail.weights import Skipped


def find_series(folder: Path) -> tuple[list[Numbered], list[Skipped]]:
    """Find the numbered checkpoints of a folder, in whatever formats they are.

    If there are several series, the longest is taken.

    Args:
        folder: the folder.

    Returns:
        The checkpoints by ascending number, and every other file or folder of weights with the reason why it is left
        out.

    Raises:
        RunError: there is none.
    """
    try:
        entries = sorted(path for path in folder.iterdir() if _holds_weights(path))
    except OSError as error:
        raise RunError(f"{folder} cannot be read: {error.strerror or error}") from error
    skipped: list[Skipped] = []
    found: list[Numbered] = []
    for path in entries:
        if SHARD.search(path.name):
            skipped.append(Skipped(path.name, "is a part of one checkpoint"))
        elif (numbered := read_name(path)) is None:
            skipped.append(Skipped(path.name, "has no number of a step or an epoch in its name"))
        else:
            found.append(numbered)
    if not found:
        raise RunError(
            f"{folder} is no run: it has no run.json, and no numbered checkpoints such as epoch_12.pt or checkpoint-500"
        )
    counts = Counter(one.pattern for one in found)
    pattern = max(counts, key=lambda name: (counts[name], name))
    series: dict[int, Numbered] = {}
    for one in sorted(found, key=lambda one: -one.version):
        if one.pattern != pattern:
            skipped.append(Skipped(one.path.name, f"is not of the series {pattern.replace('#', 'N')}"))
        elif one.step in series:
            skipped.append(Skipped(one.path.name, f"has the same number as {series[one.step].path.name}"))
        else:
            series[one.step] = one
    return [series[step] for step in sorted(series)], skipped


def _holds_weights(path: Path) -> bool:
    """Tell files of weights, and folders that hold some; the numbers inside a folder are not looked at."""
    if path.name.startswith("."):
        return False
    if path.is_dir():
        return any(inside.name.endswith(ENDINGS) for inside in path.iterdir())
    return path.name.endswith(ENDINGS)
