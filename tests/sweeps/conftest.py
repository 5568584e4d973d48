"""A tiny sweep that was carried out, and tables with planted effects."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny_sweeps import TINY

from eigentrail.sweeps import SweepFolder, carry_out, plan


@pytest.fixture(scope="session")
def carried_out(tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    """The tiny sweep, carried out in this process without interruption."""
    return carry_out(plan(TINY, out=tmp_path_factory.mktemp("sweep") / "whole"), jobs=1, progress=False)


@pytest.fixture
def planted() -> Callable[..., pd.DataFrame]:
    """A table of runs whose measure follows a rule: `planted(axes, seeds, rule, noise)`."""

    def make(
        axes: dict[str, list[Any]],
        seeds: int,
        rule: Callable[..., float],
        noise: float = 1.0,
        draw: int = 0,
    ) -> pd.DataFrame:
        rng = np.random.default_rng(draw)
        rows = []
        level = rng.normal(size=seeds) * 5.0
        for values in itertools.product(*axes.values()):
            point = dict(zip(axes, values, strict=True))
            rows += [
                point
                | {
                    "seed": seed,
                    "status": "finished",
                    "reason": None,
                    "steps": 100,
                    "epochs": 1.0,
                    "rank": rule(**point) + level[seed] + noise * rng.normal(),
                }
                for seed in range(seeds)
            ]
        return pd.DataFrame(rows)

    return make
