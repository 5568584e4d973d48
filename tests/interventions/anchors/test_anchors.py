"""Anchors: closed forms, autograd, and weights that cannot move along what is protected."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import eigentrail as et
from eigentrail.errors import CurvatureError, LayerError, OptionError
from eigentrail.interventions import SpectralAnchor
from eigentrail.interventions.anchors import (
    FISHERS,
    SynapticIntelligence,
    fisher_anchor,
    flatness,
    forgetting,
    gradient_memory,
    orthogonal_subspace,
    plain_anchor,
)

X, Y = torch.randn(60, 6, generator=torch.Generator().manual_seed(7)).double(), torch.arange(60) % 4


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 4)).double()


def steps(model: nn.Module, optimizer: torch.optim.Optimizer, count: int = 20) -> None:
    for _ in range(count):
        optimizer.zero_grad()
        F.cross_entropy(model(X), Y).backward()
        optimizer.step()


def moved(before: nn.Module, after: nn.Module, name: str) -> torch.Tensor:
    return (after.get_parameter(name) - before.get_parameter(name)).detach().flatten(1)


def hessian_basis(model: nn.Module, k: int = 3) -> et.bases.Basis:
    return et.Curvature(model, F.cross_entropy, (X, Y)).top(k)


def all_kinds(model: nn.Module) -> dict[str, et.interventions.anchors.Anchor]:
    return {
        "singular": SpectralAnchor.singular(model, count=2, strength=3.0),
        "diagonal": SpectralAnchor.singular(model, count=2, variant="diagonal", strength=3.0),
        "hessian": SpectralAnchor.directions(model, hessian_basis(model), strength=3.0),
        "fisher": fisher_anchor(model, (X, Y), strength=3.0),
        "inputs": gradient_memory(model, X, 0.7, form="penalty", strength=3.0),
        "osf": orthogonal_subspace(model, share=0.4, form="penalty", strength=3.0),
        "plain": plain_anchor(model, strength=3.0),
    }


@pytest.mark.parametrize("kind", ["singular", "diagonal", "hessian", "fisher", "inputs", "osf", "plain"])
def test_gradients_in_closed_form_are_those_of_autograd(kind) -> None:
    model = network()
    anchor = all_kinds(model)[kind]
    assert anchor.penalty() == 0.0
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.zero_grad()
    anchor.penalty().backward()
    by_autograd = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    anchor.add_penalty_gradients()
    for name, gradient in by_autograd.items():
        torch.testing.assert_close(model.get_parameter(name).grad, gradient)


def test_penalty_is_the_formula_of_the_source() -> None:
    """lam sum_i nu_i (u_i^T (W - W_1) v_i)^2, and for convolutions the same of the flat kernel."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 2), nn.Flatten(), nn.Linear(32, 5)).double()
    before = copy.deepcopy(model)
    anchor = SpectralAnchor.singular(model, count=3, strength=10.0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    wanted = 0.0
    for name in ("0.weight", "2.weight"):
        u, s, vt = torch.linalg.svd(before.get_parameter(name).detach().flatten(1), full_matrices=False)
        change = moved(before, model, name)
        wanted += 10.0 * sum(float(s[i] * (u[:, i] @ change @ vt[i]) ** 2) for i in range(3))
    assert anchor.penalty().item() == pytest.approx(wanted, rel=1e-10)


def test_diagonal_variant_is_entry_by_entry() -> None:
    model = network()
    before = copy.deepcopy(model)
    anchor = SpectralAnchor.singular(model, "2", count=2, variant="diagonal", strength=1.0)
    with torch.no_grad():
        model[2].weight += torch.randn_like(model[2].weight)
    u, s, vt = torch.linalg.svd(before[2].weight.detach(), full_matrices=False)
    change = moved(before, model, "2.weight")
    wanted = sum(float((s[i] ** 2 * torch.outer(u[:, i], vt[i]) ** 2 * change**2).sum()) for i in range(2))
    assert anchor.penalty().item() == pytest.approx(wanted, rel=1e-10)


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2),
    "adam": lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.9),
    # Its steps are orthogonal matrices, which are nothing like the gradients.
    "muon": lambda p: torch.optim.Muon([one for one in p if one.ndim == 2], lr=0.05, weight_decay=0.1),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("basis", ["singular", "hessian", "inputs"])
def test_nothing_moves_along_protected_directions(basis, optimizer) -> None:
    model = network()
    before = copy.deepcopy(model)
    if basis == "singular":
        anchor = SpectralAnchor.singular(model, count=3, weighting="equal", form="update")
    elif basis == "hessian":
        anchor = SpectralAnchor.directions(model, hessian_basis(model), weighting="equal", form="update")
    else:
        anchor = gradient_memory(model, X, 0.6, form="update")
    own = OPTIMIZERS[optimizer](model.parameters())
    anchor.attach(own)
    steps(model, own)
    assert (
        sum(float((a - b).abs().sum()) for a, b in zip(model.parameters(), before.parameters(), strict=True))
        > 0.1
    )
    for part in anchor.protected:
        held = part.along(
            {name: (model.get_parameter(name) - before.get_parameter(name)).detach() for name in part.names}
        )
        assert max(float(change.abs().max()) for change in held.values()) < 1e-12


def test_gradient_form_holds_plain_descent_and_leaves_what_is_attached_no_more() -> None:
    model = network()
    before = copy.deepcopy(model)
    anchor = SpectralAnchor.singular(model, "0", count=4, weighting="equal", form="gradient")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    detach = anchor.attach(optimizer)
    steps(model, optimizer)
    assert float(anchor.protected[0].coordinates(anchor.change()).abs().max()) < 1e-12
    detach()
    steps(model, optimizer)
    assert float(anchor.protected[0].coordinates(anchor.change()).abs().max()) > 1e-4
    assert float(moved(before, model, "0.weight").norm()) > 0


def test_values_hold_each_direction_by_its_share() -> None:
    """S1 7.12: of the gradient along u_i v_i^T the share 1 - nu_i / nu_1 remains."""
    model, free = network(), network()
    anchor = SpectralAnchor.singular(model, "2", count=3, form="gradient")
    for net in (model, free):
        F.cross_entropy(net(X), Y).backward()
    anchor.project_gradients()
    part = anchor.protected[0]
    left = part.coordinates({"2.weight": model[2].weight.grad}) / part.coordinates(
        {"2.weight": free[2].weight.grad}
    )
    torch.testing.assert_close(left, 1 - part.weights / part.weights[0])


def test_penalty_holds_more_the_stronger_it_is() -> None:
    distances = []
    for strength in (0.0, 1.0, 100.0):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        anchor = SpectralAnchor.singular(model, count=3, strength=strength)
        anchor.attach(optimizer)
        steps(model, optimizer, 40)
        distances.append(float(torch.stack([p.penalty(anchor.change()) for p in anchor.protected]).sum()))
    assert distances[0] > distances[1] > distances[2]


def test_attached_penalty_is_the_penalty_in_the_loss() -> None:
    by_hook, by_loss = network(), network()
    for net, attached in ((by_hook, True), (by_loss, False)):
        anchor = SpectralAnchor.singular(net, count=2, strength=5.0)
        with torch.no_grad():
            net[0].weight += 0.1
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
        if attached:
            anchor.attach(optimizer)
        for _ in range(10):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(X), Y)
            (loss if attached else loss + anchor.penalty()).backward()
            optimizer.step()
    for one, other in zip(by_hook.parameters(), by_loss.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_spikes_choose_how_many() -> None:
    torch.manual_seed(0)
    model = nn.Linear(120, 80, bias=False)
    with torch.no_grad():
        model.weight.normal_()
    with pytest.raises(OptionError, match="stands out"):
        SpectralAnchor.singular(model)
    with torch.no_grad():
        model.weight += 60 * torch.outer(torch.ones(80) / 80**0.5, torch.ones(120) / 120**0.5)
    assert SpectralAnchor.singular(model).protected[0].weights.shape == (1,)


def test_hessian_anchor_is_the_quadratic_model_of_the_loss() -> None:
    """Half the penalty with all eigenvectors of a convex loss is what a small move costs."""
    torch.manual_seed(0)
    model = nn.Linear(6, 4).double()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=300, tolerance_grad=1e-12)

    def close() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), Y)
        loss.backward()
        return loss

    optimizer.step(close)
    anchor = SpectralAnchor.directions(
        model, et.Curvature(model, F.cross_entropy, (X, Y)).top(20), strength=0.5
    )
    least = float(F.cross_entropy(model(X), Y))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1e-3 * torch.randn_like(parameter))
    risen = float(F.cross_entropy(model(X), Y)) - least
    assert anchor.penalty().item() == pytest.approx(risen, rel=0.02)


def test_width_of_a_quadratic_valley() -> None:
    """f = f_0 + h t^2 / 2: e f_0 is reached at t = -+ sqrt(2 f_0 (e - 1) / h)."""
    model = nn.Linear(3, 1, bias=False).double()
    curvatures = torch.tensor([1.0, 4.0, 25.0]).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.0, 0.3, 0.0]], dtype=torch.float64))

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return 0.2 + 0.5 * (curvatures * model.weight.square()).sum() + 0 * outputs.sum()

    data = (torch.zeros(1, 3).double(), torch.zeros(1))
    found = flatness(model, loss, data, np.eye(3)[[0, 2]])
    base = 0.2 + 0.5 * 4 * 0.09
    np.testing.assert_allclose(found, 2 * np.sqrt(2 * base * (math.e - 1) / np.array([1.0, 25.0])), rtol=1e-6)
    assert model.weight.tolist() == [[0.0, 0.3, 0.0]]
    with pytest.raises(CurvatureError, match="minimum"):
        flatness(model, lambda o, t: loss(o, t) - 5.0, data, np.eye(3)[:1])


def by_hand(model: nn.Module, fisher: str) -> torch.Tensor:
    """Diagonal Fisher information of the last weight, one sample and one class at a time."""
    total = torch.zeros_like(model[2].weight)
    for x, y in zip(X, Y, strict=True):
        logits = model(x[None])
        weights = logits.softmax(1)[0].detach() if fisher == "exact" else F.one_hot(y, 4).double()
        for c in range(4):
            gradient = torch.autograd.grad(
                -F.cross_entropy(model(x[None]), torch.tensor([c])), model[2].weight
            )[0]
            total += weights[c] * gradient**2
    return total / len(X)


class Branched(nn.Module):
    """A dense layer seen once, one seen twice, one whose weight is used outside of it too, and a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.once, self.twice, self.used = nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, 4)
        self.across, self.beside = nn.Conv1d(1, 1, 3, padding=1), nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.once(self.across(x[:, None])[:, 0]))
        x = self.twice(torch.tanh(self.twice(x)))
        return self.used(x) + self.beside(x) + x @ self.used.weight.T


@pytest.mark.parametrize("fisher", FISHERS)
def test_fisher_information_of_dense_layers_is_that_of_samples(fisher: str) -> None:
    torch.manual_seed(3)
    model = Branched().double()
    frozen = copy.deepcopy(model).requires_grad_(False)
    found = {one.name: one.weights for one in fisher_anchor(model, (X, Y), fisher).protected}
    assert {"once.weight", "twice.weight", "across.weight", "used.bias"} <= set(found)
    expected = {name: torch.zeros_like(p) for name, p in model.named_parameters() if name in found}
    kinds = [("exact", None), ("empirical", Y)]
    for kind, labels in kinds:
        if kind != fisher:
            continue
        for x, y in zip(X, Y, strict=True):
            p = model(x[None]).softmax(1)[0].detach()
            for c in range(4) if labels is None else [int(y)]:
                loss = F.cross_entropy(model(x[None]), torch.tensor([c]))
                gradients = torch.autograd.grad(loss, [model.get_parameter(name) for name in expected])
                for name, gradient in zip(expected, gradients, strict=True):
                    expected[name] += (p[c] if labels is None else 1.0) * gradient.square() / (2 * len(X))
        for name, weights in found.items():
            torch.testing.assert_close(weights, expected[name])
    for one in fisher_anchor(frozen, (X, Y), fisher).protected:
        torch.testing.assert_close(one.weights, found[one.name])
    assert all(one.grad is None for one in model.parameters()) and model.training


@pytest.mark.parametrize("fisher", ["exact", "empirical"])
def test_fisher_information_is_that_of_loops(fisher) -> None:
    model = network()
    anchor = fisher_anchor(model, (X, Y), fisher, "2")
    torch.testing.assert_close(2 * anchor.protected[0].weights, by_hand(model, fisher))


def test_fishers_differ_and_sampling_tends_to_the_exact_one() -> None:
    model = network()
    found = {fisher: fisher_anchor(model, (X, Y), fisher, "2").protected[0].weights for fisher in FISHERS}
    drawn = torch.stack(
        [fisher_anchor(model, (X, Y), "sampled", "2", seed=s).protected[0].weights for s in range(60)]
    )
    torch.testing.assert_close(drawn.mean(0), found["exact"], rtol=0.25, atol=1e-3)
    sizes = [float(weights.sum()) for weights in found.values()]
    assert max(sizes) / min(sizes) > 1.2


def test_gradient_memory_keeps_the_outputs_of_the_old_inputs() -> None:
    model = network()
    old = X[:, :].clone()
    old[:, 3:] = 0.0  # a task that fills half of the input space
    memory = gradient_memory(model, old, 1.0, ["0"], form="update")
    assert memory.protected[0].inputs.shape == (6, 3)
    before = model[0](old).detach() - model[0].bias.detach()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    memory.attach(optimizer)
    steps(model, optimizer)
    torch.testing.assert_close(
        model[0](old).detach() - model[0].bias.detach(), before, atol=1e-10, rtol=1e-10
    )
    more = gradient_memory(model, X, 1.0, ["0"], before=memory)
    torch.testing.assert_close(more.protected[0].inputs.T @ more.protected[0].inputs, torch.eye(6).double())


def test_work_of_synaptic_intelligence_is_the_loss_that_was_lost() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    watched = SynapticIntelligence(model, damping=1.0)
    watched.attach(optimizer)
    start = float(F.cross_entropy(model(X), Y))
    steps(model, optimizer, 100)
    lost = start - float(F.cross_entropy(model(X), Y))
    work = sum(float(work.sum()) for work in watched._work.values())
    assert work == pytest.approx(lost, rel=0.01)
    assert all(float(part.weights.min()) >= 0 for part in watched.anchor().protected)


def test_frozen_singular_subspaces_stay_on_both_sides() -> None:
    model = network()
    before = copy.deepcopy(model)
    anchor = orthogonal_subspace(model, ["0"], 0.5)
    [part] = anchor.protected
    assert part.count == 3
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05, weight_decay=0.1)
    anchor.attach(optimizer)
    steps(model, optimizer)
    change = moved(before, model, "0.weight")
    assert float(change.norm()) > 0.1
    assert float((part.left.T @ change).abs().max()) < 1e-12
    assert float((change @ part.right.T).abs().max()) < 1e-12
    # So the leading singular triples are those of the old weights, wherever the rest goes.
    values = torch.linalg.svdvals(model[0].weight.detach())
    old = torch.linalg.svdvals(before[0].weight.detach())[:3]
    assert all(float((values - one).abs().min()) < 1e-10 for one in old)


def test_forgetting_of_a_quadratic_loss_is_predicted_exactly() -> None:
    torch.manual_seed(0)
    model = nn.Linear(6, 4).double()
    change = {name: 0.3 * torch.randn_like(p) for name, p in model.named_parameters()}
    found = forgetting(model, F.mse_loss, (X, torch.randn(60, 4).double()), change, batch=17)
    assert found.predicted == pytest.approx(found.measured, rel=1e-10)
    assert found.curvature > 0


def test_forgetting_is_the_hessians_second_order() -> None:
    model = network()
    change = {"0.weight": torch.randn(9, 6).double(), "2.bias": torch.randn(4).double()}
    found = forgetting(model, F.cross_entropy, (X, Y), change)
    hessian = et.Curvature(model, F.cross_entropy, (X, Y), layers=list(change)).matrix()
    vector = torch.cat([one.reshape(-1) for one in change.values()]).numpy()
    assert found.curvature == pytest.approx(0.5 * vector @ np.asarray(hessian) @ vector, rel=1e-6)
    errors = []
    for scale in (0.1, 0.05):
        small = forgetting(model, F.cross_entropy, (X, Y), {n: scale * c for n, c in change.items()})
        errors.append(abs(small.predicted - small.measured))
    assert errors[1] < errors[0] / 6  # what is left out is of third order
    with pytest.raises(LayerError, match="no parameter"):
        forgetting(model, F.cross_entropy, (X, Y), {"0.weight": torch.zeros(2, 2)})


@pytest.mark.parametrize("padding", ["same", "valid", 1])
def test_inputs_of_convolutions_are_seen_with_their_padding(padding) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 3, (4, 3), padding=padding, dilation=(1, 2), bias=False).double()
    x = torch.randn(5, 2, 9, 8).double()
    moment = et.interventions.input_covariances(nn.Sequential(layer), x)["0.weight"]
    outputs = layer(x).permute(0, 2, 3, 1).reshape(-1, 3)
    kernel = layer.weight.detach().flatten(1)
    torch.testing.assert_close(kernel @ moment @ kernel.T, (outputs.T @ outputs / len(outputs)).detach())


def test_anchors_add_up() -> None:
    model = network()
    weights = SpectralAnchor.singular(model, count=2, strength=2.0)
    basis = et.Curvature(model, F.cross_entropy, (X, Y), layers="*.bias").top(2)
    both = weights + SpectralAnchor.directions(model, basis, "*.bias")
    with torch.no_grad():
        model[0].weight += 1.0
        model[0].bias += 1.0
    assert both.penalty().item() > weights.penalty().item() > 0


def test_bad_input() -> None:
    model = network()
    for call, said in (
        (lambda: SpectralAnchor.singular(model, count=0), "not positive"),
        (lambda: SpectralAnchor.singular(model, count=5), "beyond the rank 4"),
        (lambda: SpectralAnchor.singular(model, "*.bias", count=1), "no weight matrix"),
        (lambda: SpectralAnchor.singular(model, "nothing", count=1), "nothing"),
        (lambda: SpectralAnchor.singular(model, count=1, form="both"), "form is one of"),
        (lambda: SpectralAnchor.singular(model, count=1, gamma=2.0), "gamma"),
        (lambda: fisher_anchor(model, (X, Y), "true"), "fisher is one of"),
        (lambda: gradient_memory(model, X, 0.0), "share"),
    ):
        with pytest.raises(OptionError, match=said):
            call()
    with pytest.raises(OptionError, match="does not train"):
        SpectralAnchor.singular(model, count=1).attach(torch.optim.SGD(network(1).parameters(), lr=0.1))
    with pytest.raises(et.EigentrailError, match=r"entries"):
        SpectralAnchor.directions(model, et.bases.random(10, 2))
    anchor = SpectralAnchor.singular(model, count=1)
    with pytest.raises(LayerError, match="no parameter"):
        et.interventions.anchors.Anchor(nn.Linear(2, 2), anchor.protected)
    model[2].weight.data = torch.zeros(3, 9).double()
    with pytest.raises(LayerError, match="was anchored as"):
        anchor.penalty()
