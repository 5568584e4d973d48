"""Small networks for the exact matrices, and the matrix that autograd gives for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, hessian
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from eigentrail.curvature.operator import Curvature

TOLERANCE = 1e-12
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu in place": lambda: nn.ReLU(inplace=True),
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
}


def seeded(make: Callable[[], Any], seed: int = 0) -> Any:
    """Make something in float64 from a fixed seed."""
    default = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_default_dtype(torch.float64)
        try:
            return make()
        finally:
            torch.set_default_dtype(default)


def samples(count: int, *shape: int, classes: int = 3, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw normal inputs in float64, and class numbers."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, *shape, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(classes, (count,), generator=generator)


def by_autograd(
    model: nn.Module,
    loss: Callable[..., torch.Tensor],
    inputs: torch.Tensor,
    targets: torch.Tensor,
    names: list[str],
    kind: str = "hessian",
) -> torch.Tensor:
    """Compute the matrix of the loss of all samples at once, by nested derivatives of the whole network."""
    named = dict(model.named_parameters())
    shapes = [named[name].shape for name in names]
    start = torch.cat([named[name].detach().flatten() for name in names])

    def outputs(vector: torch.Tensor) -> torch.Tensor:
        parts = vector.split([shape.numel() for shape in shapes])
        values = {n: p.view(s) for n, p, s in zip(names, parts, shapes, strict=True)}
        found: torch.Tensor = functional_call(model, values, (inputs,))
        return found

    training = model.training
    model.eval()
    try:
        with sdpa_kernel(SDPBackend.MATH):
            if kind == "hessian":
                return hessian(lambda vector: loss(outputs(vector), targets))(start)
            at = outputs(start).detach()
            jacobian = torch.autograd.functional.jacobian(outputs, start).reshape(at.numel(), -1)
            curved = hessian(lambda flat: loss(flat.view(at.shape), targets))(at.flatten())
            return jacobian.T @ curved @ jacobian
    finally:
        model.train(training)


def compare(
    model: nn.Module,
    layers: str | list[str],
    data: tuple[torch.Tensor, torch.Tensor],
    *,
    kind: str = "hessian",
    loss: Callable[..., torch.Tensor] = F.cross_entropy,
    batch_size: int | None = 4,
) -> Curvature:
    """Compare the exact matrix with autograd's; give the operator, with what its check found."""
    curvature = Curvature(model, loss, data, layers, kind, batch_size=batch_size)
    matrix = curvature.matrix()
    expected = by_autograd(model, loss, *data, curvature.names, kind)
    scale = expected.abs().max()
    assert scale > 0
    assert (matrix - expected).abs().max() <= TOLERANCE * scale
    assert torch.equal(matrix, matrix.T)
    assert curvature.check.error <= TOLERANCE
    assert curvature.check.products == 3
    return curvature
