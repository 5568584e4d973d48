"""The page of a sweep: maps over pairs of axes, and over a pair at each value of a third."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from eigentrail.report.sweep_page import sweep_page
from eigentrail.sweeps.answers import answer
from reading_pages import pieces


def test_pairs_are_mapped_at_each_value_of_a_third_axis(planted: Callable[..., pd.DataFrame]) -> None:
    axes: dict[str, list[float]] = {
        "lr": [0.1, 0.2, 0.4, 0.8],
        "weight_decay": [0.0, 0.1, 0.2, 0.4],
        "batch_size": [8, 32],
    }
    table = planted(axes, 3, lambda lr, weight_decay, batch_size: 100 * lr * weight_decay + batch_size, 0.0)
    table["run"] = [f"runs/{number}" for number in range(len(table))]
    curves = pd.DataFrame(columns=["run", "measure", "epoch", "value"])
    html = sweep_page("three axes", "made", table, curves, ["rank"], answer(table, ["rank"]))
    found = {
        one["file"]: one["figure"]["data"][0]["z"]
        for one in pieces(html).values()
        if isinstance(one, dict)
        and "figure" in one
        and str(one.get("file", "")).startswith("rank-lr-weight_decay")
    }
    # Figure 1 of Galanti et al. has the rate and the decay at two batch sizes.
    whole, small, large = (
        found[f"rank-lr-weight_decay{at}"] for at in ("", "-batch-size-8", "-batch-size-32")
    )
    level = table.groupby("seed")["rank"].min().mean() - 8
    for y, decay in enumerate(axes["weight_decay"]):
        for x, rate in enumerate(axes["lr"]):
            expected = 100 * rate * decay + level
            assert [z[y][x] for z in (whole, small, large)] == pytest.approx(
                [expected + 20, expected + 8, expected + 32]
            )
