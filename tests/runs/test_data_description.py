"""What a run keeps of its data, in whatever form a loop has it, and how the samples are given again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from eigentrail import data as datasets
from eigentrail.errors import DataError, OptionError
from eigentrail.evaluation.of_run import samples_of
from eigentrail.runs import Recorder, open_run
from eigentrail.runs.data_description import describe_data, samples_in

INPUTS, LABELS = torch.arange(12.0).reshape(6, 2), torch.tensor([0, 1, 2, 0, 1, 2])


class Pairs(Dataset):
    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return INPUTS[index], int(LABELS[index])


def test_descriptions() -> None:
    pair = describe_data((INPUTS, LABELS))
    assert pair is not None
    assert (pair["samples"], pair["classes"], pair["shapes"]) == (6, 3, [[6, 2], [6]])
    assert describe_data(TensorDataset(INPUTS, LABELS)) == pair
    assert describe_data((INPUTS + 1, LABELS))["fingerprint"] != pair["fingerprint"]  # type: ignore[index]
    loader = describe_data(DataLoader(TensorDataset(INPUTS, LABELS), batch_size=4, shuffle=True))
    assert loader == {**pair, "batch_size": 4, "shuffled": True, "drop_last": False}
    assert describe_data(Pairs())["samples"] == 6  # type: ignore[index]
    assert describe_data("digits") == {"name": "digits"}
    assert describe_data({"name": "x", "n": 3}) == {"name": "x", "n": 3}
    digits = datasets.load("digits")
    assert describe_data(digits) == digits.describe()
    regression = describe_data((INPUTS, INPUTS * 0.5))
    assert regression is not None
    assert regression["dtypes"] == ["float32", "float32"]
    assert describe_data(None) is None
    with pytest.raises(OptionError, match="data is a int: give a data set's name, tensors"):
        describe_data(3)


def test_samples_in_every_form() -> None:
    for given in (
        (INPUTS, LABELS),
        TensorDataset(INPUTS, LABELS),
        Pairs(),
        DataLoader(Pairs(), batch_size=2, shuffle=True),
    ):
        found = samples_in(given)
        assert found is not None
        assert torch.equal(found[0], INPUTS)
        assert torch.equal(found[1], LABELS)
    assert samples_in("digits") is None
    with pytest.raises(DataError, match="does not give pairs"):
        samples_in(_Alone())


class _Alone(Pairs):
    def __getitem__(self, index: int) -> torch.Tensor:  # type: ignore[override]
        return INPUTS[index]


def test_a_run_of_own_samples_asks_for_them_and_one_of_a_named_set_finds_it(tmp_path: Path) -> None:
    for name, data in (("own", (INPUTS, LABELS)), ("named", "digits")):
        with Recorder(nn.Linear(2, 3), tmp_path / name, data=data, report=None):
            pass
    own = open_run(tmp_path / "own")
    with pytest.raises(
        DataError, match=r"'own data', which is none of eigentrail's own.*give them with data="
    ):
        samples_of(own)
    assert torch.equal(samples_of(own, DataLoader(Pairs()))[1], LABELS)
    # A name alone has no hash that could differ.
    assert len(samples_of(open_run(tmp_path / "named"))[0]) > 1000


def test_parts_are_described_each() -> None:
    inputs, labels = torch.randn(6, 3), torch.tensor([0, 1, 0, 1, 1, 0])
    train, test = (inputs[:4], labels[:4]), (inputs[4:], labels[4:])
    told = describe_data({"train": train, "test": test})
    assert told == {**(describe_data(train) or {}), "test": describe_data(test)}
    # Plain data stay what they are.
    assert describe_data({"train": [1, 2], "test": "none"}) == {"train": [1, 2], "test": "none"}
