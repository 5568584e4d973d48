"""Compressed networks against full ones, and completion against soft-impute, one thread, side by side.

OMP_NUM_THREADS=1 python benchmarks/bench_parsimony.py [factorisation] [completion] [soft-impute] [large]
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
import scipy.sparse

import eigentrail as et
from eigentrail import parsimony as ps
from eigentrail.parsimony.problem import Problem
from sidebyside import HEADER, alternate, machine, once, row


def soft_impute(
    target: np.ndarray, mask: np.ndarray, penalty: float, goal, steps: int = 500
) -> tuple[np.ndarray, int]:
    """Mazumder, Hastie & Tibshirani 2010: fill in, shrink the singular values, repeat until `goal(estimate)`."""
    estimate = np.zeros_like(target)
    made = 0
    while made < steps:
        made += 1
        u, s, vt = np.linalg.svd(np.where(mask, target, estimate), full_matrices=False)
        s = np.maximum(s - penalty, 0.0)
        kept = s > 0.0
        estimate = (u[:, kept] * s[kept]) @ vt[kept]
        if goal(estimate):
            break
    return estimate, made


def factorisation(d: int = 200, rank: int = 5, depth: int = 3, steps: int = 100) -> None:
    """The same trajectory, everything counted: the compressed side finds its subspace first."""
    target = ps.low_rank(d, d, rank)
    start = ps.initial_weights([d] * (depth + 1), 0.1)

    def compressed() -> None:
        small = ps.compress(start, target)
        ps.run_descent(small.start, small.loss, ps.Descent(0.2), 10 * steps)

    def full() -> None:
        ps.run_descent(start, ps.Factorization(target), ps.Descent(0.2), steps)

    ours, theirs = alternate(compressed, full, 3)
    print(row(f"factorisation, d = {d}, r = {rank}, L = {depth}, {10 * steps} steps",
              "the full network (a tenth of the steps, times ten)", ours.cpu, 10 * theirs.cpu, "20x"))  # fmt: skip


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


def against_soft_impute(d: int = 1000, rank: int = 5, share: float = 0.2) -> None:
    """`et.complete`, which has to find the rank, against soft-impute that is told when its error is as small."""
    rng = np.random.default_rng(1)
    truth = rng.standard_normal((d, rank)) @ rng.standard_normal((rank, d))
    mask = rng.random(truth.shape) < share
    unseen = np.linalg.norm(truth[~mask])
    begin = time.process_time()
    found = et.complete(truth, mask)
    ours = time.process_time() - begin
    error = float(np.linalg.norm((found.estimate - truth)[~mask]) / unseen)

    def missed(estimate: np.ndarray) -> float:
        return float(np.linalg.norm((estimate - truth)[~mask]) / unseen)

    penalty = 0.02 * share * float(np.linalg.norm(truth, 2))
    begin = time.process_time()
    estimate, steps = soft_impute(truth, mask, penalty, lambda e: missed(e) <= error, steps=100)
    theirs = time.process_time() - begin
    what = f"completion, d = {d}, p = {share}, rank not given (error {error:.1e}, rank {found.rank})"
    print(row(what, f"soft-impute, {steps} steps (error {missed(estimate):.1e})", ours, theirs, "1x"))


def large(d: int = 5000, rank: int = 5, share: float = 0.05) -> None:
    """Memory of a sparse completion."""
    rng = np.random.default_rng(1)
    left, right = rng.standard_normal((d, rank)), rng.standard_normal((rank, d))
    places = np.unique(rng.integers(0, d * d, int(share * d * d)))
    rows, columns = places // d, places % d
    values = np.einsum("ij,ij->i", left[rows], right.T[columns])
    matrix = scipy.sparse.csr_array((values, (rows, columns)), shape=(d, d))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begin = time.process_time()
    found = et.complete(matrix, rank=rank)
    spent = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    at = rng.integers(0, d, (2, 10_000))
    truth = np.einsum("ij,ij->i", left[at[0]], right.T[at[1]])
    error = float(np.linalg.norm(found.entries(*at) - truth) / np.linalg.norm(truth))
    print(
        f"d = {d}, {len(values)} observed: {spent:.1f} s CPU, error {error:.1e}, {peak - before:.0f} MB more at peak "
        f"({(peak - before) * 2**20 / len(values):.0f} bytes an observation); a dense matrix: {d * d / 2**17:.0f} MB"
    )


PARTS = {
    "factorisation": factorisation,
    "completion": completion,
    "soft-impute": against_soft_impute,
    "large": large,
}

if __name__ == "__main__":
    print(machine())
    print(HEADER)
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()
