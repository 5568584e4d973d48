"""Where a training computes. What needs a GPU is tested where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eigentrail.cli.app import run as main
from eigentrail.data import Data
from eigentrail.errors import OptionError
from eigentrail.training import TrainingSettings, train
from eigentrail.training.device import find_device, random_state, seed_random, set_random_state, undisturbed

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device on this machine")
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a CUDA device on this machine")


@no_gpu
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
@pytest.mark.parametrize("seeds", [None, [0, 1]])
def test_a_gpu_that_is_not_there_is_said_before_anything_is_written(
    tmp_path: Path, few: Data, name: str, seeds: list[int] | None
) -> None:
    with pytest.raises(OptionError, match=f'device="{name}": .*CUDA.*take device="cpu"'):
        train("mlp50", few, tmp_path / "run", epochs=1, device=name, seeds=seeds)
    assert not (tmp_path / "run").exists()


@no_gpu
def test_the_command_line_says_that_there_is_no_gpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["study", "--epochs", "1", "--out", str(tmp_path / "run"), "--device", "cuda", "--quiet"]
    assert main(call) == 2
    said = capsys.readouterr().err
    assert said.count("\n") <= 2 and 'device="cuda"' in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["gpu", "cuda:", "mps", "", "cuda:x"])
def test_an_unknown_device_is_refused(tmp_path: Path, few: Data, name: str) -> None:
    with pytest.raises(OptionError, match=r'device=.* cannot be used: .*give "cpu", "cuda", "cuda:1"'):
        train("mlp50", few, tmp_path / "run", device=name)


@no_gpu
def test_auto_takes_the_processor_where_there_is_no_gpu(tmp_path: Path, few: Data) -> None:
    run = train("mlp50", few, tmp_path / "auto", epochs=1, device="auto")
    assert run.manifest.notes["training"]["device"] == "cpu"
    plain = train("mlp50", few, tmp_path / "cpu", epochs=1)
    np.testing.assert_array_equal(run["fc2.weight"].values, plain["fc2.weight"].values)


def test_what_the_caller_set_is_put_back() -> None:
    before = torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.get_rng_state()
    device = find_device("auto")
    with undisturbed(device, 1):
        seed_random(3, device)
        kept = random_state(device)
        first = torch.rand(2), torch.rand(2, device=device)
        set_random_state(kept, device)
        again = torch.rand(2), torch.rand(2, device=device)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert before[:2] == (torch.get_num_threads(), torch.get_float32_matmul_precision())
    assert torch.equal(before[2], torch.get_rng_state())


class Chancy(nn.Module):
    """Batch norm and dropout, in the same network."""

    def __init__(self, input_shape, classes):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(144, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.conv(x))).flatten(1)
        return self.head(nn.functional.dropout(x, 0.1, self.training))


@gpu
def test_a_training_on_a_gpu_repeats_goes_on_and_is_recorded(tmp_path: Path, few: Data) -> None:
    shared = TrainingSettings(batch_size=20, momentum=0.9, device="cuda", augmentation={"crop": 1})
    whole = train("test_device:Chancy", few, tmp_path / "whole", shared, epochs=4)
    train("test_device:Chancy", few, tmp_path / "part", shared, epochs=2)
    part = train("test_device:Chancy", few, tmp_path / "part", shared, epochs=4, resume=True)
    last = int(whole.steps[-1])
    for layer in whole:
        np.testing.assert_array_equal(whole[layer].values, part[layer].values)
    kept = whole.model(last, trust=True)
    assert {value.device.type for value in kept.state_dict().values()} == {"cpu"}
    for name, value in kept.named_parameters():
        np.testing.assert_array_equal(value.detach().numpy(), whole[name].sel(step=last).values)
    assert whole.manifest.notes["training"]["device"] == "cuda:0"


@gpu
def test_a_gpu_computes_what_the_processor_does(tmp_path: Path, few: Data) -> None:
    phases = [{"start": 0, "classes": range(5)}, {"start": 1, "classes": range(5, 10)}]
    shared = TrainingSettings(batch_size=20, epochs=3, dtype="float64", lr=0.05, phases=phases)
    here = train("mlp50", few, tmp_path / "here", shared)
    there = train("mlp50", few, tmp_path / "there", shared, device="cuda")
    for layer in here:
        np.testing.assert_allclose(here[layer].values, there[layer].values, atol=1e-9)
    np.testing.assert_allclose(
        here.metrics.test_accuracy_phase1.values, there.metrics.test_accuracy_phase1.values
    )


@gpu
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize("network", ["mlp50", "mlp-bn-2-30", "lenet"])
def test_a_stack_on_a_gpu_is_its_single_trainings(
    tmp_path: Path, few: Data, network: str, dtype: str, tolerance: float
) -> None:
    shared = TrainingSettings(batch_size=20, epochs=5, dtype=dtype, lr=0.02, momentum=0.5, device="cuda")
    found = train(network, few, tmp_path / "many", shared, seeds=[0, 1], lr=[0.02, 0.01])
    assert found.how == "stacked"
    for run, own in zip(found, found.settings, strict=True):
        single = train(network, few, tmp_path / run.path.name, own)
        for layer in single:
            np.testing.assert_allclose(run[layer].values, single[layer].values, rtol=0, atol=tolerance)
