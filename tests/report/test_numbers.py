from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eigentrail._cells import ABSENT, cell, is_absent, number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0123456, "0.0123"), (3.14159, "3.14"), (9.9999, "10.0"), (99.96, "100"), (1234.5, "1234"), (0.0, "0"),
        (2.5e-7, "2.50e-7"),
        (1.5e12, "1.50e12"), (-1.5, "−1.50"), (7, "7"), (float("nan"), ABSENT), (float("inf"), "∞"),
    ],
)  # fmt: skip
def test_number_has_three_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([64, 32], "64 × 32"), ((64, 32, 3, 3), "64 × 32 × 3 × 3"), ([], ABSENT), (None, ABSENT), (pd.NA, ABSENT),
        (["a", "b"], "a; b"),
        ([1.5, 2.5], "1.50; 2.50"), (True, "yes"), (np.float64(0.5), "0.500"), ("x\n", "x\\u000a"),
    ],
)  # fmt: skip
def test_cell(value: object, text: str) -> None:
    assert cell(value) == text


def test_is_absent_is_not_false() -> None:
    assert not is_absent(0)
    assert not is_absent(False)
    assert not is_absent(np.float64(0))
    assert is_absent(np.nan)
