from __future__ import annotations

from typing import Any

import pytest

from eigentrail.errors import OptionError
from eigentrail.sweeps.axes import values_of


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ([3, 1, 2], (3, 1, 2)),
        ({"from": 8, "to": 64, "factor": 2}, (8, 16, 32, 64)),
        ({"from": 64, "to": 8, "factor": 0.5}, (64, 32, 16, 8)),
        ({"from": 0.0, "to": 0.9, "step": 0.3}, (0.0, 0.3, 0.6, 0.9)),
        ({"from": 0.001, "to": 0.1, "count": 3, "log": True}, (0.001, 0.01, 0.1)),
        ({"from": 1, "to": 2, "count": 3}, (1, 1.5, 2)),
        ({"from": 4, "to": 1, "step": -1}, (4, 3, 2, 1)),
    ],
)
def test_values(given: Any, values: tuple[float, ...]) -> None:
    assert values_of("lr", given) == values


@pytest.mark.parametrize(
    "given",
    [
        [], 0.1, "cosine", [1, 1], {"from": 1, "to": 2}, {"from": 1, "to": 2, "step": -1},
        {"from": 1, "to": 2, "factor": 0.5}, {"from": 0, "to": 2, "factor": 2}, {"from": 1, "to": 2, "count": 1},
        {"from": 0, "to": 2, "count": 3, "log": True}, {"from": 1, "to": 2, "step": 0},
        {"from": "a", "to": 2, "step": 1},
        {"from": 1, "to": 2, "stepp": 1}, {"from": 1, "to": 2, "step": 1, "log": True},
    ],
)  # fmt: skip
def test_what_is_no_axis_is_one_sentence_that_names_it(given: Any) -> None:
    with pytest.raises(OptionError, match="axis lr"):
        values_of("lr", given)
