"""Two processes that each hold a share of the samples have the curvature of all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from curvature_cases import build, vectors

import eigentrail as et

_WORKER = """
import sys
from datetime import timedelta

import numpy as np
import torch
from torch import distributed

sys.path.insert(0, sys.argv[1])
from curvature_cases import build, vectors

import eigentrail as et

rank, folder = int(sys.argv[3]), sys.argv[2]
distributed.init_process_group(
    "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2, timeout=timedelta(seconds=60)
)
found = {}
share = slice(0, 15) if rank == 0 else slice(15, 22)  # as unequal as the last batches are short
for kind in ("hessian", "gauss-newton"):
    case = build("tanh")
    data = (case.inputs[share], case.targets[share])
    operator = et.Curvature(case.model, case.loss, data, kind=kind, batch_size=8, weight_decay=0.1)
    v = torch.from_numpy(vectors(operator.n, 3))
    # Vectors are those of the first process, whatever the others give.
    found[f"{kind} products"] = operator.apply(v if rank == 0 else torch.zeros_like(v)).numpy()
    found[f"{kind} gradient"] = operator.gradient().numpy()
    found[f"{kind} loss"] = operator.loss_value()
    found[f"{kind} top"] = operator.top(2, tol=1e-6).values.numpy()
    found[f"{kind} weights"] = sum(batch.weight for batch in operator.problem.batches())
    layer = et.Curvature(case.model, case.loss, data, "2.weight", kind=kind)
    found[f"{kind} matrix"] = layer.matrix().numpy()
    if rank == 0:
        data = (case.inputs, case.targets)
    else:
        data = (case.inputs[:0], case.targets[:0])  # nothing at all
    found[f"{kind} lonely"] = (et.Curvature(case.model, case.loss, data, kind=kind).apply(v)).numpy()


def told(act):
    try:
        act()
    except et.EigentrailError as error:
        return str(error)
    return ""


case = build("tanh")
data = (case.inputs[share].clone(), case.targets[share])
if rank == 1:
    data[0][2, 0] = float("nan")
found["nan"] = told(lambda: et.Curvature(case.model, case.loss, data) @ np.ones(case.n))
found["layer"] = told(lambda: et.Curvature(case.model, case.loss, data, "nowhere" if rank == 1 else "0"))
if rank == 1:
    with torch.no_grad():
        case.model[0].weight.add_(1.0)
data = (case.inputs[share], case.targets[share])
found["different"] = told(lambda: et.Curvature(case.model, case.loss, data) @ np.ones(case.n))
np.savez(f"{folder}/rank{rank}.npz", **{key: np.asarray(value) for key, value in found.items()})
distributed.destroy_process_group()
"""


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, np.ndarray]]:
    """What the two processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    here = str(Path(__file__).parent)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, here, str(folder), str(rank)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        errors = [worker.communicate(timeout=240)[1] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(errors)
    return [dict(np.load(folder / f"rank{rank}.npz")) for rank in range(2)]


@pytest.mark.parametrize("kind", ["hessian", "gauss-newton"])
def test_products_gradient_and_loss_are_those_of_all_samples(
    ranks: list[dict[str, np.ndarray]], kind: str
) -> None:
    case = build("tanh")
    data = (case.inputs, case.targets)
    whole = et.Curvature(case.model, case.loss, data, kind=kind, weight_decay=0.1)
    v = torch.from_numpy(vectors(whole.n, 3))
    expected = {
        "products": whole.apply(v).numpy(),
        "gradient": whole.gradient().numpy(),
        "loss": whole.loss_value(),
        "matrix": et.Curvature(case.model, case.loss, data, "2.weight", kind=kind).matrix().numpy(),
        "lonely": et.Curvature(case.model, case.loss, data, kind=kind).apply(v).numpy(),
    }
    for found in ranks:
        for key, value in expected.items():
            np.testing.assert_allclose(found[f"{kind} {key}"], value, rtol=0, atol=1e-13)
        np.testing.assert_allclose(found[f"{kind} top"], whole.top(2, tol=1e-6).values.numpy(), rtol=1e-8)
    np.testing.assert_array_equal(ranks[0][f"{kind} products"], ranks[1][f"{kind} products"])
    assert sum(float(found[f"{kind} weights"]) for found in ranks) == pytest.approx(1.0)


def test_an_error_in_one_process_ends_all_of_them(ranks: list[dict[str, np.ndarray]]) -> None:
    first, second = ranks
    assert "loss is nan" in str(second["nan"]) and "process 1 failed: the loss is nan" in str(first["nan"])
    assert 'no layer is named "nowhere"' in str(second["layer"]) and "process 1 failed" in str(first["layer"])
    for found in ranks:
        assert "processes hold different networks" in str(found["different"])
