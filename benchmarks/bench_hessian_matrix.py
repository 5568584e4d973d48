"""The exact Hessian of MLP 256's 128 x 64 layer on CIFAR-10 (8192 x 8192), against column by column and against vmap.

    EIGENTRAIL_DATA=... OMP_NUM_THREADS=2 python benchmarks/bench_hessian_matrix.py [--samples 10000] [--rounds 3]
        [--columns 4] [--check 0]

Prints rows of a markdown table. The other sides compute a few columns, at the same point over the same samples, and are
extrapolated to all of them: a column costs the same as any other. Each round times all sides in turn; a row is the
median over the rounds of both sides, and of the ratio within a round with its extremes. The others' columns
are compared with ours.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap
from torch.nn import functional as F

import eigentrail as et
from eigentrail import data, networks
from sidebyside import Timing, machine, once

LAYER = "fc3.weight"
Side = Callable[[torch.Tensor], torch.Tensor]


def trained(inputs: torch.Tensor, targets: torch.Tensor, epochs: int = 2) -> nn.Module:
    """Train MLP 256 for a moment, away from the symmetric start."""
    model = networks.build("mlp256", (3, 32, 32), 10, seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for _ in range(epochs):
        for x, y in zip(inputs.split(100), targets.split(100), strict=True):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model


def one_by_one(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> Side:
    """A product per column, each with its own forward and double backward pass through the whole network."""
    weight = dict(model.named_parameters())[LAYER]

    def columns(vectors: torch.Tensor) -> torch.Tensor:
        found = []
        for vector in vectors:
            (slope,) = torch.autograd.grad(F.cross_entropy(model(inputs), targets), weight, create_graph=True)
            (product,) = torch.autograd.grad(slope.flatten() @ vector, weight)
            found.append(product.flatten())
        return torch.stack(found)

    return columns


def cached(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> Side:
    """Vectorised second backward passes of one cached graph; the graph itself is not counted."""
    weight = dict(model.named_parameters())[LAYER]
    (slope,) = torch.autograd.grad(F.cross_entropy(model(inputs), targets), weight, create_graph=True)

    def columns(vectors: torch.Tensor) -> torch.Tensor:
        (found,) = torch.autograd.grad(
            slope, weight, vectors.view(-1, *weight.shape), retain_graph=True, is_grads_batched=True
        )
        return found.flatten(1)

    return columns


def forward_over_reverse(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> Side:
    """Vectorised derivatives of the gradient along the columns (what an operator times the identity does)."""
    values = {name: value.detach() for name, value in model.named_parameters()}

    def loss(weight: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(functional_call(model, {**values, LAYER: weight}, (inputs,)), targets)

    def product(vector: torch.Tensor) -> torch.Tensor:
        return jvp(grad(loss), (values[LAYER],), (vector.view_as(values[LAYER]),))[1].flatten()

    return vmap(product)


def main() -> None:
    """Print the rows of the table."""
    parser = argparse.ArgumentParser(description="The exact Hessian of one layer.")
    parser.add_argument("--samples", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--columns", type=int, default=4, help="of the way column by column")
    parser.add_argument(
        "--check", type=int, default=0, help="random products that ours is checked with, timed too"
    )
    options = parser.parse_args()
    known = data.load("cifar10")
    inputs, targets = (one[: options.samples].clone() for one in (known.train_inputs, known.train_targets))
    del known
    model = trained(inputs, targets)
    kept: list[torch.Tensor] = []

    def ours() -> None:
        kept[:] = [et.Curvature(model, F.cross_entropy, (inputs, targets), LAYER).matrix(check=options.check)]

    ours()
    n = len(kept[0])
    print(f"{n} x {n}, N = {options.samples}; {machine()}, {torch.get_num_threads()} thread(s)\n")
    sides: dict[str, tuple[Side, int, int]] = {
        "one product per column, full forward": (
            one_by_one(model, inputs, targets),
            options.columns,
            300,
        ),
        "vmap, cached graph, 8 at once": (cached(model, inputs, targets), 8, 20),
        "vmap, cached graph, 32 at once": (cached(model, inputs, targets), 32, 20),
        "vmap, jvp of grad, 8 at once": (forward_over_reverse(model, inputs, targets), 8, 20),
    }
    units = torch.eye(n)[torch.linspace(0, n - 1, 32).long()]
    rounds: list[dict[str, Timing]] = []
    for _ in range(options.rounds):
        times = {"ours": once(ours)}
        for name, (side, count, _goal) in sides.items():
            found: list[torch.Tensor] = []
            times[name] = once(lambda f=found, s=side, k=count: f.append(s(units[:k])))
            expected = units[:count] @ kept[0]
            error = float((found[0] - expected).norm() / expected.norm())
            assert error < 1e-4, f"{name}: columns differ from ours by {error:.1e}"
        rounds.append(times)
    print(
        "| against | clock | eigentrail | other, all columns | ratio (extremes) | goal |\n|---|---|---|---|---|---|"
    )
    for name, (_, count, goal) in sides.items():
        for clock in ("wall", "cpu"):
            mine = [getattr(times["ours"], clock) for times in rounds]
            theirs = [getattr(times[name], clock) * n / count for times in rounds]
            ratios = sorted(b / a for a, b in zip(mine, theirs, strict=True))
            print(
                f"| {name} ({count} columns timed) | {clock} | {statistics.median(mine):.2f} s"
                f" | {statistics.median(theirs):.0f} s | **{statistics.median(ratios):.0f}x**"
                f" ({ratios[0]:.0f} to {ratios[-1]:.0f}) | {goal}x |",
                flush=True,
            )


if __name__ == "__main__":
    main()
