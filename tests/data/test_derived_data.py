"""Class subsets, label noise, subsets of N samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from eigentrail import data
from eigentrail.data import Data, label_noise, select_classes, take
from eigentrail.errors import DataError, OptionError


@pytest.fixture(scope="module")
def digits() -> Data:
    return data.load("digits")


def test_a_class_subset_keeps_numbers_or_counts_anew(digits: Data) -> None:
    some = select_classes(digits, [7, "2"])
    there = (digits.train_targets == 7) | (digits.train_targets == 2)
    assert torch.equal(some.train_inputs, digits.train_inputs[there])
    assert torch.equal(some.train_targets, digits.train_targets[there])
    assert some.classes == 10
    anew = select_classes(digits, [7, 2], relabel=True)
    assert torch.equal(anew.train_inputs, some.train_inputs)
    assert torch.equal(anew.train_targets == 0, some.train_targets == 7)
    assert torch.equal(anew.test_targets == 1, some.test_targets == 2)
    assert anew.class_names == ("7", "2")
    assert "only the classes 7, 2" in anew.describe()["about"]
    assert anew.fingerprint != digits.fingerprint


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_label_noise_is_exact_wrong_and_even(digits: Data, seed: int, share: float) -> None:
    noisy = label_noise(digits, share, seed)
    wrong = noisy.train_targets != digits.train_targets
    assert int(wrong.sum()) == round(share * 1440)
    assert torch.equal(noisy.test_targets, digits.test_targets)
    assert torch.equal(noisy.train_targets, label_noise(digits, share, seed).train_targets)
    if share:
        shift = (noisy.train_targets - digits.train_targets)[wrong] % 10
        assert stats.chisquare(torch.bincount(shift, minlength=10)[1:].numpy()).pvalue > 1e-4
        assert not torch.equal(noisy.train_targets, label_noise(digits, share, seed + 10).train_targets)


def test_subsets_are_nested_without_repetition_and_in_order(digits: Data) -> None:
    small, large = take(digits, 100, 20, seed=3), take(digits, 500, seed=3)
    assert small.train_inputs.shape == (100, 1, 8, 8)
    assert len(small.test_targets) == 20
    assert len(large.test_targets) == 357
    places = {image.numpy().tobytes(): i for i, image in enumerate(digits.train_inputs)}
    found = [[places[image.numpy().tobytes()] for image in part.train_inputs] for part in (small, large)]
    assert found[0] == sorted(set(found[0]))
    assert set(found[0]) < set(found[1])
    assert torch.equal(small.train_targets, digits.train_targets[found[0]])
    assert not torch.equal(small.train_inputs, take(digits, 100, seed=4).train_inputs)
    assert take(digits).fingerprint == digits.fingerprint
    assert len(take(digits, test=0).test_targets) == 0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda d: select_classes(d, [10]), "there is no class 10 of digits: they are numbered 0 to 9"),
        (lambda d: select_classes(d, ["11"]), 'there is no class of digits "11"'),
        (lambda d: select_classes(d, []), "name at least one, each once"),
        (lambda d: select_classes(d, [1, 1]), "name at least one, each once"),
        (lambda d: select_classes(select_classes(d, [1, 2]), [3]), "no training sample of class 3"),
        (lambda d: label_noise(d, 1.5), "label noise 1.5: give the share of wrong labels, from 0 to 1"),
        (lambda d: label_noise(select_classes(d, [1], relabel=True), 0.1), "samples of one class only"),
        (lambda d: take(d, 1441), "1441 training samples of digits: there are 1440"),
        (lambda d: take(d, 0), "0 training samples"),
        (lambda d: take(d, test=-1), "-1 test samples"),
        (lambda d: take(d, 10.5), "10.5 training samples of digits: give a whole number"),
        (lambda d: take(d, 100, "20"), "'20' test samples of digits: give a whole number"),
        (lambda d: take(d, 100, seed=2**63), "seed is a whole number"),
        (lambda d: take(d, 100, seed=0.5), "seed is a whole number"),
        (lambda d: label_noise(d, "20%"), "label noise '20%': give the share of wrong labels, from 0 to 1"),
        (lambda d: label_noise(d, [0.1]), r"label noise \[0.1\]: give the share"),
        (lambda d: label_noise(d, 0.1, seed=-1), "seed is a whole number"),
        (lambda d: label_noise(select_classes(d, [1]), 0.1), "samples of one class only"),
        (lambda d: select_classes(d, 5), "classes 5 of digits: name at least one, each once, such as"),
        (lambda d: select_classes(d, "12"), "classes '12' of digits: name at least one, each once, such as"),
        (lambda d: select_classes(d, [1.5, 2]), "class 1.5 of digits: give a whole number"),
    ],
)
def test_what_cannot_be_had(digits: Data, make, said: str) -> None:
    with pytest.raises((DataError, OptionError), match=said) as caught:
        make(digits)
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_and_torch_are_numbers(digits: Data) -> None:
    five = take(digits, np.int64(500), torch.tensor(100), seed=np.int64(3))
    assert five.fingerprint == take(digits, 500, 100, seed=3).fingerprint
    assert five.derivation == ({"do": "take", "train": 500, "test": 100, "seed": 3},)
    assert [type(each) for each in five.derivation[0].values()] == [str, int, int, int]
    assert label_noise(digits, np.float32(0.5)).derivation[0]["share"] == 0.5
    assert (
        select_classes(digits, torch.tensor([7, 2])).fingerprint == select_classes(digits, (7, 2)).fingerprint
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_wrong_labels_are_of_classes_that_are_there(digits: Data, seed: int) -> None:
    some = select_classes(digits, [1, 4, 9])
    noisy = label_noise(some, 1.0, seed)
    assert (noisy.train_targets != some.train_targets).all()
    assert noisy.train_targets.unique().tolist() == [1, 4, 9]
    anew = label_noise(select_classes(digits, [1, 4, 9], relabel=True), 1.0, seed)
    assert torch.equal(torch.tensor([1, 4, 9])[anew.train_targets], noisy.train_targets)
