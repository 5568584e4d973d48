"""What a product with the curvature costs, in gradients over the same samples, in each of the ways.

    OMP_NUM_THREADS=1 python benchmarks/bench_curvature_products.py [--rounds 7] [--only NAME]...

Gradient and product alternate in one process; printed is the shortest product over the shortest gradient, which other
work on the machine disturbs least, and the median of the ratios within each round, both in CPU time. The gradient is
what a user's own loop computes: torch's, of the network as it is in eval mode, with its fused attention and recurrent
layers, over the same batches or over all samples at once, whichever is faster. Setting up (a graph, a linearised
function) is printed apart, in gradients, too. The last column is what is chosen for 50 and for 2000 products: at most
3.5 gradients where everything fits, at most 5 where graphs have to be recomputed.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import torch
from torch import nn

import eigentrail as et
from eigentrail import networks
from sidebyside import machine

Case = tuple[nn.Module, torch.Tensor, torch.Tensor]


class Attention(nn.Module):
    """A transformer encoder of one layer with a head."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, activation="gelu", batch_first=True)
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Classify sequences."""
        return self.head(self.layer(x).mean(dim=1))


class Recurrent(nn.Module):
    """An LSTM with a head."""

    def __init__(self, features: int, width: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, width, layers, batch_first=True)
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Classify sequences."""
        return self.head(self.lstm(x)[0][:, -1])


def cases() -> dict[str, Callable[[], Case]]:
    """Networks with samples, by name."""

    def images(name: str, count: int) -> Case:
        return (
            networks.build(name, (3, 32, 32), 10),
            torch.randn(count, 3, 32, 32),
            torch.randint(10, (count,)),
        )

    return {
        "mlp50": lambda: (
            networks.build("mlp50", (784,), 10),
            torch.randn(1000, 784),
            torch.randint(10, (1000,)),
        ),
        "mlp256": lambda: images("mlp256", 2000),
        "resnet20": lambda: images("resnet20", 32),
        "attention": lambda: (Attention(), torch.randn(200, 16, 64), torch.randint(10, (200,))),
        "lstm": lambda: (Recurrent(28, 64, 1), torch.randn(200, 28, 28), torch.randint(10, (200,))),
        "lstm of 2 layers": lambda: (
            Recurrent(32, 128, 2),
            torch.randn(100, 20, 32),
            torch.randint(10, (100,)),
        ),
    }


def gradient(model: nn.Module, x: torch.Tensor, y: torch.Tensor, size: int) -> None:
    """Compute the gradient as a user's own loop does, in batches of `size` samples."""
    parameters = list(model.parameters())
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        torch.autograd.grad(nn.functional.cross_entropy(model(x[part]), y[part]), parameters)


def measure(name: str, case: Case, kind: str, rounds: int) -> None:
    """Print one row for each way."""
    model, x, y = case
    model.eval()
    for way in ("cached", "linearised", "recomputed"):
        operator = et.Curvature(model, None, (x, y), kind=kind, way=way, memory_limit=2**33)
        v = torch.randn(operator.n)
        sizes = {operator.plan.size or len(x), len(x)}
        start = time.process_time()
        operator @ v
        first = time.process_time() - start
        products, gradients = [], []
        for _ in range(rounds):
            for size in sizes:
                gradients.append(seconds(lambda s=size: gradient(model, x, y, s)))
            products.append(seconds(lambda o=operator, v=v: o @ v))
        product, reference = min(products), min(gradients)
        median = statistics.median(
            one / min(gradients[len(sizes) * i : len(sizes) * (i + 1)]) for i, one in enumerate(products)
        )
        setup = max(first - product, 0.0) / reference if way != "recomputed" else 0.0
        chosen = [et.Curvature(model, None, (x, y), kind=kind, expected=count) for count in (50, 2000)]
        for one in chosen:
            one @ v
        done = operator.plan
        print(
            f"| {name} ({operator.n} parameters, {len(x)} samples, {done.batches} batches) | {kind} | {done.way} "
            f"| {product / reference:.2f} | {median:.2f} | {setup:.0f} | {done.held / 2**20:.0f} MiB "
            f"| {', '.join(one.plan.way for one in chosen)} |",
            flush=True,
        )


def seconds(work: Callable[[], object]) -> float:
    """Time something in CPU time."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The cost of curvature products in gradients.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", action="append")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    print(f"{machine()}, torch {torch.__version__}\n")
    print("| network | kind | way | gradients a product | median | set-up | kept | chosen for 50, 2000 |")
    print("|---|---|---|---|---|---|---|---|")
    for name, make in cases().items():
        if options.only and name not in options.only:
            continue
        torch.manual_seed(0)
        case = make()
        for kind in ("hessian", "gauss-newton"):
            measure(name, case, kind, options.rounds)


if __name__ == "__main__":
    main()
