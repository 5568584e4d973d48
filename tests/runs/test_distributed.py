"""Data-parallel training in two processes: rank 0 records, the other's recorder does nothing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from run_children import start
from torch import nn

from eigentrail.runs import Recorder, open_run


def worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    torch.manual_seed(0)
    model = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 1)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Recorder(model, f"{folder}/run", checkpoints="end", report=None) as recorder:
        assert recorder.active == (rank == 0)
        for step in range(1, 6):
            inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(10 * step + rank))
            loss = model(inputs).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss)
    torch.save(model.module.state_dict(), f"{folder}/rank{rank}.pt")
    torch.distributed.destroy_process_group()


def test_rank_0_records(tmp_path: Path) -> None:
    assert "RANK" not in os.environ
    processes = [start(worker, rank, str(tmp_path)) for rank in (0, 1)]
    for process in processes:
        process.join(600)
        assert process.exitcode == 0
    run = open_run(tmp_path / "run")
    assert run.status == "finished"
    assert run.steps.tolist() == [0, 1, 2, 3, 4, 5]
    assert list(run.layers) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert len(run.manifest.sessions) == 1
    for rank in (0, 1):
        final = torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)
        for name in run.layers:
            assert np.array_equal(run[name].values[5], final[name].numpy())
            assert torch.equal(run.store(5).read(name), final[name])
