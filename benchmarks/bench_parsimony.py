"""Compressed networks against full ones, and completion against soft-impute, one thread, side by side.

OMP_NUM_THREADS=1 python benchmarks/bench_parsimony.py [factorisation] [completion] [soft-impute] [large]
"""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

import eigentrail as et
from eigentrail import parsimony as ps
from eigentrail.parsimony.masked import entries_at
from eigentrail.parsimony.observations import Observations
from eigentrail.parsimony.problem import Problem
from sidebyside import HEADER, alternate, machine, once, row


def soft_impute(
    observed: Observations, most: int, goal: Callable[[np.ndarray, np.ndarray], bool], steps: int = 300
) -> int:
    """Mazumder, Hastie & Tibshirani 2010, with warm starts: fill in, shrink the singular values, lower the penalty.

    With `most` singular values at most the matrix is sparse plus low rank and never filled in: the faster way. The
    penalty falls by .7 in every fifth step, from the largest singular value, until `goal(left, right)`.
    """
    pattern = observed.sparse(observed.values.copy())
    left, right = np.zeros((observed.shape[0], 1)), np.zeros((1, observed.shape[1]))
    penalty = float(scipy.sparse.linalg.svds(pattern, k=1, return_singular_vectors=False)[0])
    operator = scipy.sparse.linalg.aslinearoperator
    for step in range(1, steps + 1):
        pattern.data = observed.values - entries_at(left, right, observed)
        filled = operator(pattern) + operator(left) @ operator(right)
        u, s, vt = scipy.sparse.linalg.svds(filled, k=most, v0=left.sum(axis=1) + 1e-3, tol=1e-3)
        s = np.maximum(s - penalty, 0.0)
        kept = s > 0.0
        if kept.any():
            left, right = u[:, kept] * s[kept], vt[kept]
        if goal(left, right):
            return step
        if not step % 5:
            penalty *= 0.7
    return steps


def factorisation(d: int = 200, rank: int = 5, depth: int = 3, steps: int = 1000) -> None:
    """The same trajectory, everything counted: the compressed side finds its subspace first."""
    target = ps.low_rank(d, d, rank)
    start = ps.initial_weights([d] * (depth + 1), 0.1)
    ends: dict[str, np.ndarray] = {}

    def compressed() -> None:
        small = ps.compress(start, target)
        state = ps.run_descent(small.start, small.loss, ps.Descent(0.2), steps)
        rho = ps.rho_recursion(0.1, depth, 0.2, steps)[-1]
        ends["compressed"] = small.expand(state.weights, rho)

    def full() -> None:
        ends["full"] = ps.product(
            ps.run_descent(start, ps.Factorization(target), ps.Descent(0.2), steps).weights
        )

    ours, theirs = alternate(compressed, full, 3)
    gap = np.linalg.norm(ends["compressed"] - ends["full"]) / np.linalg.norm(target)
    print(row(f"factorisation, d = {d}, r = {rank}, L = {depth}, {steps} steps (products {gap:.0e} apart)",
              "the full network", ours.cpu, theirs.cpu, "20x"))  # fmt: skip


def completion(d: int = 200, rank: int = 5, share: float = 0.2) -> None:
    """To an error of 1e-2 on unobserved entries, by the same descent and stopping rule."""
    problem = Problem.draw(d, rank, share, seed=0)
    sides = {
        "compressed, gamma = 1": lambda: problem.train(problem.compressed(rank), 4000, gamma=1.0),
        "full": lambda: problem.train(problem.plain(d), 4000),
        "narrow": lambda: problem.train(problem.plain(2 * rank), 8000),
    }
    reached = {name: work() for name, work in sides.items()}
    ours, full = alternate(sides["compressed, gamma = 1"], sides["full"], 1)
    narrow = once(sides["narrow"])
    steps = reached["compressed, gamma = 1"].iterations
    what = f"completion to 1e-2, d = {d}, r = {rank}, p = {share} ({steps:g} iterations)"
    print(row(what, f"full ({reached['full'].iterations:g} iterations)", ours.cpu, full.cpu, "3x"))
    print(row(what, f"narrow ({reached['narrow'].iterations:g} iterations)", ours.cpu, narrow.cpu, ""))


def against_soft_impute(d: int = 1000, rank: int = 5, share: float = 0.2, goal: float = 1e-2) -> None:
    """To one error on unobserved entries: with the rank given to both, and with a bound of 20 for theirs only."""
    rng = np.random.default_rng(1)
    truth = rng.standard_normal((d, rank)) @ rng.standard_normal((rank, d))
    mask = rng.random(truth.shape) < share
    observed, unseen = ps.observe(truth, mask), ps.observe(truth, ~mask)
    size = np.linalg.norm(unseen.values)

    def missed(left: np.ndarray, right: np.ndarray) -> float:
        return float(np.linalg.norm((left @ right)[unseen.rows, unseen.columns] - unseen.values) / size)

    et.complete(truth[:50, :50], mask[:50, :50] | (np.arange(50) % 3 == 0), progress=False)  # imports
    for given in (rank, None):
        begin = time.process_time()
        found = et.complete(truth, mask, rank=given, progress=False)
        ours = time.process_time() - begin
        error = missed(found.left * found.values, found.right)
        judged, other = 0.0, np.inf

        def reached(left: np.ndarray, right: np.ndarray) -> bool:
            nonlocal judged, other
            asked = time.process_time()
            other = missed(left, right)
            judged += time.process_time() - asked
            return other <= goal

        begin = time.process_time()
        steps = soft_impute(observed, 20 if given is None else 2 * rank, reached)
        theirs = time.process_time() - begin - judged
        known = "not given" if given is None else "given"
        print(row(f"completion, d = {d}, p = {share}, rank {known}, to {error:.0e}",
                  f"soft-impute, {steps} steps, to {other:.0e}", ours, theirs, "1x"))  # fmt: skip


def large(d: int = 5000, rank: int = 5, share: float = 0.05) -> None:
    """Memory of a sparse completion."""
    rng = np.random.default_rng(1)
    left, right = rng.standard_normal((d, rank)), rng.standard_normal((rank, d))
    places = np.unique(rng.integers(0, d * d, int(share * d * d)))
    rows, columns = places // d, places % d
    values = np.einsum("ij,ij->i", left[rows], right.T[columns])
    matrix = scipy.sparse.csr_array((values, (rows, columns)), shape=(d, d))
    del rows, columns, values
    et.complete(ps.low_rank(20, 20, 1), np.arange(400).reshape(20, 20) % 3 > 0, progress=False)  # imports
    tracemalloc.start()
    et.complete(matrix, rank=rank, steps=5, progress=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    begin = time.process_time()
    found = et.complete(matrix, rank=rank, progress=False)
    spent = time.process_time() - begin
    count = matrix.nnz
    at = rng.integers(0, d, (2, 10_000))
    truth = np.einsum("ij,ij->i", left[at[0]], right.T[at[1]])
    error = float(np.linalg.norm(found.entries(*at) - truth) / np.linalg.norm(truth))
    print(
        f"d = {d}, {count} observed: {spent:.1f} s CPU, error {error:.1e}, {peak / 2**20:.0f} MiB at peak "
        f"({peak / count:.0f} bytes an observation); a dense matrix: {d * d / 2**17:.0f} MiB"
    )


PARTS = {
    "factorisation": factorisation,
    "completion": completion,
    "soft-impute": against_soft_impute,
    "large": large,
}

if __name__ == "__main__":
    names = sys.argv[1:] or [*PARTS]
    if len(names) == 1:
        PARTS[names[0]]()
    else:
        print(machine())
        print(HEADER, flush=True)
        for name in names:
            # Each in a process of its own, whose peak of memory is its own.
            subprocess.run([sys.executable, __file__, name], check=True)
