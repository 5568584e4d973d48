"""Anybody's own data, and the checks that every data set passes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from eigentrail import data
from eigentrail.data import own
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


class Told(Dataset):
    """Six samples, the fourth of which is another or an error."""

    def __init__(self, fourth: object, length: object = 6, others: object = (X[0], 1)) -> None:
        self.fourth, self.length, self.others = fourth, length, others

    def __len__(self) -> int:
        if isinstance(self.length, BaseException):
            raise self.length
        return self.length

    def __getitem__(self, place: int) -> object:
        if place == 3 and isinstance(self.fourth, BaseException):
            raise self.fourth
        return self.fourth if place == 3 else self.others


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
        (
            Told(OSError("disk\nfull")),
            r"sample 3 of the training part of own data, which tells of 6 .*\(OSError: disk\)",
        ),
        (
            Told(IndexError()),
            r"sample 3 of .*\(IndexError: IndexError\): mend its __getitem__ or its __len__",
        ),
        (Told(SystemExit(0)), r"sample 3 of .*\(SystemExit: it ends the program"),
        (
            Told(0, length=KeyError("n")),
            r"training part of own data does not tell its length \(KeyError: 'n'\)",
        ),
        (Told(0, length=SystemExit()), "does not tell its length .SystemExit"),
        (
            Told((X[0], torch.tensor([1, 2]))),
            r"sample 3 of .* has a target of shape \(2,\), the first one of \(\)",
        ),
        (Told((X[0].to_sparse(), 1)), "the input of sample 3 of the training part of own data is sparse"),
        (
            Told((X[0], np.uint64(2**63 + 5))),
            "training part of own data labels sample 3 as class 9223372036854775813",
        ),
        (Told((X[0], 2**63 + 5)), "sample 3 as class 9223372036854775813, which is no number of a class"),
        (Told((X[0], 2**70)), f"sample 3 as class {2**70}, which"),
        (Told((X[0], 255)), "sample 3 as class 255 and no sample as class 2 to 254"),
        ((X.to_sparse(), Y), "training part of own data has inputs that are sparse"),
        ((X, Y.to_sparse()), "training part of own data has targets that are sparse"),
        ((torch.tensor(1.0), torch.tensor(1)), "training part of own data has inputs that are one number"),
        ((X, torch.tensor(1)), "training part of own data has targets that are one number"),
        (
            (X.numpy(), np.array([0] * 11 + [2**63 + 5], np.uint64)),
            "sample 11 as class 9223372036854775813,",
        ),
    ],
)
def test_bad_data_is_one_clear_sentence(form: object, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        data.as_data(form)
    assert "\n" not in str(caught.value)


def test_labels_beyond_the_named_classes() -> None:
    with pytest.raises(DataError, match="sample 2 as class 2, outside its 2 classes"):
        data.from_tensors((X, Y), classes=["a", "b"])


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (
            [*range(10), 10**9, 0],
            "training part of own data labels sample 10 as class 1000000000 and no sample",
        ),
        ([*range(10), 255, 255], "sample 10 as class 255 and no sample as class 10 to 254: give the number"),
        ([0, 255] * 6, "sample 1 as class 255 and no sample as class 1 to 254"),
        ([1000] * 12, "sample 0 as class 1000 and no sample as class 0 to 999"),
    ],
)
def test_labels_that_do_not_tell_the_number_of_classes(labels: list[int], said: str) -> None:
    with pytest.raises(DataError, match=said):
        data.as_data((X, torch.tensor(labels)))


def test_such_a_label_in_the_test_part() -> None:
    with pytest.raises(
        DataError, match="the test part of own data labels sample 1 as class 255 and no sample"
    ):
        data.as_data(((X, Y), (X[:2], torch.tensor([4, 255]))))


def test_labels_that_tell_it() -> None:
    for labels, classes in (
        (list(range(1, 11)), 11),
        ([0, 9, 3, 9], 10),
        ([3, 97], 98),
        ([99], 100),
        (list(range(300)), 300),
    ):
        inputs = torch.zeros(len(labels), 2)
        assert data.from_tensors((inputs, torch.tensor(labels))).classes == classes
    assert data.from_tensors((X, torch.tensor([0, 255] * 6)), classes=256).classes == 256


@pytest.mark.parametrize("classes", [0, -3, True, 2.7, "ab", 10**9])
def test_classes_are_a_number_or_names(classes: object) -> None:
    with pytest.raises(
        DataError, match=r"classes=.* of own data: give the number of classes, 1 to 1000000, or"
    ):
        data.from_tensors((X, Y), classes=classes)


def test_ctrl_c_in_a_dataset_is_no_bad_data() -> None:
    for told in (Told(KeyboardInterrupt()), Told(0, length=KeyboardInterrupt())):
        with pytest.raises(KeyboardInterrupt):
            data.as_data(told)


def test_unsigned_labels_are_labels() -> None:
    class Unsigned(Squares):
        def __getitem__(self, place: int) -> tuple[np.ndarray, np.uint64]:
            return np.zeros(2, np.float32), np.uint64(place % 3)

    assert data.as_data(Unsigned()).train_targets.tolist() == [0, 1, 2, 0, 1, 2]
    assert (
        data.as_data((X.numpy(), Y.numpy().astype(np.uint64))).fingerprint == data.as_data((X, Y)).fingerprint
    )


def test_samples_that_are_read_for_an_evaluation() -> None:
    for told, said in (
        (Told(KeyError("gone")), r"do not go into one tensor \(KeyError: 'gone'\)"),
        (Told(SystemExit(3)), "SystemExit: it ends the program"),
    ):
        with pytest.raises(DataError, match=said):
            own.read_pair(told)
    with pytest.raises(DataError, match="the inputs of the data are sparse"):
        own.read_pair(DataLoader([(X.to_sparse(), Y)], batch_size=None))


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
