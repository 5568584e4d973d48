"""Cosines with left singular vectors are those of the whole decomposition."""

from __future__ import annotations

import pytest
import torch

from eigentrail.interventions.lora.left_vectors import LeftVectors


@pytest.mark.parametrize("shape", [(40, 25), (25, 40), (30, 30)])
@pytest.mark.parametrize("kind", ["full", "deficient", "steep"])
def test_they_agree_with_the_decomposition(shape, kind) -> None:
    chance = torch.Generator().manual_seed(0)
    matrix = torch.randn(*shape, generator=chance, dtype=torch.float64)
    if kind == "deficient":
        matrix[5:] = 0.0
    if kind == "steep":
        matrix *= torch.logspace(0, -9, shape[1], dtype=torch.float64)
    others = torch.linalg.qr(torch.randn(shape[0], 6, generator=chance, dtype=torch.float64)).Q
    expected = (torch.linalg.svd(matrix, full_matrices=False)[0].T @ others).abs().amax(0)
    torch.testing.assert_close(LeftVectors(matrix).cosines(others), expected, rtol=1e-5, atol=1e-7)
