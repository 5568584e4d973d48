"""The squared error as the loss of a training, and S3's deep linear network that is trained with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eigentrail import data, networks
from eigentrail.analyses import run_analysis
from eigentrail.analyses.framework.registry import find_analysis
from eigentrail.data import Data
from eigentrail.errors import OptionError
from eigentrail.report.run_page import learning_section
from eigentrail.report.run_story import RunStory
from eigentrail.report.sections import Plot
from eigentrail.runs import Recorder, open_run
from eigentrail.training import TrainingSettings, score, train


def test_it_is_half_the_squared_distance_from_one_hot_labels() -> None:
    model = nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]))
    inputs, targets = torch.tensor([[1.0, 1.0], [3.0, 0.0]]), torch.tensor([1, 0])
    # Outputs (1, 2, 0) and (3, 0, 0), wanted (0, 1, 0) and (1, 0, 0).
    found = score(model, inputs, targets, "squared-error")
    assert found.loss == pytest.approx(((1 + 1) / 2 + 4 / 2) / 2)
    assert found.accuracy == 1


def test_a_run_of_it_is_trained_evaluated_and_resumed(tmp_path: Path, digits: Data) -> None:
    few = data.take(digits, 210, 50)
    shared = TrainingSettings(
        loss="squared-error", lr=0.05, batch_size=20, epochs=3, momentum=0.5, dtype="float64"
    )
    whole = train("mlp50", few, tmp_path / "whole", shared)
    losses = whole.metrics.train_loss.dropna("step").values
    assert losses[-1] < 0.5 * losses[0]
    model = whole.model(int(whole.steps[-1])).double()
    wanted = torch.nn.functional.one_hot(few.train_targets, 10).double()
    with torch.no_grad():
        by_hand = ((model(few.train_inputs.double()) - wanted) ** 2).sum(1).mean() / 2
    assert losses[-1] == pytest.approx(float(by_hand), rel=1e-6)
    train("mlp50", few, tmp_path / "parts", shared.changed(epochs=1))
    parts = train("mlp50", few, tmp_path / "parts", shared, resume=True)
    assert (parts["fc1.weight"].values == whole["fc1.weight"].values).all()
    # Another loss is another training.
    with pytest.raises(Exception, match="loss"):
        train("mlp50", few, tmp_path / "parts", shared.changed(loss="cross-entropy", epochs=4), resume=True)
    # Analyses that evaluate the network take the loss that it was trained with.
    table = run_analysis(whole, find_analysis("loss-scaling"), layers=["fc1.weight"], progress=False).table
    assert float(table["loss"][0]) == pytest.approx(float(losses[-1]), rel=1e-6)


def test_pages_say_which_loss_it_is(tmp_path: Path, few: Data) -> None:
    runs = {
        loss: train("mlp50", few, tmp_path / loss, loss=loss, epochs=1, progress=False)
        for loss in ("cross-entropy", "squared-error")
    }
    for told, shown in (
        (["cross-entropy"], "loss (cross-entropy, nats)"),
        (["squared-error"], "loss (half the squared error)"),
        (["cross-entropy", "squared-error"], "loss"),
    ):
        section = learning_section([RunStory(runs[loss], {}, label=loss) for loss in told])
        plots = [item for item in section.items if isinstance(item, Plot)]
        assert plots[0].figure.layout.yaxis.title.text == shown


def test_of_a_loop_of_ones_own_no_loss_is_made_up(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    with Recorder(model, tmp_path / "run") as recorder:
        recorder.step(loss=1.0)
    section = learning_section([RunStory(open_run(tmp_path / "run"), {})])
    plots = [item for item in section.items if isinstance(item, Plot)]
    assert plots[0].figure.layout.yaxis.title.text == "loss"


def test_members_of_an_ensemble_are_their_single_trainings(tmp_path: Path, few: Data) -> None:
    shared = TrainingSettings(loss="squared-error", lr=0.05, batch_size=20, epochs=5, weight_decay=1e-3)
    for network in ("mlp50", "mlp-bn-1-20", "deep-linear"):
        found = train(network, few, tmp_path / network, shared, seeds=[0, 3], how="stack", every="epoch")
        for run, own in zip(found, found.settings, strict=True):
            single = train(network, few, tmp_path / f"{network}-{own.seed}", own, every="epoch")
            for layer in single:
                np.testing.assert_allclose(run[layer].values, single[layer].values, rtol=0, atol=1e-5)


def test_other_losses_are_refused() -> None:
    with pytest.raises(OptionError, match="loss='hinge' cannot be used"):
        TrainingSettings(loss="hinge")


def descent(weights: list[np.ndarray], x: np.ndarray, y: np.ndarray, rate: float, decay: float) -> None:
    """A step of S3's gradient descent on 1/2 ||W_L ... W_1 X - Y||_F^2, [out, in] matrices, in place."""
    products = [x]
    for w in weights:
        products.append(w @ products[-1])
    back = products[-1] - y
    gradients = []
    for layer in range(len(weights) - 1, -1, -1):
        gradients.append(back @ products[layer].T)
        back = weights[layer].T @ back
    for w, gradient in zip(weights, gradients[::-1], strict=True):
        w[:] = (1 - rate * decay) * w - rate * gradient


@pytest.mark.parametrize("decay", [pytest.param(0.0, marks=pytest.mark.slow), 0.05])
def test_a_training_by_its_loss_is_the_descent_of_s3(tmp_path: Path, decay: float) -> None:
    samples = data.load("orthogonal")
    x, y = samples.train_inputs.T.numpy(), np.eye(30)[samples.train_targets.numpy()].T
    np.testing.assert_allclose(x @ x.T, np.eye(30), atol=1e-14)
    assert np.linalg.matrix_rank(y @ x.T) == 3
    # Its loss is the mean over 30 samples, S3's the sum: lr = 30 eta, weight_decay = lambda / 30.
    settings = TrainingSettings(
        lr=0.3, weight_decay=decay / 30, batch_size=30, epochs=1000, loss="squared-error", dtype="float64"
    )
    run = train("deep-linear", samples, tmp_path / "run", settings, progress=False)
    weights = [run[layer].values[0].copy() for layer in ("fc1.weight", "fc2.weight", "fc3.weight")]
    rho = 0.1
    for step in range(1, 1001):
        descent(weights, x, y, 0.01, decay)
        rho = rho * (1 - 0.01 * decay) - 0.01 * rho**5
        if step in (1, 10, 400, 1000):
            for layer, w in zip(run, weights, strict=True):
                np.testing.assert_allclose(run[layer].sel(step=step).values, w, rtol=0, atol=1e-12)
                # S3: all but 2 r = 6 singular values stay together, at what FORMULAS 7 derives.
                values = np.linalg.svd(w, compute_uv=False)
                assert np.sum(np.abs(values - rho) < 1e-12) >= 24
    values = np.linalg.svd(weights[0], compute_uv=False)
    assert np.sum(np.abs(values - rho) > 1e-3) == 6
    first, last = run["fc1.weight"].values[[0, -1]]
    # The weights leave what they began with in six directions only.
    moved = np.linalg.svd(last - rho / 0.1 * first, compute_uv=False)
    assert moved[5] > 1e-4 and moved[6] < 1e-12


def test_the_samples_are_the_same_everywhere_and_found_again() -> None:
    samples = data.load("orthogonal")
    assert samples.input_shape == (30,) and samples.classes == 30
    assert torch.bincount(samples.train_targets, minlength=30).tolist() == [10, 10, 10] + [0] * 27
    again = data.rebuild(samples.describe())
    assert again.fingerprint == samples.fingerprint
    model = networks.build("deep-linear", samples.input_shape, samples.classes).double()
    assert model(samples.train_inputs).shape == (30, 30)
