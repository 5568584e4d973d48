from __future__ import annotations

import numpy as np
import pytest
import torch

from eigentrail.linalg.rounding import narrowest_format, rounding_distance


@pytest.mark.parametrize("narrow", [torch.bfloat16, torch.float16, torch.float32])
def test_the_format_is_told_from_the_numbers_and_the_distance_is_that_of_rounding(
    narrow: torch.dtype,
) -> None:
    x = torch.randn(200, 100, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) / 30
    rounded = x.to(narrow).double()
    assert narrowest_format(rounded.numpy()) is narrow and narrowest_format(x.numpy()) is torch.float64
    expected = rounding_distance(x.numpy(), rounded.numpy())
    assert float((x - rounded).norm()) == pytest.approx(expected, rel=0.02)
    assert rounding_distance(rounded.numpy(), rounded.numpy() * 2) == 0.0


def test_small_numbers_of_half_precision_are_equally_spaced() -> None:
    x = np.random.default_rng(0).uniform(-6e-5, 6e-5, (200, 200))
    rounded = torch.from_numpy(x).half().double().numpy()
    assert np.linalg.norm(x - rounded) == pytest.approx(rounding_distance(x, rounded), rel=0.03)
