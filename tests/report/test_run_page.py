"""The page of runs as text: what it says, what its figures hold, hostile names, runs without this or that."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from diagnosed_network import IMG, SCRIPT
from eigentrail.analyses import run_analysis
from eigentrail.analyses.framework.registry import find_analysis
from eigentrail.figures import evolution_density, evolution_phases, evolution_values, sorted_values
from eigentrail.figures.evolution import Curve, over_steps, thinned
from eigentrail.report.glossary import GROUPS, lookup
from eigentrail.report.run_page import leading_layer, run_page
from eigentrail.report.run_story import RunStory, labelled
from eigentrail.runs import Recorder, Run, open_run
from eigentrail.spectra.marchenko_pastur import density
from eigentrail.trajectories import evolution, evolution_table
from eigentrail.trajectories.narrative import claim_holds, describe_layer, verdict
from reading_pages import pieces


def record(path: Path, seed: int = 0, layers: tuple[str, ...] = ("first", "second"), steps: int = 60) -> Run:
    """A run whose first layer gets two spikes, of which the later one overtakes the other; the rest is noise."""
    rng = np.random.default_rng(seed)
    model = nn.ModuleDict({name: nn.Linear(40, 60, bias=False) for name in layers})
    noise = {name: rng.standard_normal((60, 40)) for name in layers}
    u, v = np.linalg.qr(rng.standard_normal((60, 2)))[0], np.linalg.qr(rng.standard_normal((40, 2)))[0]

    def put(step: int) -> None:
        a, b = min(4.0, 0.2 * step), max(0.0, 0.25 * (step - 20))
        spikes = np.sqrt(60) * (a * np.outer(u[:, 0], v[:, 0]) + b * np.outer(u[:, 1], v[:, 1]))
        with torch.no_grad():
            for name in layers:
                w = noise[name] + (spikes if name == layers[0] else 0)
                model[name].weight.copy_(torch.from_numpy(w))

    put(0)
    with Recorder(model, path, report=None) as recorder:
        for step in range(1, steps + 1):
            put(step)
            recorder.step(epoch=step / 20, loss=1 / step)
            if step % 20 == 0:
                recorder.log(train_loss=1 / step, test_accuracy=1 - 1 / step)
    return open_run(path)


def story(run: Run) -> RunStory:
    return RunStory(run, {"evolution": run_analysis(run, find_analysis("evolution"), progress=False)})


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> RunStory:
    return story(record(tmp_path_factory.mktemp("one") / "run"))


@pytest.fixture(scope="module")
def html(one: RunStory) -> str:
    return run_page([one])


def test_the_story_is_told_with_its_numbers(one: RunStory, html: str) -> None:
    text = re.sub(r"\s+", " ", html)
    assert "the test accuracy went from 95.0% to 98.3%" in text
    row = evolution_table(one.evolution).iloc[0]
    assert row["spikes_first"] == 0 and row["spikes_last"] == 2
    assert (row["births"], row["crossings"]) == (2, 1)
    assert "At the last step 2 eigenvalues stand out" in text  # the first screen
    entries = re.sub(r"\s+", " ", str(pieces(html)))
    assert f"first birth at step {row['first_birth']}, 2 births, 1 crossing" in entries
    assert f"went from {row['mp_ks_distance_first']:.3f} to {row['mp_ks_distance_last']:.3f}" in entries
    assert f"noise of this shape stays below {row['noise_ks_high']:.3f} in 95% of cases" in entries
    assert leading_layer(evolution_table(one.evolution)) == 0


def test_every_figure_is_there_with_axes_and_data(html: str) -> None:
    found = pieces(html)
    figures = {k: v for k, v in found.items() if isinstance(v, dict) and "figure" in v}
    titles = re.findall(r"<h3>([^<]*)</h3>", html)
    for title in (
        "Loss over time",
        "Accuracy over time",
        "Spikes over time",
        "Does the bulk stay Marchenko-Pastur?",
        "Phases over time",
        "Effective rank over time",
        "first.weight: singular values against time",
        "Spectral density, step by step",
    ):
        assert title in titles, title
    for key, figure in figures.items():
        layout = figure["figure"]["layout"]
        assert layout["xaxis"]["title"]["text"], key
        assert "title" in layout["yaxis"], key
        assert f"{key}-data" in found
    assert (
        sum("sliders" in f["figure"]["layout"] for f in figures.values()) == 3
    )  # the closer look, and each entry


def test_each_number_of_the_table_is_explained(one: RunStory) -> None:
    for column in evolution_table(one.evolution).columns:
        if column != "notes":
            entry = lookup(column)
            assert entry.definition.endswith("."), column
            assert entry.group in GROUPS and "_" not in entry.label


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> RunStory:
    return story(record(tmp_path_factory.mktemp("other") / "run", seed=1, layers=("first", "third")))


def test_several_runs_are_compared(one: RunStory, other: RunStory) -> None:
    html = run_page([one, other])
    assert "2 trainings compared" in html and "Runs compared" in html
    assert "run (1)" in html and "run (2)" in html  # folders of one name
    spikes = next(
        v for k, v in pieces(html).items() if isinstance(v, dict) and v.get("file") == "spikes-first.weight"
    )
    assert [t["name"] for t in spikes["figure"]["data"]] == ["run (1)", "run (2)"]
    assert [s.label for s in labelled([one])] == [""]


def test_a_run_without_metrics_and_a_run_without_spikes(tmp_path: Path) -> None:
    model = nn.Linear(30, 40)
    with Recorder(model, tmp_path / "run", report=None) as recorder:
        recorder.step()
    html = run_page([story(open_run(tmp_path / "run"))])
    assert "No loss or accuracy was recorded" in html
    assert "At the last step no eigenvalue stands out" in html


def test_a_diverged_run_has_a_page_that_says_so(tmp_path: Path) -> None:
    model = nn.Linear(30, 40)
    with pytest.warns(UserWarning), Recorder(model, tmp_path / "run", report=None) as recorder:
        recorder.step(loss=1.0)
        with torch.no_grad():
            model.weight.fill_(float("nan"))
        recorder.step(loss=float("nan"))
    assert "not finite at 1 of 3 steps" in str(pieces(run_page([story(open_run(tmp_path / "run"))])))


def test_a_layer_that_is_too_small_for_a_bulk_says_why(tmp_path: Path) -> None:
    model = nn.Linear(3, 40, bias=False)
    with Recorder(model, tmp_path / "run", report=None) as recorder:
        recorder.step()
    html = run_page([story(open_run(tmp_path / "run"))])
    assert "no Marchenko-Pastur bulk can be fitted" in str(pieces(html))


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    layers = (IMG.replace(".", ""), SCRIPT.replace(".", "").replace("=cmd", "cmd"))
    html = run_page([story(record(tmp_path / "run", layers=layers, steps=4))])
    assert "<img src=x" not in html and "</script><script>window" not in html
    assert "<img" not in str([v for v in pieces(html).values() if isinstance(v, dict) and "figure" in v])


def test_the_density_of_a_step_is_that_steps(one: RunStory) -> None:
    node = one.layer("first.weight")
    figure = evolution_density.density_over_time(node)
    steps = evolution_density.density_steps(node)
    assert [f.name for f in figure.frames] == [f"step {s}" for s in steps]
    assert steps[0] == 0 and steps[-1] == 60
    assert len(figure.layout.sliders[0].steps) == len(steps) <= 36
    for place in (0, len(steps) - 1):
        bars, law, threshold, spikes = figure.frames[place].data
        row = node["diagnosis"].sel(step=steps[place])
        eigenvalues = node["every"]["singular_values"].sel(step=steps[place]).values ** 2 / 60
        width = bars.width[0]
        assert sum(bars.y) * width * 40 == pytest.approx((eigenvalues <= bars.x[-1] + width / 2).sum())
        share = 1 - float(row["spikes"]) / 40
        np.testing.assert_allclose(
            law.y, share * density(np.asarray(law.x), 40 / 60, float(row["mp_sigma"])), rtol=1e-6
        )
        assert threshold.x[0] == pytest.approx(float(row["spike_threshold"]))
        assert len(spikes.x) <= row["spikes"]
    import plotly.graph_objects as go

    go.Figure(figure.to_dict())


def test_the_band_the_spikes_and_the_events_are_those_of_the_evolution(one: RunStory) -> None:
    import plotly.graph_objects as go

    node = one.layer("first.weight")
    figure = evolution_values.singular_values(node)
    go.Figure(figure.to_dict())  # validates
    traces = {t.name: t for t in figure.data}
    band = traces["Marchenko-Pastur band (null)"]
    np.testing.assert_allclose(np.square(band.y) / 60, node["diagnosis"]["mp_edge_high"], rtol=1e-9)
    events = evolution_values.event_table(node)
    assert events["kind"].tolist().count("birth") == 2
    crossing = events[events["kind"] == "crossing"].iloc[0]
    assert traces["crossings (1)"].x[0] == crossing["step"]
    spike = traces["spike 1"]
    known = node["spikes"]["value"].isel(track=0).dropna("step")
    assert [x for x, y in zip(spike.x, spike.y, strict=True) if y is not None] == known[
        "step"
    ].values.tolist()


def test_phases_are_joined_to_stretches(one: RunStory) -> None:
    node = one.layer("first.weight")
    stretches = evolution_phases.phase_stretches(node)
    assert stretches["points"].sum() == node["diagnosis"].sizes["step"]
    assert (stretches["phase"].to_numpy()[1:] != stretches["phase"].to_numpy()[:-1]).all()
    assert stretches["first_step"].tolist()[1:] == stretches["until_step"].tolist()[:-1]
    figure = evolution_phases.phase_timeline([("a", node), ("b", node)])
    assert {t.name for t in figure.data} == set(stretches["phase"])


def test_a_claim_holds_only_with_growth_and_a_bulk_like_noise() -> None:
    row = {
        "spikes_first": 0,
        "spikes_last": 2,
        "mp_ks_distance_last": 0.04,
        "noise_ks_high": 0.05,
        "farthest_bulk": 0.05,
        "farthest_step": 7,
        "name": "a",
    }
    assert claim_holds(row) is True
    assert claim_holds(row | {"spikes_last": 0}) is False
    assert claim_holds(row | {"mp_ks_distance_last": 0.06}) is False
    assert claim_holds(row | {"spikes_first": None}) is None
    both = pd.DataFrame([row, row | {"name": "b", "mp_ks_distance_last": 0.06}])
    assert "2 of 2 matrices; in 1 of these" in verdict(both) and "(a)" in verdict(both)
    assert "ends further from the Marchenko-Pastur law than noise" in verdict(both.iloc[1:])


def test_a_bulk_that_left_the_law_on_the_way_is_never_said_to_have_stayed() -> None:
    calm = {
        "spikes_first": 0,
        "spikes_last": 2,
        "mp_ks_distance_last": 0.04,
        "noise_ks_high": 0.05,
        "farthest_bulk": 0.049,
        "farthest_step": 7,
        "name": "a",
    }
    left = calm | {"name": "b", "farthest_bulk": 0.125, "farthest_step": 1024}
    assert verdict(pd.DataFrame([calm])).endswith("as noise is, and was so at every analysed step.")
    both = verdict(pd.DataFrame([calm, left]))
    assert both.startswith("The number of spikes grew in 2 of 2 matrices, and there the bulk ends as close")
    assert both.endswith("further, against what 95% of noise stays below: 2.50 times in b (step 1024).")
    assert "every analysed step" not in both
    many = verdict(pd.DataFrame([left | {"name": name} for name in "bcdef"]))
    assert "2.50 times in d (step 1024) and at most that in 2 more." in many


def test_phases_that_came_and_went_are_told(one: RunStory) -> None:
    tree = one.evolution.copy(deep=True)
    node = tree["first.weight/diagnosis"]
    phase = np.full(node.sizes["step"], "random-like", dtype=object)
    phase[5:9], phase[9], phase[10:] = "bleeding-out", "bulk-decay", "bulk+spikes"
    node["phase"] = node["phase"].copy(data=phase.astype(str))
    row = evolution_table(tree).iloc[0].to_dict()
    assert row["phases_between"] == "bleeding-out, bulk-decay"
    told = "Phase: random-like, in between bleeding-out, bulk-decay, at the end bulk+spikes."
    assert told in describe_layer(row)
    phase[phase != "bulk+spikes"] = "random-like"
    node["phase"] = node["phase"].copy(data=phase.astype(str))
    assert "Phase: random-like, then bulk+spikes." in describe_layer(evolution_table(tree).iloc[0].to_dict())


def test_long_series_are_thinned_with_both_ends() -> None:
    for count in (1, 5, 280, 281, 100_000):
        rows = thinned(count)
        assert rows[0] == 0 and rows[-1] == count - 1 and len(rows) <= 281
    flat = over_steps([Curve("a", np.arange(3), np.full(3, np.nan), np.full(3, np.nan))], "t", "u")
    assert not flat.data and flat.layout.annotations


@pytest.mark.slow
def test_the_real_folder_of_checkpoints_has_a_page(checkpoints: Path, tmp_path: Path) -> None:
    run = open_run(checkpoints / "mlp-trajectory")
    before = sorted(p.name for p in run.path.iterdir())
    layers = [name for name, info in run.layers.items() if len(info.shape) == 2]
    found = run_analysis(run, find_analysis("evolution"), progress=False)
    html = run_page([RunStory(run, {"evolution": found})])
    assert "Recorded steps" in html and "250" in html
    for name in layers:
        assert name in html.replace("<wbr>", "")
    assert sorted(p.name for p in run.path.iterdir()) == before  # nothing is written beside somebody's files


def test_a_layer_that_is_not_seen_at_the_end_is_never_said_to_be(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(40, 60, bias=False), nn.Linear(60, 40, bias=False))
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with Recorder(model, tmp_path / "run", {"0": 4, "1": 100}, report=None) as recorder:
        for _ in range(6):
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(0.001 * torch.ones_like(parameter))
            recorder.step()
        # Another state than that of the last step: it is not recorded as the last one.
        model.load_state_dict(kept)
    table = evolution_table(evolution(open_run(tmp_path / "run"), progress=False))
    assert table["last_step"].tolist() == [4, 0] and table["run_end"].tolist() == [6, 6]
    rarely, once = (describe_layer(row) for row in table.to_dict(orient="records"))
    assert "so at step 4 the bulk" in rarely and "at the end" not in rarely
    assert "The run went on to step 6, where the layer is not seen." in rarely
    assert "It is seen at this step only. The run went on to step 6" in once
    for wrong in ("unchanged", "at the end", "went from", " to step 0", "at step 0, 0 at step 0"):
        assert wrong not in once
    said = verdict(table)
    assert said.startswith("In none of 1 matrix the number of spikes grew.")
    assert (
        "step 6, at which nothing is known of 0.weight (last seen at step 4), 1.weight (last seen at" in said
    )
    assert claim_holds(table.iloc[1].to_dict()) is None
    assert verdict(table.iloc[1:]).startswith("No matrix is seen at more than one step")


def test_singular_values_in_their_order_are_those_of_the_first_and_the_last_step(
    one: RunStory, tmp_path: Path
) -> None:
    import plotly.graph_objects as go

    node = one.layer("first.weight")
    shown = sorted_values.ordered_values([("a", node), ("b", node)])
    figure = sorted_values.sorted_values(shown)
    go.Figure(figure.to_dict())  # validates
    assert figure.layout.yaxis.type == "log"
    assert [(t.name, t.line.dash, t.showlegend) for t in figure.data] == [
        ("a, step 0", "dot", False), ("a, step 60", "solid", True),
        ("b, step 0", "dot", False), ("b, step 60", "solid", True),
    ]  # fmt: skip
    exact = np.linalg.svd(one.run["first.weight"].values[-1].astype(np.float64), compute_uv=False)
    np.testing.assert_allclose(figure.data[1].y, exact, rtol=1e-6)
    assert list(figure.data[1].x) == list(range(1, 41))
    table = sorted_values.ordered_table(shown)
    assert len(table) == 4 * 40 and table["step"].unique().tolist() == [0, 60]
    assert not sorted_values.ordered_values([]) and sorted_values.sorted_values([]).layout.annotations
    assert not len(sorted_values.ordered_table([]))


def test_compared_runs_show_their_singular_values_and_norm_ratios_at_once(
    one: RunStory, other: RunStory
) -> None:
    found = {
        v["file"]: v for v in pieces(run_page([one, other])).values() if isinstance(v, dict) and "file" in v
    }
    ordered = found["sorted-values-first.weight"]["figure"]
    assert [t["name"] for t in ordered["data"] if t["showlegend"]] == ["run (1), step 60", "run (2), step 60"]
    assert "norm-ratio-first.weight" in found and "sorted-values-third.weight" in found
