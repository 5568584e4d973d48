"""Studies of several trainings of which some diverge, or of which nothing can be measured."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from eigentrail.api.study import study
from eigentrail.cli.app import run as main
from eigentrail.errors import OptionError, RunWarning
from eigentrail.recipes import Trial, recipes, run_trials
from eigentrail.runs import open_run
from eigentrail.training import DivergenceError

STUDIES = recipes()

STILL = {"changes": {"digits": {"lr": 1e-30}}, "only": ("evolution",)}


def call(name: str, out: Path, epochs: int = 2) -> list[str]:
    return ["study", name, "--data", "digits", "--epochs", str(epochs), "--out", str(out), "-q"]


def test_where_all_diverge_one_sentence_names_trial_folder_and_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = recipes()["drift"].changed(factors=())
    plan = [Trial("wild", {"lr": 1e9}), Trial("wilder", {"lr": 1e10})]
    object.__setattr__(chosen.plan, "trials", lambda *given: plan)
    monkeypatch.setitem(recipes(), "drift", chosen)
    out = tmp_path / "runs"
    assert main(call("drift", out)) == 1
    *notes, last = capsys.readouterr().err.splitlines()
    assert len(notes) == 2 and all(line.startswith("note: wild") for line in notes)
    assert "all trainings diverged; wild: the loss became" in last
    assert str(out / "wild") in last and "smaller learning rate, or inputs of mean 0" in last
    assert open_run(out / "wilder").status == "interrupted"


def test_what_begins_with_the_weights_of_a_diverged_trial_is_not_trained(tmp_path: Path) -> None:
    chosen = recipes()["drift"].changed(factors=())
    plan = [Trial("wild", {"lr": 1e9}), Trial("behind", begins="wild"), Trial("other")]
    object.__setattr__(chosen.plan, "trials", lambda *given: plan)
    with pytest.warns(RunWarning) as told:
        _, trained = run_trials(chosen, tmp_path / "runs", "digits", epochs=1, progress=False)
    said = [str(one.message) for one in told]
    assert said[0].startswith("wild: the loss became")
    assert said[1] == "behind: not trained: it begins with the last weights of wild, which diverged"
    assert [(one.diverged, len(one.runs)) for one in trained] == [((True,), 1), ((), 0), ((False,), 1)]
    assert not (tmp_path / "runs" / "behind").exists()
    plan.pop()
    with pytest.raises(DivergenceError, match="wild: the loss became"), pytest.warns(RunWarning):
        run_trials(chosen, tmp_path / "runs", "digits", epochs=1, progress=False)


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        pytest.param(
            "class-swap",
            {"seeds": (1, 1), "every": 2},
            "swap: fc2.weight: the direction does not move",
            marks=pytest.mark.slow,
        ),
        (
            "geodesic",
            {"seeds": (1, 2), "factors": (1.0,)},
            "seed 0): fc2.weight: the direction does not move",
        ),
        pytest.param(
            "drift",
            {"factors": (2.0,), "analyses": ("add-back",), "seeds": (1, 1)},
            "plain: fc3.weight: the weights are constant",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_weights_that_do_not_move_end_with_a_page_and_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    changes: dict[str, object],
    said: str,
) -> None:
    monkeypatch.setitem(recipes(), name, recipes()[name].changed(**STILL, **changes))
    out = tmp_path / "runs"
    assert main(call(name, out, 3)) == 1
    told = capsys.readouterr()
    assert told.out == f"{out / 'report.html'}\n"
    *notes, last = told.err.splitlines()
    assert notes and all(line.startswith("note: ") for line in notes)
    assert last.startswith(f"study {name}: nothing can be said, because ") and said in last
    assert ".;" not in last
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "What could not be measured" in page and "What became of the claims" not in page
    table = pd.read_csv(out / "comparison.csv")
    assert table["note"].str.contains("weight: the ").any()
    assert not (out / "claims.csv").exists()


@pytest.mark.slow
def test_a_run_that_cannot_be_measured_does_not_take_the_others_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eigentrail.chance.requested.ENOUGH", 20)
    changes = {"seeds": (1, 2), "factors": (1e-30, 1.0), "only": ("evolution",)}
    monkeypatch.setitem(recipes(), "geodesic", recipes()["geodesic"].changed(**changes))
    with pytest.warns(RunWarning, match="is not measured: fc2.weight: the direction does not move"):
        done = study("geodesic", "digits", epochs=4, out=tmp_path / "runs", progress=False)
    assert not done.missing and len(done.claims)
    assert done.table["note"].notna().tolist() == [True, True, False, False]
    assert done.table["right_2_score"].notna().tolist() == [False, False, True, True]
    page = done.page.read_text(encoding="utf-8")
    assert "What could not be measured" in page and "What became of the claims" in page


def test_too_few_epochs_are_refused_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    for epochs in (1, 2):
        assert main(call("geodesic", out, epochs)) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert f"--epochs {epochs}: the study geodesic needs at least 3 epochs" in line
    assert not out.exists()


def test_no_processes_are_refused_before_training(tmp_path: Path) -> None:
    for name in (None, "batch-size"):
        with pytest.raises(OptionError, match="jobs must be a number of processes"):
            study(name, "digits", epochs=1, out=tmp_path / "runs", jobs=0, progress=False)
    assert not (tmp_path / "runs").exists()
