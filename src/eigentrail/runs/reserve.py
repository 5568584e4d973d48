"""Room on the disk that is kept for the end: what says how much counts must still fit when nothing else does."""

from __future__ import annotations

import contextlib
from pathlib import Path

FILE = ".reserve"
# The two small files that are replaced at the end, each beside its old content, and the nodes' own descriptions.
_TIMES = 4
_LEAST = 16 * 2**10


class Reserve:
    """A file of nothing, as long as a run is being recorded.

    Args:
        folder: the run's folder.
        nbytes: the size of the file that tells what is committed.
    """

    def __init__(self, folder: Path, nbytes: int) -> None:
        self._path = folder / FILE
        # Where there is no room for it the run may do without.
        with contextlib.suppress(OSError):
            self._path.write_bytes(bytes(max(_LEAST, _TIMES * nbytes)))

    def give_back(self) -> None:
        """Give the room back to the disk."""
        with contextlib.suppress(OSError):
            Path(self._path).unlink()
