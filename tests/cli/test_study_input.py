"""What cannot be studied is said in one sentence before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from eigentrail.cli.app import run


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["vgg16", "--data", "digits"], "VGG-16"),
        (["batch-size", "--data", "digits", "--device", "cuda:99"], 'device="cuda:99"'),
        (["mlp50", "--device", "gpu"], "device='gpu' cannot be used"),
        (["mlp50", "--data", "cifer10"], "did you mean cifar10"),
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
