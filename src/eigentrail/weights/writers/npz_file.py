"""Archives of numpy arrays: a copy with some arrays replaced."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np
from torch import Tensor

NOTE_MEMBER = "eigentrail.json"


def rewrite_npz(
    source: Path,
    target: IO[bytes],
    changes: Mapping[str, Tensor],
    members: Mapping[str, str],
    note: str | None,
) -> None:
    """Copy a numpy archive with some arrays replaced; the others keep their bytes.

    Args:
        source: the archive.
        target: where to write.
        changes: the new tensors.
        members: {member of the archive: name in `changes`} of the arrays that are replaced.
        note: text for a further member, or None.
    """
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename in members:
                array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
                filled = np.empty_like(array)  # in the stored byte order and layout
                filled[...] = changes[members[info.filename]].numpy()
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, filled, allow_pickle=False)
                content = buffer.getvalue()
            new.writestr(info, content)
        if note is not None:
            new.writestr(zipfile.ZipInfo(NOTE_MEMBER), note)
