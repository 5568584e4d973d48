"""A part of a file, read as if it were a file of its own."""

from __future__ import annotations

import io
from typing import IO


class FilePart(io.RawIOBase):
    """The bytes of a file from one place to another.

    Args:
        file: open for reading; nobody else moves in it meanwhile.
        begin: where the part begins.
        size: how long it is.
    """

    def __init__(self, file: IO[bytes], begin: int, size: int) -> None:
        self._file, self._begin, self._size, self._at = file, begin, size, 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that any place in it can be read."""
        return True

    def tell(self) -> int:
        """Give the place, counted from the part's beginning."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place.

        Args:
            offset: in bytes.
            whence: counted from the beginning, the present place or the end.

        Returns:
            The place, counted from the part's beginning.

        Raises:
            ValueError: it lies before the beginning.
        """
        at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        if at < 0:
            raise ValueError(f"a place {-at} bytes before the beginning")
        self._at = at
        return at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read up to the end of the part.

        Args:
            buffer: is filled.

        Returns:
            How many bytes were read.
        """
        self._file.seek(self._begin + self._at)
        found = self._file.read(max(min(len(buffer), self._size - self._at), 0))
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)
