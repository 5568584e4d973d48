"""The quadratic model of the drift beside gradient descent whose variances are known, and the claims made of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import nn

from eigentrail.recipes.experiments import drift_model
from eigentrail.recipes.experiments.drift_claims import bend_claims, model_claims
from eigentrail.recipes.experiments.drift_model import krylov, model_row, variances, well_at
from eigentrail.recipes.experiments.drift_study import _long
from eigentrail.recipes.framework.observation import decided
from eigentrail.trajectories import pca
from eigentrail.trajectories.bending import bend


def wells(seed: int, n: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A quadratic well with few steep and many flat directions, its minimum and a start."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((n, n)))[0]
    h = np.concatenate([[2.0, 0.7, 0.2], np.full(n - 3, 0.003)])
    return turn @ np.diag(h) @ turn.T, rng.standard_normal(n), rng.standard_normal(n)


@pytest.mark.parametrize("seed", range(3))
def test_krylov_directions_carry_the_whole_motion(seed: int) -> None:
    matrix, mu, w0 = wells(seed)
    values, vectors, residuals = krylov(lambda rows: rows @ torch.from_numpy(matrix), matrix @ (w0 - mu), 48)
    # Four different curvatures: four directions, each an eigenvector, and nothing is left of the gradient.
    np.testing.assert_allclose(values, [2.0, 0.7, 0.2, 0.003], rtol=1e-9)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(4), atol=1e-9)
    assert residuals.max() < 1e-9
    gradient = matrix @ (w0 - mu)
    np.testing.assert_allclose(vectors.T @ (vectors @ gradient), gradient, atol=1e-9)
    few = krylov(lambda rows: rows @ torch.from_numpy(matrix), gradient, 2)
    assert len(few[0]) == 2 and few[2].max() > 1e-6


class Linear(nn.Module):
    def __init__(self, w: np.ndarray):
        super().__init__()
        self.layer = nn.Linear(w.shape[1], w.shape[0], bias=False)
        with torch.no_grad():
            self.layer.weight.copy_(torch.from_numpy(w))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def descend(
    model: nn.Module, data: tuple[torch.Tensor, torch.Tensor], count: int, **settings: float
) -> np.ndarray:
    """Full-batch gradient descent from a point near the minimum."""
    optimizer = torch.optim.SGD(model.parameters(), **settings)
    steps = [model.layer.weight.detach().numpy().copy()]
    for _ in range(count - 1):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(data[0]), data[1]).backward()
        optimizer.step()
        steps.append(model.layer.weight.detach().numpy().copy())
    return np.array(steps)


@pytest.mark.parametrize(("decay", "momentum"), [(0.0, 0.0), (0.02, 0.0), (0.02, 0.9)])
def test_the_variances_of_gradient_descent_are_predicted(
    decay: float, momentum: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    inputs = torch.from_numpy(rng.standard_normal((300, 8)))
    targets = torch.from_numpy((rng.random(300) * 3).astype(np.int64))
    model = Linear(0.05 * rng.standard_normal((3, 8))).double()
    rate, count = 0.02 * (1 - momentum), 600
    first = model.layer.weight.detach().numpy().copy()
    path = descend(model, (inputs, targets), count, lr=rate, weight_decay=decay, momentum=momentum)
    x = xr.DataArray(path, dims=("step", "out", "in"), coords={"step": np.arange(count)})
    monkeypatch.setattr(drift_model, "samples_of", lambda run, count: (inputs, targets))
    run = SimpleNamespace(steps=np.array([0]), model=lambda step: Linear(first).double())
    well = well_at(run, "layer.weight", decay)
    p1 = np.asarray(pca(x, 1).basis.directions())[0]
    found = model_row(well, p1, rate, momentum, count)
    measured = float(pca(x, 1).variances[0])
    # Near the minimum the loss is a well, and noise there is none.
    assert found["model_variance"] == pytest.approx(measured, rel=0.2 if momentum else 0.12)
    # Without the covariances much is missing; without curvature there is far too much.
    assert found["model_sum"] < 0.75 * measured and found["model_line"] > 1.3 * measured
    beside = variances(x, well, rate, momentum)
    steep = beside["residual"].values < 1e-3
    assert steep.sum() > 5
    large = steep & (beside["predicted"].values > 1e-3 * measured)
    np.testing.assert_allclose(beside["predicted"].values[large], beside["measured"].values[large], rtol=0.4)


def test_gradients_of_one_direction_make_the_sum_and_the_covariance_equal() -> None:
    matrix, mu, w0 = wells(0)
    values, vectors, residuals = krylov(lambda rows: rows @ torch.from_numpy(matrix), matrix @ (w0 - mu), 48)
    well = drift_model.Well(vectors, values, residuals, vectors @ w0, vectors @ matrix @ (w0 - mu), 0.0)
    for place in range(len(values)):
        found = model_row(well, vectors[place], 0.01, 0.0, 200)
        assert found["model_sum"] == pytest.approx(found["model_variance"], rel=1e-9)
    # A flat direction hardly decays: a line is what it follows.
    assert found["model_line"] == pytest.approx(found["model_variance"], rel=0.02)


def table(ratio: float, share: float) -> pd.DataFrame:
    rates = [0.01, 0.02, 0.04]
    rows = []
    for kind in ("plain", "decay"):
        for rate, trial in zip(rates, [f"{kind}-rates", kind, f"{kind}-rates"], strict=True):
            one = {"trial": trial, "lr": rate, "variance": rate**2}
            one |= {"model_variance": ratio * rate**2, "model_sum": share * ratio * rate**2}
            rows.append(one | {"model_line": 3 * rate**2})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("ratio", "share", "verdicts"),
    [(1.1, 0.97, ("yes", "yes")), (1.1, 0.3, ("yes", "no")), (4.0, 1.0, ("no", "yes"))],
)
def test_predictions_are_judged_by_their_ratio(ratio: float, share: float, verdicts: tuple[str, str]) -> None:
    curvature = np.geomspace(1, 1e-3, 8)
    known = {
        "curvature": curvature,
        "residual": np.full(8, 1e-9),
        "measured": curvature,
        "predicted": ratio * curvature,
    }
    directions = {"plain": xr.Dataset({name: ("direction", one) for name, one in known.items()})}
    # Three seeds that measure the same.
    claims = decided([*model_claims(table(ratio, share), directions)] * 3)
    assert [one.claim.source for one in claims] == [
        "S1 6.4, eq. 6.11-6.12", "S1 eq. 6.13", "S1 eq. 6.12", "S1 eq. 6.12", "S1 6.4, eq. 6.11-6.12", "S1 eq. 6.13",
    ]  # fmt: skip
    assert (str(claims[0].verdict), str(claims[1].verdict)) == verdicts
    assert claims[0].mean == pytest.approx(ratio) and claims[0].beside == pytest.approx([3.0] * 3)
    assert claims[1].mean == pytest.approx(share)
    order, size = claims[2:4]
    assert str(order.verdict) == "yes" and order.mean == pytest.approx(1.0)
    assert size.mean == pytest.approx(np.log2(ratio)) and str(size.verdict) == ("yes" if ratio < 2 else "no")
    mixed = {"plain": directions["plain"].assign(measured=("direction", curvature[[3, 0, 6, 1, 7, 5, 2, 4]]))}
    order = next(one for one in model_claims(table(1.0, 1.0), mixed) if "directions-order" in one.claim.id)
    assert abs(order.values[0]) < 0.9


@pytest.mark.parametrize(
    ("rate", "verdicts"),
    # Slowing down, a straight line, and becoming faster: all linear at first.
    [(0.03, ("yes", "yes", "yes")), (0.0, ("yes", None, None)), (-0.03, ("yes", "yes", "no"))],
)
def test_the_long_stretch_is_told_to_bend_or_not(rate: float, verdicts: tuple[str | None, ...]) -> None:
    t = np.arange(120.0)
    noise = 0.2 * np.cumsum(np.random.default_rng(2).standard_normal(120))
    y = (0.5 * t if rate == 0.0 else -np.expm1(-rate * t) / abs(rate)) + noise
    theta = xr.DataArray(y, dims="step", coords={"step": 45 * t, "epoch": ("step", t)})
    found = bend(theta["step"].values, y)
    claims = decided([*bend_claims({"plain": found, "decay": found}, {"plain": theta, "decay": theta})] * 3)
    assert [one.claim.id.rpartition("-")[2] for one in claims] == ["plain"] * 2 + ["decay"] * 3
    for one, verdict in zip(claims[2:], verdicts, strict=True):
        assert verdict is None or str(one.verdict) == verdict
    assert all("figure 6.5" in one.claim.source and "119 epochs" in one.detail for one in claims)
    drawn = _long(theta, found)
    np.testing.assert_allclose(drawn["exponential"], y, atol=0.15 * np.ptp(y))
    assert drawn.attrs["until"] == found.until


def test_a_model_that_fails_at_one_rate_does_not_hold() -> None:
    rows = table(1.05, 0.9)
    decay = rows.index[rows["trial"].str.startswith("decay")]
    rows.loc[decay[-1:], "model_variance"] = 1e-3 * rows.loc[decay[-1:], "variance"]
    found = {one.claim.id: str(one.verdict) for one in decided([*model_claims(rows, {})] * 3)}
    assert (found["s1-drift-model-plain"], found["s1-drift-model-decay"]) == ("yes", "no")


def test_a_long_stretch_too_short_for_a_bend_is_not_decided() -> None:
    claims = decided([*bend_claims({}, {})] * 3)
    assert [str(one.verdict) for one in claims] == ["undecided"] * 5
    assert all("fewer than 8 epochs" in one.detail for one in claims)
