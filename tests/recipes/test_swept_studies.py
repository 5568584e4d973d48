"""Studies that are sweeps: batch sizes, and networks with and without weight decay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eigentrail import open_run
from eigentrail.api.study import SweptResult, study
from eigentrail.cli.app import run as main
from eigentrail.errors import OptionError
from eigentrail.recipes import SweptStudy, recipes, train_recipe
from eigentrail.sweeps import plan
from eigentrail.sweeps.grid import points_of

SWEPT = [name for name, one in recipes().items() if isinstance(one.plan, SweptStudy)]
MEASURED = 'measure = ["alpha@fc1.weight", "gap", "rank", "train_accuracy", "test_accuracy"]'


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The study of batch sizes with two of them; the file, to write another one."""
    file = tmp_path / "short.toml"
    file.write_text(
        f'preset = "batch-size"\nnetwork = "mlp50"\ntrain_samples = 240\nseeds = 3\n{MEASURED}\n'
        'spectra = ["fc1"]\n[axes]\nbatch_size = [240, 48]\n'
    )
    monkeypatch.setitem(recipes(), "batch-size", recipes()["batch-size"].changed(sweep=str(file)))
    return file


def test_the_one_axis_studies_are_sweeps() -> None:
    assert set(SWEPT) == {"batch-size", "mlp-bn-10-100", "res-bn-5-500", "vgg16", "resnet18", "vit"}


@pytest.mark.parametrize("name", [name for name in SWEPT if name != "batch-size"])
def test_decay_is_compared_with_none(name: str) -> None:
    study_plan = recipes()[name].plan
    assert isinstance(study_plan, SweptStudy)
    found = plan(study_plan.sweep).spec
    assert found.axes["weight_decay"][0] == 0.0 and study_plan.preset.settings.weight_decay > 0
    assert study_plan.preset.settings.weight_decay in found.axes["weight_decay"]
    for full in (True, False):
        trained = {one.network for one in points_of(plan(study_plan.sweep, full=full).spec)}
        assert trained == {study_plan.preset.network_for(recipes()[name].network, full)}
    assert found.seeds == (0, 1, 2)
    (claim,) = study_plan.answers
    assert claim.observe(np.array([[9.0, 8.0, 3.0], [9.0, 9.0, 5.0]]), (0.0, 0.1, 0.2)).values == (-6.0, -4.0)


def test_batch_sizes_side_by_side(short: Path, tmp_path: Path) -> None:
    done = study("batch size", "digits", epochs=3, out=tmp_path / "runs", jobs=1, progress=False)
    assert isinstance(done, SweptResult)
    table = done.sweep.table
    assert table["batch_size"].tolist() == [48] * 3 + [240] * 3 and table["seed"].tolist() == [0, 1, 2] * 2
    assert table["steps"].tolist() == [15] * 3 + [3] * 3
    row, run = table.iloc[0], open_run(done.sweep.path / table["run"][0])
    last = {n: float(run.metrics[n].dropna("step")[-1]) for n in ("train_accuracy", "test_accuracy")}
    assert row["gap"] == pytest.approx(last["train_accuracy"] - last["test_accuracy"])
    # Of one seed all begin with the same weights.
    other = open_run(done.sweep.path / table["run"][3])
    assert (run["fc1.weight"].values[0] == other["fc1.weight"].values[0]).all()
    # The claim's values are the differences of the runs of each seed.
    gap = next(one for one in done.claims if one.claim.id == "batch-size-gap")
    by_seed = table.pivot(index="seed", columns="batch_size", values="gap")
    assert gap.values == pytest.approx((by_seed[240] - by_seed[48]).tolist())
    assert pd.read_csv(tmp_path / "runs" / "claims.csv")["id"].tolist() == [
        one.claim.id for one in done.claims
    ]
    page = done.page.read_text(encoding="utf-8")
    for words in (
        "What became of the claims",
        "Value by value",
        "Spectra along each axis",
        "fc1.weight at batch size",
    ):
        assert words in page, words
    # What is trained is not trained again, and more seeds are only added.
    before = {mark: mark.stat().st_mtime_ns for mark in (tmp_path / "runs").glob("runs/*/done.json")}
    more = study("batch size", "digits", epochs=3, seeds=4, out=tmp_path / "runs", jobs=1, progress=False)
    assert isinstance(more, SweptResult) and len(more.sweep.table) == 8
    assert {mark: mark.stat().st_mtime_ns for mark in before} == before


def test_a_rate_that_diverges_is_a_row_and_all_that_diverge_fail(
    short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = short.read_text()
    for rates, status, code in (
        ("1e9, 0.01", ["finished", "diverged"], 0),
        ("1e9, 1e10", ["diverged"] * 2, 1),
    ):
        short.write_text(
            text.partition("[axes]")[0].replace("seeds = 3", "seeds = 1") + f"[axes]\nlr = [{rates}]\n"
        )
        out = tmp_path / str(code)
        call = [
            "study",
            "batch-size",
            "--data",
            "digits",
            "--epochs",
            "1",
            "--out",
            str(out),
            "--jobs",
            "1",
            "-q",
        ]
        assert main(call) == code
        told = capsys.readouterr()
        assert told.out.strip().endswith("report.html") and "loss became" in told.err
        assert pd.read_parquet(out / "table.parquet")["status"].tolist() == status


def test_what_a_sweep_does_not_take_is_said(tmp_path: Path) -> None:
    for changes, said in (({"budget": 3.0}, "leave out the budget"), ({"jobs": 0}, "number of processes")):
        with pytest.raises(OptionError, match=said):
            study("batch-size", "digits", epochs=1, out=tmp_path / "runs", progress=False, **changes)  # type: ignore[arg-type]
    assert not (tmp_path / "runs").exists()


def test_its_training_can_be_had_alone(tmp_path: Path) -> None:
    run = train_recipe("mlp-bn-10-100", tmp_path / "run", "digits", full=False, epochs=1, progress=False)
    assert run.manifest.notes["study"] == "mlp-bn-10-100"
