"""Anybody's own data, and the checks that every data set passes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from eigentrail import data
from eigentrail.errors import DataError

X = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
Y = torch.arange(12) % 4


class Squares(Dataset):
    def __len__(self) -> int:
        return 6

    def __getitem__(self, place: int) -> tuple[np.ndarray, int]:
        return np.full((1, 2, 2), place**2, np.float32), place % 3


class Ragged(Squares):
    def __getitem__(self, place: int) -> tuple[np.ndarray, int]:
        return np.zeros(2 + (place == 4)), 0


class Endless(IterableDataset):
    def __iter__(self):
        yield X[0], 0


def test_every_form_gives_the_same() -> None:
    forms = [(X, Y), [X.numpy(), Y.numpy()], TensorDataset(X, Y), (X, Y.int())]
    prints = {data.as_data(form).fingerprint for form in forms}
    assert len(prints) == 1
    with_test = data.as_data(((X, Y), TensorDataset(X[:5], Y[:5])))
    assert len(with_test.train_inputs) == 12
    assert len(with_test.test_inputs) == 5
    assert with_test.classes == 4
    assert with_test.input_shape == (3,)


def test_a_dataset_is_read_in_order() -> None:
    loaded = data.from_tensors(Squares(), name="squares")
    assert loaded.train_inputs[:, 0, 0, 0].tolist() == [0, 1, 4, 9, 16, 25]
    assert loaded.train_targets.tolist() == [0, 1, 2, 0, 1, 2]
    assert len(loaded.test) == 0
    assert loaded.train[4][1] == 1


def test_class_names_and_more_classes_than_are_seen() -> None:
    assert data.from_tensors((X, Y), classes=7).classes == 7
    assert data.from_tensors((X, Y), classes=["a", "b", "c", "d"]).class_names == ("a", "b", "c", "d")


def test_later_changes_of_the_callers_tensors_do_not_reach_it() -> None:
    mine = X.clone()
    loaded = data.as_data((mine, Y))
    mine.zero_()
    assert torch.equal(loaded.train_inputs, X)


def test_fingerprint_sees_values_order_and_labels() -> None:
    prints = {
        data.as_data(form).fingerprint
        for form in [(X, Y), (X.flip(0), Y), (X, Y.flip(0)), (X * 2, Y), (X.double(), Y)]
    }
    assert len(prints) == 5


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ((X, Y[:5]), "12 inputs and 5 labels"),
        ((X, Y - 1), "sample 0 as class -1, outside its"),
        ((X, X[:, 0]), "type torch.float32: give one class number"),
        ((X, Y[:, None]), r"targets of shape \(12, 1\)"),
        ((X / 0, Y), "not finite"),
        ((torch.where(X > 2, torch.nan, X), Y), "not finite"),
        ((X[:0], Y[:0]), "no training samples"),
        (X, "is a Tensor: give a pair"),
        ((X, Y, Y), "is 3 things: give a pair"),
        (DataLoader(TensorDataset(X, Y)), "is a DataLoader"),
        (((X, Y), (X[:, :2], Y)), "they must be the same"),
        (Ragged(), r"sample 4 of the training part of own data has shape \(3,\), the first one \(2,\)"),
        (Endless(), "without a length"),
        ((["a"], [1]), "cannot be made tensors"),
        (7, "is a int: give a pair"),
    ],
)
def test_bad_data_is_one_clear_sentence(form: object, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        data.as_data(form)
    assert "\n" not in str(caught.value)


def test_labels_beyond_the_named_classes() -> None:
    with pytest.raises(DataError, match="sample 2 as class 2, outside its 2 classes"):
        data.from_tensors((X, Y), classes=["a", "b"])


def test_huge_finite_numbers_are_no_mistake() -> None:
    huge = torch.full((2, 2), 1e308, dtype=torch.float64)
    assert data.as_data((huge, torch.tensor([0, 1]))).classes == 2


def test_bfloat16_is_read_as_float32_and_other_types_are_refused() -> None:
    loaded = data.as_data((X.bfloat16(), Y))
    assert torch.equal(loaded.train_inputs, X.bfloat16().float())
    assert loaded.fingerprint == data.as_data((X.bfloat16().float(), Y)).fingerprint
    for kind in (torch.bfloat16, torch.int32):
        with pytest.raises(DataError, match=f"inputs of type {kind}: give floating point numbers"):
            data.Data("mine", X.to(kind), Y, X[:0].to(kind), Y[:0], ("a", "b", "c", "d"))


def test_description_is_plain_data() -> None:
    import json

    told = json.loads(json.dumps(data.load("digits").describe()))
    assert told["name"] == "digits"
    assert told["train_samples"] == 1440
    assert told["normalization"]["scale"] == 16
