"""Analyses of a run of one's own loop, whose network, samples and loss are given when it is looked at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import eigentrail as et
from eigentrail.analyses.framework.registry import find_analysis
from eigentrail.analyses.framework.runner import stored_analysis
from eigentrail.analyses.hessian.parameter_point import ParameterPoint
from eigentrail.cli.app import run as main
from eigentrail.errors import DataError, RunError
from eigentrail.evaluation.of_run import samples_of

INPUTS = torch.randn(96, 5, generator=torch.Generator().manual_seed(1))
LABELS = INPUTS[:, :3].argmax(1)
NUMBERS = INPUTS[:, :3] * 0.5
MODULE = """
import torch
from torch import nn
from test_given import INPUTS, LABELS, NUMBERS

def network():
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))

samples = (INPUTS, LABELS)

def parts():
    return {"train": (INPUTS[:64], LABELS[:64]), "test": (INPUTS[64:], LABELS[64:])}
"""


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> et.Run:
    """A loop that tells of its network and samples what a recorder finds out by itself."""
    path = tmp_path_factory.mktemp("own") / "run"
    torch.manual_seed(0)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, weight_decay=1e-3)
    with et.Recorder(model, path, optimizer=optimizer, data=(INPUTS, LABELS), report=None) as recorder:
        for _ in range(20):
            loss = nn.functional.cross_entropy(model(INPUTS), LABELS)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss)
    return et.open_run(path)


def hessian(run: et.Run, loss: nn.Module, targets: torch.Tensor) -> np.ndarray:
    """The eigenvalues of the last layer's Hessian, by torch alone."""
    model = run.model("last", into=network()).double()

    def of(weight: torch.Tensor) -> torch.Tensor:
        return loss(torch.func.functional_call(model, {"2.weight": weight}, (INPUTS.double(),)), targets)

    found = torch.autograd.functional.hessian(of, model[2].weight.detach())
    return torch.linalg.eigvalsh(found.reshape(12, 12)).flip(0).numpy()


def test_the_hessian_of_given_samples(run: et.Run) -> None:
    data = DataLoader(TensorDataset(INPUTS, LABELS), 7, shuffle=True)
    found = et.analyze(run, "curvature", layers="2.weight", model=network, data=data, progress=False)
    values = found.curvature.tree["2.weight"]["spectrum"]["eigenvalue"].values
    np.testing.assert_allclose(values, hessian(run, nn.CrossEntropyLoss(), LABELS), atol=1e-8)


def test_the_hessian_of_a_given_loss_is_kept_apart_from_that_of_another(run: et.Run) -> None:
    loss, targets = nn.MSELoss(), NUMBERS.double()
    found = et.analyze(
        run,
        "curvature",
        layers="2.weight",
        model=network(),
        data=(INPUTS, targets),
        loss=loss,
        progress=False,
    )
    values = found.curvature.tree["2.weight"]["spectrum"]["eigenvalue"].values
    np.testing.assert_allclose(values, hessian(run, loss, targets), atol=1e-8)
    # Targets that are no classes have no accuracy, and no picture of one.
    assert not {key for key in _drawn(found) if key.endswith("accuracy")}


def _drawn(found: et.api.analysis.RunAnalysis) -> set[str]:
    [node] = found.curvature.tree.children.values()
    figures = found.curvature.analysis.figures
    return {one.key for one in figures if one.when is None or one.when(node)}


@pytest.mark.parametrize("name", ["add-back", "landscape", "collapse", "loss-scaling"])
def test_every_analysis_that_needs_samples_takes_given_ones(run: et.Run, name: str) -> None:
    parts = {"train": (INPUTS[:64], LABELS[:64]), "test": (INPUTS[64:], LABELS[64:])}
    layers = None if name == "collapse" else "2.weight"
    found = et.analyze(run, name, layers=layers, model=network(), data=parts, progress=False)
    assert len(found.tables[name]) and not found.skipped[name]
    model = run.model("last", into=network())
    loss = nn.functional.cross_entropy(model(INPUTS[:64]), LABELS[:64]).item()
    if name == "loss-scaling":
        assert found.tables[name]["loss"].tolist() == pytest.approx([loss], rel=1e-5)
        # The weight decay is what the recorder found in the optimizer.
        assert found.tables[name]["weight_decay"].tolist() == [1e-3]
    if name == "add-back":
        assert set(found.tables[name]["part"]) == {"test"}
    # Without anything given the latest results are what is shown, and nothing is made anew.
    kept = stored_analysis(run, find_analysis(name))
    assert kept is not None and kept.table.equals(found.tables[name])


def test_what_is_lacking_is_the_reason_that_is_told(run: et.Run) -> None:
    for name in ("curvature", "add-back", "landscape", "collapse", "loss-scaling"):
        bare = et.open_run(run.path, analyses=run.path / "none")
        [*_, without] = et.analyze(bare, name, progress=False).skipped[name]
        assert "model=... or --model where it is analysed" in without.reason
        [*_, alone] = et.analyze(bare, name, model=network(), progress=False).skipped[name]
        assert "give them with data=" in alone.reason
        assert "hash" not in alone.reason


def test_what_is_given_stays_as_it_is(run: et.Run) -> None:
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    given = run.with_given(model, (INPUTS, LABELS))
    built = given.model("last")
    assert built is not model
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(built[0].weight, torch.as_tensor(run["0.weight"][-1]))  # type: ignore[index]
    assert not run.given
    assert torch.equal(samples_of(given)[0], INPUTS)
    with pytest.raises(DataError, match="no test samples: give data="):
        samples_of(given, part="test")
    assert len(samples_of(run.with_given(data="digits"), part="test")[0])


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"model": 3}, RunError, "model is a int: give a torch.nn.Module"),
        ({"model": lambda: 3}, RunError, r"model\(\) gives a int"),
        ({"model": lambda: 1 / 0}, RunError, "cannot be made.*ZeroDivisionError"),
        ({"loss": "hinge"}, RunError, "give loss.outputs, targets., or one of cross-entropy, squared-error"),
        ({"data": {"inputs": INPUTS}}, DataError, "data has the parts 'inputs'"),
        ({"model": nn.Linear(3, 3)}, RunError, "the run of another network"),
    ],
)
def test_what_cannot_be_given(run: et.Run, given: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run.with_given(**given).model(-1)


def test_a_model_that_is_no_network_is_an_error_and_no_empty_table(run: et.Run) -> None:
    with pytest.raises(RunError, match=r"model\(\) gives a int"):
        et.analyze(run, "curvature", model=lambda: 3, progress=False)


def test_the_command_line_imports_them(
    run: et.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own_setup.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    own = ["--model", "own_setup:network", "--data", "own_setup:parts", "--loss", "cross-entropy"]
    only = ["analyze", str(run.path), "--only", "loss-scaling", "--layers", "2.weight"]
    assert main([*only, *own, "--format", "json", "-q"]) == 0
    assert len(json.loads(capsys.readouterr().out)["loss-scaling"]) == 1
    assert main([*only, "--model", "network"]) == 2
    assert '--model network is no import path: write "package.module:name"' in capsys.readouterr().err
    assert main([*only, "--loss", "own_setup:hinge"]) == 2
    assert 'the loss "own_setup:hinge" cannot be imported' in capsys.readouterr().err


def test_it_is_told_on_which_samples_a_network_is_tested(run: et.Run) -> None:
    parts = {"train": (INPUTS[:64], LABELS[:64]), "test": (INPUTS[64:], LABELS[64:])}
    for data, told, count in (((INPUTS, LABELS), "training", 96), (parts, "held-out", 32)):
        point = ParameterPoint(run.with_given(network(), data), 20)
        assert (point.tested_on, len(point.test[0])) == (told, count)
