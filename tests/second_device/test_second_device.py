"""Trainings and curvature on another device than the processor, which refuses tensors of both in one operation.

No GPU is needed: the device is made of the processor's memory and computes the processor's numbers, so that what comes
out must be what comes out on the processor.
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

import eigentrail as et
import second_device
from eigentrail import data, networks
from eigentrail.data import Augmentation, Data
from eigentrail.runs import Run, open_run
from eigentrail.training import train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    missing = second_device.lacking()
    if missing:
        pytest.skip(missing)
    second_device.begin(tmp_path_factory.mktemp("built"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eigentrail.training.device._NAME", re.compile("cpu|second(:0)?"))
        for module in ("entry", "ensemble"):
            patch.setattr(f"eigentrail.training.{module}.find_device", torch.device)
        yield second_device.NAME


@pytest.fixture(scope="module")
def digits() -> Data:
    return data.load("digits")


@pytest.fixture(scope="module")
def pictures() -> Data:
    generator = torch.Generator().manual_seed(0)
    parts = [
        (
            torch.randn(n, 3, 32, 32, generator=generator),
            torch.randint(10, (n,), generator=generator),
        )
        for n in (96, 64)
    ]
    return data.from_tensors(*parts, name="random pictures", classes=10)


def largest(one: Run, other: Run) -> float:
    return max(float(np.abs(one[layer].values - other[layer].values).max()) for layer in other)


def test_tensors_of_both_devices_do_not_meet(device: str) -> None:
    here, there = torch.ones(3), torch.ones(3, device=device)
    assert there.device == torch.device(device, 0)
    for refused in (lambda: here + there, lambda: torch.stack([here, there]), lambda: there @ here):
        with pytest.raises(RuntimeError, match=r"same device|meet in"):
            refused()
    torch.testing.assert_close((there + 1).cpu(), here + 1)


CASES: list[tuple[str, dict[str, Any]]] = [
    ("mlp50", {"momentum": 0.9, "weight_decay": 1e-3}),
    (
        "mlp50",
        {"phases": [{"start": 0, "classes": [0, 1, 2, 3, 4]}, {"start": 1, "classes": [5, 6, 7, 8, 9]}]},
    ),
    ("mlp-bn-2-40", {"batch_size": 100}),
    ("res-bn-2-30", {}),
    ("lenet", {"augmentation": Augmentation(rotation="range")}),
    ("lenet", {"augmentation": Augmentation(rotation="steps"), "frozen": ["conv1*"]}),
    ("mini-alexnet-s0", {"momentum": 0.9}),
    ("mini-alexnet-s1", {"weight_decay": 1e-3, "decay_on": "dense"}),
]


@pytest.mark.parametrize("home", ["device", "processor"])
@pytest.mark.parametrize(("network", "settings"), CASES)
def test_one_and_many_train_there_as_on_the_processor(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    digits: Data,
    pictures: Data,
    network: str,
    settings: dict[str, Any],
    home: str,
) -> None:
    if home == "processor":
        # No room for the samples beside the network: batches are brought there.
        monkeypatch.setattr(
            "eigentrail.training.samples._free", lambda where: 0.0 if where.type != "cpu" else float("inf")
        )
    samples = digits if network.startswith(("mlp", "res")) else pictures
    shared: dict[str, Any] = {
        "epochs": 2,
        "lr": 0.02,
        "batch_size": 16,
        "progress": False,
        "dtype": "float64",
    }
    shared |= settings
    many = train(network, samples, tmp_path / "many", seeds=[0, 1], how="stack", device=device, **shared)
    assert many.how == "stacked"
    for seed, member in enumerate(many):
        one = train(network, samples, tmp_path / f"one{seed}", seed=seed, device=device, **shared)
        there = train(network, samples, tmp_path / f"there{seed}", seed=seed, **shared)
        assert largest(one, there) == 0
        assert largest(member, one) < 1e-10


@pytest.mark.parametrize("seeds", [None, [0, 1]])
def test_a_training_goes_on_there(tmp_path: Path, device: str, digits: Data, seeds: list[int] | None) -> None:
    shared: dict[str, Any] = {"seeds": seeds, "momentum": 0.9, "device": device, "progress": False}
    whole = train("mlp-bn-2-40", digits, tmp_path / "whole", epochs=4, **shared)
    train("mlp-bn-2-40", digits, tmp_path / "parts", epochs=2, **shared)
    parts = train("mlp-bn-2-40", digits, tmp_path / "parts", epochs=4, resume=True, **shared)
    pairs = [(parts, whole)] if seeds is None else list(zip(parts, whole, strict=True))
    assert all(largest(ours, theirs) == 0 for ours, theirs in pairs)


def test_a_member_that_diverges_there_leaves_the_others(tmp_path: Path, device: str, digits: Data) -> None:
    shared: dict[str, Any] = {"epochs": 2, "device": device, "progress": False}
    with pytest.warns(et.errors.RunWarning, match="the others go on"):
        many = train("mlp50", digits, tmp_path / "many", lr=[0.1, 1e9, 0.01], how="stack", **shared)
    assert [one.status for one in many][::2] == ["finished", "finished"]
    one = train("mlp50", digits, tmp_path / "one", lr=0.01, **shared)
    assert largest(open_run(tmp_path / "many" / "lr0.01-seed0"), one) == 0


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 10)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(rows).mean(1))


def network_and_samples(
    name: str, digits: Data, pictures: Data
) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    if name == "attention":
        torch.manual_seed(0)
        return Attention(), digits.train_inputs[:100].reshape(-1, 8, 8), digits.train_targets[:100]
    samples = digits if name.startswith("mlp") else pictures
    model = networks.build(name, samples.input_shape, 10, 0)
    return model, samples.train_inputs[:40], samples.train_targets[:40]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mlp50", {}),
        ("mlp50", {"dtype": torch.float64}),
        ("mlp50", {"kind": "gauss-newton"}),
        ("mlp50", {"layers": "fc2.weight"}),
        ("mlp-bn-2-40", {"layers": "fc1.weight"}),
        ("lenet", {"layers": "conv1.weight"}),
        ("lenet", {"layers": "conv2.weight", "dtype": torch.float64}),
        ("attention", {}),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_curvature_there_is_that_on_the_processor(
    device: str, digits: Data, pictures: Data, name: str, options: dict[str, Any]
) -> None:
    model, inputs, targets = network_and_samples(name, digits, pictures)
    found = []
    for network in (model, copy.deepcopy(model).to(device)):
        curvature = et.Curvature(network, None, (inputs, targets), **options)
        rows = np.random.default_rng(0).standard_normal((curvature.n, 3))
        found.append(
            {
                "products": curvature @ rows,
                "pairs": torch.as_tensor(curvature.top(3, which="largest", tol=1e-3).values).cpu().numpy(),
                "trace": np.asarray(float(curvature.trace().value)),
                "density": curvature.density(probes=2, depth=10).density,
                "gradient": curvature.gradient().cpu().numpy(),
            }
        )
        if curvature.n < 4000:
            found[-1]["matrix"] = curvature.matrix().cpu().numpy()
    ours, theirs = found[1], found[0]
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        scale = np.abs(value).max()
        assert scale > 0
        np.testing.assert_allclose(ours[key], value, rtol=0, atol=1e-5 * scale, err_msg=key)
