"""`eigentrail complete`: three kinds of files in and out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eigentrail.cli.app import run


@pytest.fixture
def holes() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 30))
    return truth, np.where(rng.random(truth.shape) < 0.5, truth, np.nan)


def test_files_are_completed(
    holes: tuple[np.ndarray, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, seen = holes
    np.save(tmp_path / "m.npy", seen)
    assert run(["complete", str(tmp_path / "m.npy")]) == 0
    said = capsys.readouterr()
    assert "rank 2" in said.out and "m-completed.npy" in said.err
    np.testing.assert_allclose(np.load(tmp_path / "m-completed.npy"), truth, atol=1e-3)
    table = pd.DataFrame(seen, columns=[f"c{i}" for i in range(30)])
    table.to_csv(tmp_path / "m.csv", index=False)
    assert (
        run(["complete", str(tmp_path / "m.csv"), "-o", str(tmp_path / "full.parquet"), "--format", "json"])
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["rank"] == 2 and told["error"] < 1e-3 and told["finding"]["verdict"] == "yes"
    back = pd.read_parquet(tmp_path / "full.parquet")
    assert list(back.columns) == list(table.columns)
    np.testing.assert_allclose(back.to_numpy(), truth, atol=1e-3)


def test_what_is_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "full.npy", np.ones((4, 4)))
    (tmp_path / "broken.npy").write_bytes(b"no array")
    for arguments, said in (
        ([str(tmp_path / "none.npy")], "cannot be read"),
        ([str(tmp_path / "broken.npy")], "cannot be read"),
        ([str(tmp_path / "m.txt")], "none of .npy"),
        ([str(tmp_path / "full.npy")], "nothing is missing"),
        ([str(tmp_path / "full.npy"), "-o", str(tmp_path / "out.txt")], "is written as one of"),
    ):
        assert run(["complete", *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
