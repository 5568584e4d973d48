"""Products with the Hessian and the Gauss-Newton matrix, against autograd's own and closed forms."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from curvature_cases import NAMES, Attention, Case, build, vectors
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

import eigentrail as et

KINDS = ("hessian", "gauss-newton")
WAYS = ("cached", "linearised", "recomputed")


class Multihead(nn.Module):
    """torch's own attention module."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.attention(x, x, x, need_weights=False)[0].mean(dim=1))


class Encoder(nn.Module):
    """A whole encoder layer, which has a fast path in eval mode that knows no gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(6, 2, 5, dropout=0.3, activation="gelu", batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(x).mean(dim=1))


class Recurrent(nn.Module):
    """An LSTM, whose weights torch also holds in a list of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 4, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(x)[0][:, -1])


def sequences(make: Callable[[], nn.Module]) -> Case:
    torch.manual_seed(3)
    model = make().double()
    return Case(model, nn.CrossEntropyLoss(), torch.randn(10, 4, 6).double(), torch.randint(3, (10,)), 4)


MORE = {"multihead": Multihead, "encoder": Encoder, "lstm": Recurrent, "sdpa": lambda: Attention(6, 2, 3)}


def the_case(name: str) -> Case:
    return build(name) if name in NAMES else sequences(MORE[name])


def flat(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def shaped(model: nn.Module, vector: torch.Tensor) -> dict[str, torch.Tensor]:
    named = dict(model.named_parameters())
    parts = vector.split([p.numel() for p in named.values()])
    return {name: part.view_as(p) for (name, p), part in zip(named.items(), parts, strict=True)}


def autograd_hessian(case: Case) -> torch.Tensor:
    """Autograd on the whole loss; the model is a copy in eval mode."""
    model = copy.deepcopy(case.model).eval()

    def loss(vector: torch.Tensor) -> torch.Tensor:
        return case.loss(functional_call(model, shaped(model, vector), (case.inputs,)), case.targets)

    with sdpa_kernel(SDPBackend.MATH):
        return torch.autograd.functional.hessian(loss, flat(model))


def explicit_gauss_newton(case: Case) -> torch.Tensor:
    """J^T S J with both factors written out."""
    model = copy.deepcopy(case.model).eval()

    def outputs(vector: torch.Tensor) -> torch.Tensor:
        return functional_call(model, shaped(model, vector), (case.inputs,)).flatten()

    with sdpa_kernel(SDPBackend.MATH):
        jacobian = torch.autograd.functional.jacobian(outputs, flat(model))
    z = outputs(flat(model)).detach()
    shape = (len(case.inputs), -1)
    inner = torch.autograd.functional.hessian(lambda one: case.loss(one.view(shape), case.targets), z)
    return jacobian.T @ inner @ jacobian


ORACLES = {"hessian": autograd_hessian, "gauss-newton": explicit_gauss_newton}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*NAMES, *MORE])
def test_all_columns_are_those_of_autograd(name: str, kind: str) -> None:
    case = the_case(name)
    operator = et.Curvature(
        case.model, case.loss, (case.inputs, case.targets), kind=kind, batch_size=case.batch_size
    )
    expected = ORACLES[kind](case)
    found = operator.apply(torch.eye(operator.n, dtype=torch.float64))
    assert (found - expected).abs().max() < 1e-12 * max(1.0, float(expected.abs().max()))
    assert operator.products == operator.n == len(expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    [
        "tanh",
        "regression",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("convolution", "residual", "multihead")),
    ],
)
def test_every_way_gives_the_same_products(name: str, kind: str) -> None:
    case = the_case(name)
    v = torch.from_numpy(vectors(sum(p.numel() for p in case.model.parameters()), 3))
    found = {}
    for way in WAYS:
        operator = et.Curvature(
            case.model,
            case.loss,
            (case.inputs, case.targets),
            kind=kind,
            batch_size=12,
            way=way,
        )
        assert operator.plan.way == way
        found[way] = operator.apply(v)
        # mse_loss has no forward derivative over its gradient: said, and the graph taken.
        refused = way == "linearised" and name == "regression"
        assert operator.plan.way == ("cached" if refused else way), operator.plan.note
        assert ("ZeroTensor" in operator.plan.note) == refused
        torch.testing.assert_close(operator.apply(v[1]), found[way][1], rtol=0, atol=1e-13)
        assert operator.products == 4
    scale = float(found["cached"].abs().max())
    for way in WAYS[1:]:
        torch.testing.assert_close(found[way], found["cached"], rtol=0, atol=1e-13 * max(1.0, scale))


@pytest.mark.parametrize("seed", range(3))
def test_least_squares_has_the_hessian_x_x(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((30, 5)), rng.standard_normal((30, 2))
    model = nn.Linear(5, 2, bias=False).double()
    for kind in KINDS:
        operator = et.Curvature(model, nn.MSELoss(), (x, y), kind=kind)
        expected = np.kron(np.eye(2), 2 * x.T @ x / x.shape[0]) / 2
        np.testing.assert_allclose(operator @ np.eye(10), expected, atol=1e-13)
    gradient = (2 / (2 * len(x))) * (model(torch.from_numpy(x)).detach().numpy() - y).T @ x
    np.testing.assert_allclose(operator.gradient().numpy(), gradient.ravel(), atol=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_logistic_regression_has_its_closed_form(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((40, 6)), rng.integers(4, size=40)
    model = nn.Linear(6, 4).double()
    p = torch.softmax(model(torch.from_numpy(x)), dim=1).detach().numpy()
    one = np.concatenate([x, np.ones((40, 1))], axis=1)
    middle = np.einsum("ia,ab->iab", p, np.eye(4)) - np.einsum("ia,ib->iab", p, p)
    expected = np.einsum("iab,ij,ik->ajbk", middle, one, one).reshape(28, 28) / 40
    order = np.concatenate([np.arange(28).reshape(4, 7)[:, :6].ravel(), np.arange(28).reshape(4, 7)[:, 6]])
    for kind in KINDS:
        found = et.Curvature(model, None, (x, y), kind=kind) @ np.eye(28)
        np.testing.assert_allclose(found, expected[np.ix_(order, order)], atol=1e-13)


def test_a_loss_of_its_own_and_gauss_newton_of_a_loss_that_is_not_convex() -> None:
    case = build("tanh")

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (
            torch.sin(outputs[:, 0] * outputs[:, 1]).mean()
            + outputs.gather(1, targets[:, None]).pow(3).mean()
        )

    own = Case(case.model, loss, case.inputs, case.targets, 8)  # type: ignore[arg-type]
    for kind in KINDS:
        operator = et.Curvature(case.model, loss, (case.inputs, case.targets), kind=kind, batch_size=8)
        found = operator.apply(torch.eye(operator.n, dtype=torch.float64))
        assert (found - ORACLES[kind](own)).abs().max() < 1e-12


def test_gradient_and_loss_are_those_of_all_samples() -> None:
    case = build("gelu")
    operator = et.Curvature(case.model, case.loss, (case.inputs, case.targets), batch_size=8)
    loss = case.loss(case.model(case.inputs), case.targets)
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(case.model.parameters()))])
    torch.testing.assert_close(operator.gradient(), gradient, rtol=0, atol=1e-14)
    assert operator.loss_value() == pytest.approx(loss.item(), abs=1e-14)
    assert operator.products == 0


def test_what_others_build_on_gives_the_same_loss() -> None:
    case = build("tanh")
    operator = et.Curvature(case.model, case.loss, (case.inputs, case.targets), "2", batch_size=8)
    moved = {"2.weight": case.model[2].weight.detach() * 1.1}
    with operator.problem.point.setting():
        loss = sum(
            batch.weight * operator.problem.loss_of(moved, batch) for batch in operator.problem.batches()
        )
    with torch.no_grad():
        case.model[2].weight.mul_(1.1)
    assert float(loss) == pytest.approx(float(case.loss(case.model(case.inputs), case.targets)), abs=1e-14)
    batches = [list(operator.problem.batches()) for _ in range(2)]
    assert [b.count for b in batches[0]] == [8, 8, 6]
    assert sum(b.weight for b in batches[0]) == pytest.approx(1.0)
    assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(*batches, strict=True))


def test_vectors_come_back_as_they_were_given() -> None:
    case = build("relu")
    operator = et.Curvature(case.model, case.loss, (case.inputs, case.targets))
    rows = vectors(operator.n, 3)
    one, columns = operator @ rows[0], operator @ rows.T
    assert isinstance(one, np.ndarray) and one.shape == (operator.n,) and columns.shape == (operator.n, 3)
    np.testing.assert_allclose(columns[:, 0], one, atol=1e-14)
    tensor = operator @ torch.from_numpy(rows[0]).float()
    assert isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float64
    assert operator.apply(torch.from_numpy(rows)).shape == (3, operator.n)
    assert operator.products == 1 + 3 + 1 + 3
    assert "hessian" in repr(operator) and "22 samples" in repr(operator)


# --- which parameters -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ("2", ["2.weight"]),
        (["4.bias", "0.weight"], ["0.weight", "4.bias"]),
        ("*.bias", ["0.bias", "2.bias", "4.bias"]),
        (["0*"], ["0.weight", "0.bias"]),
    ],
)
def test_layers_are_blocks_of_the_whole(layers: str | list[str], names: list[str]) -> None:
    case = build("tanh")
    data = (case.inputs, case.targets)
    whole = et.Curvature(case.model, case.loss, data)
    block = et.Curvature(case.model, case.loss, data, layers)
    assert block.names == names
    assert block.shapes == {name: whole.shapes[name] for name in names}
    places = np.concatenate([np.arange(whole.n)[whole.slices[name]] for name in names])
    np.testing.assert_allclose(
        block @ np.eye(block.n), (whole @ np.eye(whole.n))[np.ix_(places, places)], atol=1e-14
    )


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4, bias=False)
        self.second = nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.tanh(self.first(x)))


@pytest.mark.parametrize("layers", [None, "first", "second"])
def test_tied_parameters_are_counted_once(layers: str | None) -> None:
    torch.manual_seed(0)
    model = Tied().double()
    x, y = torch.randn(9, 4).double(), torch.randint(4, (9,))
    operator = et.Curvature(model, None, (x, y), layers)
    assert operator.names == ["first.weight"]

    def loss(w: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(torch.tanh(x @ w.T) @ w.T, y)

    expected = torch.autograd.functional.hessian(loss, model.first.weight.detach()).reshape(16, 16)
    found = operator.apply(torch.eye(16, dtype=torch.float64))
    assert (found - expected).abs().max() < 1e-12


def test_frozen_parameters_only_where_they_are_named() -> None:
    case = build("tanh")
    case.model[0].weight.requires_grad_(False)
    data = (case.inputs, case.targets)
    assert "0.weight" not in et.Curvature(case.model, case.loss, data).names
    frozen = et.Curvature(case.model, case.loss, data, "0.weight")
    found = frozen.apply(torch.eye(frozen.n, dtype=torch.float64))
    expected = autograd_hessian(case)[: frozen.n, : frozen.n]
    assert (found - expected).abs().max() < 1e-12
    assert not case.model[0].weight.requires_grad


def test_a_parameter_that_the_loss_does_not_reach_has_zeros() -> None:
    case = build("relu")
    case.model.register_parameter("unused", nn.Parameter(torch.ones(2).double()))
    operator = et.Curvature(case.model, case.loss, (case.inputs, case.targets))
    found = operator @ np.eye(operator.n)
    assert not found[operator.slices["unused"]].any() and found.any()


def test_weight_decay_adds_two_lambda() -> None:
    case = build("tanh")
    data = (case.inputs, case.targets)
    for kind in KINDS:
        plain = et.Curvature(case.model, case.loss, data, kind=kind)
        decayed = et.Curvature(case.model, case.loss, data, kind=kind, weight_decay=0.3)
        np.testing.assert_allclose(
            decayed @ np.eye(plain.n), plain @ np.eye(plain.n) + 0.6 * np.eye(plain.n), atol=1e-14
        )
    w = flat(case.model)
    torch.testing.assert_close(decayed.gradient(), plain.gradient() + 0.6 * w)
    assert decayed.loss_value() == pytest.approx(plain.loss_value() + 0.3 * float(w @ w))


@pytest.mark.parametrize("half", [torch.float32, torch.bfloat16])
def test_float64_on_a_coarser_network_that_stays_as_it_is(half: torch.dtype) -> None:
    case = build("residual")
    model = copy.deepcopy(case.model).to(half)
    operator = et.Curvature(model, case.loss, (case.inputs.float(), case.targets), dtype=torch.float64)
    same = Case(copy.deepcopy(model).double(), case.loss, case.inputs.float().double(), case.targets, 8)
    found = operator.apply(torch.eye(operator.n))
    assert found.dtype == torch.float64
    assert (found - autograd_hessian(same)).abs().max() < 1e-12
    assert {p.dtype for p in model.parameters()} == {half}
    assert model.norm1.running_mean.dtype == half


def test_the_point_stays_where_it_was() -> None:
    case = build("tanh")
    operator = et.Curvature(case.model, case.loss, (case.inputs, case.targets))
    v = vectors(operator.n, 1)[0]
    before = et.Curvature(case.model, case.loss, (case.inputs, case.targets)) @ v
    with torch.no_grad():
        for parameter in case.model.parameters():
            parameter.add_(1.0)
    np.testing.assert_array_equal(operator @ v, before)


def test_wrappers_and_compiled_parts_are_seen_through() -> None:
    case = build("tanh")
    expected = autograd_hessian(case)
    data = (case.inputs, case.targets)
    for model in (nn.DataParallel(case.model), torch.compile(case.model)):
        operator = et.Curvature(model, case.loss, data)
        assert operator.names[0] == "0.weight"
        assert (operator.apply(torch.eye(operator.n)) - expected).abs().max() < 1e-12
    inner = nn.Sequential(torch.compile(nn.Sequential(*case.model[:2])), *case.model[2:])
    operator = et.Curvature(inner, case.loss, data)
    assert operator.names[0] == "0.0.weight"
    assert (operator.apply(torch.eye(operator.n)) - expected).abs().max() < 1e-12


def test_the_answers_are_joined_to_the_solvers() -> None:
    case = build("tanh")
    operator = et.Curvature(case.model, case.loss, (case.inputs, case.targets))
    expected = np.linalg.eigvalsh(autograd_hessian(case).numpy())
    top = operator.top(3, tol=1e-8)
    np.testing.assert_allclose(top.values, expected[::-1][:3], rtol=1e-8)
    assert top.products == operator.products
    np.testing.assert_allclose(np.asarray(operator.spectrum().eigenvalues), expected, atol=1e-12)
    trace = operator.trace(200)
    assert abs(trace.value - expected.sum()) < 6 * max(trace.error, 1e-9)


def test_same_seed_same_numbers() -> None:
    case = build("attention")
    found = []
    for _ in range(2):
        operator = et.Curvature(case.model, case.loss, (case.inputs, case.targets), batch_size=8)
        found.append(operator @ vectors(operator.n, 1)[0])
    np.testing.assert_array_equal(*found)
