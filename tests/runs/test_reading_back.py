"""What a run gives back of a network, loaded and run again."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

import eigentrail as et


def test_the_last_state_of_a_network_with_batch_norm_loads_and_computes_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with et.Recorder(model, tmp_path / "run", report=None) as recorder:
        for step in range(4):
            model(torch.randn(8, 6)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            recorder.step(loss=float(step))
    run = et.open_run(tmp_path / "run")
    fresh = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
    fresh.load_state_dict(run.state_dict("last"))  # strict: the running means are there
    x = torch.randn(4, 6)
    assert torch.equal(fresh.eval()(x), model.eval()(x))
    # A network without buffers keeps no second copy of its weights.
    with et.Recorder(nn.Linear(6, 5), tmp_path / "plain", report=None) as recorder:
        recorder.step(loss=0.0)
    assert not len(et.open_run(tmp_path / "plain").checkpoints)
