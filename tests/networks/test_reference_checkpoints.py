"""The public ResNet checkpoints for CIFAR-10 in our networks: same parameters, same accuracy."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from eigentrail import data, networks, open_weights
from eigentrail.data import Data
from eigentrail.data.parquet import read_images
from eigentrail.training import score

SCALING = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
FILES = {"resnet20": ("resnet20-12fca82f.th", 9173), "resnet56": ("resnet56-4bfd9763.th", 9339)}


@pytest.fixture(scope="module")
def first(data_root: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """The first of the test images, scaled as `test_images` does; all 60,000 take a while to unpack."""
    [file] = sorted(data_root.glob("cifar10/**/test*.parquet"))[:1]
    pixels, targets = read_images([file], 32)
    mean, std = (torch.tensor(part)[:, None, None] for part in SCALING)
    return (torch.from_numpy(pixels[:250]).float() / 255 - mean) / std, torch.from_numpy(targets[:250])


@pytest.fixture(scope="module")
def cifar10(data_root: Path) -> Data:
    return data.load("cifar10", data_root)


def given(name: str, checkpoints: Path) -> torch.nn.Module:
    """Our network with the published weights; strict, so that every parameter and buffer is met."""
    stored = torch.load(
        checkpoints / "resnet-cifar10" / FILES[name][0], map_location="cpu", weights_only=True
    )
    model = networks.build(name, (3, 32, 32), 10)
    model.load_state_dict({key.removeprefix("module."): value for key, value in stored["state_dict"].items()})
    return model.eval()


def test_images(cifar10: Data) -> tuple[torch.Tensor, torch.Tensor]:
    """The test images scaled as the checkpoints' training scaled them."""
    raw = cifar10.normalization.undo(cifar10.test_inputs).float() / 255
    mean, std = (torch.tensor(part)[:, None, None] for part in SCALING)
    return (raw - mean) / std, cifar10.test_targets


test_images.__test__ = False


def test_the_weights_are_those_that_the_file_reader_sees(checkpoints: Path) -> None:
    model = given("resnet20", checkpoints)
    stored = open_weights(checkpoints / "resnet-cifar10" / FILES["resnet20"][0])
    matrices = {name.removeprefix("state_dict.").removeprefix("module."): w for name, w in stored.items()}
    own = dict(open_weights(model).items())
    shared = set(own) & set(matrices)
    assert len(shared) == 20
    assert all(torch.equal(torch.as_tensor(own[name]), torch.as_tensor(matrices[name])) for name in shared)


def test_resnet20_on_the_first_images(first: tuple[torch.Tensor, torch.Tensor], checkpoints: Path) -> None:
    images, targets = first
    # 91.73% of all: five standard errors of a sample of 250.
    assert score(given("resnet20", checkpoints), images, targets).accuracy > 0.83


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_accuracy_on_the_whole_test_set(name: str, cifar10: Data, checkpoints: Path) -> None:
    accuracy = score(given(name, checkpoints), *test_images(cifar10)).accuracy
    assert round(10_000 * accuracy) == FILES[name][1]
