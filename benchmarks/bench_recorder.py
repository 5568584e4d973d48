"""What recording costs a training step: bare, recorded and merely copied epochs alternate in one process.

    OMP_NUM_THREADS=1 python benchmarks/bench_recorder.py [--epochs 20] [--steps 200] [--threads 1]

Prints rows of a markdown table. Each round of epochs gives one ratio; the median over the rounds is printed with the
quartiles, because other work on the machine disturbs single epochs. The goals are of the process's CPU time, which
counts the writer's thread too; "floor" is what the same loop adds that only copies the same bytes once, into a block
of memory that is used again and again, and writes that block to the end of a file (into the system's file cache): no
format, no thread, no metrics. "Own measure" is what the recorder itself says (`overhead.fraction`). Opening and closing
the run lie outside the times.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import warnings
from collections.abc import Callable, Sequence
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


def large() -> nn.Sequential:
    """50.4 million parameters."""
    return mlp(4096, 4096, 4096, 4096, 10)


class Floor:
    """Copy the bytes of tensors once and write them to a new file, with nothing around it.

    Args:
        tensors: what is written.
        path: the file.
        every: how many steps apart.
    """

    def __init__(self, tensors: Sequence[torch.Tensor], path: Path, every: int) -> None:
        self._tensors = tensors
        self._every = every
        self._block = torch.zeros(sum(tensor.numel() for tensor in tensors))
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._told = 0

    def step(self, loss: float) -> None:
        """Write them at a step.

        Args:
            loss: not kept.
        """
        self._told += 1
        if self._told % self._every:
            return
        torch.cat([tensor.detach().view(-1) for tensor in self._tensors], out=self._block)
        left = memoryview(self._block.numpy()).cast("B")
        while left:
            left = left[os.write(self._file, left[: 2**20]) :]

    def flush(self) -> None:
        """Do nothing: every step is written at once."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def compare(
    make: Callable[[], nn.Sequential], layers: list[str] | None, every: int, pairs: int, steps: int
) -> tuple[list[Timing], list[Timing], float, float]:
    """Train recorded, bare and merely copied epochs in turns.

    Args:
        make: makes the network.
        layers: what is recorded.
        every: how many steps apart.
        pairs: how many epochs of each kind.
        steps: how many steps an epoch has.

    Returns:
        What recording adds, as a share, of each round; what the floor adds; the median time of a bare step; and the
        share that the recorder measures itself.
    """
    torch.manual_seed(0)
    model = make()
    inputs = model[0].in_features
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    batches = [(torch.randn(BATCH, inputs), torch.randint(0, 10, (BATCH,))) for _ in range(8)]

    def epoch(recorder: Recorder | Floor | None) -> None:
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

    recorded = [p for name, p in model.named_parameters() if layers is None or name in layers]
    added: list[Timing] = []
    floors: list[Timing] = []
    bare, measured = [], []
    epoch(None)
    for round_ in range(pairs):
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            recorder = stack.enter_context(Recorder(model, Path(folder) / "run", layers, every, report=None))
            floor = Floor(recorded, Path(folder) / "floor", every)
            stack.callback(floor.close)
            # Which of them comes first takes turns as well.
            kinds = [None, recorder, floor]
            kinds = kinds[round_ % 3 :] + kinds[: round_ % 3]
            times = {kind: once(partial(epoch, kind)) for kind in kinds}
            measured.append(recorder.overhead.fraction or 0.0)
        theirs = times[None]
        for kind, ratios in ((recorder, added), (floor, floors)):
            ratios.append(Timing(times[kind].wall / theirs.wall - 1, times[kind].cpu / theirs.cpu - 1))
        bare.append(theirs.cpu / steps)
    return added, floors, statistics.median(bare), statistics.median(measured)


def shares(ratios: list[float]) -> str:
    """Write what is added, as the median with quartiles in percent."""
    return "{1:+.1f}% ({0:+.1f} to {2:+.1f})".format(*(100 * q for q in statistics.quantiles(ratios, n=4)))


def main() -> None:
    """Print the rows of the table."""
    parser = argparse.ArgumentParser(description="What recording costs a training step.")
    parser.add_argument("--epochs", type=int, default=20, help="pairs of epochs")
    parser.add_argument("--steps", type=int, default=200, help="steps of an epoch")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--only", nargs="*", choices=("layer", "net", "whole", "small", "large"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # Bare epochs change the weights of a network that is being recorded, which is told.
    warnings.simplefilter("ignore", RunWarning)
    print(f"batch {BATCH}, {options.threads} thread(s); {machine()}\n")
    print(
        "| recorded | bare step | added, wall (quartiles) | added, CPU (quartiles) | floor, CPU (quartiles) "
        "| own measure | at most |"
    )
    print("|---|---|---|---|---|---|---|")
    cases: dict[str, tuple[str, Callable[[], nn.Sequential], list[str] | None, int, str]] = {
        "layer": ("MLP 256, 128 x 64 layer (8,192 weights), every step", mlp256, ["4.weight"], 1, "2%"),
        "net": ("MLP 256 (828,490 parameters), every 50 steps", mlp256, None, 50, "3%"),
        "whole": ("784-512-512-10 (669,706 parameters), every step", mlp512, None, 1, "15%"),
        "small": ("200 x Linear(16, 16), every step", many_small, None, 1, "40%"),
        "large": ("50.4 million parameters, every 10 steps", large, None, 10, "5%"),
    }
    for name, make, layers, every, bound in (cases[one] for one in options.only or cases):
        added, floors, bare, measured = compare(make, layers, every, options.epochs, options.steps)
        print(
            f"| {name} | {1e3 * bare:.2f} ms | {shares([one.wall for one in added])} | "
            f"{shares([one.cpu for one in added])} | {shares([one.cpu for one in floors])} | "
            f"{100 * measured:.1f}% | {bound} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
