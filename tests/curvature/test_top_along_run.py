from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import eigentrail as et
from eigentrail.bases import Basis
from eigentrail.curvature.run_weights import run_weights
from eigentrail.curvature.top_along_run import top_along_run
from eigentrail.curvature.weight_product import weight_product
from eigentrail.errors import DataError, OptionError, RunError


class Quartic(nn.Module):
    """Two pairs of parameters whose own values are the outputs, so that a loss of them has any Hessian."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        self.second = nn.Parameter(torch.zeros(2, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.first, self.second]).expand(len(x), 4) * x[:, :1]


def quartic_loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Hessian diag(a_0^2, 1, 3, 2) at first = a, for inputs of one."""
    a, b = outputs[:, :2], outputs[:, 2:]
    return (a[:, 0] ** 4 / 12 + a[:, 1] ** 2 / 2 + 3 * b[:, 0] ** 2 / 2 + b[:, 1] ** 2).mean()


@pytest.fixture
def quartic(tmp_path: Path) -> et.Run:
    model = Quartic()
    with et.Recorder(model, tmp_path / "run", report=None) as recorder, torch.no_grad():
        for step in range(1, 7):
            model.first.copy_(torch.tensor([0.5 * step, 0.25]))
            model.second.copy_(torch.tensor([0.1, -0.2]))
            recorder.step(loss=0.0)
    return et.open_run(tmp_path / "run")


ONES = (torch.ones(6, 1, dtype=torch.float64), torch.zeros(6, dtype=torch.long))


def test_values_tracks_and_layers_of_a_hessian_that_is_known(quartic: et.Run) -> None:
    found = top_along_run(
        quartic,
        steps=[1, 2, 3, 4, 5, 6],
        loss=quartic_loss,
        data=ONES,
        k=4,
        tol=1e-10,
        model=Quartic(),
        vectors=True,
    )
    a = 0.5 * np.arange(1, 7)
    for place in range(6):
        np.testing.assert_allclose(
            found["values"][place], np.sort([a[place] ** 2, 1.0, 3.0, 2.0])[::-1], rtol=1e-12
        )
    assert float(found.residuals.max()) < 1e-10
    # The growing one starts last and passes 1, 2 and 3; it keeps its number.
    growing = [int(found.track[place, r]) for place, r in enumerate([3, 2, 1, 0, 0, 0])]
    assert set(growing[:1] + growing[2:]) == {3}
    # At step 2 it equals another one, and their plane is all that is defined.
    np.testing.assert_allclose(found.concentration[0], [[0, 1], [0, 1], [1, 0], [1, 0]], atol=1e-12)
    np.testing.assert_allclose(found.concentration[5], [[1, 0], [0, 1], [0, 1], [1, 0]], atol=1e-12)
    np.testing.assert_allclose(found.concentration_chance, [0.5, 0.5])
    assert np.isnan(found.overlap[0]).all()
    np.testing.assert_allclose((found.overlap[1:] ** 2).sum("previous"), 1.0, atol=1e-10)
    np.testing.assert_allclose(found.overlap[5], np.eye(4), atol=1e-8)
    w = run_weights(quartic, ["first", "second"], [6])[0]
    np.testing.assert_allclose(
        np.abs(found.weight_product[5]), np.abs(w[[0, 2, 3, 1]]) / np.linalg.norm(w), atol=1e-9
    )
    # All four directions hold all of the gradient.
    np.testing.assert_allclose(found.gradient_share, 1.0, atol=1e-10)
    np.testing.assert_allclose(found.loss[1], 1 / 12 + 0.25**2 / 2 + 0.015 + 0.04, rtol=1e-6)


def test_the_initial_state_has_no_weights_to_multiply_with(quartic: et.Run) -> None:
    found = et.Curvature.along(quartic, loss=quartic_loss, data=ONES, k=2, model=Quartic())
    assert found.step.values[0] == 0
    np.testing.assert_array_equal(found.weight_product[0], 0.0)
    np.testing.assert_allclose(found["values"][0], [3.0, 2.0], rtol=1e-6)
    assert float(found.gradient_share[0]) == 0.0


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> et.Run:
    return et.train(
        "mlp50", "digits", tmp_path_factory.mktemp("runs") / "digits", epochs=2, progress=False, every=5
    )


def test_a_layer_of_a_training_is_followed_from_its_initial_state(digits: et.Run) -> None:
    found = top_along_run(
        digits, 5, "fc3.weight" if "fc3.weight" in digits.layers else list(digits.layers)[-2], k=3, count=200
    )
    assert found.step.values[0] == 0
    assert found.sizes["step"] == 5
    name = found.layer.values[0]
    for step in found.step.values[[0, -1]]:
        model = digits.model(int(step))
        pair = et.evaluation.of_run.samples_of(digits, count=200)
        c = et.Curvature(model, None, pair, name)
        exact = np.sort(np.asarray(c.spectrum(dtype=torch.float64).eigenvalues))[::-1][:3]
        np.testing.assert_allclose(found["values"].sel(step=step), exact, rtol=1e-3)
        assert float(found.loss.sel(step=step)) == pytest.approx(c.loss_value(), rel=1e-6)
    assert float(found.residuals.max()) <= 1e-3
    assert (found.epoch.values[[0, -1]] == [0, 2]).all()


def test_a_warm_start_costs_fewer_products_where_the_run_moves_little(digits: et.Run) -> None:
    last = [int(step) for step in digits.steps if (digits.layers["fc1.weight"].steps == step).any()][-4:]
    found = top_along_run(digits, last, "fc1.weight", k=5, count=200)
    products = found.products.values
    assert (products[1:] < products[0]).all()
    assert float(np.diagonal(found.overlap[1:], axis1=1, axis2=2).min()) > 0.9
    assert (found.track == np.arange(5)).all()


def test_trace_and_weights_over_steps(digits: et.Run) -> None:
    found = top_along_run(digits, [0], "fc3.weight", k=2, count=100, trace=True, vectors=True)
    model = digits.model(0)
    c = et.Curvature(model, None, et.evaluation.of_run.samples_of(digits, count=100), "fc3.weight")
    exact = float(np.trace(np.asarray(c.matrix(dtype=torch.float64))))
    assert abs(float(found.trace[0]) - exact) < 5 * float(found.trace_error[0])
    x = run_weights(digits, found.layer.values.tolist())
    products = weight_product(Basis(found.vectors[0].values, found["values"][0].values), x)
    assert products.dims == ("step", "i")
    np.testing.assert_allclose(products.sel(step=0), found.weight_product[0], atol=1e-6)


def test_bad_input_is_one_sentence(digits: et.Run, quartic: et.Run) -> None:
    with pytest.raises(OptionError, match="k is 1 to"):
        top_along_run(digits, [0], "fc3.bias", k=11, count=50)
    with pytest.raises(RunError, match="not all layers of the network at step 3"):
        top_along_run(digits, [3], k=2)
    with pytest.raises(RunError, match="no step 1000"):
        top_along_run(digits, [1000], k=2)
    with pytest.raises(OptionError, match="at least one step"):
        top_along_run(digits, [])
    with pytest.raises(OptionError, match="at least 1"):
        top_along_run(digits, 0)
    with pytest.raises(DataError, match="does not say"):
        top_along_run(quartic, [1], model=Quartic())
    with pytest.raises(RunError, match="fc9"):
        run_weights(digits, ["fc9.weight"])
    with pytest.raises(RunError, match="at step 3"):
        run_weights(digits, ["fc1.weight"], [3])


def test_a_number_of_steps_has_the_first_and_the_last(digits: et.Run) -> None:
    there = digits.steps
    for count in (2, 3, 5):
        found = top_along_run(digits, count, "fc3.bias", k=1, count=20, tol=0.1).step.values
        assert (found[0], found[-1]) == (there[0], there[-1]) and 2 <= len(found) <= count
    assert len(top_along_run(digits, 2, "fc3.bias", k=1, count=20, tol=0.1).step) == 2
    assert top_along_run(digits, 1, "fc3.bias", k=1, count=20, tol=0.1).step.values.tolist() == [there[0]]


def test_a_part_that_no_data_set_has_is_refused(digits: et.Run) -> None:
    for data in (None, "digits", (torch.zeros(3, 64), torch.zeros(3, dtype=torch.long))):
        with pytest.raises(OptionError, match="part is 'train' or 'test', not 'val'"):
            top_along_run(digits, [0], "fc3.bias", data=data, k=1, part="val")  # type: ignore[arg-type]
    assert top_along_run(digits, [0], "fc3.bias", k=1, count=20, part="test").attrs["part"] == "test"


def test_a_network_that_cannot_be_built_is_asked_for_by_the_name_it_has_here(quartic: et.Run) -> None:
    with pytest.raises(
        RunError, match=r"does not say how to build its network .*pass one with model="
    ) as caught:
        top_along_run(quartic, [1], loss=quartic_loss, data=ONES, k=1)
    assert "into=" not in str(caught.value)
