"""Batches with class labels, out of whatever holds samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from eigentrail._numbers import written
from eigentrail.data.reading import read, stream
from eigentrail.data.samples import Chunk
from eigentrail.errors import FeatureError

#: What class labels are called in dict batches.
LABELS = ("labels", "label", "targets", "target", "y")


@dataclass(frozen=True)
class Labelled:
    """Samples and their classes.

    Attributes:
        inputs: what the network is called with: a tensor, a mapping (keyword arguments) or a tuple (arguments).
        labels: class numbers, [batch], or [batch, ...] where each position has its own.
    """

    inputs: Any
    labels: torch.Tensor

    def call(self, model: Any) -> Any:
        """Call a network with the inputs.

        Args:
            model: the network.

        Returns:
            Its outputs.
        """
        if isinstance(self.inputs, Mapping):
            return model(**self.inputs)
        return model(*self.inputs) if isinstance(self.inputs, tuple) else model(self.inputs)


class LabelledData:
    """Data that can be gone through again and again.

    Args:
        data: a pair (inputs, labels) of tensors, a mapping, a data set, a loader, or batches one after the other.
        labels: the key of the labels in dict batches; None for the first of `LABELS` that is there.
        batch_size: at most so many samples at once; loaders keep their own batches.
    """

    def __init__(self, data: Any, labels: str | None, batch_size: int) -> None:
        # What can be gone through once only has to be kept.
        self._data = data if not isinstance(data, Iterator) else None
        self._kept = read(data)[0] if self._data is None else None
        self._labels, self._size = labels, batch_size

    def batches(self, dtype: torch.dtype, device: torch.device) -> Iterator[Labelled]:
        """Give the samples, the same at every call.

        Args:
            dtype: of inputs that are floating.
            device: where they are brought.

        Yields:
            The samples with their labels.
        """
        if self._kept is not None:
            chunks, divisible = iter(self._kept), True
        else:
            chunks, divisible = stream(self._data, batch_size=self._size)
        for chunk in chunks:
            step = self._size if divisible else max(chunk.count, 1)
            for start in range(0, chunk.count, step):
                part = chunk.part(start, min(start + step, chunk.count))
                yield self._labelled(part, dtype, device)

    def _labelled(self, chunk: Chunk, dtype: torch.dtype, device: torch.device) -> Labelled:
        batch = chunk.batch(chunk.count, dtype, device)
        inputs, labels = batch.inputs, batch.targets
        if chunk.targets is None:
            keys = [self._labels] if self._labels else LABELS
            key = next((key for key in keys if key in inputs), None)
            if key is None:
                raise FeatureError(
                    f"the dict batches have no class labels: their keys are {', '.join(map(str, inputs))}, and labels= "
                    "names the one that holds them"
                )
            labels = inputs[key]
            inputs = {name: value for name, value in inputs.items() if name != key}
        return Labelled(inputs, checked(labels))


def checked(labels: Any) -> torch.Tensor:
    """Make sure that labels are class numbers.

    Args:
        labels: what was given.

    Returns:
        int64, of the same shape.

    Raises:
        FeatureError: they are none.
    """
    if not isinstance(labels, torch.Tensor):
        raise FeatureError(f"labels are class numbers, a tensor of integers, not {written(labels)}")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        shown = "one-hot rows or " if labels.ndim > 1 else ""
        raise FeatureError(
            f"labels are {shown}numbers of type {labels.dtype}, not classes: give one integer for each sample "
            "(argmax(1) of one-hot rows, bins of a number)"
        )
    return labels.long()
