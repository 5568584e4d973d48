"""Which files of a folder are the numbered checkpoints of one training."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from eigentrail.errors import RunError
from eigentrail.weights import Skipped

_ENDINGS = (".pt", ".pth", ".th", ".bin", ".ckpt", ".safetensors", ".npz")
_NUMBER = re.compile(r"\d+")
# "epoch=3-step=300": steps are finer than epochs.
_STEP = re.compile(r"(?:global_?step|steps?|iter(?:ation)?s?|checkpoint)[-_=.]?(\d+)", re.IGNORECASE)
_EPOCH = re.compile(r"epochs?[-_=.]?(\d+)", re.IGNORECASE)
# Shards of one checkpoint are numbered too.
_SHARD = re.compile(r"-\d{5}-of-\d{5}")


@dataclass(frozen=True)
class Numbered:
    """One checkpoint of a series.

    Attributes:
        step: its number.
        epoch: the epoch in its name, if there is one.
        path: the file or folder.
        pattern: its name with the numbers taken out.
    """

    step: int
    epoch: int | None
    path: Path
    pattern: str


def find_series(folder: Path) -> tuple[list[Numbered], list[Skipped]]:
    """Find the numbered checkpoints of a folder.

    The number is that after "step", "iteration" or "checkpoint" in the name, else that after "epoch", else the last
    one. If there are several series, the longest is taken.

    Args:
        folder: the folder.

    Returns:
        The checkpoints by ascending number, and what was left out.

    Raises:
        RunError: there is none.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise RunError(f"{folder} cannot be read: {error.strerror or error}") from error
    found = [numbered for path in entries if (numbered := _read_name(path)) is not None]
    if not found:
        raise RunError(
            f"{folder} is no run: it has no run.json, and no numbered checkpoints such as epoch_12.pt or checkpoint-500"
        )
    counts = Counter(one.pattern for one in found)
    pattern = max(counts, key=lambda name: (counts[name], name))
    skipped = [
        Skipped(one.path.name, f"not of the series {pattern.replace('#', 'N')}")
        for one in found
        if one.pattern != pattern
    ]
    series: dict[int, Numbered] = {}
    for one in found:
        if one.pattern != pattern:
            continue
        if one.step in series:
            skipped.append(Skipped(one.path.name, f"has the same number as {series[one.step].path.name}"))
        else:
            series[one.step] = one
    return [series[step] for step in sorted(series)], skipped


def _read_name(path: Path) -> Numbered | None:
    name = path.name
    if name.startswith(".") or _SHARD.search(name):
        return None
    ending = ""
    if path.is_dir():
        # A folder is a checkpoint if it holds weights; their own numbers are not looked at.
        if not any(inside.name.endswith(_ENDINGS) for inside in path.iterdir()):
            return None
    else:
        ending = next((end for end in _ENDINGS if name.endswith(end)), "")
        if not ending:
            return None
    stem = name.removesuffix(ending)
    numbers = _NUMBER.findall(stem)
    if not numbers:
        return None
    step, epoch = _STEP.search(stem), _EPOCH.search(stem)
    number = step[1] if step else epoch[1] if epoch else numbers[-1]
    return Numbered(int(number), int(epoch[1]) if epoch else None, path, _pattern(stem, ending, step, epoch))


def _pattern(stem: str, ending: str, step: re.Match[str] | None, epoch: re.Match[str] | None) -> str:
    """Take the counting numbers out of a name; a number that counts nothing (`resnet20_`) stays."""
    spans = [match.span(1) for match in (step, epoch) if match]
    if not spans:
        spans = [list(_NUMBER.finditer(stem))[-1].span()]
    for begin, end in sorted(spans, reverse=True):
        stem = stem[:begin] + "#" + stem[end:]
    return stem + ending
