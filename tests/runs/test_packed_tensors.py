"""Many small tensors in one node, and bfloat16 as its bits: the same numbers, fewer files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from eigentrail.errors import RunError
from eigentrail.runs import Recorder, open_run
from eigentrail.runs.packing import FEWEST
from eigentrail.runs.together import Together


def network() -> nn.Module:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Linear(4, 4) for _ in range(FEWEST)]
    return nn.Sequential(*layers, nn.Linear(70, 70), nn.Linear(4, 3).bfloat16())


def move(model: nn.Module) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))


def copy(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: p.detach().float().numpy().copy() for name, p in model.named_parameters()}


def record(model: nn.Module, path: Path, steps: int, **how: object) -> list[dict[str, np.ndarray]]:
    kept = [copy(model)]
    with Recorder(model, path, report=None, **how) as recorder:  # type: ignore[arg-type]
        for step in range(steps):
            move(model)
            recorder.step(loss=step)
            kept.append(copy(model))
    return kept


def same(path: Path, kept: list[dict[str, np.ndarray]]) -> bool:
    run = open_run(path)
    return all(np.array_equal(run[name].values, np.stack([one[name] for one in kept])) for name in kept[0])


def size_of(path: Path) -> int:
    """What copying the run would write."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def test_small_tensors_share_a_node_that_plain_xarray_opens(tmp_path: Path) -> None:
    kept = record(network(), tmp_path / "run", 20)
    assert same(tmp_path / "run", kept)
    with xr.open_datatree(tmp_path / "run/trajectory.zarr", engine="zarr") as tree:
        assert set(tree.children) == {"metrics", "packed-0", f"{FEWEST}.weight", *_brain()}
        where = tree["packed-0"].attrs["packed"]["3.weight"]
        entries = tree["packed-0"]["weights"].values[:, where["offset"] :][:, :16]
        assert where["dims"] == ["out", "in"]
        assert np.array_equal(entries.reshape(-1, *where["shape"]), open_run(tmp_path / "run")["3"].values)
        bits = tree[f"{FEWEST + 1}.weight"]["weights"].values
        assert bits.dtype == np.uint16
        assert np.array_equal(
            (bits.astype(np.uint32) << 16).view(np.float32),
            np.stack([k[f"{FEWEST + 1}.weight"] for k in kept]),
        )


def _brain() -> set[str]:
    return {f"{FEWEST + 1}.{kind}" for kind in ("weight", "bias")}


def test_a_closed_run_is_as_large_as_its_numbers(tmp_path: Path) -> None:
    model = network()
    record(model, tmp_path / "run", 20)
    numbers = 21 * sum(p.numel() * p.element_size() for p in model.parameters())
    assert size_of(tmp_path / "run") < 1.15 * numbers + 60_000
    assert len([f for f in (tmp_path / "run").rglob("c.*") if f.is_file()]) < 20


def test_packs_are_gone_on_with_and_taken_back(tmp_path: Path) -> None:
    model = network()
    kept = record(model, tmp_path / "run", 5)
    kept += record(model, tmp_path / "run", 5, resume=True)[1:]
    assert same(tmp_path / "run", kept)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(kept[7][name]))
    kept = kept[:8] + record(model, tmp_path / "run", 2, resume=7)[1:]
    assert same(tmp_path / "run", kept)
    with xr.open_datatree(tmp_path / "run/trajectory.zarr", engine="zarr") as tree:
        assert tree["packed-0"]["weights"].load().sizes["step"] == 10
    move(model)
    with pytest.raises(RunError, match=r"the model's 0\.weight is not the one recorded at step 9"):
        Recorder(model, tmp_path / "run", resume=True, report=None).open()


def test_packs_of_many_networks_at_once(tmp_path: Path) -> None:
    stacks = {f"{i}.weight": torch.zeros(2, 2, 2) for i in range(FEWEST)}
    nets = [nn.Sequential(*[nn.Linear(2, 2, bias=False) for _ in range(FEWEST)]) for _ in range(2)]
    for k, net in enumerate(nets):
        for name, parameter in net.named_parameters():
            parameter.data = stacks[name][k]
    recorders = [Recorder(net, tmp_path / str(k), report=None).open() for k, net in enumerate(nets)]
    together = Together(recorders, stacks.get)
    for step in (1, 2, 3):
        for i, stack in enumerate(stacks.values()):
            stack.fill_(step + 10 * i)
        together.step(step, 0.0, [{}, {}])
    together.flush()
    for recorder in recorders:
        recorder.close()
        run = open_run(recorder.path)
        for i in range(FEWEST):
            assert run[str(i)].values[1:, 1, 0].tolist() == [10 * i + s for s in (1, 2, 3)]


def test_the_files_of_rare_records_are_small_while_recording(tmp_path: Path) -> None:
    model = nn.Linear(100, 100)
    recorder = Recorder(model, tmp_path / "run", ["weight"], "epoch", report=None).open()
    many = Recorder(model, tmp_path / "many", ["weight"], 1, steps=10, report=None).open()
    for path, rows in ((recorder.path, 104), (many.path, 64)):
        file = path / "trajectory.zarr/weight/weights/c.0.0.0"
        assert file.stat().st_size == rows * 40_000
    recorder.close()
    many.close()
