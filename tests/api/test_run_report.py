"""Where pages of runs go: all runs are looked at first, and no other page is replaced unasked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import eigentrail as et
from eigentrail.errors import OptionError, RunError
from eigentrail.runs import Recorder


def recorded(path: Path) -> Path:
    model = nn.ModuleDict({"fc": nn.Linear(12, 16)})
    with Recorder(model, path, report=None) as recorder:
        for step in range(1, 5):
            with torch.no_grad():
                model["fc"].weight += 0.1 * torch.randn(16, 12)
            recorder.step(loss=1.0 / step)
    return path


def test_what_is_no_run_is_told_before_the_first_one_is_analysed(tmp_path: Path) -> None:
    run = recorded(tmp_path / "a")
    begun: list[str] = []
    with pytest.raises(RunError, match="is not there"):
        et.report_runs([run, tmp_path / "nothing"], progress=lambda item, done, total: begun.append(item))
    assert not begun and not list((run / "analyses").glob("*"))


def test_a_page_of_other_runs_is_not_replaced_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = (et.analyze(recorded(tmp_path / name), "evolution", progress=False) for name in "abc")
    monkeypatch.chdir(tmp_path)
    page = et.report_runs([a, b])
    assert page.resolve() == tmp_path / "report.html"
    et.report_runs([a, b])
    with pytest.raises(OptionError, match=r"already; name a file for this one \(-o FILE\)"):
        et.report_runs([a, c])
    et.report_runs([a, c], "report.html")
    # The page of a run moves with it, but that of an inspection in its folder is another's.
    own = et.report_runs(a)
    assert own.parent.name == "a"
    (tmp_path / "a").rename(tmp_path / "moved")
    moved = et.analyze(tmp_path / "moved", "evolution", progress=False)
    et.report_runs(moved)
    with pytest.raises(OptionError, match="already; give another folder"):
        et.inspect(tmp_path / "moved", out=tmp_path / "moved", progress=False)
    et.inspect(tmp_path / "moved", out=tmp_path / "moved", overwrite=True, progress=False)
    with pytest.raises(OptionError, match="already; name a file"):
        et.report_runs(moved)


def test_a_study_of_claims_leaves_a_run_and_another_page_alone(tmp_path: Path) -> None:
    run = recorded(tmp_path / "a")
    with pytest.raises(RunError, match="is a run itself"):
        et.study("parsimony", out=run, progress=False)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "report.html").write_text("<title>notes</title>")
    for name in ("parsimony", "geodesic"):
        with pytest.raises(OptionError, match='the page of "notes" already'):
            et.study(name, out=tmp_path / "b", progress=False)
