"""`eigentrail sweep`, and the page that it writes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import eigentrail as et
from eigentrail.cli.app import run
from eigentrail.errors import OptionError
from reading_pages import pieces

FILE = """
network = "mlp50"
data = "digits"
train_samples = 40
test_samples = 20
epochs = 1
seeds = 2
[axes]
lr = [0.05, 0.1, 0.2]
batch_size = [10, 20]
"""


def test_a_file_becomes_a_table_answers_and_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "rates.toml", tmp_path / "out"
    file.write_text(FILE)
    assert run(["sweep", str(file), "--dry-run", "--out", str(out)]) == 0
    assert "12 runs in 2 units, 36 steps" in capsys.readouterr().out and not out.exists()
    assert run(["sweep", str(file), "--out", str(out), "--jobs", "1", "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert printed.rstrip().endswith("report.html") and "lr" in printed and len(printed.splitlines()) <= 40
    assert len(pd.read_parquet(out / "table.parquet")) == 12
    page = (out / "report.html").read_text()
    assert "Over pairs of axes" in page and "number of steps changes with batch_size" in page
    assert not et.open_sweep(out).effects.empty


def test_several_sweeps_are_compared_on_one_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    common = {
        "network": "mlp50",
        "data": "digits",
        "train_samples": 40,
        "test_samples": 20,
        "epochs": 1,
        "seeds": 2,
    }
    for name, decay in (("free", 0.0), ("decayed", 0.1)):
        et.sweep(common | {"weight_decay": decay}, axes={"lr": [0.1, 0.2]}, out=name, jobs=1, progress=False)
    assert run(["report", "free", "decayed"]) == 0
    assert capsys.readouterr().out.strip() == "report.html"
    html = Path("report.html").read_text(encoding="utf-8")
    assert "2 sweeps compared" in html and "What differs" in html
    lines = next(
        p for p in pieces(html).values() if isinstance(p, dict) and p.get("file") == "test_accuracy-lr"
    )
    assert {trace["name"] for trace in lines["figure"]["data"] if trace.get("name")} == {"free", "decayed"}
    assert lines["figure"]["data"][0]["x"] == [0.1, 0.2]
    # The settings that differ have a column, those that do not have none.
    head = html[html.index("What differs") :][:4000]
    assert "weight decay" in head and "train samples" not in head
    assert run(["report", "free"]) == 0 and capsys.readouterr().out.strip().endswith("free/report.html")
    with pytest.raises(OptionError, match="apart"):
        et.report_runs(["free", str(next(Path("free/runs").glob("*/*/run.json")).parent)])


def test_what_is_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(FILE.replace("lr =", "lrr ="))
    for path in (file, tmp_path / "none.toml"):
        assert run(["sweep", str(path), "--out", str(tmp_path / "x")]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "x").exists()
