"""Adding back, landscapes and loss scaling of runs whose answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from making_analyses import made, node_of
from torch import nn

import eigentrail as et
from eigentrail import data
from eigentrail.analyses.add_back import needed, spread_counts
from eigentrail.analyses.framework.probe import WHOLE, components_of
from eigentrail.analyses.framework.registry import find_analysis
from eigentrail.analyses.landscape import well
from eigentrail.cli.app import run as main
from eigentrail.figures import add_back, landscape, loss_scaling
from eigentrail.runs import Recorder, open_run


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> et.Run:
    """A training of the digits with more steps than its last layer has weights."""
    return et.train(
        "mlp50",
        "digits",
        tmp_path_factory.mktemp("run") / "run",
        epochs=12,
        lr=0.2,
        weight_decay=2e-3,
        progress=False,
    )


def accuracy(model: nn.Module, data: tuple[torch.Tensor, torch.Tensor]) -> float:
    with torch.no_grad():
        return float((model.eval()(data[0]).argmax(1) == data[1]).float().mean())


def test_none_are_zeros_and_a_complete_basis_is_the_full_network(digits: et.Run) -> None:
    node = node_of(made(digits, "add-back", layers=["fc3"]), "fc3.weight")
    test = et.evaluation.of_run.samples_of(digits, part="test")
    model = digits.model(int(digits.steps[-1]))
    full = accuracy(model, test)
    with torch.no_grad():
        model.fc3.weight.zero_()
    zeros = accuracy(model, test)
    for kind in ("components", "singular", "random"):
        curve = node[kind]["accuracy"].sel(part="test")
        assert float(curve[0]) == pytest.approx(zeros, abs=1e-6)
        assert float(node[kind]["norm"][0]) == 0.0
    # Ten singular matrices are all there are of a 10 x 50 layer.
    assert int(node["singular"]["k"][-1]) == 10
    assert float(node["singular"]["accuracy"].sel(part="test")[-1]) == pytest.approx(full, abs=1e-6)
    assert float(node["singular"]["norm"][-1]) == pytest.approx(1.0)
    assert node.attrs["accuracies_full"][1] == pytest.approx(full, abs=1e-6)
    assert node.attrs["accuracies_zeros"][1] == pytest.approx(zeros, abs=1e-6)


def test_as_many_components_as_weights_bring_everything_back(tmp_path: Path) -> None:
    # 60 steps of 12 weights: the components are a complete basis.
    rng = np.random.default_rng(0)
    model = nn.Linear(4, 3)
    with Recorder(model, tmp_path / "run", report=None) as recorder:
        for step in range(1, 61):
            with torch.no_grad():
                model.weight += torch.from_numpy(0.1 * rng.standard_normal((3, 4))).float()
            recorder.step(step)
    run = open_run(tmp_path / "run")
    basis = components_of(run, "weight").basis
    assert basis.k == 12
    x = torch.randn(50, 4)
    data = (x, model(x).argmax(1))
    curve = et.evaluation.add_back(model, data, basis, "weight")
    assert float(curve["accuracy"][-1]) == 1.0
    assert float(curve["norm"][-1]) == pytest.approx(1.0, rel=1e-6)


def test_a_motion_along_fewer_directions_has_exactly_as_many_components(tmp_path: Path) -> None:
    # 30 steps along 17 directions of 40 weights.
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 17)) @ np.linalg.qr(rng.standard_normal((40, 17)))[0].T
    model = nn.Linear(8, 5, bias=False).double()
    model.weight.data.copy_(torch.from_numpy(x[0].reshape(5, 8)))
    with Recorder(model, tmp_path / "run", report=None) as recorder:
        for w in x[1:]:
            model.weight.data.copy_(torch.from_numpy(w.reshape(5, 8)))
            recorder.step()
    run = open_run(tmp_path / "run")
    found = components_of(run, "weight")
    assert found.basis.k == len(found.variances) == found.scores.sizes["component"] == 17
    np.testing.assert_allclose(found.basis.partial_sum(x[-1]), x[-1], atol=1e-8)
    assert components_of(run, "weight", 4).basis.k == 4
    with pytest.raises(et.errors.TrajectoryError, match="17 directions only"):
        et.trajectories.pca(x, 18)


def test_the_table_says_how_many_and_what_random_directions_need(digits: et.Run) -> None:
    found = made(digits, "add-back")
    tree, table = found.tree, found.table.set_index("name")
    assert list(table.index) == ["fc1.weight", "fc2.weight", "fc3.weight", WHOLE]
    row = table.loc["fc2.weight"]
    assert row["singular_back"] < 25 < row["components"]
    assert row["random_back"] is None or row["random_back"] > 10 * row["singular_back"]
    assert any(str(row["components_back"]) in one.sentence for one in found.of("fc2.weight"))
    assert "singular" not in tree[list(tree.children)[-1]].children
    assert needed(tree["fc2.weight"], "singular", 0.0) == 0
    # Kept with the run: the second time nothing is evaluated.
    assert made(digits, "add-back").table.equals(found.table)


@pytest.mark.parametrize("k", [1, 2, 7, 5000])
def test_counts_are_spread_from_none_to_all(k: int) -> None:
    counts = spread_counts(k)
    assert counts[0] == 0 and counts[1] == 1 and counts[-1] == k
    assert (np.diff(counts) > 0).all() and len(counts) <= 26


def test_the_loss_falls_exponentially_and_its_penalty_grows_quadratically(digits: et.Run) -> None:
    found = et.analyze(digits, "loss-scaling", layers=["fc2"], progress=False)
    row = found.tables["loss-scaling"].iloc[0]
    assert row["weight_decay"] == 2e-3
    node = found.results["loss-scaling"]["fc2.weight"]
    alpha = node["alpha"].values
    w = {name: digits[name].values[-1].astype(np.float64) for name in digits}
    own = float((w["fc2.weight"] ** 2).sum())
    others = sum(float((one**2).sum()) for one in w.values()) - own
    penalty = 1e-3 * (others + alpha**2 * own)
    np.testing.assert_allclose(node["losses"].values[1] - node["losses"].values[0], penalty, rtol=1e-6)
    assert row["total_form"] == "quadratic" and row["total_quadratic_r2"] > 0.97
    assert found["loss-scaling"].findings[0].sentence.startswith("At twice the weights")


def test_a_well_is_lowest_inside() -> None:
    x = np.linspace(-1.0, 1.0, 21)
    assert well(x, (x - 0.3) ** 2) == (pytest.approx(0.3), pytest.approx(0.49), True)
    assert well(x, x)[2] is False
    assert well(x, np.minimum(x, 0.0) ** 2)[2] is False


def test_the_landscape_goes_through_the_last_weights(digits: et.Run) -> None:
    found = et.analyze(digits, "landscape", layers=["fc1"], progress=False)
    node = found.results["landscape"]["fc1.weight"]
    lines, path = node["lines"], node["path"]
    assert lines["direction"].values.tolist() == ["component 1", "component 2", "component 3", "random"]
    middle = lines["loss"].sel(offset=0.0, method="nearest").values
    np.testing.assert_allclose(middle, middle[0])
    assert float(path["x"][-1]) == float(path["y"][-1]) == 0.0
    reach = float(lines["offset"].max())
    assert float(np.abs(path["x"]).max()) <= reach / 1.2
    # The first step is where the loss of the training came from: higher along its own direction than at the end.
    assert float(lines["loss"].values[0, 0]) > float(middle[0])
    assert float(node["plane"]["loss"].sel(x=0, y=0, method="nearest")) == pytest.approx(float(middle[0]))
    assert found.tables["landscape"]["name"].tolist() == ["fc1.weight"]


def figures_of(name: str, node: xr.DataTree) -> dict[str, tuple[str, Any]]:
    """Caption and figure by key."""
    return {
        one.key: (one.caption(node) if callable(one.caption) else one.caption, one.draw(node, "title"))
        for one in find_analysis(name).figures
    }


def test_figures_say_what_is_moved_and_whether_the_penalty_is_in_the_loss(digits: et.Run) -> None:
    found = made(digits, "landscape")
    captions = {}
    for name in ("fc3.weight", WHOLE):
        drawn = figures_of("landscape", node_of(found, name))
        captions[name] = [caption for caption, _ in drawn.values()]
        assert drawn["landscape"][1].layout.yaxis.title.text == "loss with decay penalty (nats)"
        assert "cross-entropy" in drawn["plane"][1].data[0].colorbar.title.text
        assert "with the penalty of the weight decay" in drawn["landscape"][0]
        assert "without the penalty of the weight decay" in drawn["plane"][0]
    assert all("Only this layer" in caption for caption in captions["fc3.weight"])
    assert all("whole network" in caption and "Only this layer" not in caption for caption in captions[WHOLE])
    # Without a weight decay both figures have the same loss.
    node = node_of(found, "fc3.weight").copy()
    node["lines"] = node["lines"].to_dataset().assign(total=node["lines"]["loss"])
    drawn = figures_of("landscape", node)
    assert drawn["landscape"][1].layout.yaxis.title.text == "cross-entropy (nats)"
    assert "no weight decay" in drawn["landscape"][0]


def test_adding_back_shows_accuracy_and_loss(digits: et.Run) -> None:
    node = node_of(made(digits, "add-back", layers=["fc3"]), "fc3.weight")
    drawn = figures_of("add-back", node)
    assert drawn["add-back-loss"][1].layout.yaxis.title.text == "cross-entropy, test (nats)"
    for key, what, of in (("add-back", "accuracy", "accuracies"), ("add-back-loss", "loss", "loss")):
        shown = next(t for t in drawn[key][1].data if t.name == "singular matrices")
        np.testing.assert_array_equal(shown.y, node["singular"][what].sel(part="test"))
        [full] = [t for t in drawn[key][1].data if t.name == "full network"]
        assert full.y[0] == pytest.approx(node.attrs[f"{of}_full"][1])


def test_figures_name_the_loss_that_was_trained(tmp_path: Path, digits: et.Run) -> None:
    few = data.take(data.load("digits"), 200, 50)
    squared = et.train(
        "mlp50", few, tmp_path / "squared", loss="squared-error", lr=0.05, epochs=3, progress=False
    )
    for run, name, unit in ((squared, "half the squared error", ""), (digits, "cross-entropy", " (nats)")):
        back = node_of(made(run, "add-back", layers=["fc3"]), "fc3.weight")
        around = node_of(made(run, "landscape", layers=["fc3"]), "fc3.weight")
        scaled = made(run, "loss-scaling", layers=["fc3"])
        assert add_back.add_back_losses(back, "w").layout.yaxis.title.text == f"{name}, test{unit}"
        plane = landscape.loss_plane(around, "w")
        assert plane.layout.title.text.startswith(name.capitalize())
        assert name in plane.data[0].colorbar.title.text
        figure = loss_scaling.scaled_loss(node_of(scaled, "fc3.weight"), "w")
        assert figure.data[0].name == name and figure.layout.yaxis.title.text == f"loss{unit}"
        assert scaled.table["loss_label"].tolist() == [name]
        assert (
            f"the loss is the {name} of training samples" in figures_of("landscape", around)["landscape"][0]
        )


def test_the_command_line_and_the_page_show_them(digits: et.Run, tmp_path: Path, capsys) -> None:
    call = [
        "analyze",
        str(digits.path),
        "--only",
        "add-back,landscape,loss-scaling",
        "--layers",
        "fc3",
        "--quiet",
    ]
    assert main(call) == 0
    said = capsys.readouterr().out
    for word in ("add-back", "landscape", "loss-scaling", "of the accuracy", "At twice the weights"):
        assert word in said
    found = et.analyze(digits, ["add-back", "landscape", "loss-scaling"], layers="fc3", progress=False)
    page = found.report(tmp_path / "page.html").read_text(encoding="utf-8")
    for heading in (
        "How few directions carry the network",
        "The loss where the weights went",
        "Is the loss of larger weights exponential",
    ):
        assert heading in page


def test_a_run_without_its_data_says_so(tmp_path: Path) -> None:
    model = nn.Linear(4, 3)
    with Recorder(model, tmp_path / "run", report=None) as recorder:
        for step in range(1, 6):
            with torch.no_grad():
                model.weight += torch.randn(3, 4)
            recorder.step(step)
    found = made(open_run(tmp_path / "run"), "add-back")
    assert not found.tree.children and found.table.empty
    assert len(found.skipped) == 2 and found.skipped[0].name == "weight"
