"""The samples that a recorded run was trained or tested on."""

from __future__ import annotations

from typing import Any, Literal

import torch

from eigentrail import data as datasets
from eigentrail._numbers import written
from eigentrail.errors import DataError, OptionError
from eigentrail.runs import Run
from eigentrail.runs.data_description import samples_in


def samples_of(
    run: Run,
    data: Any = None,
    *,
    part: Literal["train", "test"] = "train",
    count: int | None = None,
    seed: int = 0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Get the samples of a run, loaded again as the run says and checked to be the same.

    Args:
        run: a recorded run; what its user gave for its samples is taken.
        data: what to take instead: a `Data`, a data set's name, or a pair of tensors, a Dataset or a DataLoader, of
            which all samples are taken, in their own order.
        part: which part of the data set.
        count: at most how many samples, drawn without replacement; None for all.
        seed: of the draw.

    Returns:
        Inputs [n, ...] and class numbers [n].

    Raises:
        DataError: the run does not say what it was trained on, or that is not trusted or not found; the part is empty.
        OptionError: `part` is neither.
    """
    if part not in ("train", "test"):
        raise OptionError(f"part is 'train' or 'test', not {written(part)}.")
    if data is None and run.given.data is not None:
        data = run.given.samples(part)
    given = samples_in(data)
    if given is not None:
        inputs, targets = (one.detach().cpu() for one in given)
    else:
        if data is None:
            told = run.manifest.data if run.manifest is not None else None
            if not told:
                raise DataError(
                    f"{run.path} does not say what it was trained on: give them with data=... (--data module:name)"
                )
            found = datasets.rebuild(told, trust=run.trusted)
        else:
            found = datasets.as_data(data)
        inputs = found.train_inputs if part == "train" else found.test_inputs
        targets = found.train_targets if part == "train" else found.test_targets
    if not len(inputs):
        raise DataError(f"there are no {part} samples")
    if count is not None and count < len(inputs):
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(len(inputs), generator=generator)[:count].sort().values
        inputs, targets = inputs[chosen], targets[chosen]
    return inputs, targets
