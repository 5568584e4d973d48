"""The path of a training over a landscape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import eigentrail as et
from eigentrail.errors import OptionError


def test_the_path_lies_where_its_steps_were(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2, bias=False).double()
    x, y = torch.randn(12, 3).double(), torch.randint(0, 2, (12,))
    rng = np.random.default_rng(0)
    plane = rng.standard_normal((2, 6))
    along, beside = rng.standard_normal((5, 2)), rng.standard_normal((5, 6))
    normal = beside - beside @ np.linalg.pinv(plane) @ plane
    end = rng.standard_normal(6)
    path = end + along @ plane + normal
    path[-1] = end
    with torch.no_grad():
        model.weight.copy_(torch.from_numpy(path[0].reshape(2, 3)))
    with et.Recorder(model, tmp_path / "run", report=None) as recorder:
        for one in path[1:]:
            with torch.no_grad():
                model.weight.copy_(torch.from_numpy(one.reshape(2, 3)))
            recorder.step()
    lengths = np.linalg.norm(plane, axis=1)
    for given in (path, et.open_run(tmp_path / "run")):
        found = et.landscape(model, None, (x, y), plane, offsets=[-1.0, 0.0, 1.0], path=given)
        assert found["loss"].dims == ("x", "y")
        # Directions that are not orthogonal: offsets along either, as the loss has them.
        got = np.stack([found["path_x"].values, found["path_y"].values], axis=1)
        np.testing.assert_allclose(got[:-1], along[:-1] * lengths, atol=1e-8)
        np.testing.assert_allclose(
            found["path_distance"].values[:-1], np.linalg.norm(normal[:-1], axis=1), atol=1e-8
        )
        np.testing.assert_allclose(got[-1], 0.0, atol=1e-8)
        assert found["step"].values.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(OptionError, match=r"weights \[step, 6\]"):
        et.landscape(model, None, (x, y), plane, path=path[:, :3])
