"""What a singular anchor adds to a step of training: N_out = 5 per weight, beside the step alone.

    OMP_NUM_THREADS=1 python benchmarks/bench_anchor.py [--rounds 5]

Steps with and without the anchor alternate, in CPU time; medians over rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from eigentrail import networks
from eigentrail.interventions import SpectralAnchor

CASES = (
    ("mlp256", (3, 32, 32), 32, 60),
    ("lenet", (3, 32, 32), 32, 60),
    ("resnet20-projection", (3, 32, 32), 32, 6),
)


def steps(
    model: nn.Module, samples: tuple[torch.Tensor, torch.Tensor], count: int
) -> Callable[[bool], float]:
    """Make a function that times some steps, with the anchor or without."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    anchor = SpectralAnchor.singular(model, count=5, strength=1.0)

    def timed(held: bool) -> float:
        detach = anchor.attach(optimizer) if held else None
        begin = time.process_time()
        for _ in range(count):
            optimizer.zero_grad()
            F.cross_entropy(model(samples[0]), samples[1]).backward()
            optimizer.step()
        spent = time.process_time() - begin
        if detach is not None:
            detach()
        return spent / count

    return timed


def main() -> None:
    """Print a row per network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    for name, shape, batch, count in CASES:
        torch.manual_seed(0)
        model = networks.build(name, shape, 10)
        timed = steps(model, (torch.randn(batch, *shape), torch.randint(10, (batch,))), count)
        timed(False), timed(True)
        plain, held = zip(*((timed(False), timed(True)) for _ in range(rounds)), strict=True)
        ratio = statistics.median(b / a for a, b in zip(plain, held, strict=True))
        print(
            f"{name}, batch {batch}: {statistics.median(plain) * 1e3:.2f} ms, "
            f"with the anchor {statistics.median(held) * 1e3:.2f} ms, ratio {ratio:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
