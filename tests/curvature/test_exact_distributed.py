"""The exact matrix over two processes that each hold some of the samples."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from exact_cases import samples, seeded
from torch import distributed, multiprocessing, nn
from torch.nn import functional as F

from eigentrail.curvature.operator import Curvature

LAYERS: tuple[str | list[str], ...] = ("0.*", "2.weight", ["0.bias", "2.bias"])


def network() -> nn.Module:
    return seeded(lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)))


def work(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    inputs, targets = samples(11, 4)
    mine = slice(0, 7) if rank == 0 else slice(7, 11)
    found = [
        Curvature(
            network(), F.cross_entropy, (inputs[mine], targets[mine]), layers, batch_size=3, weight_decay=0.1
        ).matrix()
        for layers in LAYERS
    ]
    torch.save(found, Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_give_the_matrix_of_all_samples(tmp_path: Path) -> None:
    multiprocessing.spawn(work, (str(tmp_path),), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for layers, one, other in zip(LAYERS, first, second, strict=True):
        assert torch.equal(one, other)
        whole = Curvature(network(), F.cross_entropy, samples(11, 4), layers, weight_decay=0.1).matrix()
        torch.testing.assert_close(one, whole, rtol=1e-12, atol=1e-15)
