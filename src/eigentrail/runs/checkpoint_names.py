"""What the name of a checkpoint says: its step, its epoch, and the metrics that trainers write into names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ENDINGS = (".pt", ".pth", ".th", ".bin", ".ckpt", ".safetensors", ".npz")
_NUMBER = re.compile(r"\d+")
# "epoch=3-step=300": steps are finer than epochs.
_STEP = re.compile(r"(?:global_?step|steps?|iter(?:ation)?s?|checkpoint)[-_=.]?(\d+)", re.IGNORECASE)
_EPOCH = re.compile(r"epochs?[-_=.]?(\d+)", re.IGNORECASE)
_REAL = r"(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\d.])"
# "val_loss=0.32", as Lightning writes it, and "loss_0.32", "acc0.91" of words that can be nothing but metrics.
_TOLD = re.compile(rf"([A-Za-z][A-Za-z_]*(?:@\d+)?)={_REAL}")
_METRIC = re.compile(
    rf"((?:[A-Za-z]+_)*(?:loss|acc|accuracy|err|error|auc|f1|ppl|perplexity|bleu|rouge|iou|miou|score|mse|mae|rmse|wer|cer"
    rf"|psnr|ssim|nll|bpb|bpc))[-_]?{_REAL}",
    re.IGNORECASE,
)
_COUNTS = re.compile(r"(?:global_?step|steps?|iter(?:ation)?s?|checkpoint|epochs?)", re.IGNORECASE)
# Settings tell different trainings apart; they are no metrics.
_SETTINGS = frozenset(
    (
        "lr",
        "wd",
        "bs",
        "batch",
        "batch_size",
        "seed",
        "dropout",
        "dim",
        "width",
        "depth",
        "hidden",
        "layers",
        "v",
        "n",
    )
)
# Lightning's mark of a second file of the same name, and the shards of one checkpoint.
_VERSION = re.compile(r"-v(\d+)$")
SHARD = re.compile(r"-\d{5}-of-\d{5}")


@dataclass(frozen=True)
class Numbered:
    """One checkpoint of a series.

    Attributes:
        step: its number.
        epoch: the epoch in its name, if there is one.
        path: the file or folder.
        pattern: its name with the numbers taken out, and without the ending.
        metrics: the metrics in its name.
        version: which of several files of the same name it is; the last was written last.
    """

    step: int
    epoch: int | None
    path: Path
    pattern: str
    metrics: dict[str, float] = field(default_factory=dict)
    version: int = 0


def read_name(path: Path) -> Numbered | None:
    """Read the name of a checkpoint.

    The number is that after "step", "iteration" or "checkpoint", else that after "epoch", else the last one that is no
    metric.

    Args:
        path: the file, with one of `ENDINGS`, or the folder.

    Returns:
        What it says; None if it has no number.
    """
    stem = path.name
    if not path.is_dir():
        stem = stem.removesuffix(next(end for end in ENDINGS if stem.endswith(end)))
    version = _VERSION.search(stem)
    stem = _VERSION.sub("", stem)
    metrics: dict[str, float] = {}
    spans: list[tuple[int, int]] = []
    for found in (*_TOLD.finditer(stem), *_METRIC.finditer(stem)):
        name = found[1].strip("_")
        taken = any(begin < found.end(2) and found.start(2) < end for begin, end in spans)
        if taken or _COUNTS.fullmatch(name) or name.lower() in _SETTINGS:
            continue
        metrics[name] = float(found[2])
        spans.append(found.span(2))
    # What is left of the name, at the same places.
    rest = stem
    for begin, end in spans:
        rest = rest[:begin] + " " * (end - begin) + rest[end:]
    step, epoch = _STEP.search(rest), _EPOCH.search(rest)
    counting = [found.span(1) for found in (step, epoch) if found]
    if not counting:
        numbers = list(_NUMBER.finditer(rest))
        if not numbers:
            return None
        counting = [numbers[-1].span()]
    number = step[1] if step else epoch[1] if epoch else rest[slice(*counting[0])]
    # A number that counts nothing (`resnet20_`) stays.
    pattern = stem
    for begin, end in sorted(spans + counting, reverse=True):
        pattern = pattern[:begin] + "#" + pattern[end:]
    return Numbered(
        int(number),
        int(epoch[1]) if epoch else None,
        path,
        pattern,
        metrics,
        int(version[1]) if version else 0,
    )
