"""Curvature against the thesis's way, curvlinops, PyHessian and hessian-eigenthings, side by side in one
process.

Needs the peers' environment (benchmarks/make_curvature_reference.py says how to make it) and CIFAR-10:

    OMP_NUM_THREADS=2 EIGENTRAIL_DATA=... .peers/bin/python benchmarks/bench_curvature.py

MLP 256 on CIFAR-10 after some hundred steps of SGD. What takes hours for the others is measured on slices of
columns and extrapolated, which the rows say. `--samples`, `--layer` and `--rounds` change the size; `--quick`
is a check of the script on 500 samples and the last layer. `--only` takes some of the parts: exact, products,
top, statistics.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse.linalg import eigsh
from torch import nn
from torch.nn import functional as F

import eigentrail as et
from eigentrail.curvature import (
    eigenbasis,
    eigenvector_statistics,
    hessian_spacings,
    local_gaussianity,
    singular_overlaps,
)
from sidebyside import HEADER, machine, once, row

PARTS = ("exact", "products", "top", "statistics")


def trained(steps: int) -> nn.Module:
    """MLP 256 after some steps of SGD, plain torch."""
    data = et.data.load("cifar10")
    model = et.networks.build("mlp256", (3, 32, 32), 10, seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        chosen = torch.randint(len(data.train_inputs), (100,), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(model(data.train_inputs[chosen]), data.train_targets[chosen]).backward()
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return model.eval()


def columns_one_by_one(
    model: nn.Module, name: str, pair: tuple[torch.Tensor, torch.Tensor], count: int
) -> None:
    """Columns of a layer's Hessian as the thesis computes them: a whole forward and backward pass for each."""
    weight = dict(model.named_parameters())[name]
    for j in range(count):
        loss = F.cross_entropy(model(pair[0]), pair[1])
        (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
        torch.autograd.grad(gradient.flatten()[j], weight)


def columns_by_curvlinops(
    model: nn.Module, name: str, pair: tuple[torch.Tensor, torch.Tensor], count: int, batch: int
) -> None:
    """The same columns as curvlinops' operator times a slice of the identity."""
    from curvlinops import HessianLinearOperator

    weight = dict(model.named_parameters())[name]
    data = list(zip(pair[0].split(batch), pair[1].split(batch), strict=True))
    operator = HessianLinearOperator(model, nn.CrossEntropyLoss(), [weight], data, check_deterministic=False)
    operator @ torch.eye(weight.numel(), count)


def columns_vmapped(
    model: nn.Module, name: str, pair: tuple[torch.Tensor, torch.Tensor], count: int, batch: int
) -> None:
    """The same columns by plain torch: products vmapped over columns, one graph a batch."""
    weight = dict(model.named_parameters())[name]
    eye = torch.eye(weight.numel())[:count].reshape(count, *weight.shape)
    for x, y in zip(pair[0].split(batch), pair[1].split(batch), strict=True):
        (gradient,) = torch.autograd.grad(F.cross_entropy(model(x), y), weight, create_graph=True)
        torch.autograd.grad(gradient, weight, eye, is_grads_batched=True)


def measure(work: Callable[[], object], rounds: int) -> float:
    return statistics.median(once(work).wall for _ in range(rounds))


def exact(model: nn.Module, name: str, pair: tuple[torch.Tensor, torch.Tensor], rounds: int) -> torch.Tensor:
    """Rows for the exact Hessian of one layer."""
    n, size = dict(model.named_parameters())[name].numel(), len(pair[0])
    made: list[torch.Tensor] = []

    def ours() -> None:
        made[:] = [et.Curvature(model, None, pair, name).matrix()]

    own = measure(ours, rounds)
    work = f"exact {n} x {n} Hessian, {name}, N = {size:,}"
    few = max(2, min(8, n))
    one = measure(lambda: columns_one_by_one(model, name, pair, few), rounds) / few * n
    print(
        row(
            work,
            f"one product per column, full forward ({few} columns, extrapolated)",
            own,
            one,
            "300x",
            "wall",
        )
    )
    sides = []
    for count, batch in ((1, size), (16, 1000), (64, 1000), (256, 250)):
        width = min(count, n)

        def peer(width: int = width, batch: int = batch) -> None:
            columns_by_curvlinops(model, name, pair, width, batch)

        def plain(width: int = width, batch: int = batch) -> None:
            columns_vmapped(model, name, pair, width, batch)

        sides.append(
            (measure(peer, 1) / width * n, f"curvlinops times identity, {width} columns, batches of {batch}")
        )
        sides.append(
            (measure(plain, 1) / width * n, f"vmapped products, {width} columns, batches of {batch}")
        )
    for seconds, label in sorted(sides)[:3]:
        print(row(work, f"{label} (extrapolated)", own, seconds, "20x", "wall"))
    return made[0]


def products(model: nn.Module, pair: tuple[torch.Tensor, torch.Tensor], k: int) -> None:
    """PyHessian's power iteration against ours, in products and in the residuals that both reach."""
    c = et.Curvature(model, None, pair)
    # With the search for equal eigenvalues that a single starting vector cannot see, which is the default, and without.
    both = {"": c.top(k, tol=1e-3), " without the search for missed pairs": c.top(k, tol=1e-3, risk=None)}
    for how, ours in both.items():
        print(
            f"\nTop {k} of {c.n:,} parameters, N = {len(pair[0]):,}: eigentrail{how}, residual 1e-3, {ours.products} "
            f"products, residuals up to {float(np.max(np.asarray(ours.residuals))):.1e}."
        )
    # Its tolerance is on the change of an eigenvalue; the second one is what its residuals need.
    for tolerance in (1e-3, 1e-6):
        count, rows, values = power_iteration(model, pair, k, tolerance)
        theirs = residuals(c, rows, values)
        ratios = " and ".join(f"**{count / one.products:.1f}x**{how}" for how, one in both.items())
        print(
            f"\nPyHessian, tolerance {tolerance:g}: {count} products ({ratios}, goal 5x), "
            f"residuals up to {theirs.max():.1e}, median {np.median(theirs):.1e}."
        )


def power_iteration(
    model: nn.Module, pair: tuple[torch.Tensor, torch.Tensor], k: int, tolerance: float
) -> tuple[int, torch.Tensor, list[float]]:
    """PyHessian's eigenpairs, and how many products they took."""
    from pyhessian import hessian

    # The package's name for the class hides its module of that name.
    peer = sys.modules[hessian.__module__]
    count, plain = 0, peer.hessian_vector_product

    def counted(*arguments: object) -> object:
        nonlocal count
        count += 1
        return plain(*arguments)

    peer.hessian_vector_product = counted
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it leaves a graph in .grad, and torch says so
        found = hessian(model, nn.CrossEntropyLoss(), data=pair, cuda=False)
        values, vectors = found.eigenvalues(maxIter=1000, tol=tolerance, top_n=k)
    peer.hessian_vector_product = plain
    model.zero_grad(set_to_none=True)
    return count, torch.stack([torch.cat([part.flatten() for part in one]) for one in vectors]), values


def residuals(c: et.Curvature, rows: torch.Tensor, values: object) -> np.ndarray:
    rows = rows.detach() / rows.detach().norm(dim=1, keepdim=True)
    h = torch.as_tensor(np.asarray(values), dtype=rows.dtype)
    return ((c.apply(rows) - h[:, None] * rows).norm(dim=1) / h.abs()).numpy()


def top(model: nn.Module, pair: tuple[torch.Tensor, torch.Tensor], k: int, rounds: int) -> None:
    """Wall time of the leading eigenpairs, everything from the model to the vectors included on both sides."""
    from curvlinops import HessianLinearOperator

    size = len(pair[0])
    found: dict[str, object] = {}

    def ours(risk: float | None = 0.01) -> None:
        found["ours"] = et.Curvature(model, None, pair).top(k, tol=1e-3, risk=risk)

    def plain() -> None:
        ours(None)

    def peer(batch: int) -> None:
        data = list(zip(pair[0].split(batch), pair[1].split(batch), strict=True))
        parameters = list(model.parameters())
        operator = HessianLinearOperator(
            model, nn.CrossEntropyLoss(), parameters, data, check_deterministic=False
        )
        found["peer"] = eigsh(operator.to_scipy(), k=k, which="LA", tol=1e-3)

    best = min((once(lambda b=batch: peer(b)).wall, batch) for batch in {min(1000, size), size})[1]
    ours()
    times = [(once(plain).wall, once(ours).wall, once(lambda: peer(best)).wall) for _ in range(rounds)]
    bare, own, other = (statistics.median(side) for side in zip(*times, strict=True))
    c = et.Curvature(model, None, pair)
    values, vectors = found["peer"]
    theirs = residuals(c, torch.from_numpy(np.ascontiguousarray(vectors.T)).float(), values)
    mine = found["ours"]
    print(
        row(
            f"top {k} of {c.n:,} parameters, residual 1e-3, N = {size:,}",
            f"curvlinops (batches of {best}) + scipy eigsh",
            own,
            other,
            "2x",
            "wall",
        )
    )
    print(row("the same", "the same, ours without the search for missed pairs", bare, other, "2x", "wall"))
    print(
        f"\n(eigentrail: {mine.products} products, residuals up to {float(np.max(np.asarray(mine.residuals))):.1e}; "
        f"eigsh: residuals up to {theirs.max():.1e}; eigenvalues agree to "
        f"{np.abs(np.sort(values)[::-1] / np.asarray(mine.values) - 1).max():.1e})"
    )
    eigenthings(model, pair, k, own)


def eigenthings(model: nn.Module, pair: tuple[torch.Tensor, torch.Tensor], k: int, own: float) -> None:
    """The same by hessian-eigenthings, where it is installed: the fewest of its steps that reach the residual."""
    try:
        import hessian_eigenthings as peer
    except ImportError:
        return
    c = et.Curvature(model, None, pair)
    for steps in (20, 40, 60, 90, 135, 200):
        start = time.perf_counter()
        operator = peer.HessianOperator(model, [pair], peer.supervised_loss(nn.CrossEntropyLoss()))
        found = peer.lanczos(
            operator, k=k, max_iter=steps, which="LA", tol=1e-3, reorthogonalize=True, seed=0
        )
        seconds = time.perf_counter() - start
        vectors = torch.as_tensor(found.eigenvectors)
        vectors = vectors if vectors.shape[0] == k else vectors.T
        worst = residuals(c, vectors, found.eigenvalues).max()
        if worst <= 1e-3:
            break
    print(
        f"\nhessian-eigenthings: {steps} products, {seconds:.3g} s ({seconds / own:.2g}x), residuals up to "
        f"{worst:.1e}"
    )


def chapter_seven(matrix: torch.Tensor, model: nn.Module, name: str) -> None:
    """S1's statistics of a layer's Hessian against its eigendecomposition."""
    weight = dict(model.named_parameters())[name].detach()
    h = matrix.double().numpy()
    made: list[et.bases.Basis] = []
    decomposition = once(lambda: made.append(eigenbasis(h))).wall
    basis = made[0]

    def ours() -> None:
        found = eigenvector_statistics(basis, {name: slice(0, basis.n)}, weight)
        local_gaussianity(found["product"], min(500, basis.k // 4))
        levels = hessian_spacings(basis.values)
        _ = levels.unfolded, levels.ks_wigner, levels.ks_poisson
        singular_overlaps(basis, weight)

    own = once(ours).wall
    print(
        f"\nS1's statistics (products, local Gaussianity, Porter-Thomas, participation, spacings, singular matrices) "
        f"of all {basis.k} eigenvectors: {own:.3g} s, eigendecomposition {decomposition:.3g} s: "
        f"**{own / decomposition:.2g}** (goal 0.2)."
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--top-samples", type=int, default=2_000, help="samples for the leading eigenpairs")
    parser.add_argument("--layer", default="fc3.weight")
    parser.add_argument("--steps", type=int, default=500, help="of the training")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.samples = options.top_samples = 500
        options.layer, options.steps, options.rounds = "fc4.weight", 50, 1
    wanted = options.only or PARTS
    data = et.data.load("cifar10")
    inputs, targets = data.train_inputs[: options.samples], data.train_targets[: options.samples]
    few = inputs[: options.top_samples], targets[: options.top_samples]
    model = trained(options.steps)
    print(f"{machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print(HEADER)
    matrix = None
    if "exact" in wanted:
        matrix = exact(model, options.layer, (inputs, targets), options.rounds)
    if "top" in wanted:
        top(model, few, options.pairs, options.rounds)
    if "products" in wanted:
        products(model, few, options.pairs)
    if "statistics" in wanted:
        if matrix is None:
            matrix = et.Curvature(model, None, (inputs, targets), options.layer).matrix()
        chapter_seven(matrix, model, options.layer)


if __name__ == "__main__":
    main()
