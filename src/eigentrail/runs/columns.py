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
from eigentrail.runs.reserve import reserve_blocks

Buffer: TypeAlias = "bytes | memoryview"
# Buffers smaller than this are joined before they are written: a copy is cheaper than a longer system call.
_JOIN_BELOW = 4096
# As many buffers as every POSIX system takes in one call.
_IOV = 512
# Larger calls take less CPU for each byte up to about this size; beyond it Linux looks for blocks of memory as large.
_CALL_BYTES = 2**20


class OpenFiles:
    """Chunk files kept open between writes, the least recently used closed first."""

    def __init__(self, limit: int = 128):
        self._limit = limit
        self._files: OrderedDict[str, int] = OrderedDict()

    def get(self, path: str, size: int) -> int:
        """Open a file for writing.

        Args:
            path: the file; created if it is not there.
            size: the least size that the file is to have.

        Returns:
            The file's descriptor, which stays ours.
        """
        known = self._files.get(path)
        if known is not None:
            self._files.move_to_end(path)
            return known
        while len(self._files) >= self._limit:
            os.close(self._files.popitem(last=False)[1])
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        self._files[path] = descriptor
        if os.fstat(descriptor).st_size < size:
            os.ftruncate(descriptor, size)
        return descriptor

    def forget(self, path: str) -> None:
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
        # The number and the path of the chunk that was written last.
        self._at = (-1, "")
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, values: Sequence[Buffer]) -> None:
        """Write rows behind the last one.

        Args:
            values: the bytes of one or more whole rows each, one behind the other.
        """
        row = self.spec.row_bytes
        left = [memoryview(value).cast("B") for value in values]
        count = sum(map(len, left)) // row
        while count:
            chunk, inside = divmod(self.rows, self.spec.chunk_rows)
            some = min(count, self.spec.chunk_rows - inside)
            now = left if some == count else _cut_off(left, some * row)
            self._write(chunk, inside * row, some * row, now)
            self.rows += some
            count -= some

    def overwrite(self, row: int, value: bytes) -> None:
        """Replace one row that is written already.

        Args:
            row: its number.
            value: its bytes.
        """
        chunk, inside = divmod(row, self.spec.chunk_rows)
        size = self.spec.row_bytes
        self._write(chunk, inside * size, size, [memoryview(value)])

    def start_at(self, row: int) -> None:
        """Let a new array of float64 numbers begin at a row; those before it become NaN.

        Args:
            row: the number of rows that come before.
        """
        self.rows = row - row % self.spec.chunk_rows
        if row > self.rows:
            self.append([np.full(row - self.rows, np.nan).tobytes()])

    def resize(self) -> None:
        """Bring the file of an array that ends in its first one to the size of a chunk, which may have changed."""
        if self.rows and self.rows <= self.spec.chunk_rows:
            descriptor = self._files.get(self._path(0), 0)
            os.ftruncate(descriptor, self.spec.chunk_rows * self.spec.row_bytes)

    def give_back(self, rows: int) -> None:
        """Forget all rows from a number on, and give their room on the disk back.

        Args:
            rows: how many rows are kept.
        """
        self.truncate(rows)
        chunk, inside = divmod(rows, self.spec.chunk_rows)
        path = self._path(chunk)
        if inside and Path(path).exists():
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
                self._files.forget(str(path))
                path.unlink()
        self.rows = rows

    def _path(self, chunk: int) -> str:
        if self._at[0] != chunk:
            self._at = (chunk, str(self.folder / self.spec.chunk_file(chunk)))
        return self._at[1]

    def _write(self, chunk: int, offset: int, nbytes: int, values: list[memoryview]) -> None:
        size = self.spec.chunk_rows * self.spec.row_bytes
        descriptor = self._files.get(self._path(chunk), size)
        if nbytes < len(values) * _JOIN_BELOW:
            values = [memoryview(b"".join(values))]
        reserve_blocks(descriptor, offset, nbytes)
        for some in _calls(values):
            offset = _write_all(descriptor, offset, some)


def _cut_off(left: list[memoryview], nbytes: int) -> list[memoryview]:
    """Take so many bytes from the front of buffers."""
    taken = []
    while nbytes:
        first = left[0][:nbytes]
        taken.append(first)
        nbytes -= len(first)
        left[0] = left[0][len(first) :]
        if not left[0]:
            del left[0]
    return taken


def _calls(values: list[memoryview]) -> Iterator[list[memoryview]]:
    """Divide buffers into what one call each takes."""
    if len(values) <= _IOV and sum(map(len, values)) <= _CALL_BYTES:
        yield values
        return
    held: list[memoryview] = []
    size = 0
    for value in values:
        left = value
        while len(left):
            part, left = left[: _CALL_BYTES - size], left[_CALL_BYTES - size :]
            held.append(part)
            size += len(part)
            if size == _CALL_BYTES or len(held) == _IOV:
                yield held
                held, size = [], 0
    if held:
        yield held


def _write_all(descriptor: int, offset: int, left: list[memoryview]) -> int:
    """Write buffers one behind the other; a full disk may take a part of them before it refuses the rest."""
    while left:
        if hasattr(os, "pwritev"):
            written = os.pwritev(descriptor, left, offset)
        else:
            os.lseek(descriptor, offset, os.SEEK_SET)
            written = os.write(descriptor, left[0])
        offset += written
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if left and written:
            left[0] = left[0][written:]
    return offset


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
