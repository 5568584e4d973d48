"""Sixteen runs of MLP 50 by one sweep, against sixteen single trainings, ranks of every epoch measured in both.

    OMP_NUM_THREADS=1 python benchmarks/bench_sweep.py [--epochs 10] [--rounds 3]

Prints a row of a markdown table: CPU time of one process, the median over the rounds. All is counted: building,
recording, evaluating, writing, the ledger, singular values at each epoch; for the sweep the table too.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

from eigentrail import data
from eigentrail.sweeps import carry_out, plan
from eigentrail.sweeps.measures import measure
from eigentrail.training import train
from sidebyside import HEADER, alternate, machine, row

DECAYS, RATES, SEEDS = (0.0, 1e-3), (0.05, 0.1), range(4)
MEASURE = ("rank", "rank_1e-2", "test_accuracy")


def by_sweep(folder: Path, epochs: int) -> None:
    """One sweep, in this process."""
    given = {
        "network": "mlp50", "data": "digits", "epochs": epochs, "seeds": SEEDS, "measure": MEASURE,
        "axes": {"weight_decay": DECAYS, "lr": RATES},
    }  # fmt: skip
    carry_out(plan(given, out=folder), jobs=1, progress=False)


def alone(folder: Path, samples: data.Data, epochs: int) -> None:
    """One training after the other."""
    for number, (decay, rate, seed) in enumerate(itertools.product(DECAYS, RATES, SEEDS)):
        run = train(
            "mlp50", samples, folder / str(number), lr=rate, weight_decay=decay, seed=seed, epochs=epochs,
            every="epoch", progress=False,
        )  # fmt: skip
        measure(run, MEASURE)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    samples = data.load("digits")
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as place:
        ours, theirs = alternate(
            lambda: by_sweep(Path(place) / f"sweep{next(numbers)}", arguments.epochs),
            lambda: alone(Path(place) / f"alone{next(numbers)}", samples, arguments.epochs),
            arguments.rounds,
        )
    print(f"{machine()}\n\n{HEADER}")
    print(row("16 runs of MLP 50, one sweep", "16 single trainings", ours.cpu, theirs.cpu, "2.5x"))
    print(f"\nshare of the time: {ours.cpu / theirs.cpu:.2f} CPU, {ours.wall / theirs.wall:.2f} wall")


if __name__ == "__main__":
    main()
