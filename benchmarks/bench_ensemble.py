"""Twenty MLP 50 on the digits as one program, against twenty single trainings in turns: their weights, and the time.

    OMP_NUM_THREADS=1 python benchmarks/bench_ensemble.py [--members 20] [--epochs 5] [--rounds 5] [--network mlp50]

The first table says how far weights are after five epochs from those of the single training of the same seed: of
members trained together, and, in float32, of a single training whose initial weights are an ulp away: what rounding may
do. `--rounds 0` leaves the times out.

Prints rows of a markdown table. All is counted: building, recording, evaluating, writing, closing and opening the
runs. Each row records another share of the weights. Other work on the machine disturbs single rounds: the median over
the rounds of the ratio within each is printed with its extremes, of wall time and of the CPU's.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from eigentrail import data, networks
from eigentrail.runs import Run
from eigentrail.training import train
from eigentrail.training.device import find_device
from sidebyside import machine, once


def together(folder: Path, members: int, network: str, samples: data.Data, **settings: Any) -> None:
    """Train all as one program."""
    train(network, samples, folder, seeds=range(members), how="stack", progress=False, **settings)


def alone(folder: Path, members: int, network: str, samples: data.Data, **settings: Any) -> None:
    """Train one after the other."""
    for seed in range(members):
        train(network, samples, folder / str(seed), seed=seed, progress=False, **settings)


def an_ulp_away(network: str, samples: data.Data, seed: int) -> nn.Module:
    """Build a network and move each initial weight to a neighbouring number, up or down."""
    model = networks.build(network, samples.input_shape, samples.classes, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.parameters():
            up = torch.rand(value.shape, generator=generator) < 0.5
            value.copy_(torch.nextafter(value, torch.where(up, torch.inf, -torch.inf)))
    return model


def distance(one: Run, other: Run) -> float:
    """Give the largest difference of any recorded weight at any recorded step."""
    return max(float(np.abs(one[layer].values - other[layer].values).max()) for layer in other)


def deviations(network: str, samples: data.Data, dtype: str, seeds: int, device: str, **settings: Any) -> str:
    """Compare members and perturbed single trainings with single trainings; make a row of the table."""
    shared: dict[str, Any] = {
        "dtype": dtype, "epochs": 5, "every": "epoch", "progress": False, "device": device, **settings,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        path = Path(folder)
        members = train(network, samples, path / "many", seeds=range(seeds), how="stack", **shared)
        ours, null = [], []
        for seed, member in enumerate(members):
            single = train(network, samples, path / f"one{seed}", seed=seed, **shared)
            ours.append(distance(member, single))
            if dtype == "float64":
                continue
            # Initial weights are drawn in float32, and these are its neighbouring numbers.
            moved = train(
                an_ulp_away(network, samples, seed), samples, path / f"ulp{seed}", seed=seed, **shared
            )
            null.append(distance(moved, single))
    goal = {"float64": 1e-10, "float32": 1e-5}[dtype]
    told = ", ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in settings.items())
    beside = f"{max(null):.1e} | {sum(one > goal for one in null)} of {seeds}" if null else "- | -"
    row = (
        f"| {network}, {told} | {dtype} | **{max(ours):.1e}** | {sum(one > goal for one in ours)} of {seeds} | "
        f"{beside} | {goal:.0e} |"
    )
    return row.replace("0.0e+00", "0")


class Launches(TorchDispatchMode):
    """Count the operations that torch is asked for; those that only look at a tensor otherwise are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not (func.is_view or func.overloadpacket is torch.ops.aten.detach)
        return func(*args, **(kwargs or {}))


def launches(network: str, samples: data.Data, members: int, **settings: Any) -> tuple[int, int]:
    """Count the operations of an epoch of a single training, evaluation included, and of all members' together."""

    def count(work: Any, epochs: int, many: int) -> int:
        with tempfile.TemporaryDirectory() as folder, Launches() as found:
            work(Path(folder) / "runs", many, network, samples, epochs=epochs, every="epoch", **settings)
        return found.count

    # The difference leaves out what is done once.
    single = count(alone, 2, 1) - count(alone, 1, 1)
    return single, count(together, 2, members) - count(together, 1, members)


def main() -> None:
    """Print the rows of the tables."""
    parser = argparse.ArgumentParser(description="Many trainings at once against one after the other.")
    parser.add_argument("--members", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=6, help="of the comparison of weights")
    parser.add_argument("--network", default="mlp50")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for a GPU, where the goal is a tenth")
    options = parser.parse_args()
    samples = data.load(options.data)
    device = find_device(options.device)
    where = machine() if device.type == "cpu" else f"{torch.cuda.get_device_name(device)}; {machine()}"
    goal = 0.5 if device.type == "cpu" else 0.1
    print(f"{options.members} x {options.network} on {options.data}, {options.epochs} epochs; {where}\n")
    if device.type != "cpu":
        # The first work on a GPU also starts it.
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            together(Path(folder) / "start", 2, options.network, samples, epochs=1, device=options.device)
    print("| network | precision | members, largest | beyond | an ulp away, largest | beyond | at most |")
    print("|---|---|---|---|---|---|---|")
    for network, batch_size in (
        (options.network, 32),
        ("mlp-bn-2-40", 100),
        ("res-bn-2-30", 32),
        ("lenet", 32),
    ):
        for dtype in ("float64", "float32"):
            how = {"lr": 0.1, "batch_size": batch_size}
            print(deviations(network, samples, dtype, options.seeds, options.device, **how), flush=True)
    print(
        f"\n| network | operations of an epoch alone | of {options.members} together | share | goal on a GPU |"
    )
    print("|---|---|---|---|---|")
    for network in (options.network, "mlp-bn-2-40", "res-bn-2-40"):
        single, many = launches(network, samples, options.members, device=options.device)
        print(
            f"| {network} | {single:,} | {many:,} | **{many / single / options.members:.3f}** | 0.1 |",
            flush=True,
        )
    if not options.rounds:
        return
    print(
        "\n| recorded | together | one by one | share of the time (extremes) | share of the CPU (extremes) | at most |"
    )
    print("|---|---|---|---|---|---|")
    cases: list[tuple[str, dict[str, Any]]] = [
        ("all layers at every step (default)", {}),
        ("the 50 x 50 layer at every step, all every 50", {"layers": {"fc2.weight": 1, "*": 50}}),
        ("all layers once an epoch", {"every": "epoch"}),
    ]
    for name, settings in cases:
        pairs = []
        for number in range(options.rounds):
            with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
                works = [
                    partial(
                        work, Path(folder) / work.__name__, options.members, options.network, samples,
                        epochs=options.epochs, device=options.device, **settings,
                    )
                    for work in (together, alone)
                ]  # fmt: skip
                # Which of the two comes first takes turns as well.
                order = works if number % 2 else works[::-1]
                times = [once(work) for work in order]
                pairs.append(times if number % 2 else times[::-1])
        shares = {
            clock: sorted(getattr(ours, clock) / getattr(theirs, clock) for ours, theirs in pairs)
            for clock in ("wall", "cpu")
        }
        wall, cpu = (f"{statistics.median(s):.2f} ({s[0]:.2f} to {s[-1]:.2f})" for s in shares.values())
        ours, theirs = (statistics.median(pair[i].wall for pair in pairs) for i in (0, 1))
        print(f"| {name} | {ours:.2f} s | {theirs:.2f} s | **{wall}** | {cpu} | {goal} |", flush=True)


if __name__ == "__main__":
    main()
