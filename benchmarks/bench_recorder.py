"""What recording costs a training step: recorded and bare epochs alternate in one process.

    OMP_NUM_THREADS=1 python benchmarks/bench_recorder.py [--epochs 20] [--steps 200] [--threads 1]

Prints rows of a markdown table. Each pair of epochs gives one ratio; the median over the pairs is printed with the
quartiles, because other work on the machine disturbs single epochs. The goals are of the process's CPU time, which
counts the writer's thread too; "own measure" is what the recorder itself says (`overhead.fraction`).
Opening and closing the run lie outside the times.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch
from torch import nn

from eigentrail.errors import RunWarning
from eigentrail.runs import Recorder
from sidebyside import Timing, machine, once

BATCH = 128


def mlp(*sizes: int) -> nn.Sequential:
    """A multilayer perceptron with ReLU."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def mlp256() -> nn.Sequential:
    """MLP 256 for 32 x 32 x 3 pixels, 10 classes: 828,490 parameters."""
    return mlp(3072, 256, 128, 64, 10)


def mlp512() -> nn.Sequential:
    """784-512-512-10: 669,706 parameters."""
    return mlp(784, 512, 512, 10)


def many_small() -> nn.Sequential:
    """200 layers of 16 x 16: 54,400 parameters in 400 tensors."""
    return nn.Sequential(*[nn.Linear(16, 16) for _ in range(200)])


def compare(
    make: Callable[[], nn.Sequential], layers: list[str] | None, every: int, pairs: int, steps: int
) -> tuple[list[Timing], float, float]:
    """Train recorded and bare epochs in turns.

    Args:
        make: makes the network.
        layers: what is recorded.
        every: how many steps apart.
        pairs: how many epochs of each kind.
        steps: how many steps an epoch has.

    Returns:
        What recording adds, as a share, of each pair; the median time of a bare step; and the share that the
        recorder measures itself.
    """
    torch.manual_seed(0)
    model = make()
    inputs = model[0].in_features
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    batches = [(torch.randn(BATCH, inputs), torch.randint(0, 10, (BATCH,))) for _ in range(8)]

    def epoch(recorder: Recorder | None) -> None:
        for step in range(steps):
            images, labels = batches[step % len(batches)]
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            # A bare loop reads its loss too.
            value = loss.item()
            if recorder is not None:
                recorder.step(loss=value)
        # What the writer has not done yet counts too.
        if recorder is not None:
            recorder.flush()

    added, bare, measured = [], [], []
    epoch(None)
    for pair in range(pairs):
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            recorder = stack.enter_context(Recorder(model, Path(folder) / "run", layers, every, report=None))
            # Which of the two comes first takes turns as well.
            kinds = [None, recorder] if pair % 2 else [recorder, None]
            times = {kind is None: once(partial(epoch, kind)) for kind in kinds}
            measured.append(recorder.overhead.fraction or 0.0)
        ours, theirs = times[False], times[True]
        added.append(Timing(ours.wall / theirs.wall - 1, ours.cpu / theirs.cpu - 1))
        bare.append(theirs.cpu / steps)
    return added, statistics.median(bare), statistics.median(measured)


def main() -> None:
    """Print the rows of the table."""
    parser = argparse.ArgumentParser(description="What recording costs a training step.")
    parser.add_argument("--epochs", type=int, default=20, help="pairs of epochs")
    parser.add_argument("--steps", type=int, default=200, help="steps of an epoch")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # Bare epochs change the weights of a network that is being recorded, which is told.
    warnings.simplefilter("ignore", RunWarning)
    print(f"batch {BATCH}, {options.threads} thread(s); {machine()}\n")
    print(
        "| recorded | bare step | added, wall (quartiles) | added, CPU (quartiles) | own measure | at most |"
    )
    print("|---|---|---|---|---|---|")
    cases: list[tuple[str, Callable[[], nn.Sequential], list[str] | None, int, str]] = [
        ("MLP 256, 128 x 64 layer (8,192 weights), every step", mlp256, ["4.weight"], 1, "2%"),
        ("MLP 256 (828,490 parameters), every 50 steps", mlp256, None, 50, "3%"),
        ("784-512-512-10 (669,706 parameters), every step", mlp512, None, 1, "15%"),
        ("200 x Linear(16, 16), every step", many_small, None, 1, "40%"),
    ]
    for name, make, layers, every, bound in cases:
        added, bare, measured = compare(make, layers, every, options.epochs, options.steps)
        wall, cpu = (
            "{1:+.1f}% ({0:+.1f} to {2:+.1f})".format(*(100 * q for q in statistics.quantiles(share, n=4)))
            for share in ([one.wall for one in added], [one.cpu for one in added])
        )
        print(
            f"| {name} | {1e3 * bare:.2f} ms | {wall} | {cpu} | {100 * measured:.1f}% | {bound} |", flush=True
        )


if __name__ == "__main__":
    main()
