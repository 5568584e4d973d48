"""Numbers that a user gives are what they have to be, or one sentence says what they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from eigentrail._numbers import LARGEST_SEED, real, seed_of, whole
from eigentrail.errors import OptionError
from eigentrail.linalg.finite import all_finite


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), torch.tensor(3)])
def test_whole_numbers_of_every_kind(value: Any) -> None:
    assert whole("depth", value) == 3 and type(whole("depth", value)) is int


@pytest.mark.parametrize("value", [3.0, 2.5, "3", None, True, float("nan"), [3], np.arange(2), 1, 10])
def test_what_is_no_whole_number_or_outside(value: Any) -> None:
    with pytest.raises(OptionError, match=r"^depth is a whole number, 2 to 9, not .*\.$") as caught:
        whole("depth", value, 2, 9)
    assert "\n" not in str(caught.value)


def test_what_was_given_is_written_short() -> None:
    with pytest.raises(OptionError) as caught:
        whole("depth", "a" * 1000)
    assert str(caught.value).endswith("aaa....") and len(str(caught.value)) < 120


def test_seeds() -> None:
    assert seed_of(LARGEST_SEED) == LARGEST_SEED
    torch.Generator().manual_seed(LARGEST_SEED)
    np.random.default_rng(LARGEST_SEED)
    for value in (-1, LARGEST_SEED + 1, 0.5, None):
        with pytest.raises(OptionError, match="seed is a whole number"):
            seed_of(value)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), torch.tensor(2.0)])
def test_finite_numbers_of_every_kind(value: Any) -> None:
    assert real("tol", value) == 2.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "2", None, True, [2.0, 3.0], 1j, 10**400])
def test_what_is_no_finite_number(value: Any) -> None:
    with pytest.raises(OptionError, match=r"^tol is a finite number, not .*\.$"):
        real("tol", value)


def test_finite_numbers_whose_sum_overflows_are_finite() -> None:
    x = torch.full((4,), 3e38)
    assert all_finite(x)
    assert not all_finite(torch.tensor([1.0, float("nan")]))
    assert not all_finite(torch.tensor([float("inf"), float("-inf")]))
