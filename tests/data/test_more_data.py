"""SVHN, CIFAR-100, the original batches of CIFAR and Parquet files of the others: pixels, labels, and bad files."""

from __future__ import annotations

import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from image_files import png, write_parquet
from scipy.io import savemat
from scipy.sparse import eye_array, issparse

from eigentrail import data
from eigentrail.data import Data
from eigentrail.errors import DataError


def pixels(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32)).astype(np.uint8)


def raw(inputs: torch.Tensor, of: Data) -> np.ndarray:
    return of.normalization.undo(inputs).numpy()


def write_batch(
    path: Path, images: np.ndarray, labels: list[int], key: str = "labels", protocol: int = 2
) -> None:
    """A batch as Python 2 wrote it: keys of bytes, and old names for numpy's parts where the protocol is 2."""
    content = {b"data": images.reshape(len(images), -1), key.encode(): labels, b"filenames": [b"x.png"]}
    text = pickle.dumps(content, protocol=protocol)
    path.write_bytes(
        text.replace(b"numpy._core.multiarray", b"numpy.core.multiarray") if protocol == 2 else text
    )


@pytest.fixture
def batches(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for number in range(1, 6):
        write_batch(folder / f"data_batch_{number}", pixels(4, number), [number, 0, 9, 5])
    write_batch(folder / "test_batch", pixels(3, 6), [1, 2, 3])
    return tmp_path


def test_the_original_batches_of_cifar10(batches: Path) -> None:
    loaded = data.load("cifar10", batches)
    expected = np.concatenate([pixels(4, number) for number in range(1, 6)])
    assert (raw(loaded.train_inputs, loaded) == expected).all()
    assert loaded.train_targets.tolist() == [n for k in range(1, 6) for n in (k, 0, 9, 5)]
    assert (raw(loaded.test_inputs, loaded) == pixels(3, 6)).all()
    assert data.resolve(batches, "mnist")[0] == "cifar10"
    assert data.load("cifar10", batches / "cifar-10-batches-py").fingerprint == loaded.fingerprint


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_the_original_files_of_cifar100_in_any_protocol(tmp_path: Path, protocol: int) -> None:
    for name, count in (("train", 6), ("test", 2)):
        labels = list(range(94, 94 + count))
        write_batch(tmp_path / name, pixels(count), labels, "fine_labels", min(protocol, 4))
    (tmp_path / "meta").write_bytes(b"")
    loaded = data.load("cifar100", tmp_path)
    assert (raw(loaded.train_inputs, loaded) == pixels(6)).all()
    assert loaded.train_targets.tolist() == [94, 95, 96, 97, 98, 99]
    assert loaded.classes == 100
    assert (loaded.class_names[0], loaded.class_names[99]) == ("apple", "worm")
    assert len(set(loaded.class_names)) == 100
    assert sorted(loaded.class_names) == list(loaded.class_names)


class Hostile:
    def __init__(self, target: object, *arguments: object) -> None:
        self.call = (target, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self.call


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda path: path.write_bytes(pickle.dumps(Hostile(os.system, "touch hostile"))),
            r"asks for posix\.system",
        ),
        (
            lambda path: path.write_bytes(pickle.dumps({"data": Hostile(eval, "1")})),
            r"asks for builtins\.eval",
        ),
        (
            lambda path: path.write_bytes(pickle.dumps({b"data": np.zeros((1, 3072)), b"labels": [0]})),
            "not hold bytes",
        ),
        (lambda path: path.write_bytes(pickle.dumps([1, 2])), "holds a list, not a batch"),
        (lambda path: path.write_bytes(pickle.dumps({b"data": 3})), '"data" of .* has shape None'),
        (lambda path: path.write_bytes(pickle.dumps({b"labels": [1]})), 'has no "data"'),
        (lambda path: path.write_bytes(b""), "was cut short"),
        (lambda path: path.write_bytes(path.read_bytes()[:-3000]), "was cut short"),
        (lambda path: path.write_bytes(b"\x80\x02}r\xff\xff\xff\x7f."), "cut short|no batch|holds|has no"),
        (
            lambda path: write_batch(path, pixels(2), [0, 10]),
            "labels sample 1 as class 10, outside its 10 classes",
        ),
        (
            lambda path: write_batch(path, pixels(2), [0, 2**70]),
            f"labels sample 1 as class {2**70}, outside its 10 classes .0 to 9.; 1 such",
        ),
        (lambda path: write_batch(path, pixels(2), [-(2**70), 0]), f"sample 0 as class {-(2**70)}, outside"),
        (
            lambda path: write_batch(path, pixels(2), [0, 2**20_000]),
            r"sample 1 as class 2\^20000 and more, outside",
        ),
        (lambda path: write_batch(path, pixels(2), [0]), "holds 2 images and 1 labels"),
        (lambda path: write_batch(path, pixels(2), ["a", 1]), '"labels" of .* is no list of class numbers'),
        (lambda path: write_batch(path, pixels(2)[:, :, :16], [0, 1]), r"has shape \(2, 1536\)"),
    ],
)
def test_bad_batches_are_one_clear_sentence_and_never_run(batches: Path, make, said: str) -> None:
    path = batches / "cifar-10-batches-py" / "data_batch_3"
    make(path)
    with pytest.raises(DataError, match=said) as caught:
        data.load("cifar10", batches)
    assert "data_batch_3" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Path("hostile").exists()


def test_svhn_from_matlab_files(tmp_path: Path) -> None:
    folder = tmp_path / "svhn"
    folder.mkdir()
    for stem, count in (("train", 5), ("test", 3)):
        images = pixels(count, count)
        labels = np.array([[10], [1], [9], [5], [10]], np.uint8)[:count]
        savemat(
            folder / f"{stem}_32x32.mat",
            {"X": images.transpose(2, 3, 1, 0), "y": labels},
            do_compression=True,
        )
    loaded = data.load("SVHN", tmp_path)
    assert (raw(loaded.train_inputs, loaded) == pixels(5, 5)).all()
    # Class 10 of the files is the digit 0.
    assert loaded.train_targets.tolist() == [0, 1, 9, 5, 0]
    assert loaded.test_targets.tolist() == [0, 1, 9]
    assert data.resolve(tmp_path, "mnist")[0] == "svhn"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"X": np.zeros((32, 32, 3, 2), np.uint8)}, 'has no "y"'),
        ({"X": np.zeros((28, 28, 3, 2), np.uint8), "y": [[1], [2]]}, r"shape \(28, 28, 3, 2\)"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [[1], [2], [3]]}, "2 images and 3 labels"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [[1], [11]]}, "labels sample 1 as class 11"),
        (
            {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([1, 2**63 + 5], np.uint64)},
            "labels sample 1 as class 9223372036854775813, which is no number of a class",
        ),
        (
            {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": eye_array(2)},
            '"y" of .* is a cs._.*, no plain array',
        ),
        ({"X": eye_array(2), "y": [[1], [2]]}, '"X" of .* is a cs._.*, no plain array'),
        ({"X": np.zeros((32, 32, 3, 0), np.uint8), "y": np.zeros((0, 1), np.uint8)}, "no training samples"),
        (None, "cannot be read as a MATLAB file"),
    ],
)
def test_bad_matlab_files(tmp_path: Path, content: dict[str, object] | None, said: str) -> None:
    for stem in ("train", "test"):
        path = tmp_path / f"{stem}_32x32.mat"
        if content is None:
            savemat(path, {"X": np.zeros((32, 32, 3, 50), np.uint8), "y": np.ones((50, 1), np.uint8)})
            path.write_bytes(path.read_bytes()[:5000])
        else:
            savemat(path, {k: v if issparse(v) else np.asarray(v) for k, v in content.items()})
    warnings.simplefilter("error", RuntimeWarning)
    with pytest.raises(DataError, match=said) as caught:
        data.load("svhn", tmp_path)
    assert "\n" not in str(caught.value)


def test_cifar100_from_parquet_is_told_from_cifar10_by_its_columns(tmp_path: Path) -> None:
    for stem, count in (("train", 5), ("test", 2)):
        images = [png(each.transpose(1, 2, 0)) for each in pixels(count)]
        write_parquet(
            tmp_path / f"{stem}-00000-of-00001.parquet",
            images,
            [95 + i for i in range(count)],
            label="fine_label",
        )
    assert data.resolve(tmp_path, "mnist") == ("cifar100", tmp_path)
    loaded = data.load("cifar100", tmp_path)
    assert (raw(loaded.train_inputs, loaded) == pixels(5)).all()
    assert loaded.train_targets.tolist() == [95, 96, 97, 98, 99]
    with pytest.raises(
        DataError, match=r'cifar10 was not found: .* has no column "label" in its train-\*\.parquet'
    ):
        data.load("cifar10", tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_grey_images_from_parquet(tmp_path: Path, name: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28)).astype(np.uint8)
    for stem in ("train", "test"):
        write_parquet(
            tmp_path / f"{stem}-00000-of-00001.parquet",
            [png(each) for each in images],
            [3, 1, 4, 1],
            image="image",
        )
    loaded = data.load(name, tmp_path)
    assert (raw(loaded.train_inputs, loaded)[:, 0] == images).all()
    assert loaded.test_targets.tolist() == [3, 1, 4, 1]
