"""Closed-form gradients against automatic ones, initial laws, divergence at its step, and runs that are recorded."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

import eigentrail as et
from eigentrail.errors import DivergenceError, OptionError
from eigentrail.parsimony import (
    Descent,
    Factorization,
    MaskedError,
    SquaredError,
    descend,
    initial_weights,
    low_rank,
    observe,
    orthogonal_classes,
    record_descent,
    run_descent,
    stable_rate,
)

WIDTHS = [5, 7, 4, 6]
RNG = np.random.default_rng(0)
X, Y, PHI = RNG.standard_normal((5, 9)), RNG.standard_normal((6, 9)), RNG.standard_normal((6, 5))
MASK = RNG.random((6, 5)) < 0.5


def automatic(loss: str, weights: list[np.ndarray]) -> tuple[float, list[np.ndarray]]:
    ws = [torch.tensor(w, requires_grad=True) for w in weights]
    z = torch.tensor(X if loss in ("linear", "relu") else np.eye(5))
    for number, w in enumerate(ws):
        z = w @ z
        if loss == "relu" and number < len(ws) - 1:
            z = torch.relu(z)
    gap = z - torch.tensor(Y if loss in ("linear", "relu") else PHI)
    if loss.startswith("masked"):
        gap = gap * torch.tensor(MASK)
    value = 0.5 * gap.square().sum()
    value.backward()
    return float(value.detach()), [w.grad.numpy() for w in ws]


LOSSES = {
    "linear": SquaredError(X, Y),
    "relu": SquaredError(X, Y, relu=True),
    "factorization": Factorization(PHI),
    "masked dense": MaskedError(observe(PHI, MASK), dense=True),
    "masked sparse": MaskedError(observe(PHI, MASK), dense=False),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("widths", [WIDTHS, [5, 6]])
def test_gradients_are_those_of_automatic_differentiation(loss: str, widths: list[int]) -> None:
    weights = initial_weights(widths, 1.3, "normal", seed=1)
    value, gradients = LOSSES[loss](weights)
    expected, automatic_gradients = automatic(loss, weights)
    assert value == pytest.approx(expected, rel=1e-13)
    for one, other in zip(gradients, automatic_gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("outputs", [3, 8])
def test_on_orthonormal_samples_the_factorisation_is_the_network(outputs: int) -> None:
    """The same loss and gradients, whichever side is multiplied first."""
    samples = orthogonal_classes(8, 3, outputs, seed=4)
    weights = initial_weights([8, 8, 6, outputs], 0.9, "normal", seed=5)
    value, gradients = Factorization(samples.targets @ samples.inputs.T)(weights)
    expected, others = SquaredError(samples.inputs, samples.targets)(weights)
    assert value == pytest.approx(expected, rel=1e-13)
    for one, other in zip(gradients, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


def test_steps_are_those_of_torchs_optimizer() -> None:
    start = initial_weights(WIDTHS, 0.7, "uniform", seed=2)
    state = run_descent(start, SquaredError(X, Y), Descent(0.01, 0.1, 0.8), 20)
    ws = [torch.tensor(w, requires_grad=True) for w in start]
    optimizer = torch.optim.SGD(ws, lr=0.01, momentum=0.8, weight_decay=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        (0.5 * (ws[2] @ ws[1] @ ws[0] @ torch.tensor(X) - torch.tensor(Y)).square().sum()).backward()
        optimizer.step()
    for one, other in zip(state.weights, ws, strict=True):
        np.testing.assert_allclose(one, other.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("law", ["normal", "uniform"])
def test_the_laws_have_one_scale(law: str) -> None:
    w, *_ = initial_weights([300, 200], 0.5, law, seed=3)
    assert (w**2).mean() * 300 == pytest.approx(0.25, rel=0.03)  # 60,000 entries: 5 standard errors
    kurtosis = (w**4).mean() / (w**2).mean() ** 2
    assert kurtosis == pytest.approx(3.0 if law == "normal" else 1.8, rel=0.05)
    orthogonal, *_ = initial_weights([300, 200], 0.5, seed=3)
    np.testing.assert_allclose(orthogonal @ orthogonal.T, 0.25 * np.eye(200), atol=1e-14)


def test_divergence_is_told_at_its_step_with_a_rate_that_works() -> None:
    phi = low_rank(20, 20, 3)
    start = initial_weights([20] * 4, 0.3)
    limit = stable_rate(1.0, 3)
    with pytest.raises(DivergenceError, match=r"diverges at step \d+ with rate .*: try rate") as caught:
        run_descent(start, Factorization(phi), Descent(4 * limit), 3000)
    error = pickle.loads(pickle.dumps(caught.value))
    assert error.step == caught.value.step < 3000
    state = run_descent(start, Factorization(phi), Descent(error.advised / 2), error.step)
    assert np.isfinite(state.loss)
    assert run_descent(start, Factorization(phi), Descent(0.9 * limit), 1500).loss < 1e-4


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rate": 0.0}, "rate is positive"),
        ({"rate": float("nan")}, "finite"),
        ({"rate": 0.1, "decay": -1.0}, "decay is zero"),
        ({"rate": 0.1, "momentum": 1.0}, "momentum is at least 0"),
        ({"rate": 0.1, "rates": (1.0, -1.0)}, "factor on the rate"),
    ],
)
def test_settings_outside_are_refused(wrong: dict[str, float], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Descent(**wrong)


def test_arguments_outside_are_refused() -> None:
    with pytest.raises(OptionError, match="2 factors on the rate for 3 layers"):
        run_descent(
            initial_weights([4] * 4, 0.1), Factorization(np.eye(4)), Descent(0.1, rates=(1.0, 1.0)), 3
        )
    with pytest.raises(OptionError, match="law is one of"):
        initial_weights([4, 4], 0.1, "cauchy")
    with pytest.raises(OptionError, match="scale is positive"):
        initial_weights([4, 4], 0.0)
    with pytest.raises(OptionError, match="widths name"):
        initial_weights([4], 0.1)
    with pytest.raises(OptionError, match="9 inputs and 8 targets"):
        SquaredError(X, Y[:, :8])


def test_a_descent_is_an_ordinary_run(tmp_path: Path) -> None:
    start = initial_weights([12] * 3 + [4], 0.3)
    loss = SquaredError(np.eye(12), np.eye(4)[:, np.arange(12) % 4])
    run = record_descent(tmp_path / "run", start, loss, Descent(0.02), 30, every=10, seed=0)
    assert run.steps.tolist() == list(range(31)) and list(run) == ["fc1.weight", "fc2.weight", "fc3.weight"]
    states = {
        s.step: ([w.copy() for w in s.weights], s.loss) for s in descend(start, loss, Descent(0.02), 30)
    }
    for number in (1, 2, 3):
        for step in (0, 10, 30):
            kept = run[f"fc{number}.weight"].sel(step=step).values
            assert kept.dtype == np.float64 and np.array_equal(kept, states[step][0][number - 1])
    assert run.metrics["loss"].sel(step=30) == states[30][1]
    assert et.trajectories.evolution_table(et.trajectories.evolution(run)) is not None
    x = torch.randn(3, 12, dtype=torch.float64)
    w1, w2, w3 = states[30][0]
    np.testing.assert_allclose(run.model(30)(x).detach().numpy(), x.numpy() @ (w3 @ w2 @ w1).T, rtol=1e-12)
