"""CIFAR-10 and CIFAR-100 from Parquet files in the Hugging Face schema or from the original batches."""

from __future__ import annotations

import os
from pathlib import Path

from eigentrail.data.batches import read_batches
from eigentrail.data.dataset import Data
from eigentrail.data.images import Part, make_images
from eigentrail.data.locate import Layout, find_folder
from eigentrail.data.parquet import read_part

_PARQUET = ("train-*.parquet", "test-*.parquet")
_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
LAYOUTS = {
    "cifar10": (
        Layout(_PARQUET, columns=("img", "label")),
        Layout((*_BATCHES, "test_batch"), "cifar-10-batches-py"),
    ),
    "cifar100": (
        Layout(_PARQUET, columns=("img", "fine_label")),
        Layout(("train", "test", "meta"), "cifar-100-python"),
    ),
}
_FINE = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""
CLASS_NAMES = {
    "cifar10": (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    "cifar100": tuple(_FINE.split()),
}
_SIDE = 32


def load_cifar10(path: str | os.PathLike[str] | None = None) -> Data:
    """Load CIFAR-10: 50,000 training and 10,000 test colour images of 32 x 32 pixels.

    Each colour is normalised to mean 0 and variance 1 over the training set.

    Args:
        path: the folder of its Parquet files (`train-*.parquet`, `test-*.parquet`, columns `img` and `label`) or of
            the original Python batches (`data_batch_1` to `test_batch`), or one that holds a folder `cifar10` of
            them; None for the one named by EIGENTRAIL_DATA.

    Returns:
        The data set; samples have the shape (3, 32, 32), red, green and blue.
    """
    return _load("cifar10", path, "label", _BATCHES, ("test_batch",))


def load_cifar100(path: str | os.PathLike[str] | None = None) -> Data:
    """Load CIFAR-100: 50,000 training and 10,000 test colour images of 32 x 32 pixels in a hundred classes.

    Each colour is normalised to mean 0 and variance 1 over the training set.

    Args:
        path: the folder of its Parquet files (`train-*.parquet`, `test-*.parquet`, columns `img` and `fine_label`) or
            of the original Python files (`train`, `test`, `meta`), or one that holds a folder `cifar100` of them;
            None for the one named by EIGENTRAIL_DATA.

    Returns:
        The data set; samples have the shape (3, 32, 32), red, green and blue.
    """
    return _load("cifar100", path, "fine_label", ("train",), ("test",))


def _load(
    name: str, path: str | os.PathLike[str] | None, label: str, train: tuple[str, ...], test: tuple[str, ...]
) -> Data:
    folder, layout = find_folder(name, LAYOUTS[name], path)
    classes = len(CLASS_NAMES[name])
    if layout.files == _PARQUET:
        parts: list[Part] = [read_part(folder, glob, _SIDE, classes, "img", label) for glob in _PARQUET]
    else:
        # The batches call them `labels` and `fine_labels`.
        parts = [_read_files(folder, files, f"{label}s", classes) for files in (train, test)]
    return make_images(name, parts[0], parts[1], CLASS_NAMES[name])


def _read_files(folder: Path, files: tuple[str, ...], label: str, classes: int) -> Part:
    return read_batches([folder / file for file in files], label, _SIDE, classes)
