"""Small data sets in the real formats, written by the tests."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from image_files import png, write_idx, write_parquet


@pytest.fixture
def small_mnist(tmp_path: Path) -> Path:
    """A folder with mnist/ of 30 training and 12 test images of known pixels."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "mnist"
    folder.mkdir()
    for stem, count in (("train", 30), ("t10k", 12)):
        write_idx(folder / f"{stem}-images-idx3-ubyte.gz", rng.integers(0, 256, (count, 28, 28)))
        write_idx(folder / f"{stem}-labels-idx1-ubyte.gz", np.arange(count) % 10)
    return tmp_path


@pytest.fixture
def small_cifar(tmp_path: Path) -> Path:
    """A folder with cifar10/ of two training shards of 7 and one test shard of 5 images of known pixels."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "cifar10"
    folder.mkdir()
    for name, count in (("train-00000-of-00002", 7), ("train-00001-of-00002", 7), ("test-00000-of-00001", 5)):
        images = rng.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)
        np.save(tmp_path / f"{name}.npy", images)
        write_parquet(folder / f"{name}.parquet", [png(each) for each in images], list(range(count)))
    return tmp_path
