"""Geodesics, crossings and subspaces as analyses of runs whose weights are planted."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from making_analyses import made, reasons
from torch import nn
from typer.testing import CliRunner

from eigentrail.analyses import run_analysis
from eigentrail.analyses.framework.registry import find_analysis
from eigentrail.api.analysis import analyze
from eigentrail.cli.app import app
from eigentrail.figures.sphere import sphere, sphere_data
from eigentrail.runs import Recorder, Run, open_run
from reading_pages import pieces

STEPS = 40
NAMES = ["geodesic", "crossings", "subspaces"]


def frame(n: int, k: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, k)))[0].T


def planted(seed: int = 0) -> dict[str, np.ndarray]:
    """A great circle, a walk, two singular values that cross, and weights that stay."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0.0, 1.0, STEPS)[:, None]
    right, left = frame(24, 3, seed), frame(30, 2, seed + 1)
    turning = np.cos(1.5 * t) * right[0] + np.sin(1.5 * t) * right[1]
    noise = 0.02 * rng.standard_normal((STEPS, 30, 24))
    circle = 10 * left[0][None, :, None] * turning[:, None, :] + noise
    crossing = (10 - 5 * t)[:, :, None] * left[0][None, :, None] * turning[:, None, :]
    crossing = crossing + (6 + 4 * t)[:, :, None] * (left[1][:, None] * right[2])[None] + 0.2 * noise
    walk = rng.standard_normal((STEPS, 20, 16))
    walk[1:] *= 0.1
    still = np.repeat(rng.standard_normal((1, 12, 9)), STEPS, axis=0)
    return {"circle": circle, "crossing": crossing, "walk": np.cumsum(walk, axis=0), "still": still}


def record(path: Path, weights: Mapping[str, np.ndarray], layers: Any = None) -> Run:
    model = nn.ModuleDict({name: nn.Linear(w.shape[2], w.shape[1]) for name, w in weights.items()}).double()

    def put(step: int) -> None:
        with torch.no_grad():
            for name, w in weights.items():
                model[name].weight.copy_(torch.from_numpy(w[step]))

    put(0)
    with Recorder(model, path, layers=layers, report=None) as recorder:
        for step in range(1, len(next(iter(weights.values())))):
            put(step)
            recorder.step(step, loss=1 / step)
    return open_run(path)


def test_the_numbers_are_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    weights = {name: w[:16] for name, w in planted().items() if name in ("circle", "walk")}
    one, three = (record(tmp_path / name, weights) for name in ("one", "three"))
    for name in ("geodesic", "crossings"):
        analysis = find_analysis(name).changed(draws=60)  # two blocks of draws
        alone = run_analysis(one, analysis, jobs=1, progress=False)
        together = run_analysis(three, analysis, jobs=3, progress=False)
        assert [str(why) for why in alone.skipped] == [str(why) for why in together.skipped]
        assert list(alone.tree.children) == list(together.tree.children)
        for node in alone.tree.subtree:
            if node.path != "/":
                xr.testing.assert_equal(
                    node.to_dataset(inherit=False), together.tree[node.path].to_dataset(inherit=False)
                )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return record(tmp_path_factory.mktemp("paths") / "run", planted())


@pytest.fixture(scope="module")
def found(run: Run) -> Any:
    return analyze(run, ["evolution", *NAMES], progress=False)


def rows(found: Any, analysis: str, **where: str) -> list[dict[str, Any]]:
    table = found.tables[analysis]
    for column, value in where.items():
        table = table[table[column] == value]
    return table.to_dict(orient="records")


def test_a_planted_circle_is_more_than_chance_and_a_walk_is_not(found: Any) -> None:
    (circle,) = rows(found, "geodesic", name="circle.weight", side="right")
    assert circle["score"] > 0.99 and circle["score_percentile"] == 100.0 and circle["score_p"] < 0.01
    assert circle["arc"] == pytest.approx(1.5, abs=0.05) and circle["segments"] == 1
    told = {one.subject: one for one in found["geodesic"].findings}
    assert told["circle.weight, right"].verdict == "yes" and told["circle.weight, right"].p < 0.01
    assert told["walk.weight, right"].verdict != "yes" and told["walk.weight, left"].verdict != "yes"
    walk = rows(found, "geodesic", name="walk.weight")
    assert {row["side"] for row in walk} == {"left", "right"}
    for row in walk:
        assert row["score_p"] > 0.005 and row["score_null"] is not None
        assert row["spike_step"] is None or row["spike_step"] >= 0


def test_what_cannot_be_analysed_is_said_once_for_each_layer(found: Any) -> None:
    skipped = reasons(found["geodesic"])
    assert "does not move" in skipped["still.weight"] and "circle.bias" in skipped
    assert all(reason.count(". ") == 0 for reason in skipped.values())


def test_the_planted_crossing_is_listed_and_is_no_kink(found: Any) -> None:
    # 10 - 5 t = 6 + 4 t at t = 4/9: step 17.3.
    events = found.results["crossings"]["crossing.weight"]["events"].to_dataset()
    assert events.sizes["event"] == 1 and int(events["above_noise"][0]) == 1
    assert abs(int(events["step"][0]) - 17.3) <= 2 and int(events["rank"][0]) == 0
    (row,) = rows(found, "crossings", name="crossing.weight")
    assert row["leading_changes"] == [int(events["step"][0])]
    assert f"at step {int(events['step'][0])} direction 2 rises above 1" in row["events_told"]
    (path,) = rows(found, "geodesic", name="crossing.weight", side="right")
    assert path["segments"] == 1 and path["rank_changes"] == 1 and path["score"] > 0.99
    (still,) = rows(found, "crossings", name="still.weight")
    assert still["crossings"] == 0 and still["events_told"] is None


def test_exchanges_inside_the_noise_are_told_apart(found: Any) -> None:
    (walk,) = rows(found, "crossings", name="walk.weight")
    assert walk["crossings"] > walk["above_noise"]
    # What it is: a walk that crosses as walks do.
    assert walk["exchanges"] == walk["crossings"] and len(walk["leading_changes"]) == walk["leading_count"]
    assert 0.5 < walk["exchanges_percentile"] < 99.5 and walk["exchanges_null"] > 1
    node = found.results["crossings"]["walk.weight"]
    assert node.sizes["walk"] == 100 and float(node["exchanges_null_counts"].std()) > 0
    [told] = found["crossings"].of("walk.weight")
    assert told.verdict == "no" and told.chance.draws == 100


def test_walks_remember_as_the_optimizer_of_the_run_does(tmp_path: Path) -> None:
    weights = planted()["walk"][:14]
    medians = []
    for momentum in (0.0, 0.9):
        model = nn.ModuleDict({"walk": nn.Linear(16, 20)}).double()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=momentum)
        path = tmp_path / f"run-{momentum}"
        with torch.no_grad():
            model["walk"].weight.copy_(torch.from_numpy(weights[0]))
        with Recorder(model, path, report=None, optimizer=optimizer) as recorder:
            for step, w in enumerate(weights[1:]):
                with torch.no_grad():
                    model["walk"].weight.copy_(torch.from_numpy(w))
                recorder.step(step + 1)
        node = analyze(path, ["geodesic"], layers="walk.weight", progress=False).results["geodesic"]
        scores = node["walk.weight"]["first"]["null_scores"].sel(side="right", dims=1)
        medians.append(float(scores.median()))
    # Walks that remember go straighter.
    assert medians[1] > medians[0] + 0.1


def test_subspaces_keep_what_stays(found: Any) -> None:
    still = {row["side"]: row for row in rows(found, "subspaces", name="still.weight")}
    assert still["right"]["leading"] == pytest.approx(1.0) and still["left"]["trailing"] == pytest.approx(1.0)
    assert still["right"]["k"] == 4 and still["right"]["chance"] == pytest.approx(4 / 9)
    circle = {row["side"]: row for row in rows(found, "subspaces", name="circle.weight")}
    assert circle["right"]["leading_null"] is not None
    node = found.results["subspaces"]["circle.weight"].to_dataset()
    # The leading vector turns by 1.5 radians; the left one stays.
    assert float(node["vector_right"][-1, 0]) == pytest.approx(1.5, abs=0.05)
    assert float(node["vector_left"][-1, 0]) < 0.05


def test_the_result_holds_the_fit_and_the_walks(found: Any) -> None:
    node = found.results["geodesic"]["circle.weight"]
    path = node[node.attrs["start"]].to_dataset()
    assert path.sizes["draw"] == 200 and path["null_scores"].dims == ("side", "dims", "draw")
    right = path.sel(side="right")
    on = right["path"].sel(dims=2).values
    np.testing.assert_allclose(np.linalg.norm(on, axis=1), 1.0, atol=1e-9)
    circle = right["circle"].values  # the great circle lies on the sphere and holds the path
    np.testing.assert_allclose(circle @ circle.T, np.eye(2), atol=1e-9)
    assert np.linalg.norm(on - on @ circle.T @ circle, axis=1).max() < 0.05
    assert float(right["score_from"].sel(dims=1)[0]) == pytest.approx(
        float(node["first"]["score"].sel(side="right", dims=1))
    )
    assert path["start"].values[0] == path["step"].values[0]
    np.testing.assert_array_less(right["null_from"].values[..., 0], right["null_from"].values[..., 2])


def bent(kink: int = 25) -> np.ndarray:
    """Weights whose leading right vector turns along one great circle, then along another one."""
    right, left = frame(24, 3, 2), frame(30, 1, 3)
    t = np.arange(STEPS)
    first, then = 0.04 * np.minimum(t, kink), 0.05 * np.maximum(t - kink, 0)
    corner = np.cos(first)[:, None] * right[0] + np.sin(first)[:, None] * right[1]
    turning = np.cos(then)[:, None] * corner + np.sin(then)[:, None] * right[2]
    noise = 0.02 * np.random.default_rng(4).standard_normal((STEPS, 30, 24))
    return 10 * left[0][None, :, None] * turning[:, None, :] + noise


def test_the_circle_of_each_segment_is_stored_and_drawn(tmp_path: Path) -> None:
    found = analyze(record(tmp_path / "run", {"bent": bent()}), ["evolution", "geodesic"], progress=False)
    node = found.results["geodesic"]["bent.weight"]
    path = node[node.attrs["start"]].to_dataset().sel(side="right")
    cut = node["segments_right"].to_dataset()
    assert cut.sizes["segment"] == 2 and abs(int(cut["start"][1]) - 25) <= 1
    figure = sphere(path, cut, "title")
    thick = [
        t for t in figure.data if (t.name or "").startswith("circle of steps") and t.showlegend is not False
    ]
    assert [t.name for t in thick] == [
        f"circle of steps {start} to {stop}"
        for start, stop in zip(cut["start"].values, cut["stop"].values, strict=True)
    ]
    assert len({t.line.color for t in thick}) == 2
    for place, trace in enumerate(thick):
        one = cut.isel(segment=place)
        inside = (path["step"] >= one["start"]).values & (path["step"] <= one["stop"]).values
        vectors, plane = path["right"].values[inside], one["plane"].values
        np.testing.assert_allclose(plane @ plane.T, np.eye(2), atol=1e-6)
        assert np.linalg.norm(vectors - vectors @ plane.T @ plane, axis=1).max() < 0.03
        # What is drawn lies on the sphere, under the path, and is as long as the arc.
        arc = np.column_stack([trace.x, trace.y, trace.z])
        size = np.linalg.norm(arc, axis=1)
        assert np.ptp(size) < 1e-3
        arc /= size[:, None]
        on = path["path"].sel(dims=2).values[inside]
        assert np.degrees(np.arccos(np.clip(on @ arc.T, -1, 1).max(axis=1))).max() < 3.0
        length = np.arccos(np.clip((arc[1:] * arc[:-1]).sum(axis=1), -1, 1)).sum()
        assert length == pytest.approx(float(one["arc"]), rel=0.02)
    table = sphere_data(path, cut)
    assert table["segment"].tolist() == [1 + int(step >= cut["start"].values[1]) for step in table["step"]]
    # A path of one segment has the circle of all steps alone.
    alone = sphere(path, cut.isel(segment=[0]), "title")
    assert not any((t.name or "").startswith("circle of") for t in alone.data)


def test_results_are_kept_and_used_again(run: Run, found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> xr.Dataset:
        raise AssertionError("computed again")

    monkeypatch.setattr(sys.modules["eigentrail.analyses.geodesic"], "singular_path", refuse)
    again = analyze(run, NAMES, layers="c*", progress=False)
    kept = again.results["geodesic"]["circle.weight"]["first"].to_dataset()
    before = found.results["geodesic"]["circle.weight"]["first"].to_dataset()
    xr.testing.assert_allclose(kept.load(), before.load())


def test_tables_are_plain_and_json_has_no_nan(found: Any) -> None:
    document = json.loads(found.to_json(), parse_constant=pytest.fail)
    for name in NAMES:
        assert document[name]
    assert {one["question"] for one in document["findings"]} == {one.question for one in found.findings}
    assert all(
        one["sentence"] and one["verdict"] in {"yes", "no", "undecided"} for one in document["findings"]
    )
    for name in NAMES:
        assert list(found.tables[name].columns) == list(find_analysis(name).columns)


def test_unasked_only_what_takes_seconds_is_made(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del monkeypatch
    small = record(tmp_path / "run", {"walk": planted()["walk"][:12]})
    none = made(small, "geodesic", budget=1e-6)
    assert not none.tree.children
    assert "--only geodesic" in reasons(none)["walk.weight"] and "20 x 16" in reasons(none)["walk.weight"]
    # What is kept already costs nothing.
    made(run, "geodesic", layers="circle")
    assert "circle.weight" in made(run, "geodesic", layers="circle", budget=0.0).tree.children


def test_progress_tells_of_the_walks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("eigentrail._progress.Throttle.PAUSE", 0.0)
    small = record(tmp_path / "run", {"walk": planted()["walk"][:12]})
    made(small, "geodesic", progress=lambda item, done, total: told.append(item))
    assert "walk.weight" in told and any("random walks" in item for item in told)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda w: np.where(np.arange(STEPS)[:, None, None] == 30, np.nan, w), "NaN or infinity at step 30"),
        (lambda w: np.where(np.arange(STEPS)[:, None, None] == 0, 0.0, w), "zero at step 0"),
        (lambda w: w[:3], "at least 4|at least 3|are needed"),
        (lambda w: w[:2], "2 steps"),
    ],
)
def test_bad_weights_are_one_sentence_and_the_other_layers_are_analysed(
    tmp_path: Path, spoil: Any, words: str
) -> None:
    weights = {"bad": spoil(planted()["walk"])}
    run = record(tmp_path / "run", weights)
    found = analyze(run, NAMES, progress=False)
    why = reasons(found["geodesic"])["bad.weight"]
    assert re.search(words, why) and why.count(". ") == 0
    assert found.tables["geodesic"].empty
    json.loads(found.to_json())


def test_layers_recorded_late_or_narrow(tmp_path: Path) -> None:
    walk = planted()["walk"]
    run = record(
        tmp_path / "run", {"often": walk, "seldom": walk}, layers={"often.weight": 1, "seldom.weight": 20}
    )
    found = analyze(run, NAMES, progress=False)
    assert "seldom.weight" in reasons(found["geodesic"])
    assert set(found.tables["geodesic"]["name"]) == {"often.weight"}
    narrow = record(tmp_path / "narrow", {"few": walk[:, :3], "two": walk[:, :2]})
    table = analyze(narrow, ["geodesic"], progress=False).tables["geodesic"]
    few = table[(table["name"] == "few.weight") & (table["side"] == "left")].iloc[0]
    assert np.isfinite(few["score"]) and few["sphere_score"] is None  # three entries always lie on a 2-sphere
    assert set(table[table["name"] == "two.weight"]["side"]) == {"right"}


def test_the_page_shows_spheres_nulls_crossings_and_angles(found: Any, tmp_path: Path) -> None:
    html = found.report(tmp_path / "page.html").read_text()
    for heading in (
        "Do the leading singular vectors follow geodesics?",
        "Do leading singular values cross?",
        "How far do singular subspaces turn?",
    ):
        assert heading in html
    assert "follows a great circle" in html
    figures = {k: v["figure"] for k, v in pieces(html).items() if "figure" in v}
    spheres = [f for f in figures.values() if any(t.get("type") == "scatter3d" for t in f["data"])]
    assert len(spheres) >= 2 + 2
    names = {t.get("name") for t in spheres[0]["data"]}
    assert {"great circle of all steps", "path, coloured by step", "start", "end"} <= names
    drawn = {t.get("name") for f in figures.values() for t in f["data"]}
    assert "walks: great circle" in drawn and "observed: great circle" in drawn
    assert "change places, above the noise" in drawn and "typical angle of random subspaces" in drawn
    assert len(html) < 4_500_000
    assert "NaN" not in json.dumps(figures)


def test_several_runs_have_their_scores_side_by_side(found: Any, tmp_path: Path) -> None:
    from eigentrail.api.run_report import report_runs

    other = analyze(record(tmp_path / "other", {"walk": planted(5)["walk"]}), NAMES, progress=False)
    html = report_runs([found, other], tmp_path / "page.html").read_text()
    assert "walk.weight, right · other" in html.replace("<wbr>", "")
    scores = next(
        v["figure"] for k, v in pieces(html).items() if "figure" in v and v["file"] == "geodesic-scores"
    )
    assert any("other" in label for label in scores["data"][1]["y"])
    assert any("run" in label for label in scores["data"][1]["y"])


def test_the_terminal_shows_tables_and_verdicts(run: Run, found: Any) -> None:
    del found
    done = CliRunner().invoke(
        app, ["analyze", str(run.path), "--only", "geodesic,crossings,subspaces", "--quiet", "--layers", "c*"]
    )
    assert done.exit_code == 0
    text = " ".join(done.stdout.split())
    assert "follows a great circle" in text and "circle.weight, right: The leading right vector" in text
