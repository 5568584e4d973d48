"""Runs whose weights are planted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from eigentrail.runs import Recorder, Run, open_run


class Planted(nn.Module):
    """A module with one bias-free linear layer per name."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype = torch.float64):
        super().__init__()
        for name, (n, m) in shapes.items():
            self.add_module(name, nn.Linear(m, n, bias=False, dtype=dtype))

    @torch.no_grad()
    def set(self, values: Mapping[str, np.ndarray]) -> None:
        for name, value in values.items():
            self.get_submodule(name).weight.copy_(torch.from_numpy(value))


def record(
    path: Path,
    weights: Mapping[str, np.ndarray],
    *,
    first: int = 0,
    resume: bool = False,
    dtype: torch.dtype = torch.float64,
    layers: Mapping[str, int] | Sequence[str] | None = None,
) -> Run:
    """Record planted weights [T, n, m] at the steps 0, 1, ..., or go on with them from step `first`."""
    module = Planted({name: w.shape[1:] for name, w in weights.items()}, dtype)
    module.set({name: w[first] for name, w in weights.items()})
    with Recorder(module, path, layers=layers, resume=resume, report=None) as recorder:
        for step in range(first + 1, len(next(iter(weights.values())))):
            module.set({name: w[step] for name, w in weights.items()})
            recorder.step(step, loss=1.0 / step)
    return open_run(path)


def unit(rng: np.random.Generator, n: int) -> np.ndarray:
    v = rng.standard_normal(n)
    return v / np.linalg.norm(v)
