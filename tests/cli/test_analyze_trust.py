"""Code that a run names is imported where its user says so, and nowhere else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import eigentrail as et
from eigentrail.cli.app import run
from eigentrail.errors import DataError, OptionError, RunError
from eigentrail.evaluation.of_run import samples_of

MINE = """
import pathlib
import torch
from torch import nn
from eigentrail import data

pathlib.Path(__file__).with_name("imported").touch()

def few():
    return data.take(data.load("digits"), 60, 20)

def network(width):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
"""

TRAIN = """
import eigentrail as et
from eigentrail.networks import NetworkSpec
import mine_trusted
et.train(mine_trusted.network(12), "mine_trusted:few", "run", rebuild="mine_trusted:build", epochs=2, progress=False)
"""


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Be in a folder whose modules can be imported, as the command line is; what is imported is forgotten again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        patch.setitem(sys.modules, "mine_trusted", sys)
        patch.delitem(sys.modules, "mine_trusted")
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("trusted")
    (found / "mine_trusted.py").write_text(MINE + "\n\ndef build():\n    return network(12)\n")
    # A process that has trained with a name trusts it.
    subprocess.run([sys.executable, "-c", TRAIN], cwd=found, check=True)
    (found / "imported").unlink()
    return found


def test_nothing_that_a_run_names_is_imported_unasked_and_everything_with_trust(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with inside(folder):
        trusts(capsys, folder)


def trusts(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    found = et.open_run("run")
    with pytest.raises(RunError, match="names mine_trusted:build to build its network: if you trust that"):
        found.model(int(found.steps[-1]))
    with pytest.raises(DataError, match="names mine_trusted:few for its samples: if you trust that"):
        samples_of(found)
    only = ["analyze", "run", "--only", "add-back", "--layers", "1.weight", "-q"]
    run(only)
    assert "open the run with trust=True" in " ".join("".join(capsys.readouterr()).split())
    assert not (folder / "imported").exists() and "mine_trusted" not in sys.modules
    # With trust, by the command line and in Python.
    assert run([*only, "--trust", "--format", "json"]) == 0
    assert (folder / "imported").exists()
    told = json.loads(capsys.readouterr().out)
    assert len(told["add-back"]) == 1
    assert told["skipped"] == {"add-back": []}
    trusted = et.open_run("run", trust=True)
    assert trusted.model(int(trusted.steps[-1]))[1].weight.shape == (12, 64)
    assert len(samples_of(trusted)[0]) == 60


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys\nsys.exit()", "it ends the program"),
        ("1 / 0", "division by zero"),
        (
            "def build():\n    raise SystemExit(3)\n\ndef few():\n    raise KeyError('x')",
            "it ends the program",
        ),
        ("build = few = 5", "not callable"),
    ],
)
def test_code_that_a_run_names_and_that_fails_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], code: str, said: str
) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / "mine_trusted.py").write_text(code + "\n")
    with inside(elsewhere):
        run(["analyze", "../run", "--only", "landscape", "--layers", "1.weight", "-q", "--trust"])
    told = " ".join("".join(capsys.readouterr()).split())
    assert said in told and "mine_trusted:" in told
    assert "Traceback" not in told


def test_a_share_of_time_is_no_less_than_nothing(folder: Path) -> None:
    for share in (-1.0, float("nan")):
        with pytest.raises(OptionError, match=f"share={share}: give a share of the usual time"):
            et.analyze(folder / "run", share=share, progress=False)


def test_json_says_what_was_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", str(folder / "run"), "--only", "evolution,pca", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document["skipped"]) == {"evolution", "pca"}
    found = et.analyze(folder / "run", only=["evolution"], progress=False)
    assert document["skipped"]["evolution"] == [one.to_dict() for one in found.skipped["evolution"]]
    # Biases have no spectrum.
    assert any(one["name"] == "1.bias" for one in document["skipped"]["evolution"])
