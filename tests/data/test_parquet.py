"""Parquet files of images: what is read, and what a damaged one says."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from image_files import png, write_parquet

from eigentrail import data
from eigentrail.data.parquet import read_images
from eigentrail.errors import DataError

IMAGE = np.random.default_rng(3).integers(0, 256, (32, 32, 3)).astype(np.uint8)


def test_shards_are_read_in_order_and_pixels_are_exact(small_cifar: Path) -> None:
    loaded = data.load("cifar10", small_cifar)
    shards = [np.load(small_cifar / f"train-0000{i}-of-00002.npy") for i in (0, 1)]
    np.testing.assert_array_equal(
        loaded.normalization.undo(loaded.train_inputs).numpy(), np.concatenate(shards).transpose(0, 3, 1, 2)
    )
    assert loaded.train_targets.tolist() == [*range(7), *range(7)]
    assert loaded.test_inputs.shape == (5, 3, 32, 32)
    assert loaded.class_names[8] == "ship"


def test_each_colour_has_mean_0_and_variance_1(small_cifar: Path) -> None:
    loaded = data.load("cifar10", small_cifar)
    inputs = loaded.train_inputs.double()
    np.testing.assert_allclose(inputs.mean((0, 2, 3)), np.zeros(3), atol=1e-6)
    np.testing.assert_allclose(inputs.var((0, 2, 3), correction=0), np.ones(3), atol=1e-6)
    pixels = loaded.normalization.undo(loaded.train_inputs).double() / 255
    np.testing.assert_allclose(loaded.normalization.mean, pixels.mean((0, 2, 3)), atol=1e-12)
    np.testing.assert_allclose(loaded.normalization.std, pixels.std((0, 2, 3), correction=0), atol=1e-12)


def test_a_missing_shard_is_noticed(small_cifar: Path) -> None:
    (small_cifar / "cifar10" / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(DataError, match=r"holds 1 of the 2 files train-\*.parquet: number 1 is missing"):
        data.load("cifar10", small_cifar)


@pytest.mark.parametrize("name", ["train-00000-of-00001", "train-all"])
def test_a_part_that_is_there_twice_is_not_added_up(small_cifar: Path, name: str) -> None:
    folder = small_cifar / "cifar10"
    (folder / f"{name}.parquet").write_bytes((folder / "train-00000-of-00002.parquet").read_bytes())
    with pytest.raises(
        DataError, match=r"holds the part train-\*.parquet more than once .*keep the files of one"
    ):
        data.load("cifar10", small_cifar)


def test_a_shard_that_is_there_under_two_numbers(small_cifar: Path) -> None:
    folder = small_cifar / "cifar10"
    (folder / "train-1-of-00002.parquet").write_bytes((folder / "train-00001-of-00002.parquet").read_bytes())
    with pytest.raises(DataError, match=r"holds 3 files train-\*.parquet where 2 belong"):
        data.load("cifar10", small_cifar)


def test_labels_outside_the_classes(small_cifar: Path) -> None:
    write_parquet(small_cifar / "cifar10" / "test-00000-of-00001.parquet", [png(IMAGE)] * 2, [3, -1])
    with pytest.raises(DataError, match="sample 1 as class -1, outside its 10 classes"):
        data.load("cifar10", small_cifar)


@pytest.mark.parametrize("keep", [0.0, 0.2, 0.5, 0.99])
def test_files_cut_short(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(path, [png(IMAGE)] * 20, [1] * 20)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(DataError, match=r"x\.parquet.*fetch it again") as caught:
        read_images([path], side=32)
    assert "\n" not in str(caught.value)


def test_flipped_bytes_inside_are_an_error_or_other_pixels_never_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(path, [png(IMAGE)] * 4, [1] * 4)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    failed = 0
    for _ in range(150):
        damaged = content.copy()
        for place in rng.integers(4, len(content), 8):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            images, _ = read_images([path], side=32)
        except DataError as error:
            failed += 1
            assert "\n" not in str(error)
        else:
            assert images.shape[1:] == (3, 32, 32)
    assert failed > 75


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        ([b"no picture"], [1], "image 0 of .* is no PNG"),
        ([png(IMAGE), png(IMAGE)[:200]], [1, 1], "image 1 of .* is no PNG"),
        ([png(IMAGE), b""], [1, 1], "image 1 of .* is no PNG"),
        ([png(IMAGE, "BMP")], [1], "image 0 of .* is no PNG"),
        ([png(IMAGE[:16])], [1], "image 0 of .* has 16 x 32 pixels where 32 x 32 belong"),
        ([png(IMAGE), None], [1, 1], "lacks an image or a label"),
        ([png(IMAGE)], [None], "lacks an image or a label"),
        ([], [], "there is no row"),
    ],
)
def test_bad_rows(tmp_path: Path, images: list[bytes | None], labels: list[int | None], said: str) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(path, images, labels)
    with pytest.raises(DataError, match=said):
        read_images([path], side=32)


def test_a_grey_picture_is_read_as_colour(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(path, [png(IMAGE[..., 0])], [1])
    images, _ = read_images([path], side=32)
    np.testing.assert_array_equal(images[0], np.stack([IMAGE[..., 0]] * 3))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pa.table({"image": [b"x"], "label": [1]}), r'no column "img" \(it has image, label\)'),
        (pa.table({"img": [b"x"], "label": [1]}), 'column "img" of .* is binary'),
        (
            pa.table({"img": [{"bytes": b"x", "path": ""}], "label": ["cat"]}),
            'column "label" of .* is string',
        ),
        (pa.table({"img": [{"bytes": b"x", "path": ""}]}), 'no column "label"'),
    ],
)
def test_other_columns(tmp_path: Path, table: pa.Table, said: str) -> None:
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(DataError, match=said):
        read_images([tmp_path / "x.parquet"], side=32)


@pytest.mark.parametrize("kind", [pa.string(), pa.int64(), pa.list_(pa.uint8())])
def test_bytes_that_are_none(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "x.parquet"
    value = {pa.string(): "text", pa.int64(): 7}.get(kind, [1, 2])
    rows = pa.array([{"bytes": value, "path": None}], pa.struct([("bytes", kind), ("path", pa.string())]))
    pq.write_table(pa.table([rows, pa.array([1])], names=["img", "label"]), path)
    with pytest.raises(
        DataError, match=r'column "img" of .*x\.parquet holds bytes of type .*, not encoded pictures'
    ):
        read_images([path], side=32)


@pytest.mark.parametrize("kind", [pa.large_binary(), pa.binary_view()])
def test_bytes_of_another_width(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "x.parquet"
    rows = pa.array(
        [{"bytes": png(IMAGE), "path": None}], pa.struct([("bytes", kind), ("path", pa.string())])
    )
    pq.write_table(pa.table([rows, pa.array([1], pa.uint64())], names=["img", "label"]), path)
    images, labels = read_images([path], side=32)
    assert (images[0] == IMAGE.transpose(2, 0, 1)).all()
    assert labels.tolist() == [1]


def test_labels_of_64_bits_without_a_sign_are_told_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    rows = pa.array([{"bytes": png(IMAGE)}] * 2, pa.struct([("bytes", pa.binary())]))
    labels = pa.array([1, 2**63 + 5], pa.uint64())
    pq.write_table(pa.table([rows, labels], names=["img", "label"]), path)
    with pytest.raises(
        DataError, match=r"x\.parquet labels sample 1 as class 9223372036854775813, which is no"
    ):
        read_images([path], side=32)


def test_a_picture_that_announces_too_many_pixels(tmp_path: Path) -> None:
    content = bytearray(png(IMAGE))
    content[16:24] = struct.pack(">II", 30_000, 30_000)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    write_parquet(tmp_path / "x.parquet", [bytes(content)], [1])
    with pytest.raises(DataError, match=r"image 0 of .* is no PNG"):
        read_images([tmp_path / "x.parquet"], side=32)
