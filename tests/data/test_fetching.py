"""Fetching through the package datasets, with a stand-in for it: what is kept, and what is said when it fails."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
from image_files import png, write_parquet

from eigentrail import data
from eigentrail.errors import DataError


class Part:
    """One part of a fetched data set, which writes itself as the package does."""

    def __init__(self, count: int) -> None:
        self.images = np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)

    def to_parquet(self, path: str) -> None:
        write_parquet(Path(path), [png(each) for each in self.images], list(range(len(self.images))))


class Broken(Part):
    def to_parquet(self, path: str) -> None:
        Path(path).write_bytes(b"PAR1 half a file")
        raise OSError(28, "No space left on device")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    calls: list[tuple[object, ...]] = []
    fake = types.ModuleType("datasets")
    fake.parts = {"train": Part(6), "test": Part(3)}

    def load_dataset(*arguments: object) -> dict[str, Part]:
        calls.append(arguments)
        if isinstance(fake.parts, Exception):
            raise fake.parts
        return fake.parts

    fake.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", fake)
    return types.SimpleNamespace(module=fake, calls=calls)


def test_a_data_set_is_fetched_once_and_only_when_asked(
    package: types.SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EIGENTRAIL_DATA", str(tmp_path))
    with pytest.raises(DataError, match="or fetch it with --data fetch:cifar10"):
        data.load("cifar10")
    assert not package.calls
    name, folder = data.resolve("fetch:CIFAR 10", "mnist")
    assert (name, folder) == ("cifar10", tmp_path / "cifar10")
    assert package.calls == [("uoft-cs/cifar10", None)]
    loaded = data.load(name, folder)
    raw = loaded.normalization.undo(loaded.train_inputs).numpy().transpose(0, 2, 3, 1)
    assert (raw == package.module.parts["train"].images).all()
    assert loaded.test_targets.tolist() == [0, 1, 2]
    # From now on it is there under its name, and nothing is fetched again.
    assert data.load("cifar10").fingerprint == loaded.fingerprint
    assert data.load("fetch:cifar10").fingerprint == loaded.fingerprint
    assert len(package.calls) == 1


def test_without_a_folder_it_is_kept_in_the_cache(
    package: types.SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EIGENTRAIL_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data.fetch("cifar10") == tmp_path / ".cache/eigentrail/cifar10"
    assert data.fetch("svhn", tmp_path / "own") == tmp_path / "own"
    assert package.calls[1] == ("ufldl-stanford/svhn", "cropped_digits")
    # It is found there by its name, also by a run that is opened again.
    loaded = data.load("cifar10")
    assert data.rebuild(loaded.describe()).fingerprint == loaded.fingerprint
    monkeypatch.setenv("EIGENTRAIL_DATA", str(tmp_path / "own"))
    assert data.load("cifar10").fingerprint == data.load("fetch:cifar10").fingerprint == loaded.fingerprint
    assert len(package.calls) == 2


def test_an_interrupted_download_leaves_nothing_that_looks_whole(
    package: types.SimpleNamespace, tmp_path: Path
) -> None:
    package.module.parts = ConnectionError("the connection was reset\nby somebody")
    with pytest.raises(
        DataError, match=r"could not be fetched from uoft-cs/cifar10 \(the connection was reset\)"
    ) as caught:
        data.fetch("cifar10", tmp_path / "a")
    assert "\n" not in str(caught.value)
    package.module.parts = {"train": Part(2), "test": Broken(2)}
    with pytest.raises(DataError, match=r"cannot be kept in .*No space left"):
        data.fetch("cifar10", tmp_path / "a")
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["train-00000-of-00001.parquet"]
    package.module.parts = {"train": Part(2), "test": Part(2)}
    assert len(data.load("fetch:cifar10", tmp_path / "a").test_targets) == 2


def test_files_that_are_there_in_another_layout_are_not_fetched(
    package: types.SimpleNamespace, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EIGENTRAIL_DATA", str(small_mnist))
    assert data.resolve("fetch:mnist") == ("mnist", small_mnist / "mnist")
    assert len(data.load("fetch:mnist").train_targets) == 30
    assert len(data.load("fetch:mnist", small_mnist).train_targets) == 30
    assert not package.calls
    # MNIST's own folder is not Fashion-MNIST's, though the files are called the same.
    monkeypatch.setenv("EIGENTRAIL_DATA", str(small_mnist / "mnist"))
    assert data.fetch("fashion-mnist") == small_mnist / "mnist" / "fashion-mnist"
    assert len(package.calls) == 1


@pytest.mark.parametrize("harm", ["missing", "cut short", "twice", "no test"])
def test_what_is_lacking_is_fetched_and_nothing_is_doubled(
    package: types.SimpleNamespace, small_cifar: Path, harm: str
) -> None:
    folder = small_cifar / "cifar10"
    second = folder / "train-00001-of-00002.parquet"
    if harm == "missing":
        second.unlink()
    elif harm == "cut short":
        second.write_bytes(second.read_bytes()[:-20])
    elif harm == "twice":
        (folder / "train-00000-of-00001.parquet").write_bytes(second.read_bytes())
    else:
        (folder / "test-00000-of-00001.parquet").unlink()
    loaded = data.load("fetch:cifar10", folder)
    counts = (len(loaded.train_targets), len(loaded.test_targets))
    # Only the part that was not whole is new; what was in its way is kept under another name.
    assert counts == ((14, 3) if harm == "no test" else (6, 5))
    assert data.load("fetch:cifar10", folder).fingerprint == loaded.fingerprint
    assert len(package.calls) == 1
    left = {"missing": 1, "cut short": 2, "twice": 3, "no test": 0}[harm]
    assert len([*folder.glob("*.old")]) == left


def test_another_data_set_is_left_alone(package: types.SimpleNamespace, small_cifar: Path) -> None:
    before = sorted(file.name for file in (small_cifar / "cifar10").iterdir())
    with pytest.raises(
        DataError, match=r"has the columns img, label, not those of cifar100: give another folder"
    ):
        data.load("fetch:cifar100", small_cifar / "cifar10")
    assert sorted(file.name for file in (small_cifar / "cifar10").iterdir()) == before
    assert not package.calls


def test_what_cannot_be_fetched(
    package: types.SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package.module.parts = {"train": Part(2)}
    with pytest.raises(DataError, match="has no part 'test'"):
        data.fetch("cifar10", tmp_path)
    with pytest.raises(DataError, match="digits is not fetched from anywhere"):
        data.load("fetch:digits")
    with pytest.raises(DataError, match=r"did you mean .*cifar10"):
        data.resolve("fetch:cifar")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'eigentrail\[datasets\]'"):
        data.fetch("mnist", tmp_path / "mnist")
