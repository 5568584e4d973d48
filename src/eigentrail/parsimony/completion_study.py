"""The study `completion`: compressed, full and narrow networks through the same descent and stopping rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from eigentrail.parsimony.claims import COMPLETION
from eigentrail.parsimony.factorisation import factorisation
from eigentrail.parsimony.problem import Problem, Reached
from eigentrail.parsimony.studying import Size, Studied, check_size, decide, over_seeds, table
from eigentrail.parsimony.transition import enough, sample_complexity, transition

_DEPTH = 3
#: The phase transition is read from so many masks.
MASKS = 20
_OVERESTIMATES = (1, 2, 5)
_NOISE = (0.0, 0.1, 0.3, 1.0)


def run(seeds: Sequence[int] = tuple(range(10)), size: Size = "small", masks: int = MASKS) -> Studied:
    """Measure the claims about factorisation and completion; every seed has a mask of its own.

    Args:
        seeds: of matrices, masks and weights.
        size: "small" for d = 60 and r = 3, "full" for d = 200 and r = 5.
        masks: of how many the phase transition is read; the seeds and those after them.

    Returns:
        The tables `completion`, the statistics of each seed; over seeds with 95% intervals `networks` (iterations to an
        error of 1e-2 on unobserved entries, that error and the one to the truth, what is trained and its memory),
        `widths` and `ranks` (iterations and error by width and by estimate of the rank), `noise` (error to the truth);
        `transition` (the share of masks from which the matrix is recovered, by depth and observations);
        `factorisation` of the first seed; and the verdicts.
    """
    check_size(size)
    d, rank, share = (60, 3, 0.3) if size == "small" else (200, 5, 0.2)
    values, rows = [], []
    for seed in seeds:
        one, trained = _measure(d, rank, share, seed)
        values.append(one)
        rows += trained
    samples = sample_complexity([*seeds, *range(max(seeds) + 1, max(seeds) + 1 + masks - len(seeds))])
    for one, seed in zip(values, seeds, strict=True):
        shares = enough(samples[samples.seed == seed])
        one["s3-depth-samples"], one["s3-more-depth-samples"] = shares[:2], shares[1:]
    noisy = pd.DataFrame([row for seed in seeds for row in _noisy(d, rank, share, seed)])
    return Studied(
        {
            "completion": table(values, seeds),
            **_brought_together(pd.DataFrame(rows), d, rank),
            "transition": transition(samples),
            "noise": over_seeds(noisy, ("network", "noise"), ("truth",)),
            "factorisation": factorisation(d, rank, seeds[0]),
        },
        decide(COMPLETION, values),
    )


def _measure(d: int, rank: int, share: float, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    problem = Problem.draw(d, rank, share, seed)
    trained: dict[str, Reached] = {
        "full": problem.train(problem.plain(d), 4000),
        "compressed": problem.train(problem.compressed(rank), 4000, gamma=1.0),
        "compressed, gamma = 0": problem.train(problem.compressed(rank), 2000, gamma=0.0),
        "narrow": problem.train(problem.plain(2 * rank), 8000),
        "width 4r": problem.train(problem.plain(4 * rank), 8000),
    }
    over = {1: trained["compressed"]} | {
        times: problem.train(problem.compressed(times * rank), 4000, gamma=1.0)
        for times in _OVERESTIMATES
        if times > 1
    }
    full, compressed, narrow = (trained[name].iterations for name in ("full", "compressed", "narrow"))
    path = factorisation(d, rank, seed)
    values = {
        "s3-compressed-equals-full": float(path.gap[path.network == "compressed, with ρ(t)"].max()),
        "s3-plain-compression": trained["compressed, gamma = 0"].error,
        "s3-gamma": trained["compressed"].error,
        "s3-same-iterations": compressed / full,
        "s3-narrow": narrow / compressed,
        "s3-width": [narrow, trained["width 4r"].iterations, full],
        "s3-overestimate": max(one.error for one in over.values()),
        "iterations full": full,
        "iterations compressed": compressed,
        "iterations narrow": narrow,
    }
    rows = [
        {"seed": seed, "network": name, "estimate": rank, **one._asdict()} for name, one in trained.items()
    ]
    rows += [
        {"seed": seed, "network": "by rank", "estimate": times * rank, **one._asdict()}
        for times, one in over.items()
    ]
    return values, rows


def _brought_together(rows: pd.DataFrame, d: int, rank: int) -> dict[str, pd.DataFrame]:
    """The tables over seeds."""
    numbers = ("iterations", "error", "truth")
    networks = over_seeds(rows[rows.network != "by rank"], ("network",), numbers)
    counts = {
        "full": plain_numbers(d, d),
        "narrow": plain_numbers(d, 2 * rank),
        "width 4r": plain_numbers(d, 4 * rank),
        "compressed": compressed_numbers(d, rank),
        "compressed, gamma = 0": compressed_numbers(d, rank) - 4 * d * rank,
    }
    networks["trained numbers"] = [counts[name] for name in networks["network"]]
    networks["bytes"] = 8 * networks["trained numbers"]
    ranks = over_seeds(rows[rows.network == "by rank"], ("estimate",), numbers)
    ranks["trained numbers"] = [compressed_numbers(d, estimate) for estimate in ranks["estimate"]]
    widths = networks.set_index("network").loc[["narrow", "width 4r", "full"]].reset_index()
    widths.insert(0, "width", [2 * rank, 4 * rank, d])
    return {"networks": networks, "widths": widths, "ranks": ranks}


def _noisy(d: int, rank: int, share: float, seed: int) -> list[dict[str, Any]]:
    rows = []
    for noise in _NOISE:
        problem = Problem.draw(d, rank, share, seed, noise)
        for name, start, gamma in (
            ("full", problem.plain(d), None),
            ("compressed", problem.compressed(rank), 1.0),
        ):
            found = problem.train(start, 1000, gamma)
            rows.append({"seed": seed, "noise": noise, "network": name, "truth": found.truth})
    return rows


def plain_numbers(d: int, width: int, depth: int = _DEPTH) -> int:
    """Count what a network without compression trains.

    Args:
        d: rows and columns.
        width: of its hidden layers.
        depth: L.

    Returns:
        How many numbers.
    """
    return 2 * d * width + max(depth - 2, 0) * width**2


def compressed_numbers(d: int, rank: int, depth: int = _DEPTH) -> int:
    """Count what a compressed network trains for completion.

    Args:
        d: rows and columns.
        rank: the estimate of the rank; the network is twice as wide.
        depth: L, the number of inner layers.

    Returns:
        How many numbers, the outer factors included.
    """
    return 4 * d * rank + depth * (2 * rank) ** 2
