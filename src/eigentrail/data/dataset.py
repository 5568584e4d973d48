"""A data set in memory: inputs and class labels, for training and for testing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import TensorDataset

from eigentrail.data.normalization import Normalization
from eigentrail.errors import DataError

#: What inputs may be.
DTYPES = (torch.float16, torch.float32, torch.float64)


@dataclass(frozen=True, eq=False)
class Data:
    """Inputs and labels as tensors, checked when it is made.

    Attributes:
        name: what it is called.
        train_inputs: the training samples, float, [n, *input_shape]; images are [n, channels, height, width], sequences
            numbers of tokens, int64, [n, positions].
        train_targets: their classes, int64, [n]; for sequences those of each position, [n, positions].
        test_inputs: the held-out samples, [m, *input_shape]; m may be 0.
        test_targets: their classes, [m] or [m, positions].
        class_names: the name of each class; a target counts into them.
        normalization: what was done to the raw values; None where they were taken as they are.
        about: where the split and the scaling come from, in words.
        derivation: how it was made out of the data set of its name, one plain-data entry per step.

    Raises:
        DataError: the tensors do not belong together.
    """

    name: str
    train_inputs: torch.Tensor
    train_targets: torch.Tensor
    test_inputs: torch.Tensor
    test_targets: torch.Tensor
    class_names: tuple[str, ...]
    normalization: Normalization | None = None
    about: str = ""
    derivation: tuple[dict[str, Any], ...] = field(default=())

    def __post_init__(self) -> None:
        for part, inputs, targets in (
            ("training", self.train_inputs, self.train_targets),
            ("test", self.test_inputs, self.test_targets),
        ):
            where = f"the {part} part of {self.name}"
            check_dense(inputs, f"{where} has inputs that are")
            check_dense(targets, f"{where} has targets that are")
            sequences = inputs.dtype == torch.int64 and inputs.ndim == 2 and targets.shape == inputs.shape
            if targets.dtype != torch.int64 or (targets.ndim != 1 and not sequences):
                raise DataError(
                    f"{where} has targets of shape {tuple(targets.shape)} and type {targets.dtype}: give "
                    "one class number, an integer, for each sample"
                )
            if not inputs.ndim:
                raise DataError(
                    f"{where} has inputs that are one number: give one sample or more, inputs [n, ...]"
                )
            if len(inputs) != len(targets):
                raise DataError(
                    f"{where} has {len(inputs)} inputs and {len(targets)} labels: one belongs to each"
                )
            check_labels(targets, self.classes, where)
            if sequences:
                check_labels(inputs, self.classes, f"{where}, sequences of tokens,")
                continue
            if inputs.dtype not in DTYPES:
                raise DataError(
                    f"{where} has inputs of type {inputs.dtype}: give floating point numbers of 16, 32 or 64 bits "
                    "(bfloat16 as float32), or numbers of tokens with the next ones as targets, [n, positions] both"
                )
            # A finite sum, which takes little, leaves nothing to look for.
            if not bool(torch.isfinite(inputs.sum(dtype=torch.float64))) and not bool(
                torch.isfinite(inputs).all()
            ):
                raise DataError(f"{where} holds inputs that are not finite: take those samples out")
        if not len(self.train_inputs):
            raise DataError(f"{self.name} has no training samples")
        if self.train_inputs.shape[1:] != self.test_inputs.shape[1:]:
            raise DataError(
                f"{self.name} has training samples of shape {tuple(self.train_inputs.shape[1:])} and test samples of "
                f"shape {tuple(self.test_inputs.shape[1:])}: they must be the same"
            )

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.train_inputs.shape[1:])

    @property
    def by_position(self) -> bool:
        """Whether samples are sequences of tokens, with a class for each position: the next token."""
        return self.train_targets.ndim > 1

    def check_by_sample(self, what: str) -> None:
        """Refuse sequences where each sample has to have one class.

        Args:
            what: what needs that, for the error.

        Raises:
            DataError: each position has a class.
        """
        if self.by_position:
            raise DataError(
                f"{what} need samples of one class each, and {self.name} has sequences of tokens with a class for each "
                "position: leave them out"
            )

    @property
    def train(self) -> TensorDataset:
        """The training part as a torch Dataset of (input, target)."""
        return TensorDataset(self.train_inputs, self.train_targets)

    @property
    def test(self) -> TensorDataset:
        """The held-out part as a torch Dataset of (input, target)."""
        return TensorDataset(self.test_inputs, self.test_targets)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all inputs and targets in order: the same for the same samples."""
        total = hashlib.blake2b(digest_size=16)
        for tensor in (self.train_inputs, self.train_targets, self.test_inputs, self.test_targets):
            array = tensor.detach().cpu().contiguous().numpy()
            total.update(f"{array.dtype.str}{array.shape}".encode())
            total.update(array.reshape(-1).view("u1").data)
        return total.hexdigest()

    def derived(self, what: str, step: dict[str, Any], **changes: Any) -> Data:
        """Make another data set out of this one.

        Args:
            what: what was done, in words.
            step: the same as plain data: `do`, the name of a function of `eigentrail.data`, and its arguments.
            **changes: the fields that differ.

        Returns:
            The other data set, which remembers how it was made.
        """
        about = f"{self.about}; {what}" if self.about else what
        return replace(self, about=about, derivation=(*self.derivation, step), **changes)

    def describe(self) -> dict[str, Any]:
        """Say what the data set is, as a recorded run keeps it.

        Returns:
            Plain data: name, shapes, sizes, class names, normalisation, a hash of the samples.
        """
        return {
            "name": self.name,
            "input_shape": list(self.input_shape),
            "classes": self.classes,
            "class_names": list(self.class_names),
            "train_samples": len(self.train_inputs),
            "test_samples": len(self.test_inputs),
            "normalization": self.normalization.model_dump(mode="json") if self.normalization else None,
            "about": self.about,
            "derivation": list(self.derivation),
            "fingerprint": self.fingerprint,
        }

    def __repr__(self) -> str:
        return (
            f"<Data {self.name}: {len(self.train_inputs)} training and {len(self.test_inputs)} test samples of shape "
            f"{self.input_shape}, {self.classes} classes>"
        )


def check_labels(targets: torch.Tensor, classes: int, where: str) -> None:
    """Make sure that labels name classes.

    Args:
        targets: integer labels, [n] or [n, positions].
        classes: the number of classes.
        where: what is checked, for the error.

    Raises:
        DataError: a label is negative or too large; the text names the first one.
    """
    wrong = ((targets < 0) | (targets >= classes)).nonzero()
    if len(wrong):
        number = int(targets[tuple(wrong[0])])
        raise DataError(outside(where, int(wrong[0, 0]), number, classes, len(wrong)))


def outside(where: str, place: int, number: int, classes: int, count: int) -> str:
    """Say that labels are outside the classes.

    Args:
        where: what is checked.
        place: the first such sample.
        number: its label.
        classes: the number of classes.
        count: how many such samples there are.

    Returns:
        The sentence.
    """
    return (
        f"{where} labels sample {place} as class {_told(number)}, outside its {classes} classes (0 to "
        f"{classes - 1}); {count} such in all"
    )


def too_large(where: str, place: int, number: int) -> str:
    """Say that a label is larger than any number of a class can be.

    Args:
        where: what is checked.
        place: the sample.
        number: its label.

    Returns:
        The sentence.
    """
    return (
        f"{where} labels sample {place} as class {_told(number)}, which is no number of a class: count the classes "
        "from 0"
    )


def _told(number: int) -> str:
    # Python refuses to write numbers of thousands of digits.
    return str(number) if number.bit_length() <= 128 else f"2^{number.bit_length() - 1} and more"


def int64_labels(labels: NDArray[Any], where: str, start: int = 0) -> NDArray[np.int64]:
    """Bring integer labels of any width into int64.

    Args:
        labels: integers.
        where: what they belong to, for the error.
        start: the number of the first sample.

    Returns:
        The same numbers.

    Raises:
        DataError: one does not fit, which else would become another number.
    """
    if labels.dtype == np.uint64:
        wrong = np.flatnonzero(labels > np.iinfo(np.int64).max)
        if len(wrong):
            raise DataError(too_large(where, start + int(wrong[0]), int(labels.ravel()[wrong[0]])))
    return labels.astype(np.int64)


def check_dense(tensor: torch.Tensor, what: str) -> None:
    """Make sure that a tensor holds all its numbers.

    Args:
        tensor: the tensor.
        what: the beginning of the error, up to and with its verb.

    Raises:
        DataError: it is a sparse or a nested one.
    """
    if isinstance(tensor, torch.Tensor) and (tensor.layout != torch.strided or tensor.is_nested):
        kind = "nested" if tensor.is_nested else "sparse"
        raise DataError(
            f"{what} {kind}: give dense tensors of one shape (.to_dense() makes them of sparse ones)"
        )


def in_precision(inputs: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Bring inputs into a network's precision; numbers of tokens stay whole.

    Args:
        inputs: [n, ...].
        dtype: the precision.

    Returns:
        The inputs.
    """
    return inputs.to(dtype) if inputs.is_floating_point() else inputs
