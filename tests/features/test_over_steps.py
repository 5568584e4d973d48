"""Collapse along recorded trainings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import eigentrail as et
from eigentrail.errors import RunError


def test_each_step_is_that_of_its_network(tmp_path):
    data = et.data.take(et.data.load("digits"), 300, 100)
    settings = et.TrainingSettings(epochs=2, batch_size=50, lr=0.05)
    et.train("mlp50", data, tmp_path / "run", settings=settings)
    run = et.open_run(tmp_path / "run")
    found = et.features.collapse_over_steps(run, steps=[0, 6, 12])
    assert found["nc1"].dims == ("step", "part", "layer")
    assert list(found.part.values) == ["train", "held-out"]
    assert list(found.layer.values) == ["fc1:input", "fc2:input", "fc3:input"]
    assert list(found.epoch.values) == [0, 1, 2]
    assert "rho" not in found
    table = et.Features(run.model(12), data).collapse()
    np.testing.assert_allclose(found["nc1"].sel(step=12).values.ravel(), table["nc1"].to_numpy(), rtol=1e-10)
    assert float(found["accuracy"].sel(step=12, part="train")) > 0.2
    assert found.attrs["terminal_step"] == -1
    with pytest.raises(RunError, match="no step 999"):
        et.features.collapse_over_steps(run, steps=[999])


def test_the_terminal_phase_begins_where_all_stays_right(tmp_path):
    x, y = torch.eye(6), torch.arange(6) % 3
    model = nn.Linear(6, 3, bias=False)
    right = torch.eye(3)[y].T
    with et.Recorder(model, tmp_path / "run") as recorder:
        for step, weight in enumerate([right, -right, right, 2 * right], start=1):
            with torch.no_grad():
                model.weight.copy_(weight)
            recorder.step(step)
    run = et.open_run(tmp_path / "run")
    found = et.features.collapse_over_steps(
        run, data=(x, y), steps=[1, 2, 3, 4], model=nn.Linear(6, 3, bias=False)
    )
    assert found["accuracy"].values[:, 0].tolist() == [1.0, 0.0, 1.0, 1.0]
    assert found.attrs["terminal_step"] == 3
    assert list(found.part.values) == ["train"]
