"""The analyses pca, drift and overlap of runs whose motion is planted."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from making_analyses import made, reasons
from torch import nn

import eigentrail as et
from eigentrail.analyses.framework import subjects
from eigentrail.analyses.framework.memory import memory_of
from eigentrail.analyses.framework.registry import choose_analyses
from eigentrail.analyses.framework.runner import BUDGET
from eigentrail.analyses.framework.subjects import WHOLE, open_layer
from eigentrail.analyses.framework.wording import course
from eigentrail.analyses.pca import stored_basis
from eigentrail.api.run_report import report_runs
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.cli.app import run as command
from eigentrail.report.packing import unsqueeze
from eigentrail.runs import Recorder, Run, open_run

THREE = ["pca", "drift", "overlap"]


def walks(seed: int, steps: int, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Small isotropic random walks from Gaussian weights."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.standard_normal(shape) + 0.02 * np.cumsum(rng.standard_normal((steps, *shape)), axis=0)
        for name, shape in shapes.items()
    }


def record(
    path: Path, weights: dict[str, np.ndarray], *, every: dict[str, int] | None = None, resume: bool = False
) -> Run:
    """Record tensors over steps, the first step being the initial state."""
    first = 0 if not resume else int(open_run(path).steps[-1])
    model = nn.Module()
    for name, values in weights.items():
        model.register_parameter(name, nn.Parameter(torch.tensor(values[first])))
    with Recorder(model, path, layers=every, resume=resume, report=None) as recorder:
        for step in range(first + 1, len(next(iter(weights.values())))):
            with torch.no_grad():
                for name, values in weights.items():
                    getattr(model, name).copy_(torch.tensor(values[step]))
            recorder.step(loss=1.0 / step)
    return open_run(path)


def planted(steps: int = 60) -> dict[str, np.ndarray]:
    """Layer `a` drifts along one of its singular directions, `b` only walks, `c` is a vector."""
    found = walks(0, steps, {"a": (24, 16), "b": (20, 12), "c": (9,)})
    rng = np.random.default_rng(1)
    u, v = rng.standard_normal(24), rng.standard_normal(16)
    u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    found["a"] = found["a"] + np.einsum("t,i,j->tij", 0.25 * np.arange(steps), u, v)
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return record(tmp_path_factory.mktemp("planted") / "run", planted())


@pytest.fixture(scope="module")
def found(run: Run) -> Any:
    return et.analyze(run, THREE, progress=False)


def test_matrices_and_the_whole_network_are_analysed_and_made_unasked(run: Run, found: Any) -> None:
    for name in THREE:
        assert [node.attrs["name"] for node in found.results[name].children.values()] == ["a", "b", WHOLE]
        assert found[name].skipped == []
    assert {one.name for one in choose_analyses()} >= set(THREE)
    only = et.analyze(run, THREE, layers=["a", "c"], progress=False)
    assert only.tables["pca"]["name"].tolist() == ["a", "c"]


def test_the_numbers_are_those_of_the_functions(run: Run, found: Any) -> None:
    x = run["a"]
    node = found.results["pca"]["a"]
    for of in ("weights", "updates"):
        expected = et.trajectories.pca(x, 20, of)
        data = node[of].to_dataset()
        np.testing.assert_allclose(data["variance"], expected.variances, rtol=1e-10)
        np.testing.assert_allclose(data["scores"], expected.scores, atol=1e-9)
        np.testing.assert_allclose(data["directions"], expected.basis.directions(), atol=1e-6)
    assert float(node["weights/null_share"][0]) == pytest.approx(6 / np.pi**2, rel=1e-3)

    expected = et.trajectories.drift(x, steps=subjects.WALK_STEPS)
    about = found.results["drift"]["a"].attrs
    assert about["slope"] == pytest.approx(expected.linear.slope, rel=1e-6)
    assert about["slope_error"] == pytest.approx(expected.linear.slope_error, rel=1e-4)
    assert about["straightness"] == pytest.approx(expected.walk.straightness)
    row = found.tables["drift"].set_index("name").loc["a"]
    assert row["straightness_percentile"] == expected.walk.percentile == 100.0
    assert about["weight_overlap"] == pytest.approx(expected.weight_overlap, abs=1e-6)
    assert about["growth"] == "grows"
    np.testing.assert_allclose(found.results["drift"]["a"]["theta"], expected.theta, rtol=1e-5)

    weights, updates = et.trajectories.pca(x, 20).basis, et.trajectories.pca(x, 20, "updates").basis
    last = et.bases.singular(run["a"][-1].values)
    laid = found.results["overlap"]["a"]
    np.testing.assert_allclose(laid["with_singular"], et.bases.overlap(weights, last), atol=1e-6)
    np.testing.assert_allclose(laid["with_updates"], et.bases.overlap(weights, updates), atol=1e-6)
    assert laid.attrs["random_overlap"] == pytest.approx(np.sqrt(2 / np.pi / (24 * 16)))


def test_the_planted_drift_is_told_from_the_walk(run: Run, found: Any) -> None:
    drift = found.tables["drift"].set_index("name")
    assert drift.loc["a", "slope"] == pytest.approx(0.25, rel=0.05)
    assert abs(drift.loc["a", "slope"] - 0.25) < 4 * drift.loc["a", "slope_error"]
    assert 1.6 < drift.loc["a", "variance_exponent"] < 2.05  # the walk counts at short times
    assert 0.5 < drift.loc["b", "variance_exponent"] < 1.5
    assert drift.loc["b", "straightness_p"] > 0.02
    told = {one.subject: one.verdict for one in found["drift"].findings}
    assert told["a"] == "yes" and told["b"] == "no"
    pca = found.tables["pca"].set_index("name")
    assert pca.loc["a", "share_1"] > 0.95 and pca.loc["a", "walk_share_1_percentile"] == 100.0
    assert {one.subject: one.verdict for one in found["pca"].findings}["a"] == "yes"
    assert pca.loc["b", "walk_share_1_p"] > 0.02
    overlap = found.tables["overlap"].set_index("name")
    # The drift makes the leading singular matrix: both are the same direction.
    assert overlap.loc["a", ["component", "singular", "spikes"]].tolist() == [1, 1, 1]
    assert overlap.loc["a", "singular_largest"] > 0.9
    assert overlap.loc["a", "spike_share"] > 0.85
    assert overlap.loc["a", "first_largest_percentile"] == 100.0
    assert overlap.loc["b", "first_largest_p"] > 0.02
    assert overlap.loc[WHOLE, "singular_largest"] is None


def test_the_whole_network_is_the_layers_one_behind_the_other(run: Run, found: Any) -> None:
    node = found.results["pca"][motion_node(found, WHOLE)]
    assert node.attrs["n"] == 24 * 16 + 20 * 12 + 9
    assert node.attrs["slices"] == {"a": [0, 384], "b": [384, 624], "c": [624, 633]}
    expected = et.trajectories.pca(et.trajectories.joined(run), 20)
    np.testing.assert_allclose(node["weights/variance"], expected.variances, rtol=1e-10)
    stored = stored_basis(node)
    assert float(et.bases.overlap(stored, expected.basis).values.diagonal().min()) > 1 - 1e-6


def motion_node(found: Any, name: str) -> str:
    return next(key for key, node in found.results["pca"].children.items() if node.attrs["name"] == name)


def test_results_are_kept_and_made_again_when_the_run_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = planted(50)
    short = record(tmp_path / "run", {name: values[:30] for name, values in weights.items()})
    first = et.analyze(short, THREE, progress=False)

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("computed again")

    with monkeypatch.context() as patched:
        patched.setattr(sys.modules["eigentrail.analyses.pca"], "components_of", refuse)
        again = et.analyze(open_run(short.path), THREE, progress=False)
    for name in THREE:
        pd.testing.assert_frame_equal(again.tables[name], first.tables[name])
    grown = record(tmp_path / "run", weights, resume=True)
    longer = et.analyze(grown, THREE, progress=False)
    assert longer.tables["pca"]["steps"].tolist() == [50, 50, 50]
    assert longer.results["drift"]["a"].sizes["step"] == 50
    np.testing.assert_allclose(
        longer.results["pca"]["a/weights/variance"], et.trajectories.pca(grown["a"], 20).variances, rtol=1e-9
    )


def test_what_cannot_be_analysed_is_left_out_with_its_reason(tmp_path: Path) -> None:
    weights = walks(3, 12, {"fine": (6, 5), "still": (6, 5), "broken": (6, 5), "line": (6, 5)})
    weights["still"] = np.repeat(weights["still"][:1], 12, axis=0)
    weights["broken"][7:] = np.nan
    weights["line"] = weights["line"][0] + np.arange(12)[:, None, None] * np.ones((6, 5))
    run = record(tmp_path / "run", weights)
    found = et.analyze(run, THREE, progress=False)
    for name in THREE:
        skipped = reasons(found[name])
        assert set(skipped) == {"still", "broken", WHOLE}
        assert "constant" in skipped["still"]
        assert "NaN or infinity at step 7" in skipped["broken"] and "step 7" in skipped[WHOLE]
        assert found.tables[name]["name"].tolist() == ["fine", "line"]
    # A straight line has one direction, and updates that are all the same.
    line = found.tables["pca"].set_index("name").loc["line"]
    assert line["share_1"] == pytest.approx(1.0) and line["update_share_1"] is None
    assert "updates are constant" in line["notes"][0]
    document = json.loads(found.to_json(), parse_constant=pytest.fail)
    assert document["overlap"][1]["updates_share"] is None
    text = unpacked(found.report(tmp_path / "page.html"))
    assert "overlap: the weights are constant" in text


def test_too_few_steps_and_layers_that_appear_late(tmp_path: Path) -> None:
    short = record(tmp_path / "short", walks(0, 2, {"a": (6, 5), "b": (4, 3)}))
    found = et.analyze(short, THREE, progress=False)
    for name in THREE:
        assert not len(found.tables[name])
        assert all("at least 3 are needed" in one.reason for one in found[name].skipped)
        assert len(found[name].skipped) == 3
    model = nn.ModuleDict({"a": nn.Linear(5, 6, bias=False)})
    with Recorder(model, tmp_path / "late", report=None) as recorder:
        for step in range(20):
            if step == 8:
                model["b"] = nn.Linear(4, 3, bias=False)
                recorder.add(model) if hasattr(recorder, "add") else None
            with torch.no_grad():
                model["a"].weight.add_(0.01 * torch.randn(6, 5))
            recorder.step()
    assert et.analyze(tmp_path / "late", "pca", progress=False).tables["pca"]["name"].tolist() == ["a.weight"]


def test_layers_at_different_rates_are_joined_where_they_meet(tmp_path: Path) -> None:
    run = record(tmp_path / "run", walks(0, 31, {"a": (6, 5), "b": (4, 3)}), every={"a": 1, "b": 5})
    table = et.analyze(run, "pca", progress=False).tables["pca"].set_index("name")
    assert table["steps"].to_dict() == {"a": 31, "b": 7, WHOLE: 7}


def test_large_trajectories_take_another_way_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = record(tmp_path / "run", planted(40))
    exact = et.trajectories.pca(run["a"][::2], 5)
    monkeypatch.setattr(subjects, "_EXACT", 0.0)
    monkeypatch.setattr(subjects, "_NUMBERS", 40 * 384 // 2)
    monkeypatch.setattr(subjects, "_DIRECTIONS", 5 * 384)
    opened = open_layer(run, "a")
    assert (opened.method, opened.stride, opened.components) == ("randomized", 2, 5)
    table = et.analyze(run, "pca", layers="a", progress=False).tables["pca"]
    assert table.loc[0, "method"] == "randomized" and table.loc[0, "steps"] == 20
    notes = " ".join(table.loc[0, "notes"])
    assert "one in 2 of its 40 recorded steps" in notes
    assert "5 components are kept" in notes and "block Lanczos" in notes
    assert table.loc[0, "share_1"] == pytest.approx(exact.shares[0], rel=1e-4)
    monkeypatch.setattr(subjects, "_DIRECTIONS", 384)
    assert "too many to keep directions of" in reasons(made(run, "drift", layers="b"))["b"]


def test_unasked_only_what_takes_seconds_is_made(tmp_path: Path) -> None:
    fresh = record(tmp_path / "run", planted(30))
    # Of the budget's numbers 2e8 are read in its 90 seconds: a has 30 x 384 of them, b 30 x 240, all 30 x 633.
    smallest = BUDGET * 30 * 250 / 2e8
    found = made(fresh, "pca", budget=smallest * 90 / 25)
    assert found.table["name"].tolist() == ["b"]
    assert set(reasons(found)) == {"a", WHOLE} and all("--only pca" in why for why in reasons(found).values())
    made(fresh, "pca", layers="a")  # what is stored costs nothing
    assert made(fresh, "pca", budget=0.0).table["name"].tolist() == ["a", "b"]


@pytest.mark.slow
def test_several_runs_on_a_page_share_what_takes_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eigentrail.api import analysis as api

    runs = [record(tmp_path / name, planted(30)) for name in ("one", "other")]
    monkeypatch.setattr(api, "BUDGET", 1e-9)
    page = report_runs(runs, tmp_path / "page.html", progress=False)
    assert "ask for it with --only pca" in page.read_text()
    for run in runs:
        kept = {path.name.split("-")[0] for path in (run.path / "analyses").iterdir()}
        assert "evolution" in kept and "pca" not in kept


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9), Memory(0.9)),
        (lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.8, nesterov=True), Memory(0.8, nesterov=True)),
        (lambda p: torch.optim.Adam(p, lr=1e-4, betas=(0.85, 0.999)), Memory(0.85)),
        (lambda p: torch.optim.SGD(p, lr=1e-3), Memory()),
    ],
)
def test_walks_remember_as_the_optimizer_of_the_run_does(
    optimizer: Any, expected: Memory, tmp_path: Path
) -> None:
    model = torch.nn.Linear(20, 15, bias=False)
    chosen = optimizer(model.parameters())
    noise = torch.Generator().manual_seed(3)
    with et.Recorder(model, tmp_path / "noise", report=None, optimizer=chosen) as recorder:
        for step in range(400):
            model.weight.grad = torch.randn(15, 20, generator=noise)
            chosen.step()
            if step >= 100:  # what the optimizer gathers is then as large as it becomes
                recorder.step()
    noisy = et.open_run(tmp_path / "noise")
    assert memory_of(noisy) == expected
    found = et.analyze(noisy, ["drift"], progress=False).tables["drift"].iloc[0]
    assert found["straightness_p"] > 0.01
    assert ("momentum" in " ".join(found["notes"])) == bool(expected.momentum)


def test_a_training_tells_its_momentum(run: Run) -> None:
    assert memory_of(run) == Memory()
    manifest = type("Manifest", (), {"optimizer": None})()
    told = type("Told", (), {"manifest": manifest, "settings": {"momentum": 0.9}})()
    assert memory_of(told) == Memory(0.9)
    assert memory_of(type("Bare", (), {"manifest": None, "settings": {}})()) == Memory()


def test_tables_are_printed_with_their_sentences(
    run: Run, found: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["analyze", str(run.path), "--only", "pca,drift,overlap", "-q"]) == 0
    out = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "pca: directions along which weights and updates move most" in out
    assert "yes 2 of 3 (whole network): The weights drift: " in out or "a: The weights drift: " in out
    assert "nan" not in out
    assert command(["analyze", str(run.path), "--only", "pca,drift,overlap", "--format", "json", "-q"]) == 0
    document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert document["drift"][0]["name"] == "a" and document["drift"][0]["curved"] in (0, 1)
    assert document["overlap"][2]["singular_largest"] is None


def unpacked(page: Path) -> str:
    """The page's text with all that it has packed."""
    html = page.read_text(encoding="utf-8")
    chunks = re.findall(r'<script type="text/plain" id="chunk-\d+">([^<]*)</script>', html)
    return html + "".join(unsqueeze(chunk) for chunk in chunks)


def test_the_page_has_the_sections_and_the_layers_their_figures(run: Run, tmp_path: Path) -> None:
    page = et.analyze(run, ["evolution", *THREE], progress=False).report(tmp_path / "page.html")
    html, text = page.read_text(encoding="utf-8"), unpacked(page)
    for heading in (
        "Along how few directions do the weights move?",
        "Is the motion a drift?",
        "How do the directions relate to each other?",
    ):
        assert f">{heading}" in html
    for title in (
        "(whole network): leading components over time",
        "Shares of the components of the weights",
        "(whole network): motion along the first component",
        "(whole network): how straight, beside random walks",
        "(whole network): components of weights and updates",
    ):
        assert f"<h3>{title}</h3>" in html, title
    assert "The weights drift: " in html
    for title in (
        "Motion along the first component",
        "Components and singular matrices",
    ):
        assert text.count(title) >= 2  # in the entry of each layer
    assert "Slope of the straight line through the coordinate" in text  # the glossary explains it


def test_several_runs_are_compared(run: Run, tmp_path: Path) -> None:
    other = record(tmp_path / "other", walks(5, 40, {"a": (24, 16), "b": (20, 12), "c": (9,)}))
    found = [et.analyze(one, THREE, progress=False) for one in (run, other)]
    html = et.report_runs(found, tmp_path / "both.html").read_text(encoding="utf-8")
    assert "(whole network) · run" in html and "(whole network) · other" in html
    assert "a · other" in html


def test_a_curve_that_turns_is_told_with_its_turning_point() -> None:
    steps = 10 * np.arange(5)
    for values, said in (
        ([7.5, 8.1, 7.9, 7.6, 7.48], "rises from 7.5 to 8.1 at step 10, then falls to 7.48"),
        ([4.18, 5.0, 5.6, 5.7, 5.72], "rises from 4.18 to 5.72"),
        ([3.0, 2.5, 1.0, 1.5, 2.0], "falls from 3 to 1 at step 20, then rises to 2"),
        ([3.0, 3.001, 3.0, 2.999, 3.0], "stays at 3, within 1%"),
        ([np.nan] * 5, "is not known"),
    ):
        assert course(np.array(values), steps) == said
