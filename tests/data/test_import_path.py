"""Somebody's own data sets by import path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import eigentrail as et
from eigentrail import data
from eigentrail.data import own
from eigentrail.errors import DataError
from eigentrail.evaluation.of_run import samples_of

MODULE = """
import torch
from torch.utils.data import Dataset, TensorDataset
from eigentrail import data

X = torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
Y = torch.arange(40) % 4
pair = (X, Y)
both = (pair, TensorDataset(X[:8], Y[:8]))
noisy = data.label_noise(data.take(data.load_digits(), 60, 20), 0.5)

class Own(Dataset):
    def __len__(self):
        return 40
    def __getitem__(self, place):
        return X[place], Y[place]
    def __call__(self):
        raise RuntimeError("an object is not called")

instance = Own()
def make():
    return pair
def make_noisy():
    return noisy
class Holder:
    inner = pair
    @staticmethod
    def make():
        return both
def needs(folder):
    return pair
def breaks():
    raise OSError("no such\\nfolder")
def name():
    return "digits"
def leaves():
    raise SystemExit(0)
number = 7
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A module of a name of its own that Python finds."""
    name = f"own_data_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    (tmp_path / f"broken_{name}.py").write_text("1 / 0\n")
    (tmp_path / f"bye_{name}.py").write_text("import sys\nsys.exit()\n")
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize("what", ["pair", "both", "instance", "Own", "make", "Holder.inner", "Holder.make"])
def test_objects_classes_and_functions_are_found(mine: str, what: str) -> None:
    path = f"{mine}:{what}"
    assert data.resolve(path, "mnist") == (path, None)
    loaded = data.as_data(path)
    assert loaded.name == path
    assert loaded.train_inputs.shape == (40, 1, 8, 8)
    assert len(loaded.test_targets) == (8 if what in ("both", "Holder.make") else 0)
    assert data.load(path).fingerprint == loaded.fingerprint


def test_a_changed_data_set_keeps_what_was_done_to_it_in_words(mine: str) -> None:
    loaded = data.load(f"{mine}:make_noisy")
    assert loaded.name == f"{mine}:make_noisy"
    assert loaded.about.startswith("digits: scikit-learn's digits")
    assert "50% wrong labels" in loaded.about
    assert loaded.normalization == data.load("digits").normalization
    # Steps of one's own come after those of the module, and are made again.
    fewer = data.take(loaded, 30)
    assert data.rebuild(json.loads(json.dumps(fewer.describe()))).fingerprint == fewer.fingerprint


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("gone", "has no attribute 'gone'"),
        ("needs", r"needs\(\) does not give a data set \(TypeError: .*called without arguments"),
        ("breaks", r"breaks\(\) does not give a data set \(OSError: no such\)"),
        (
            "leaves",
            r"leaves\(\) does not give a data set \(SystemExit: it ends the program, as sys.exit\(\) does",
        ),
        ("name", "is a str: give a pair"),
        ("number", "is a int: give a pair"),
    ],
)
def test_what_is_no_data_set_is_one_clear_sentence(mine: str, what: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        data.as_data(f"{mine}:{what}")
    assert "\n" not in str(caught.value)
    assert f"{mine}:{what}" in str(caught.value)


def test_modules_that_cannot_be_imported(mine: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be imported .No module named 'no_such_module'"):
        data.load("no_such_module:make")
    with pytest.raises(DataError, match=f'data set "broken_{mine}:x" cannot be imported .division by zero'):
        data.load(f"broken_{mine}:x")
    with pytest.raises(
        DataError, match=f'"bye_{mine}:x" cannot be imported .it ends the program, as sys.exit'
    ):
        data.load(f"bye_{mine}:x")
    for text in (f"{mine}:", ":make", "my module:make"):
        with pytest.raises(DataError, match=r'your own is given as "package\.module:name"'):
            data.as_data(text)
    with pytest.raises(DataError, match="is an import path, which needs no folder"):
        data.load(f"{mine}:make", tmp_path)


def test_a_folder_with_a_colon_is_a_folder(small_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (small_mnist / "mnist").rename(small_mnist / "some:mnist")
    monkeypatch.chdir(small_mnist)
    assert data.resolve("some:mnist", "mnist") == ("mnist", Path("some:mnist"))


def test_a_run_finds_its_samples_again_but_calls_nobodys_code_by_itself(
    mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{mine}:make"
    run = et.train("mlp50", path, tmp_path / "run", epochs=1, progress=False)
    assert run.manifest.data["name"] == path
    inputs, targets = samples_of(et.open_run(tmp_path / "run"))
    assert inputs.shape == (40, 1, 8, 8) and targets.tolist() == [0, 1, 2, 3] * 10
    # Elsewhere the file alone names it.
    monkeypatch.setattr(own, "_asked", set())
    with pytest.raises(
        DataError, match=rf"names {path} .*open the run with trust=True \(eigentrail analyze --trust\)"
    ):
        samples_of(run)
    assert torch.equal(samples_of(et.open_run(tmp_path / "run", trust=True))[0], inputs)
    monkeypatch.setattr(own, "_asked", set())
    told = run.manifest.data
    assert torch.equal(data.rebuild(told, trust=True).train_inputs, inputs)
    monkeypatch.setattr(own, "_asked", set())
    data.load(path)
    assert torch.equal(samples_of(run)[0], inputs)
    with pytest.raises(DataError, match="hashes differ"):
        data.rebuild({**told, "fingerprint": "0" * 32})


def test_a_training_by_import_path_goes_on(mine: str, tmp_path: Path) -> None:
    path = f"{mine}:both"
    et.train("mlp50", path, tmp_path / "parts", epochs=1, progress=False)
    parts = et.train("mlp50", path, tmp_path / "parts", epochs=2, resume=True, progress=False)
    whole = et.train("mlp50", path, tmp_path / "whole", epochs=2, progress=False)
    assert (parts["fc1.weight"].values == whole["fc1.weight"].values).all()
