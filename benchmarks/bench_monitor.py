"""What a `Monitor` at every 100 steps costs training: watched and bare stretches of 100 steps alternate in one process.

OMP_NUM_THREADS=1 python benchmarks/bench_monitor.py [--rounds 9]
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial

import torch
from torch import nn

import eigentrail as et
from bench_recorder import BATCH, mlp256, mlp512
from sidebyside import machine, once

EVERY = 100


def main() -> None:
    """Print a row of a markdown table for each network."""
    parser = argparse.ArgumentParser(description="What watching costs a training step.")
    parser.add_argument("--rounds", type=int, default=9, help="pairs of stretches")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    print("| watched every 100 steps | bare step | one look | added, CPU (quartiles) | goal |")
    print("|---|---|---|---|---|")
    for name, make in (("MLP 256 (828,490 parameters)", mlp256), ("784-512-512-10 (669,706)", mlp512)):
        torch.manual_seed(0)
        model = make()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
        images = torch.randn(BATCH, model[0].in_features)
        labels = torch.randint(0, 10, (BATCH,))
        monitor = et.Monitor(model, every=EVERY, alarms=False)

        def stretch(
            watch: et.Monitor | None,
            model: nn.Module = model,
            optimizer: torch.optim.Optimizer = optimizer,
            images: torch.Tensor = images,
            labels: torch.Tensor = labels,
        ) -> None:
            for _ in range(EVERY):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(images), labels).backward()
                optimizer.step()
                if watch is not None:
                    watch.step()

        stretch(monitor)
        bare, added, looks = [], [], []
        for number in range(options.rounds):
            sides: list[et.Monitor | None] = [None, monitor]
            times = {side: once(partial(stretch, side)).cpu for side in sides[:: 1 - 2 * (number % 2)]}
            bare.append(times[None] / EVERY)
            added.append(times[monitor] / times[None] - 1)
            looks.append(once(monitor.look).cpu)
        low, middle, high = (100 * part for part in statistics.quantiles(added, n=4))
        each = 100 * statistics.median(looks) / (EVERY * statistics.median(bare))
        print(
            f"| {name} | {1e3 * statistics.median(bare):.2f} ms | {1e3 * statistics.median(looks):.1f} ms, "
            f"{each:.1f}% of 100 steps | **{middle:+.1f}%** ({low:+.1f} to {high:+.1f}) | 3% |",
            flush=True,
        )


if __name__ == "__main__":
    main()
