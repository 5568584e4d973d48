"""How much memory work may take: what it wants up to 2 GiB, then within half of what is available."""

from __future__ import annotations

import pytest
import torch

from eigentrail.errors import CurvatureError
from eigentrail.linalg import memory
from eigentrail.linalg.lanczos import lanczos
from eigentrail.linalg.memory import ENOUGH, allowance, available

CPU = torch.device("cpu")


def test_memory_is_read_from_the_system() -> None:
    assert 2**20 < available(CPU) < 2**50


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [
        (2**20, 2**22, ENOUGH),
        (3 * ENOUGH, 100 * ENOUGH, 3 * ENOUGH),
        (3 * ENOUGH, 4 * ENOUGH, 2 * ENOUGH),
        (3 * ENOUGH, 2**20, ENOUGH),
    ],
)
def test_more_than_two_gib_come_from_half_of_what_is_there(
    monkeypatch: pytest.MonkeyPatch, wanted: int, there: int, expected: int
) -> None:
    monkeypatch.setattr(memory, "available", lambda device: there)
    assert allowance(wanted, CPU) == expected


def test_five_pairs_of_a_large_network_are_refused_only_where_memory_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    n = 45_000_000  # 14 vectors in float32 take 2.35 GiB
    reached = RuntimeError("the operator was called")

    def apply(rows: torch.Tensor) -> torch.Tensor:
        raise reached

    monkeypatch.setattr(memory, "available", lambda device: 23 * 2**30)
    monkeypatch.setattr(
        "eigentrail.linalg.krylov_space.KrylovSpace.add_random", lambda space: apply(space.pending)
    )
    with pytest.raises(RuntimeError, match="operator was called"):
        lanczos(apply, n, 5, dtype=torch.float32)
    monkeypatch.setattr(memory, "available", lambda device: 4 * 2**30)
    with pytest.raises(CurvatureError, match="raise memory_limit or ask for fewer pairs"):
        lanczos(apply, n, 5, dtype=torch.float32)
