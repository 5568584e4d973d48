"""Adding back, landscapes and loss scaling of runs whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import eigentrail as et
from eigentrail.cli.app import run as main
from eigentrail.runs import Recorder, open_run
from eigentrail.studies.adding_back import add_back_analysis, add_back_table, needed, spread_counts
from eigentrail.studies.landscapes import landscape_table, well
from eigentrail.studies.probing import WHOLE, components_of
from eigentrail.studies.scaling import loss_scaling_table


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
    tree = add_back_analysis(digits, layers=["fc3"], progress=False)
    node = tree["fc3.weight"]
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
    assert node.attrs["accuracy_full"][1] == pytest.approx(full, abs=1e-6)
    assert node.attrs["accuracy_zeros"][1] == pytest.approx(zeros, abs=1e-6)


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


def test_the_table_says_how_many_and_what_random_directions_need(digits: et.Run) -> None:
    tree = add_back_analysis(digits, progress=False)
    table = add_back_table(tree).set_index("name")
    assert list(table.index) == ["fc1.weight", "fc2.weight", "fc3.weight", WHOLE]
    row = table.loc["fc2.weight"]
    assert row["singular_back"] < 25 < row["components"]
    assert row["random_back"] is None or row["random_back"] > 10 * row["singular_back"]
    assert f"by {row['singular_back']} singular matrices" in row["verdict"]
    assert "singular" not in tree[list(tree.children)[-1]].children
    assert needed(tree["fc2.weight"], "singular", 0.0) == 0
    # Kept with the run: the second time nothing is evaluated.
    again = add_back_analysis(digits, progress=False)
    assert add_back_table(again).equals(add_back_table(tree))


@pytest.mark.parametrize("k", [1, 2, 7, 5000])
def test_counts_are_spread_from_none_to_all(k: int) -> None:
    counts = spread_counts(k)
    assert counts[0] == 0 and counts[1] == 1 and counts[-1] == k
    assert (np.diff(counts) > 0).all() and len(counts) <= 26


def test_the_loss_falls_exponentially_and_its_penalty_grows_quadratically(digits: et.Run) -> None:
    found = et.analyze(digits, "loss-scaling", layers=["fc2"], progress=False)
    row = loss_scaling_table(found.results["loss-scaling"]).iloc[0]
    assert row["weight_decay"] == 2e-3
    node = found.results["loss-scaling"]["fc2.weight"]
    alpha = node["alpha"].values
    w = {name: digits[name].values[-1].astype(np.float64) for name in digits}
    own = float((w["fc2.weight"] ** 2).sum())
    others = sum(float((one**2).sum()) for one in w.values()) - own
    penalty = 1e-3 * (others + alpha**2 * own)
    np.testing.assert_allclose(node["loss"].values[1] - node["loss"].values[0], penalty, rtol=1e-6)
    assert row["total_form"] == "quadratic" and row["total_quadratic_r2"] > 0.97
    assert row["verdict"].startswith("At twice the weights")


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
    assert landscape_table(found.results["landscape"])["name"].tolist() == ["fc1.weight"]


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
    for word in ("add-back", "landscape", "loss-scaling", "90% of the way back", "At twice the weights"):
        assert word in said
    found = et.analyze(digits, ["add-back", "landscape", "loss-scaling"], layers="fc3", progress=False)
    page = found.report(tmp_path / "page.html").read_text(encoding="utf-8")
    for heading in (
        "How few directions carry the network",
        "The loss where the weights went",
        "The loss of larger",
    ):
        assert heading in page


def test_a_run_without_its_data_says_so(tmp_path: Path) -> None:
    model = nn.Linear(4, 3)
    with Recorder(model, tmp_path / "run", report=None) as recorder:
        for step in range(1, 6):
            with torch.no_grad():
                model.weight += torch.randn(3, 4)
            recorder.step(step)
    tree = add_back_analysis(open_run(tmp_path / "run"), progress=False)
    assert not tree.children
    assert len(tree.attrs["skipped"]) == 2 and tree.attrs["skipped"][0].startswith("weight: ")
    assert add_back_table(tree).empty
