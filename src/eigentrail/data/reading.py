"""Reading the samples of tensors, a data set or a loader once, with their randomness frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, default_collate

from eigentrail.data.dataset import Data
from eigentrail.data.random_state import chance_kept, seed_all
from eigentrail.data.samples import Chunk, chunk_of
from eigentrail.errors import DataError

_BATCH = 256
# How many samples are read twice to find out whether they are drawn at random.
_TWICE = 32
_MEND = "give augmentations=k to freeze k seeded draws of each sample, or take the random transforms out"


def read(
    data: Any, augmentations: int | None = None, seed: int = 0, batch_size: int | None = None
) -> tuple[list[Chunk], bool]:
    """Read all samples.

    Args:
        data: a pair (inputs, targets) of tensors or arrays, a mapping of tensors, a `Data` set (its training part), a
            data set with samples by number or one after the other, a loader, or batches one after the other. Batches
            are pairs or dicts. A loader that shuffles is read once, in the order that `seed` gives, and so are random
            samplers.
        augmentations: k seeded draws of each sample take the place of the sample, where reading it is random.
        seed: of those.
        batch_size: samples of a batch where a data set is read.

    Returns:
        The samples in the batches they came in, and whether these may be divided freely (no loader made them).

    Raises:
        DataError: it is none of these, or gives other values each time.
    """
    chunks, divisible = stream(data, augmentations, seed, batch_size)
    return list(chunks), divisible


def stream(
    data: Any, augmentations: int | None = None, seed: int = 0, batch_size: int | None = None
) -> tuple[Iterator[Chunk], bool]:
    """Read samples one batch after the other, so that no more than one need be held.

    Args:
        data: as for `read`.
        augmentations: as for `read`.
        seed: of those.
        batch_size: samples of a batch where a data set is read.

    Returns:
        The samples in the batches they come in, and whether these may be divided freely. The random generators of the
        caller are put back when the last batch was taken.

    Raises:
        DataError: it is none of what can be read; what a batch shows is raised when it is read.
    """
    if augmentations is not None and (
        isinstance(augmentations, bool)
        or not isinstance(augmentations, (int, np.integer))
        or augmentations < 1
    ):
        raise DataError(
            f"augmentations is a number of draws of each sample, 1 or more, not {augmentations!r}."
        )
    if isinstance(data, Data):
        data = (data.train_inputs, data.train_targets)
    if isinstance(data, TensorDataset) and len(data.tensors) == 2:
        data = data.tensors
    if isinstance(data, Mapping) or _is_pair(data):
        if augmentations is not None:
            raise DataError(
                "augmentations freezes what a data set draws, and tensors draw nothing: give the data set that "
                "augments, or leave it out."
            )
        return iter([chunk_of(data)]), True
    if isinstance(data, DataLoader):
        return _kept(_of_loader(data, augmentations, seed)), False
    if isinstance(data, IterableDataset):
        loader: DataLoader[Any] = DataLoader(data, batch_size=batch_size or _BATCH)
        return _kept(_of_loader(loader, augmentations, seed)), True
    if isinstance(data, Sequence) and (not data or isinstance(data[0], Mapping) or _is_pair(data[0], 1)):
        return map(chunk_of, data), False
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        size = batch_size or _BATCH
        places = [range(low, min(low + size, len(data))) for low in range(0, len(data), size)]
        return _kept(_by_number(data, places, default_collate, augmentations, seed)), True
    if isinstance(data, Iterable):
        return _kept(_one_by_one(data, augmentations, seed)), False
    raise DataError(
        f"data is {type(data).__name__}: give a pair (inputs, targets) of tensors, a data set or a loader."
    )


def _kept(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    with chance_kept():
        yield from chunks


def _is_pair(data: Any, axes: int = 0) -> bool:
    """Tell whether this is (inputs, targets) with samples along the first axis."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        return False
    inputs, targets = data
    held = isinstance(inputs, (torch.Tensor, np.ndarray, Mapping)) or (
        isinstance(inputs, tuple) and bool(inputs) and all(isinstance(one, torch.Tensor) for one in inputs)
    )
    if isinstance(targets, (Mapping, tuple, list)):
        # Nested targets beside a tuple of inputs, and two mappings, would be two batches as well.
        inside = list(targets.values()) if isinstance(targets, Mapping) else list(targets)
        one = isinstance(inputs, (torch.Tensor, np.ndarray))
        one = one or (isinstance(inputs, Mapping) and not isinstance(targets, Mapping))
        return one and _are_samples(inside)
    return held and isinstance(targets, (torch.Tensor, np.ndarray)) and np.ndim(targets) >= axes


def _are_samples(values: list[Any]) -> bool:
    """Tell whether these are tensors, or nestings of them, with samples along the first axis."""
    if not values:
        return False
    for one in values:
        if isinstance(one, (Mapping, tuple, list)):
            if not _are_samples(list(one.values()) if isinstance(one, Mapping) else list(one)):
                return False
        elif not (isinstance(one, (torch.Tensor, np.ndarray)) and np.ndim(one) > 0):
            return False
    return True


def _of_loader(loader: DataLoader[Any], augmentations: int | None, seed: int) -> Iterator[Chunk]:
    with _generators(loader):
        if isinstance(loader.dataset, IterableDataset):
            yield from _one_by_one(loader, augmentations, seed)
            return
        seed_all(seed, 0)
        if loader.batch_sampler is None:
            places, collate = [[place] for place in loader.sampler], _single(loader.collate_fn)
        else:
            places, collate = [list(batch) for batch in loader.batch_sampler], loader.collate_fn
        if augmentations is not None:
            yield from _by_number(loader.dataset, places, collate, augmentations, seed)
            return
        _check_reading(loader.dataset, [place for batch in places for place in batch], collate)
        seed_all(seed, 0)
        # The loader itself, for it may have workers; the seed gives its sampler the same order.
        for item in loader:
            yield chunk_of(item)


@contextmanager
def _generators(loader: DataLoader[Any]) -> Iterator[None]:
    """Put the generators of a loader and its sampler back afterwards."""
    owners = [loader, loader.sampler, getattr(loader.batch_sampler, "sampler", None)]
    found = {id(g): g for g in (getattr(one, "generator", None) for one in owners) if g is not None}
    states = [(g, g.get_state()) for g in found.values()]
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)


def _single(collate: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Collate one sample of a loader without batches, whose samples are batches already."""
    return lambda items: collate(items[0])


def _by_number(
    data: Any,
    places: Sequence[Sequence[Any]],
    collate: Callable[[Any], Any],
    augmentations: int | None,
    seed: int,
) -> Iterator[Chunk]:
    if augmentations is None:
        _check_reading(data, [place for batch in places for place in batch], collate)
    first = 0
    for batch in places:
        for draw in range(1 if augmentations is None else augmentations):
            items = []
            for number, place in enumerate(batch, first):
                seed_all(seed, 1, number, draw)
                items.append(data[place])
            seed_all(seed, 2, first, draw)
            yield chunk_of(collate(items))
        first += len(batch)


def _check_reading(data: Any, places: Sequence[Any], collate: Callable[[Any], Any]) -> None:
    """Read a few samples twice, with other random numbers."""
    step = max(1, len(places) // _TWICE)
    for place in places[::step][:_TWICE]:
        found = []
        for turn in (0, 1):
            seed_all(3, turn)
            found.append(collate([data[place]]))
        _compare(chunk_of(found[0]), chunk_of(found[1]), f"sample {place}")


def _compare(one: Chunk, other: Chunk, what: str) -> None:
    for part, first, second in (
        ("inputs", one.inputs, other.inputs),
        ("targets", one.targets, other.targets),
    ):
        if not _same(first, second):
            raise DataError(
                f"the data differs between two passes: the {part} of {what} are not the same again: {_MEND}."
            )


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return (
            isinstance(other, torch.Tensor)
            and one.shape == other.shape
            and torch.equal(one.nan_to_num(), other.nan_to_num())
        )
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(_same, one, other))
    return True


def _one_by_one(data: Iterable[Any], augmentations: int | None, seed: int) -> Iterator[Chunk]:
    """Read what has no numbers; without seeded draws all of it twice, for the order may be another each time."""
    draws = 1 if augmentations is None else augmentations
    sums: list[torch.Tensor] = []
    for draw in range(draws):
        seed_all(seed, 4, draw)
        for item in data:
            found = chunk_of(item)
            sums.append(_fingerprints(found))
            yield found
    if augmentations is None and sums and iter(data) is not data:
        seed_all(seed, 5)
        again = [_fingerprints(chunk_of(item)) for item in data]
        one, other = torch.cat(sums).sort().values, torch.cat(again).sort().values
        # To rounding, which depends on where in a batch a sample stands.
        if one.shape != other.shape or not torch.allclose(one, other, rtol=1e-9, atol=1e-12):
            raise DataError(f"the data differs between two passes, whatever its order: {_MEND}.")


def _fingerprints(chunk: Chunk) -> torch.Tensor:
    """Give one number for each sample."""
    total = torch.zeros(chunk.count, dtype=torch.float64)
    stack = [chunk.inputs, chunk.targets]
    while stack:
        value = stack.pop()
        if isinstance(value, torch.Tensor) and value.ndim and len(value) == chunk.count:
            flat = value.detach().cpu().double().reshape(chunk.count, -1).nan_to_num()
            total += flat @ torch.linspace(1.0, 2.0, flat.shape[1], dtype=torch.float64)
        elif isinstance(value, Mapping):
            stack += value.values()
        elif isinstance(value, tuple):
            stack += value
    return total
