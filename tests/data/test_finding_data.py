"""Data sets by name, by folder and as they come; and what is said where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_files import write_parquet

from eigentrail import data
from eigentrail.errors import DataError


@pytest.fixture
def both(small_mnist: Path) -> Path:
    """A root with mnist/ and the same files as fashion-mnist/."""
    (small_mnist / "fashion-mnist").mkdir()
    for file in (small_mnist / "mnist").iterdir():
        (small_mnist / "fashion-mnist" / file.name).write_bytes(file.read_bytes())
    return small_mnist


def test_the_environment_names_the_root_or_the_own_folder(
    both: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (both, both / "mnist"):
        monkeypatch.setenv("EIGENTRAIL_DATA", str(folder))
        assert len(data.load("mnist").train_targets) == 30


def test_a_given_path_wins_over_the_environment(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EIGENTRAIL_DATA", "/nowhere")
    assert len(data.load("mnist", both).train_targets) == 30


def test_absent_data_says_where_it_looked_and_how_to_give_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EIGENTRAIL_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(
        DataError, match=r"cifar10 was not found: no folder.*--data PATH or in EIGENTRAIL_DATA"
    ):
        data.load("cifar10")
    with pytest.raises(DataError, match=rf"{tmp_path} \(given\) has no train-\*.parquet"):
        data.load("cifar10", tmp_path)
    monkeypatch.setenv("EIGENTRAIL_DATA", str(tmp_path / "gone"))
    with pytest.raises(DataError, match=r"gone \(EIGENTRAIL_DATA\) is no folder"):
        data.load("mnist")


def test_an_incomplete_folder_names_the_file(both: Path) -> None:
    (both / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"mnist \(given\) has no t10k-labels-idx1-ubyte"):
        data.load("mnist", both)


def test_the_file_that_is_lacking_is_named_in_every_layout(small_cifar: Path, tmp_path: Path) -> None:
    (small_cifar / "cifar10" / "test-00000-of-00001.parquet").rename(tmp_path / "kept.parquet")
    with pytest.raises(DataError, match=r"cifar10 \(given\) has no test-\*.parquet"):
        data.load("cifar10", small_cifar)
    for part in ("train", "test"):
        write_parquet(tmp_path / f"{part}-0.parquet", [], [], image="image")
    (tmp_path / "test-0.parquet").unlink()
    # MNIST comes as idx files first.
    with pytest.raises(DataError, match=r" \(given\) has no test-\*.parquet"):
        data.load("mnist", tmp_path)
    batches = tmp_path / "b" / "cifar10" / "cifar-10-batches-py"
    batches.mkdir(parents=True)
    for name in [*(f"data_batch_{i}" for i in (1, 2, 4, 5)), "test_batch"]:
        (batches / name).touch()
    with pytest.raises(DataError, match=r"cifar-10-batches-py \(given\) has no data_batch_3"):
        data.load("cifar10", tmp_path / "b")


@pytest.mark.parametrize(
    ("name", "near"), [("cifar", "cifar10"), ("fashion", "fashion-mnist"), ("mnits", "mnist")]
)
def test_unknown_names_get_near_ones(name: str, near: str) -> None:
    with pytest.raises(DataError, match=f'no data set "{name}": did you mean .*{near}'):
        data.load(name)


def test_what_a_command_line_argument_means(both: Path, small_cifar: Path) -> None:
    assert data.resolve(None, "digits") == ("digits", None)
    assert data.resolve("Fashion_MNIST", "mnist") == ("fashion-mnist", None)
    assert data.resolve(both, "mnist") == ("mnist", both)
    assert data.resolve(both, "fashion-mnist") == ("fashion-mnist", both)
    # The folder's own name wins where its files fit.
    assert data.resolve(both / "fashion-mnist", "mnist") == ("fashion-mnist", both / "fashion-mnist")
    assert data.resolve(small_cifar / "cifar10", "mnist") == ("cifar10", small_cifar / "cifar10")


def test_a_folder_of_another_name_is_known_by_its_files(small_cifar: Path, tmp_path: Path) -> None:
    renamed = (small_cifar / "cifar10").rename(tmp_path / "pictures")
    assert data.resolve(renamed, "mnist") == ("cifar10", renamed)
    assert data.as_data(renamed).name == "cifar10"


def test_a_folder_that_does_not_say_which(both: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"holds mnist, fashion-mnist: give the folder of one, such as .*/mnist"
    ):
        data.resolve(both, "digits")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds none of digits, mnist, .*: give a data set's folder"):
        data.resolve(tmp_path / "empty", "digits")


def test_neither_name_nor_folder() -> None:
    with pytest.raises(DataError, match='no data set or folder "cifer10": did you mean cifar10'):
        data.resolve("cifer10", "mnist")
    with pytest.raises(DataError, match="/nowhere/at/all is no folder"):
        data.resolve("/nowhere/at/all", "mnist")
