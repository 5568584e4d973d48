"""What would be wrong in silence: losses that are not finite far back or see the weights, foreign surroundings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import eigentrail as et
from eigentrail.errors import CurvatureError
from eigentrail.linalg.lanczos import lanczos

G = torch.Generator().manual_seed(0)
X, Y = torch.randn(900, 4, generator=G), torch.randn(900, 3, generator=G)
CLASSES = torch.arange(900) % 3


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


@pytest.mark.parametrize("kind", ["hessian", "gauss-newton"])
@pytest.mark.parametrize("layers", [None, "2.weight"])
@pytest.mark.parametrize("verb", ["top", "matrix", "trace", "density"])
def test_a_target_that_is_nan_far_back_is_refused(kind: str, layers: str | None, verb: str) -> None:
    """The second derivative of a mean square does not hold the targets."""
    targets = Y.clone()
    targets[700, 1] = torch.nan
    operator = et.Curvature(net(), nn.MSELoss(), (X, targets), layers, kind)  # type: ignore[arg-type]
    with pytest.raises(CurvatureError, match="the loss is nan for finite outputs"):
        getattr(operator, verb)(*([2] if verb == "top" else []))


@pytest.mark.parametrize("frozen", [False, True])
def test_a_loss_that_sees_the_parameters_is_refused(frozen: bool) -> None:
    model = net().requires_grad_(not frozen)

    def penalised(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(outputs, targets) + 0.5 * sum(p.square().sum() for p in model.parameters())

    with pytest.raises(CurvatureError, match=r"uses the network's parameters themselves .* weight_decay="):
        et.Curvature(model, penalised, (X, CLASSES), "2.weight").trace()
    assert all(p.requires_grad != frozen for p in model.parameters())


def test_a_loss_with_parameters_of_its_own_is_taken() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(2.0))

        def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return self.scale * F.cross_entropy(outputs, targets)

    one, two = et.Curvature(net(), Scaled(), (X, CLASSES)), et.Curvature(net(), F.cross_entropy, (X, CLASSES))
    torch.testing.assert_close(one.matrix(), 2 * two.matrix())


def test_small_noise_of_the_outputs_is_found_though_its_sum_is_small() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = net()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out = self.inner(x)
            return out + 1e-3 * torch.randn(out.shape)

    with pytest.raises(CurvatureError, match="gives other outputs each time it is called"):
        et.Curvature(Noisy(), F.cross_entropy, (X, CLASSES)).trace()


@pytest.mark.parametrize(
    "surroundings", [lambda: torch.autocast("cpu", torch.bfloat16), torch.inference_mode]
)
@pytest.mark.parametrize("layers", [None, "2.weight"])
def test_mixed_precision_and_inference_mode_change_nothing(surroundings, layers) -> None:
    data = (X, CLASSES)
    plain = et.Curvature(net(), F.cross_entropy, data, layers)
    expected = plain.matrix(), plain.top(3), plain.gradient()
    with surroundings():
        inside = et.Curvature(net(), F.cross_entropy, data, layers)
        found = inside.matrix(), inside.top(3), inside.gradient()
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1].values, expected[1].values)
    assert float(found[1].residuals.max()) < 1e-3
    torch.testing.assert_close(found[2], expected[2])


def test_a_warm_start_tells_the_residuals_of_an_operator_that_is_not_quite_symmetric() -> None:
    rng = np.random.default_rng(0)
    n, k = 200, 5
    values = np.r_[10.0, 8, 6, 5, 4, 0.1 * rng.standard_normal(n - 5)]
    basis = np.linalg.qr(rng.standard_normal((n, n)))[0]
    turned = np.zeros((n, n))
    turned[0, 1], turned[1, 0] = 8e-3, -8e-3  # within the wanted space, 1e-3 of the eigenvalue 8
    matrix = torch.from_numpy(basis @ (np.diag(values) + turned) @ basis.T)

    def apply(rows: torch.Tensor) -> torch.Tensor:
        return rows @ matrix.T

    start = torch.from_numpy(basis[:, :k].T.copy())
    with pytest.warns(UserWarning, match="eigenpairs have a residual"):
        found = lanczos(apply, n, k, tol=5e-4, start=start)
    true = (
        (apply(found.vectors) - torch.from_numpy(found.values)[:, None] * found.vectors).norm(dim=1).numpy()
    )
    np.testing.assert_allclose(found.residuals, true / np.abs(found.values), rtol=0.05, atol=1e-12)
    assert found.residuals.max() > 5e-4


def test_the_basis_is_never_there_twice() -> None:
    """The rows that are asked for at the beginning are those that are filled: no larger copy is made."""
    from eigentrail.linalg.krylov_space import KrylovSpace

    values = torch.linspace(1, 50, 100, dtype=torch.float64)
    space = KrylovSpace(lambda v: v * values, 100, dtype=torch.float64, device="cpu", seed=0, room=60)
    space.add_random()
    space.expand(np.eye(1))
    place = space._rows.data_ptr()
    for _ in range(50):
        space.expand(np.eye(len(space.pending)))
    assert space.m == 51 and space._rows.data_ptr() == place and len(space._rows) == 60
