"""idx files: what is read, and what a damaged one says."""

from __future__ import annotations

import gzip
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from image_files import idx_bytes, write_idx

from eigentrail import data
from eigentrail.data.idx import read_idx
from eigentrail.errors import DataError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("compress", [True, False])
def test_round_trip(tmp_path: Path, compress: bool) -> None:
    write_idx(tmp_path / "x", IMAGES, compress)
    np.testing.assert_array_equal(read_idx(tmp_path / "x", ndim=3), IMAGES)


GOOD = idx_bytes(IMAGES)
BAD = {
    "empty": (b"", "it begins with nothing"),
    "a page of a web server": (b"<!DOCTYPE html>", "does not begin like an idx file"),
    "floats": (b"\0\0\x0d\x03" + GOOD[4:], "begins 00 00 0d 03"),
    "labels for images": (idx_bytes(np.arange(5)), "1 dimensions where images have 3"),
    "header cut": (GOOD[:10], "ends inside its header"),
    "content cut": (GOOD[:-1], "announces 24 bytes of shape .* and holds only 23"),
    "content too long": (GOOD + b"\0", "and holds more"),
    "absurd size": (struct.pack(">BBBB3I", 0, 0, 8, 3, 2**31, 2**31, 2**31), "more than any such data set"),
    "gzip cut": (gzip.compress(GOOD)[:-12], "damaged or was cut short"),
    "gzip of noise": (b"\x1f\x8b" + b"\xff" * 40, "damaged or was cut short"),
    "gzip with a wrong sum": (gzip.compress(GOOD)[:-8] + b"\0" * 8, "damaged or was cut short"),
    "gzip with a flipped bit": (
        bytes(b ^ (64 if i == 25 else 0) for i, b in enumerate(gzip.compress(idx_bytes(np.ones((9, 9, 9)))))),
        "damaged or was cut short",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_damaged_files_are_one_clear_sentence(tmp_path: Path, case: str) -> None:
    content, said = BAD[case]
    path = tmp_path / "train-images"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        read_idx(path, ndim=3)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_of_that_name_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path, ndim=3)


def test_small_mnist_is_read_and_normalised(small_mnist: Path) -> None:
    loaded = data.load("mnist", small_mnist)
    assert loaded.train_inputs.shape == (30, 1, 28, 28)
    assert loaded.test_inputs.shape == (12, 1, 28, 28)
    images = read_idx(small_mnist / "mnist" / "train-images-idx3-ubyte.gz", ndim=3)
    expected = (images / 255 - (images / 255).mean()) / (images / 255).std()
    np.testing.assert_allclose(loaded.train_inputs[:, 0].numpy(), expected, atol=1e-6)
    np.testing.assert_array_equal(loaded.normalization.undo(loaded.train_inputs)[:, 0].numpy(), images)


def test_files_without_images_are_one_sentence_and_no_warning(small_mnist: Path) -> None:
    write_idx(small_mnist / "mnist" / "train-images-idx3-ubyte.gz", np.zeros((0, 28, 28)))
    write_idx(small_mnist / "mnist" / "train-labels-idx1-ubyte.gz", np.zeros(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match=r"^mnist has no training samples$"):
            data.load("mnist", small_mnist)


@pytest.mark.parametrize(
    ("file", "array", "said"),
    [
        ("train-labels-idx1-ubyte.gz", np.arange(29) % 10, "30 images and train-labels.* 29 labels"),
        ("t10k-labels-idx1-ubyte.gz", np.arange(12), "sample 10 as class 10, outside its 10 classes.*2 such"),
        ("train-images-idx3-ubyte.gz", np.zeros((30, 28, 27)), "28 x 27 pixels where 28 x 28 belong"),
    ],
)
def test_files_that_do_not_fit_together(small_mnist: Path, file: str, array: np.ndarray, said: str) -> None:
    write_idx(small_mnist / "mnist" / file, array)
    with pytest.raises(DataError, match=said):
        data.load("mnist", small_mnist)
