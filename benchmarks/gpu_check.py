"""What a GPU must show: the CPU's numbers within a stated tolerance, and how much sooner. At most 8 minutes.

    OMP_NUM_THREADS=1 python benchmarks/gpu_check.py [--device cuda] [--small] [--only NAME]...

Each row compares one number of both devices and their wall times. Exit code 1 when a number is outside its tolerance.
`--device cpu --small` tries the script itself where there is no GPU: it then compares the CPU with itself.
Tolerances: float64 results to 1e-9 relative, float32 ones to 1e-3 (sums in another order, over some ten steps), counts
and phases equal. TF32 is off.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import eigentrail as et
from eigentrail import data, networks
from eigentrail.spectra import ensembles
from eigentrail.training import train
from sidebyside import machine

_BUDGET = 8 * 60.0


@dataclass(frozen=True)
class Row:
    """One number on both devices."""

    work: str
    number: str
    cpu: float
    device: float
    tolerance: float
    seconds: tuple[float, float]

    @property
    def apart(self) -> float:
        """The relative difference."""
        return abs(self.cpu - self.device) / max(abs(self.cpu), 1e-300)

    def __str__(self) -> str:
        """A row of the table."""
        right = "yes" if self.apart <= self.tolerance else "**NO**"
        cpu, device = self.seconds
        return (
            f"| {self.work} | {self.number} | {self.cpu:.6g} | {self.apart:.1e} | {self.tolerance:.0e} | {right} | "
            f"{cpu:.3g} s | {device:.3g} s | **{cpu / device:.2f}x** |"
        )


def both(work: Callable[[str], Any], device: str) -> tuple[Any, Any, tuple[float, float]]:
    """Do some work on the CPU and on the device, each after a start that is not counted."""
    found, seconds = [], []
    for where in ("cpu", device):
        work(where)
        if where != "cpu":
            torch.cuda.synchronize(where)
        begun = time.perf_counter()
        found.append(work(where))
        if where != "cpu":
            torch.cuda.synchronize(where)
        seconds.append(time.perf_counter() - begun)
    return found[0], found[1], (seconds[0], seconds[1])


def inspection(device: str, small: bool) -> Iterator[Row]:
    """Inspect matrices of a few sizes and kinds."""
    shapes = [(300, 200)] if small else [(1024, 1024), (2048, 1024), (4096, 2048)]
    for rows, cols in shapes:
        w = ensembles.spiked(rows, cols, [5.0, 3.0, 2.0], seed=rows)
        weights = {"w.weight": torch.from_numpy(w)}
        a, b, seconds = both(
            lambda where, weights=weights: et.inspect(weights, device=where, jobs=1, progress=False), device
        )
        first, second = a["w.weight"], b["w.weight"]
        for name in ("mp_sigma", "spikes", "alpha", "effective_rank", "lambda_min", "porter_thomas_p"):
            tolerance = 1e-6 if name in {"porter_thomas_p", "lambda_min"} else 1e-9
            yield Row(
                f"inspect {rows} x {cols}", name, float(first[name]), float(second[name]), tolerance, seconds
            )
        same = float(first["phase"] == second["phase"])
        yield Row(f"inspect {rows} x {cols}", "phase equal", 1.0, same, 0.0, seconds)


def ensemble(device: str, small: bool) -> Iterator[Row]:
    """Train members as one program, in float64 so that the order of sums does not show."""
    samples = data.load("digits")
    members = 3 if small else 20

    def work(where: str) -> list[float]:
        with tempfile.TemporaryDirectory() as name, contextlib.redirect_stderr(io.StringIO()):
            runs = train(
                "mlp50", samples, Path(name) / "runs", seeds=range(members), how="stack", progress=False, every="epoch",
                epochs=1 if small else 3, dtype="float64", device=where,
            )  # fmt: skip
            return [float(run.metrics["train_loss"][-1]) for run in runs]

    a, b, seconds = both(work, device)
    worst = int(np.argmax(np.abs(np.subtract(a, b))))
    yield Row(f"{members} x mlp50 as one program", "worst train loss", a[worst], b[worst], 1e-6, seconds)


def curvature(device: str, small: bool) -> Iterator[Row]:
    """Find leading Hessian eigenvalues, and the exact matrix of a layer."""
    samples = data.load("digits")
    size = 200 if small else 1500
    inputs = samples.train_inputs[:size].flatten(1).double()
    targets = samples.train_targets[:size]
    torch.manual_seed(0)
    inner = 16 if small else 50
    model = torch.nn.Sequential(
        torch.nn.Linear(inputs.shape[1], inner), torch.nn.Tanh(), torch.nn.Linear(inner, 10)
    ).double()

    def leading(where: str) -> list[float]:
        found = et.Curvature(model, torch.nn.functional.cross_entropy, (inputs, targets), device=where)
        return [float(x) for x in found.top(5, tol=1e-6).values]

    a, b, seconds = both(leading, device)
    for place in (0, 4):
        yield Row("five leading Hessian pairs", f"eigenvalue {place + 1}", a[place], b[place], 1e-6, seconds)

    def exact(where: str) -> float:
        one = et.Curvature(
            model, torch.nn.functional.cross_entropy, (inputs, targets), layers=["2.weight"], device=where
        )
        return float(torch.as_tensor(one.matrix()).double().norm())

    first, second, seconds = both(exact, device)
    yield Row("exact Hessian of the last layer", "Frobenius norm", first, second, 1e-9, seconds)


def presets(device: str, small: bool) -> Iterator[Row]:
    """Take steps of the full-size networks, from the same weights on the same random images."""
    for name, batch in (("mlp256", 128), ("mini-alexnet-s1", 32), ("resnet18", 16), ("vit", 16)):
        size = 4 if small else batch
        images = torch.randn(size, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        targets = torch.arange(size) % 10

        def steps(where: str, name: str = name, images: Any = images, targets: Any = targets) -> float:
            model = (
                networks.build(name, (3, 32, 32), 10, 0).to(where).eval()
            )  # no dropout: it is drawn per device
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
            x, y = images.to(where), targets.to(where)
            for _ in range(1 if small else 5):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
            return float(torch.nn.functional.cross_entropy(model(x), y).detach())

        first, second, seconds = both(steps, device)
        yield Row(f"steps of {name}, batch {size}", "loss", first, second, 1e-3, seconds)


CHECKS = {"inspect": inspection, "ensembles": ensemble, "curvature": curvature, "presets": presets}


def main() -> int:
    """Print the rows; 1 when a number is outside its tolerance."""
    parser = argparse.ArgumentParser(description="The CPU's numbers on a GPU, and the time.")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="a minute on one core")
    parser.add_argument("--only", choices=CHECKS, action="append")
    given = parser.parse_args()
    if given.device != "cpu" and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; try the script itself with --device cpu --small")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    where = machine() if given.device == "cpu" else f"{torch.cuda.get_device_name(given.device)}; {machine()}"
    print(f"{where}\n\n| work | number | CPU | apart | at most | right | CPU takes | device takes | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    begun, wrong = time.perf_counter(), 0
    for name in given.only or CHECKS:
        if time.perf_counter() - begun > _BUDGET:
            print(f"{name}: left out, 8 minutes are over", file=sys.stderr)
            return 1
        for row in CHECKS[name](given.device, given.small):
            wrong += row.apart > row.tolerance
            print(row, flush=True)
    print(f"\n{time.perf_counter() - begun:.0f} s; {wrong} numbers outside their tolerance")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
