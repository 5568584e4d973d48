"""Checkpoints that several processes wrote, each its own part: one part is not the whole, and is never shown as it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class _Parts(NamedTuple):
    """How one program names the parts.

    Attributes:
        pattern: of their names, or of the folders that they lie in; the group `rank` is the number of the process.
        mend: how the whole is made of them.
        alone: whether the only part there is, of rank 0, is the whole.
    """

    pattern: re.Pattern[str]
    mend: str
    alone: bool


_ZERO = (
    "make the whole first, in the folder that holds zero_to_fp32.py: python zero_to_fp32.py . whole (it comes with "
    "DeepSpeed's checkpoints)"
)
_TABLE = (
    _Parts(
        re.compile(r"consolidated\.(?P<rank>\d{2})\.pth"),
        "join them first with the tool of the model's authors (Llama: transformers' convert_llama_weights_to_hf.py)",
        alone=True,
    ),
    _Parts(
        re.compile(r"(bf16_|fp16_)?zero_pp_rank_(?P<rank>\d+)_mp_rank_\d\d_model_states\.pt"), _ZERO, alone=False
    ),
    _Parts(re.compile(r"mp_rank_(?P<rank>\d\d)(_\d{3})?(_model_states\.pt)?"), "join them first with the tool of the "
           "program that trained it (Megatron-LM: tools/checkpoint/convert.py; DeepSpeed: its universal checkpoints)",
           alone=True),
)  # fmt: skip
#: What DeepSpeed keeps for its optimizer beside the weights.
OPTIMIZER_PARTS = re.compile(r"(bf16_|fp16_)?zero_pp_rank_\d+_mp_rank_\d\d_optim_states\.pt")


def part_of_ranks(path: Path) -> str | None:
    """Tell whether a file is what one of several processes wrote.

    Args:
        path: the file.

    Returns:
        What it is and what to do; None where it is the whole.
    """
    for place in (path, path.parent):
        try:
            found = _parts(place.name, (other.name for other in place.parent.iterdir()))
        except OSError:
            continue
        if found is not None:
            many, mend = found
            return f"this is the part of one of {many} ranks, not the whole; {mend}" if many > 1 else (
                f"this is the part of one rank, not the whole; {mend}"
            )  # fmt: skip
    return None


def folder_of_ranks(names: Iterable[str]) -> str | None:
    """Tell whether a folder holds the parts of several processes.

    Args:
        names: of the files and folders in it.

    Returns:
        What it is and what to do; None where it is no such folder.
    """
    names = sorted(names)
    for name in names:
        found = _parts(name, names)
        if found is not None:
            return f"this checkpoint lies in the parts of {found[0]} ranks, such as {name}; {found[1]}"
    return None


def _parts(name: str, beside: Iterable[str]) -> tuple[int, str] | None:
    for parts in _TABLE:
        if parts.pattern.fullmatch(name):
            many = sum(parts.pattern.fullmatch(other) is not None for other in beside)
            return None if many < 2 and parts.alone else (many, parts.mend)
    return None
