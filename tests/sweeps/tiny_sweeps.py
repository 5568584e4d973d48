"""Tiny sweeps: 60 digits, MLP 50, two epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save_file

from eigentrail import open_run
from eigentrail.sweeps import SweepFolder

TINY: dict[str, Any] = {
    "network": "mlp50",
    "data": "digits",
    "train_samples": 60,
    "test_samples": 30,
    "epochs": 2,
    "lr": 0.1,
    "seeds": 2,
    "measure": ["rank", "train_accuracy"],
    "axes": {"weight_decay": [0.0, 0.05], "batch_size": [20, 30]},
}


def last_weights(path: Path) -> torch.Tensor:
    """All weights of a run at its last step."""
    run = open_run(path)
    return torch.cat([p.detach().flatten() for p in run.model(int(run.steps[-1])).parameters()])


def assert_alike(one: SweepFolder, other: SweepFolder) -> None:
    """Two sweeps have the same rows and the same bits."""
    tables = [
        pd.read_parquet(folder.path / "table.parquet").drop(columns="seconds") for folder in (one, other)
    ]
    pd.testing.assert_frame_equal(*tables)
    assert tables[0]["run"].is_unique
    for name in tables[0]["run"]:
        assert torch.equal(last_weights(one.path / name), last_weights(other.path / name)), name


def checkpoint_of_three(path: Path) -> Path:
    """A file of three matrices."""
    generator = torch.Generator().manual_seed(0)
    save_file({f"{name}.weight": torch.randn(60, 30, generator=generator) for name in "abc"}, path)
    return path
