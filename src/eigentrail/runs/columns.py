"""Rows of one growing array: written into its chunk files, and read from them."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Int, Shaped

from eigentrail.errors import RunError
from eigentrail.runs.layout import ArraySpec

Buffer: TypeAlias = "bytes | memoryview"
# Rows smaller than this are joined before they are written: a copy is cheaper than a longer system call.
_JOIN_BELOW = 4096
# As many buffers as every POSIX system takes in one call.
_IOV = 512
# A call that brings megabytes makes Linux look for blocks of memory as large, which takes several times longer.
_CALL_BYTES = 256 * 2**10


class OpenFiles:
    """Chunk files kept open between writes, the least recently used closed first."""

    def __init__(self, limit: int = 128):
        self._limit = limit
        self._files: OrderedDict[Path, int] = OrderedDict()

    def get(self, path: Path, size: int) -> int:
        """Open a file for writing.

        Args:
            path: the file; created if it is not there.
            size: the least size that the file is to have.

        Returns:
            The file's descriptor, which stays ours.
        """
        if path in self._files:
            self._files.move_to_end(path)
            return self._files[path]
        while len(self._files) >= self._limit:
            os.close(self._files.popitem(last=False)[1])
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        self._files[path] = descriptor
        if os.fstat(descriptor).st_size < size:
            os.ftruncate(descriptor, size)
        return descriptor

    def forget(self, path: Path) -> None:
        """Close a file that is going to be removed.

        Args:
            path: the file, open or not.
        """
        if path in self._files:
            os.close(self._files.pop(path))

    def sync(self) -> None:
        """Bring all open files to the disk itself, so that even a power cut leaves them whole."""
        for descriptor in self._files.values():
            os.fsync(descriptor)

    def close(self) -> None:
        """Close all files."""
        while self._files:
            os.close(self._files.popitem()[1])


class Column:
    """One array on disk that rows are written to.

    Args:
        folder: the array's folder inside the store.
        spec: its precision, shape and chunks.
        files: the open files, shared by all columns of a store.
        rows: how many rows are written already.
    """

    def __init__(self, folder: Path, spec: ArraySpec, files: OpenFiles, rows: int = 0):
        self.folder = folder
        self.spec = spec
        self.rows = rows
        self._files = files
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, rows: Sequence[Buffer]) -> None:
        """Write rows behind the last one.

        Args:
            rows: the bytes of each row.
        """
        done = 0
        while done < len(rows):
            inside = self.rows % self.spec.chunk_rows
            some = rows[done : done + self.spec.chunk_rows - inside]
            self._write(self.rows, some)
            self.rows += len(some)
            done += len(some)

    def overwrite(self, row: int, value: bytes) -> None:
        """Replace one row that is written already.

        Args:
            row: its number.
            value: its bytes.
        """
        self._write(row, [value])

    def start_at(self, row: int) -> None:
        """Let a new array of float64 numbers begin at a row; those before it become NaN.

        Args:
            row: the number of rows that come before.
        """
        self.rows = row - row % self.spec.chunk_rows
        self.append([np.float64("nan").tobytes()] * (row - self.rows))

    def resize(self) -> None:
        """Bring the file of an array that ends in its first one to the size of a chunk, which may have changed."""
        if self.rows and self.rows <= self.spec.chunk_rows:
            path = self.folder / self.spec.chunk_file(0)
            descriptor = self._files.get(path, 0)
            os.ftruncate(descriptor, self.spec.chunk_rows * self.spec.row_bytes)

    def give_back(self, rows: int) -> None:
        """Forget all rows from a number on, and give their room on the disk back.

        Args:
            rows: how many rows are kept.
        """
        self.truncate(rows)
        chunk, inside = divmod(rows, self.spec.chunk_rows)
        path = self.folder / self.spec.chunk_file(chunk)
        if inside and path.exists():
            descriptor = self._files.get(path, 0)
            os.ftruncate(descriptor, inside * self.spec.row_bytes)
            os.ftruncate(descriptor, self.spec.chunk_rows * self.spec.row_bytes)

    def truncate(self, rows: int) -> None:
        """Forget all rows from a number on, and remove the files that hold none of the kept ones.

        Args:
            rows: how many rows are kept.
        """
        last = -(-rows // self.spec.chunk_rows)
        for path in self.folder.glob("c.*"):
            if int(path.name.split(".")[1]) >= last:
                self._files.forget(path)
                path.unlink()
        self.rows = rows

    def _write(self, row: int, rows: Sequence[Buffer]) -> None:
        chunk, inside = divmod(row, self.spec.chunk_rows)
        size = self.spec.chunk_rows * self.spec.row_bytes
        descriptor = self._files.get(self.folder / self.spec.chunk_file(chunk), size)
        os.lseek(descriptor, inside * self.spec.row_bytes, os.SEEK_SET)
        if self.spec.row_bytes < _JOIN_BELOW:
            rows = [b"".join(rows)]
        for some in _calls(rows):
            _write_all(descriptor, some)


def _calls(rows: Sequence[Buffer]) -> Iterator[list[memoryview]]:
    """Divide rows into what one call each takes."""
    held: list[memoryview] = []
    size = 0
    for row in rows:
        left = memoryview(row).cast("B")
        while len(left):
            part, left = left[: _CALL_BYTES - size], left[_CALL_BYTES - size :]
            held.append(part)
            size += len(part)
            if size == _CALL_BYTES or len(held) == _IOV:
                yield held
                held, size = [], 0
    if held:
        yield held


def _write_all(descriptor: int, left: list[memoryview]) -> None:
    """Write buffers one behind the other; a full disk may take a part of them before it refuses the rest."""
    while left:
        written = os.writev(descriptor, left) if hasattr(os, "writev") else os.write(descriptor, left[0])
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if left and written:
            left[0] = left[0][written:]


def read_rows(
    folder: Path,
    spec: ArraySpec,
    rows: Int[np.ndarray, " n"],
    what: str,
    sparse: bool = False,
    part: slice | None = None,
) -> Shaped[np.ndarray, "n ..."]:
    """Read rows of an array.

    Args:
        folder: the array's folder inside the store.
        spec: its precision, shape and chunks.
        rows: the numbers of the rows [n], in any order, each below the committed length.
        what: what people call the array, for errors.
        sparse: True if a file that is not there stands for NaN.
        part: which entries of each row are wanted, for rows of one dimension; None for all.

    Returns:
        The rows [n, *row_shape], or [n, size of the part].

    Raises:
        RunError: a file that should hold the rows is missing or cut off.
    """
    dtype = np.dtype(spec.dtype).newbyteorder("<")
    out = np.empty((len(rows), *(spec.row_shape if part is None else (part.stop - part.start,))), dtype)
    per_row = int(np.prod(spec.row_shape))
    if not len(rows):
        return out
    if part is not None:
        _read_parts(folder, spec, rows, what, part, out)
        return out
    # Runs of neighbouring rows inside one chunk are read at once.
    breaks = np.flatnonzero((np.diff(rows) != 1) | (rows[1:] % spec.chunk_rows == 0)) + 1
    for first, last in zip([0, *breaks.tolist()], [*breaks.tolist(), len(rows)], strict=True):
        chunk, inside = divmod(int(rows[first]), spec.chunk_rows)
        path = folder / spec.chunk_file(chunk)
        count = (last - first) * per_row
        try:
            with path.open("rb") as file:
                file.seek(inside * spec.row_bytes)
                got = file.readinto(out[first:last].data.cast("B")) if count else 0
        except OSError as error:
            if sparse and isinstance(error, FileNotFoundError):
                out[first:last] = np.nan
                continue
            raise RunError(
                f"{what}: {path} cannot be read ({error.strerror}); the run's folder is damaged"
            ) from error
        if got != count * dtype.itemsize:
            raise RunError(f"{what}: {path} is cut off; the run's folder is damaged")
    return out


def _read_parts(
    folder: Path,
    spec: ArraySpec,
    rows: Int[np.ndarray, " n"],
    what: str,
    part: slice,
    out: Shaped[np.ndarray, "n k"],
) -> None:
    """Read some entries of each row; they are a small share of it."""
    itemsize = np.dtype(spec.dtype).itemsize
    nbytes = (part.stop - part.start) * itemsize
    chunks = rows // spec.chunk_rows
    for chunk in np.unique(chunks):
        path = folder / spec.chunk_file(int(chunk))
        places = np.flatnonzero(chunks == chunk)
        try:
            with path.open("rb", buffering=0) as file:
                for place in places:
                    file.seek(int(rows[place] % spec.chunk_rows) * spec.row_bytes + part.start * itemsize)
                    if file.readinto(out[place].data.cast("B")) != nbytes:
                        raise RunError(f"{what}: {path} is cut off; the run's folder is damaged")
        except OSError as error:
            raise RunError(
                f"{what}: {path} cannot be read ({error.strerror}); the run's folder is damaged"
            ) from error
