"""The loop's updates against the update rule written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eigentrail.training import Constant, Cosine, Exponential, Schedule, Step, TrainingSettings, train
from eigentrail.training.randomness import batch_order

Line = tuple[torch.Tensor, torch.Tensor]


def written_out(
    weight: np.ndarray, bias: np.ndarray, line: Line, settings: TrainingSettings, lam: float
) -> list:
    """Softmax regression by hand: the gradient of the mean cross-entropy and of lam ||w||^2, then S1's update."""
    inputs, targets = (part.numpy() for part in line)
    w = np.concatenate([weight, bias[:, None]], axis=1)
    x = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
    velocity = np.zeros_like(w)
    weights, losses = [w.copy()], [np.nan]
    for epoch in range(settings.epochs):
        order = batch_order(settings.seed, epoch, len(x)).numpy()
        assert sorted(order) == list(range(len(x)))
        batches = [order[i : i + settings.batch_size] for i in range(0, len(x), settings.batch_size)]
        for batch in batches:
            if settings.drop_last and len(batch) < settings.batch_size:
                continue
            scores = x[batch] @ w.T
            p = np.exp(scores - scores.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            losses.append(-np.log(p[np.arange(len(batch)), targets[batch]]).mean())
            p[np.arange(len(batch)), targets[batch]] -= 1
            gradient = p.T @ x[batch] / len(batch) + 2 * lam * w
            velocity = settings.momentum * velocity + gradient
            w = w - settings.lr_in(epoch) * velocity
            weights.append(w.copy())
    return [np.stack(weights), np.array(losses)]


@pytest.mark.parametrize(
    ("changes", "lam"),
    [
        ({}, 0.0),
        ({"momentum": 0.9}, 0.0),
        ({"momentum": 0.5, "schedule": Exponential(gamma=0.7)}, 0.05),
        ({"schedule": Step(at=(1, 3), gamma=0.5), "drop_last": True}, 0.02),
        ({"schedule": "cosine", "batch_size": 7, "momentum": 0.9}, 0.1),
        ({"batch_size": 100, "seed": 8}, 0.0),
    ],
)
def test_every_step_is_the_update_rule(tmp_path: Path, line: Line, changes: dict, lam: float) -> None:
    settings = TrainingSettings(lr=0.3, batch_size=3, epochs=4, dtype="float64").changed(**changes)
    # The source's penalty lambda ||w||^2 is torch's weight decay 2 lambda.
    settings = settings.changed(weight_decay=2 * lam)
    torch.manual_seed(0)
    model = nn.Linear(3, 4).double()
    start = [p.detach().numpy().copy() for p in model.parameters()]
    run = train(model, line, tmp_path / "run", settings)
    weights, losses = written_out(*start, line, settings, lam)
    steps = len(weights) - 1
    assert run.steps.tolist() == list(range(steps + 1))
    assert steps == settings.epochs * settings.steps_per_epoch(7)
    np.testing.assert_allclose(run["weight"].values, weights[:, :, :3], rtol=0, atol=1e-12)
    np.testing.assert_allclose(run["bias"].values, weights[:, :, 3], rtol=0, atol=1e-12)
    np.testing.assert_allclose(run.metrics.loss.values[1:], losses[1:], rtol=0, atol=1e-12)


def test_with_a_constant_rate_the_velocity_is_the_thesis_one(line: Line, tmp_path: Path) -> None:
    # S1 eq. 2.5: w(t+1) = w(t) + v(t+1), v(t+1) = -eta g + beta v(t).
    settings = TrainingSettings(lr=0.2, momentum=0.6, batch_size=7, epochs=5, dtype="float64")
    model = nn.Linear(3, 4, bias=False).double()
    x, targets = line[0].numpy(), line[1].numpy()
    w = model.weight.detach().numpy().copy()
    v = np.zeros_like(w)
    run = train(model, line, tmp_path / "run", settings)
    for step in range(1, 6):
        p = np.exp(x @ w.T)
        p /= p.sum(1, keepdims=True)
        p[np.arange(7), targets] -= 1
        v = -0.2 * (p.T @ x) / 7 + 0.6 * v
        w = w + v
        np.testing.assert_allclose(run["weight"].sel(step=step).values, w, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (Constant(), [1, 1, 1, 1, 1]),
        (Step(at=(3, 1)), [1, 0.1, 0.1, 0.01, 0.01]),
        (Exponential(gamma=0.5), [1, 0.5, 0.25, 0.125, 0.0625]),
        (Cosine(), [1, 0.9045084971874737, 0.6545084971874737, 0.3454915028125263, 0.09549150281252627]),
        (Cosine(final=0.2), [1, 0.923606797749979, 0.723606797749979, 0.476393202250021, 0.276393202250021]),
    ],
)
def test_schedules(schedule: Schedule, rates: list[float]) -> None:
    settings = TrainingSettings(lr=2.0, epochs=5, schedule=schedule)
    assert [settings.lr_in(epoch) for epoch in range(5)] == pytest.approx([2 * r for r in rates], rel=1e-12)


def test_the_thesis_schedule_ends_where_it_says() -> None:
    settings = TrainingSettings(lr=0.01, epochs=200, schedule=Exponential(gamma=0.99))
    assert settings.lr_in(200) == pytest.approx(0.00134, abs=5e-6)


def test_orders_differ_between_epochs_and_seeds_and_nothing_else() -> None:
    orders = {(s, e): tuple(batch_order(s, e, 50).tolist()) for s in range(3) for e in range(3)}
    assert len(set(orders.values())) == 9
    assert orders[1, 2] == tuple(batch_order(1, 2, 50).tolist())


def test_the_order_of_samples_is_uniform() -> None:
    # Where sample 0 comes, over many epochs: each of five places with probability 1/5.
    places = np.array([int((batch_order(0, epoch, 5) == 0).nonzero()) for epoch in range(2000)])
    counts = np.bincount(places, minlength=5)
    assert np.abs(counts - 400).max() < 5 * np.sqrt(2000 * 0.2 * 0.8)
