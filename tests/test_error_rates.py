"""The table of error rates is whole and within its bounds, and cheap rows of it are measured anew."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
# Rows whose draws take milliseconds, one of each kind of statement.
CHEAP = {
    ("a spike", "Gaussian, 128 x 128"): 40,
    ("a spike", "one direction at 2 times the BBP threshold, 256 x 128"): 10,
    ("more than two spikes beyond those of random signs", "rows of lognormal(.15) size, 256 x 128"): 20,
    ("a phase other than random-like", "uniform, 256 x 128"): 20,
    ("one component holds more of the motion than a walk's", "walk, anisotropic"): 10,
    ("the weights drift, or return", "drift over 1 of what the walk covers"): 6,
    ("more than one segment", "one circle, noise that walks by .05 a step"): 10,
    ("the largest overlap of two sets of singular matrices is beyond chance",
     "eight singular matrices each of two Gaussian matrices, 20 x 12"): 40,
}  # fmt: skip


@pytest.fixture(scope="module")
def tool() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(ROOT / "tools")
        yield importlib.import_module("error_rates.table")


def test_every_row_is_measured_and_within_its_bound(tool: ModuleType) -> None:
    table = pd.read_csv(ROOT / "docs" / "error_rates.csv")
    assert {(row.statement, row.null) for row in tool.rows()} == set(
        zip(table["statement"], table["null"], strict=True)
    )
    assert table["within"].all(), table.loc[~table["within"], ["statement", "null"]].to_string()
    stated = {(row.statement, row.null): row.stated for row in tool.rows()}
    kept = {
        (row.statement, row.null): None if pd.isna(row.stated) else row.stated for row in table.itertuples()
    }
    assert kept == stated


@pytest.mark.parametrize("key", CHEAP, ids=lambda key: f"{key[0][:24]}-{key[1][:24]}")
def test_cheap_rows_hold_for_draws_of_their_own(tool: ModuleType, key: tuple[str, str]) -> None:
    [row] = [one for one in tool.rows() if (one.statement, one.null) == key]
    found = row.measured(CHEAP[key], first=10_000)
    assert found["within"], found
