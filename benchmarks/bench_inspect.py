"""The full diagnosis against WeightWatcher, and its statistics against the eigendecomposition.

EIGENTRAIL_DATA=/path/to/data python benchmarks/bench_inspect.py
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

import eigentrail as et
from eigentrail.metrics import DiagnosisOptions, diagnose_spectrum
from eigentrail.spectra.eigenvalues import checked_stack, decompose_checked
from eigentrail.spectra.entry_statistics import entry_statistics
from eigentrail.spectra.randomized import shuffled_null
from eigentrail.spectra.spectrum import Spectrum
from sidebyside import HEADER, alternate, machine, row

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)


def resnet20() -> nn.Module:
    """The weights of the ResNet-20 checkpoint in modules, as WeightWatcher wants them."""
    path = Path(os.environ["EIGENTRAIL_DATA"]) / "checkpoints/resnet-cifar10/resnet20-12fca82f.th"
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    layers = []
    for w in state.values():
        if w.ndim == 4:
            layer: nn.Module = nn.Conv2d(w.shape[1], w.shape[0], w.shape[2], bias=False)
        elif w.ndim == 2:
            layer = nn.Linear(w.shape[1], w.shape[0])
        else:
            continue
        layer.weight.data = w
        layers.append(layer)
    return nn.Sequential(*layers)


def six_linear() -> nn.Module:
    """Six layers of 4096 x 1024."""
    torch.manual_seed(0)
    return nn.Sequential(*[nn.Linear(1024, 4096) for _ in range(6)])


def watch(model: nn.Module, **options: bool) -> object:
    """WeightWatcher's analysis, silent."""
    import weightwatcher

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return weightwatcher.WeightWatcher(model=model).analyze(**options)


def overhead(rounds: int = 7) -> tuple[float, float]:
    """Seconds for the eigendecompositions of a 4096 x 1024 layer and its null, and for everything else."""
    w = np.random.default_rng(0).standard_normal((4096, 1024)).astype(np.float32)
    eig, rest = [], []
    options = DiagnosisOptions()
    for _ in range(rounds + 1):
        start = time.perf_counter()
        stack = checked_stack(w)
        entries = entry_statistics(stack)
        checked = time.perf_counter()
        parts = decompose_checked(stack)
        null = shuffled_null(stack)
        decomposed = time.perf_counter()
        spectrum = Spectrum.from_decomposition(parts, entries, null)
        spectrum.power_law(alternatives=True)
        tails = time.perf_counter()
        without = Spectrum.from_decomposition(parts, entries, null)
        without.power_law(alternatives=False)
        scanned = time.perf_counter()
        diagnose_spectrum(spectrum, options)  # its tail is in the cache: the scan is counted once, by itself
        done = time.perf_counter()
        eig.append(decomposed - checked)
        rest.append((checked - start) + (scanned - tails) + (done - scanned))
    return statistics.median(eig[1:]), statistics.median(rest[1:])


def main() -> None:
    """Print the table."""
    print(machine())
    print(HEADER)
    small, large = resnet20(), six_linear()
    ours, theirs = alternate(lambda: et.inspect(small), lambda: watch(small, mp_fit=True, randomize=True), 3)
    goal = "WeightWatcher `analyze(mp_fit=True, randomize=True)`"
    print(row("ResNet-20, full diagnosis", goal, ours.cpu, theirs.cpu, "100x"))
    ours, theirs = alternate(lambda: et.inspect(large), lambda: watch(large, mp_fit=True, randomize=True), 2)
    print(row("six Linear 4096 x 1024, full diagnosis", goal, ours.cpu, theirs.cpu, "8x"))
    print(row("the same", "the same", ours.wall, theirs.wall, "8x", "wall"))
    ours, theirs = alternate(lambda: et.inspect(large), lambda: watch(large), 5)
    print(row("the same", "WeightWatcher `analyze()`", ours.cpu, theirs.cpu, "2.5x"))
    print(row("the same", "the same", ours.wall, theirs.wall, "2.5x", "wall"))
    eig, rest = overhead()
    print(
        f"\nall else / eigendecompositions, 4096 x 1024: {rest:.4f} s / {eig:.4f} s = {rest / eig:.3f} (goal 0.3)"
    )


if __name__ == "__main__":
    main()
