"""The contract of analyses: ours keep it, and another package adds one by one file."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import eigentrail as et
from eigentrail.analyses.framework.registry import analyses, choose_analyses
from eigentrail.errors import OptionError
from eigentrail.runs import Recorder, Run, open_run
from eigentrail.testing import check_analysis

NORM_GROWTH = '''
"""Do the norms grow more than chance gives?"""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail.analyses import Figure, Quantity, analysis
from eigentrail.analyses.framework.wording import finding


def _findings(row):
    yield finding(
        row, "Do the norms grow more than chance gives?", "norm_ratio",
        yes=f"The norm grows {row['norm_ratio']:.3g} times, more than random directions give.",
        no=f"The norm ends at {row['norm_ratio']:.3g} times its first value, as random directions give.",
    )


def _draw(node, title):
    return go.Figure(go.Scatter(x=node["step"].values, y=node["norm"].values)).update_layout(title=title)


@analysis(
    "norm-growth",
    question="Do the norms grow more than chance gives?",
    about="Frobenius norm at the last step over that at the first",
    version=1,
    unit="matrix",
    findings=_findings,
    quantities={
        "norm_ratio": Quantity(
            "‖W‖ end / start", "Frobenius norm at the last step over that at the first.", "ratio",
            null="walk_ratio", null_name="walks with random directions", side="two", shown=True,
        )
    },
    figures=(Figure("norm", "norm over steps", "Frobenius norm at the analysed steps.", _draw,
                    lambda node: pd.DataFrame({"norm": node["norm"].values})),),
)
def norm_growth(matrix, context):
    x = np.asarray(matrix.weights.values, np.float64).reshape(len(matrix.steps), -1)
    norms, lengths = np.linalg.norm(x, axis=1), np.linalg.norm(np.diff(x, axis=0), axis=1)
    rng, last = np.random.default_rng(context.seed), np.empty(context.draws)
    for draw in range(context.draws):
        walk = x[0].copy()
        for length in lengths:
            step = rng.standard_normal(walk.size)
            walk += length * step / np.linalg.norm(step)
        last[draw] = np.linalg.norm(walk) / norms[0]
    data = {"norm": ("step", norms), "norm_ratio": ((), norms[-1] / norms[0]), "walk_ratio": ("draw", last)}
    return xr.Dataset(data, {"step": matrix.steps})
'''


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A layer that grows along itself, and one that walks."""
    rng = np.random.default_rng(0)
    model = nn.ModuleDict(
        {"grows": nn.Linear(8, 12, bias=False), "walks": nn.Linear(9, 10, bias=False)}
    ).double()
    path = tmp_path_factory.mktemp("contract") / "run"
    with Recorder(model, path, report=None) as recorder:
        for step in range(1, 25):
            with torch.no_grad():
                model["grows"].weight *= 1.05
                model["walks"].weight += torch.from_numpy(0.02 * rng.standard_normal((10, 9)))
            recorder.step(step, loss=1.0 / step)
    return open_run(path)


@pytest.mark.parametrize(
    "name", ["evolution", "pca", "drift", "overlap", "geodesic", "crossings", "subspaces"]
)
def test_ours_keep_the_contract(run: Run, name: str) -> None:
    check_analysis(analyses()[name], run, layers="walks")


@pytest.fixture
def another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with one file and one entry point, as an installer leaves it."""
    (tmp_path / "norm_growth_of_others.py").write_text(NORM_GROWTH)
    about = tmp_path / "norm_growth_of_others-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: norm-growth-of-others\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        textwrap.dedent("""
        [eigentrail.analyses]
        norm-growth = norm_growth_of_others:norm_growth
        """)
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    analyses.cache_clear()
    yield
    analyses.cache_clear()
    sys.modules.pop("norm_growth_of_others", None)


def test_one_file_of_another_package_is_an_analysis(run: Run, another_package: None, tmp_path: Path) -> None:
    added = analyses()["norm-growth"]
    findings = {one.subject: one for one in check_analysis(added, run)}
    assert findings["grows.weight"].verdict == "yes" and findings["grows.weight"].p < 0.02
    assert findings["walks.weight"].verdict != "yes" or findings["walks.weight"].p > 0.005
    found = et.analyze(run, "norm-growth", progress=False)
    row = found.to_dict()["norm-growth"][0]
    assert row["norm_ratio"] == pytest.approx(1.05**24) and row["norm_ratio_p"] < 0.02
    page = found.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Do the norms grow more than chance gives?" in page and "norm over steps" in page
    assert "norm-growth" in [one.name for one in choose_analyses("all")]


def test_a_changed_analysis_is_kept_apart_and_unknown_arguments_are_refused() -> None:
    drift = analyses()["drift"]
    assert drift.changed(draws=20).arguments["draws"] == 20
    with pytest.raises(OptionError, match="drift has no argument"):
        drift.changed(drawz=20)


def test_analyses_are_chosen_by_name() -> None:
    assert [a.name for a in choose_analyses()] == [a.name for a in analyses().values() if a.default]
    assert [a.name for a in choose_analyses(["Evolution", "evolution"])] == ["evolution"]
    assert [a.name for a in choose_analyses("evolution,evolution")] == ["evolution"]
    with pytest.raises(OptionError, match="did you mean evolution"):
        choose_analyses(["evolutoin"])
    with pytest.raises(OptionError, match="there are evolution"):
        choose_analyses(" , ")
    # What an analysis is about leads to it too.
    with pytest.raises(OptionError, match=r"did you mean curvature\?"):
        choose_analyses("hessian")


def test_a_result_of_a_grown_run_is_made_again(tmp_path: Path) -> None:
    model = nn.Linear(6, 5, bias=False)
    sizes = []
    for resume in (False, True):
        with Recorder(model, tmp_path / "run", report=None, resume=resume) as recorder:
            for _ in range(12):
                with torch.no_grad():
                    model.weight += 0.1 * torch.randn(5, 6)
                recorder.step()
        tree = et.analyze(tmp_path / "run", "drift", progress=False).results["drift"]
        node: xr.DataTree = next(iter(tree.children.values()))
        sizes.append(node.sizes["step"])
    assert sizes == [13, 25]


def test_collapse_of_a_training_is_an_analysis(tmp_path: Path) -> None:
    data = et.data.take(et.data.load("digits"), 300, 100)
    run = et.train("mlp50", data, tmp_path / "run", epochs=12, lr=0.2, every="epoch", progress=False)
    check_analysis(analyses()["collapse"].changed(samples=200), run)
    found = et.analyze(run, "collapse", progress=False)
    table = found.tables["collapse"].set_index("layer")
    last = table.iloc[-1]
    assert last["nc1"] < last["nc1_first"] and last["d"] < table.iloc[0]["d"]
