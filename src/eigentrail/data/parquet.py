"""Images and labels in Parquet files with the columns that Hugging Face's data sets have."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from eigentrail.data.dataset import check_labels, int64_labels
from eigentrail.errors import DataError

_ROWS = 2048
_BINARY = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
_SHARD = re.compile(r"-(\d+)-of-(\d+)\.parquet$")


def column_names(path: Path) -> tuple[str, ...] | None:
    """Look up which columns a Parquet file has.

    Args:
        path: the file.

    Returns:
        Their names; None where it cannot be opened.
    """
    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowException, OSError, ValueError):
        return None


def read_part(
    folder: Path, glob: str, side: int, classes: int, image: str, label: str, mode: str = "RGB"
) -> tuple[NDArray[np.uint8], torch.Tensor]:
    """Read one part of a data set, which may lie in several numbered files.

    Args:
        folder: the folder.
        glob: the pattern of the files.
        side: the height and width that every image shall have, in pixels.
        classes: the number of classes.
        image: the name of the images' column.
        label: the name of the labels' column.
        mode: "RGB" for three channels, "L" for one.

    Returns:
        Images [n, channels, side, side] and labels [n].

    Raises:
        DataError: a file is missing, damaged or one too many, or a label outside the classes.
    """
    images, labels = read_images(shards(folder, glob), side, image, label, mode)
    targets = torch.from_numpy(labels)
    check_labels(targets, classes, f"{folder / glob}")
    return images, targets


def shards(folder: Path, glob: str) -> list[Path]:
    """List the files of one part of a data set.

    Args:
        folder: the folder.
        glob: the pattern of the files.

    Returns:
        The files, in order.

    Raises:
        DataError: one of the numbered files is missing, or there are files of several divisions of the part.
    """
    files = sorted(folder.glob(glob))
    divisions: dict[str, list[int]] = {}
    for path in files:
        match = _SHARD.search(path.name)
        divisions.setdefault(match[2] if match else "", []).append(int(match[1]) if match else len(files))
    if len(divisions) > 1:
        raise DataError(
            f"{folder} holds the part {glob} more than once ({', '.join(path.name for path in files[:2])} and so on do "
            "not belong together): keep the files of one"
        )
    for total, numbers in divisions.items():
        lacking = sorted(set(range(int(total or 0))) - set(numbers))
        if lacking:
            raise DataError(
                f"{folder} holds {len(numbers)} of the {int(total)} files {glob}: number {lacking[0]} is missing; "
                "fetch it again"
            )
        if total and len(numbers) > int(total):
            raise DataError(
                f"{folder} holds {len(numbers)} files {glob} where {int(total)} belong: keep those of one part"
            )
    return files


def read_images(
    files: Sequence[Path], side: int, image: str = "img", label: str = "label", mode: str = "RGB"
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read images and their labels.

    Args:
        files: Parquet files, in order, with a column `image` of struct(bytes: an encoded PNG, path) and an integer
            column `label`.
        side: the height and width that every image shall have, in pixels.
        image: the name of the images' column.
        label: the name of the labels' column.
        mode: "RGB" for three channels, "L" for one.

    Returns:
        Images [n, channels, side, side] and labels [n].

    Raises:
        DataError: a file or an image in it is damaged, has other columns or another size.
    """
    images: list[NDArray[np.uint8]] = []
    labels: list[NDArray[np.int64]] = []
    for path in files:
        rows = 0
        for batch in _batches(path, image, label):
            if batch.column(label).null_count or batch.column(image).null_count:
                raise DataError(
                    f"{path} lacks an image or a label between rows {rows} and {rows + len(batch)}"
                )
            numbers = batch.column(label).to_numpy(zero_copy_only=False)
            labels.append(int64_labels(numbers, str(path), rows))
            pixels = np.empty((len(batch), side, side, len(mode)), np.uint8)
            for row, encoded in enumerate(batch.column(image).field("bytes").to_pylist()):
                picture = _decode(encoded, side, f"image {rows + row} of {path}", mode)
                pixels[row] = picture.reshape(side, side, len(mode))
            images.append(pixels.transpose(0, 3, 1, 2))
            rows += len(batch)
    if not images:
        raise DataError(f"{', '.join(map(str, files)) or 'no Parquet file'}: there is no row in it")
    return np.concatenate(images), np.concatenate(labels)


def _batches(path: Path, image: str, label: str) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            have = ", ".join(schema.names)
            for name in (image, label):
                if name not in schema.names:
                    raise DataError(
                        f'{path} has no column "{name}" (it has {have}): give the files of the data set'
                    )
            kind = schema.field(image).type
            if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
                raise DataError(f'the column "{image}" of {path} is {kind}, not a struct of encoded bytes')
            if not any(is_kind(kind.field("bytes").type) for is_kind in _BINARY):
                raise DataError(
                    f'the column "{image}" of {path} holds bytes of type {kind.field("bytes").type}, not encoded '
                    "pictures: give the files of the data set"
                )
            if not pa.types.is_integer(schema.field(label).type):
                raise DataError(
                    f'the column "{label}" of {path} is {schema.field(label).type}, not class numbers'
                )
            yield from file.iter_batches(batch_size=_ROWS, columns=[image, label])
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError) as error:
        # Arrow tells of damage inside in all these ways; its texts may run over several lines.
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(
            f"{path} cannot be read, is damaged or was cut short ({first}): delete it and fetch it again"
        ) from error


def _decode(encoded: bytes | None, side: int, where: str, mode: str) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(encoded or b""), formats=["PNG"]) as picture:
            # The size stands in the header; nothing is unpacked before it is checked.
            if picture.size != (side, side):
                width, height = picture.size
                raise DataError(f"{where} has {height} x {width} pixels where {side} x {side} belong")
            return np.asarray(picture if picture.mode == mode else picture.convert(mode))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"{where} is no PNG that can be decoded: delete the file and fetch it again"
        ) from error
