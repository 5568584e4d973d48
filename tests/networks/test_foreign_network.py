"""A network of another package, added by one file and an entry point, is known by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import eigentrail as et
from eigentrail import networks
from eigentrail.errors import OptionError
from eigentrail.networks import registry
from eigentrail.runs import open_run

TWO_LAYERS = """
from torch import nn

from eigentrail.networks import Entry


def build(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(input_shape[-1] ** 2, 7), nn.Tanh(), nn.Linear(7, classes))


two_layers = Entry("two-layers", build, "Two layers", "somewhere", (1, 8, 8), 10, 535)
"""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    registry.entries.cache_clear()
    yield
    registry.entries.cache_clear()


def test_one_file_and_an_entry_point_add_a_network(
    installed: Callable[[str, str, str], None], tmp_path: Path
) -> None:
    installed("eigentrail.networks", "two-layers", TWO_LAYERS)
    assert networks.resolve("Two Layers") == "two-layers" and "two-layers" in networks.names()
    built = networks.build("two-layers", (1, 8, 8), 10, seed=3)
    assert networks.count_parameters(built) == networks.entries()["two-layers"].parameters
    run = et.train("two-layers", "digits", tmp_path / "run", epochs=1, seed=3, progress=False)
    # The recorded run builds it again by its name.
    assert torch.equal(open_run(run.path).model(0)[1].weight, built[1].weight)


def test_what_is_no_network_or_has_a_known_name_is_refused(
    installed: Callable[[str, str, str], None],
) -> None:
    installed("eigentrail.networks", "two-layers", TWO_LAYERS.replace('"two-layers"', '"lenet"'))
    with pytest.raises(OptionError, match='two networks are called "lenet"'):
        networks.names()
