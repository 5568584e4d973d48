"""What cannot be studied is said in one sentence before anything is written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from eigentrail import open_run
from eigentrail.cli.app import run


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["vgg16", "--data", "digits"], "VGG-16"),
        (["batch-size", "--data", "digits", "--device", "cuda:99"], 'device="cuda:99"'),
        (["mlp50", "--device", "gpu"], "device='gpu' cannot be used"),
        (["mlp50", "--data", "cifer10"], "did you mean cifar10"),
        (["mlp50", "--data", "no_such_module:make"], 'the data set "no_such_module:make" cannot be imported'),
        (["mlp51"], "did you mean mlp50"),
    ],
)
def test_wrong_studies_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], call: list[str], said: str
) -> None:
    out = tmp_path / "run"
    assert run(["study", *call, "--epochs", "1", "--out", str(out), "--quiet"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err and "Traceback" not in told.err
    assert not out.exists()


def test_ones_own_data_are_found_beside_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data_beside.py").write_text(
        "from eigentrail import data\ndef make():\n    return data.take(data.load('digits'), 64, 20)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    call = ["study", "mlp50", "--data", "data_beside:make", "--epochs", "1", "--out", "run", "--quiet"]
    assert run(call) == 0
    told = capsys.readouterr()
    assert "the run names" not in told.out + told.err
    assert open_run(tmp_path / "run").manifest.data["train_samples"] == 64
