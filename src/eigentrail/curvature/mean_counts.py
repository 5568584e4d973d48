"""What the mean of a loss counts: samples, or tokens that are not ignored, or entries of a mask or of weights.

Transformers' losses are means over the labels that are not -100, and torch's cross-entropy is one over the targets that
are not `ignore_index`, each with the weight of its class. The mean over all samples is then not the mean of those of
batches, unless each batch counts by what its mean counts. Which that is shows in losses: those of two samples together
and apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import torch
from torch import nn

from eigentrail.curvature.calling import refusals
from eigentrail.curvature.point import Point
from eigentrail.data.samples import Chunk, Samples
from eigentrail.errors import CurvatureError, OptionError

#: What each sample counts: "samples" (all the same), "batches" (the loss of a batch is one number of it), or a function
#: of a batch's targets (or the batch, for dict batches) that gives one number for each sample.
Weights: TypeAlias = Literal["samples", "batches"] | Callable[[Any], Any] | None

_IGNORED = -100
# Samples whose losses are compared as two halves; chunks that are looked at.
_HALVES, _CHUNKS = 32, 4
# Relative differences of losses that count as none: what is clearly rounding, and what networks that round to single
# precision inside may show.
_ROUNDING, _COARSE = {torch.float64: 1e-10, torch.float32: 1e-5}, {torch.float64: 1e-5, torch.float32: 1e-3}


@dataclass(frozen=True)
class MeanCount:
    """What a mean counts.

    Attributes:
        name: in words.
        known: whether it follows from the kind of the loss.
        of: gives one number for each sample of a chunk, [count] float64.
    """

    name: str
    known: bool
    of: Callable[[Chunk], torch.Tensor]


SAMPLES = MeanCount("samples", False, lambda chunk: torch.ones(chunk.count, dtype=torch.float64))


def check_weights(weights: Weights) -> None:
    """Refuse what says nothing of samples.

    Args:
        weights: what was given.

    Raises:
        OptionError: it is neither a name nor a function.
    """
    if weights not in {None, "samples", "batches"} and not callable(weights):
        raise OptionError(
            'weights is "samples", "batches", or a function of the targets (or a dict batch) that gives one number for '
            f"each sample, not {weights!r}."
        )


def mean_count(point: Point, samples: Samples, weights: Weights) -> MeanCount | None:
    """Find what the mean of a loss counts.

    Args:
        point: the network and its loss.
        samples: the data.
        weights: what the user says of it; None to find out.

    Returns:
        What it counts; None where the losses of some samples together are not such a mean of those apart.

    Raises:
        CurvatureError: it cannot be found out, for no two samples can be put together.
    """
    if weights == "batches":
        return None
    if weights == "samples":
        candidates = [SAMPLES]
    elif callable(weights):
        candidates = [MeanCount("weights=", False, lambda chunk: _given(weights, chunk))]
    else:
        candidates = list(_candidates(point, samples))
    finer = point.in_precision(torch.float64)
    try:
        compared = _compared(finer, samples, candidates)
    except Exception:  # parts of the network that keep a precision of their own
        finer = point
        compared = _compared(point, samples, candidates)
    if compared is None:
        known = next((one for one in candidates if one.known or callable(weights)), None)
        if known is None and any("-100" in one.name for one in candidates):
            raise CurvatureError(
                "the targets hold -100, and no two samples can be put together to see whether the loss counts those: "
                "give weights=, such as weights=lambda targets: (targets != -100).sum(1)."
            )
        return known or SAMPLES
    small = [one for one, far in zip(candidates, compared, strict=True) if far <= _ROUNDING[finer.dtype]]
    if small:
        return small[0]
    far, best = min(zip(compared, range(len(candidates)), strict=True))
    return candidates[best] if far <= _COARSE[finer.dtype] else None


def _given(weights: Callable[[Any], Any], chunk: Chunk) -> torch.Tensor:
    found = torch.as_tensor(weights(chunk.inputs if chunk.targets is None else chunk.targets)).detach()
    found = found.cpu().double()
    if found.shape != (chunk.count,) or not bool(torch.isfinite(found).all()) or bool((found < 0).any()):
        raise CurvatureError(
            f"weights= gives {list(found.shape)} for {chunk.count} samples: it has to give one finite number, at least "
            "0, for each of them."
        )
    return found


def count_named(point: Point, samples: Samples, name: str) -> MeanCount:
    """Give what another process found.

    Args:
        point: the network and its loss.
        samples: the data of this process.
        name: of what the mean counts.

    Returns:
        The same for this process.
    """
    return next((one for one in _candidates(point, samples, True) if one.name == name), SAMPLES)


def _candidates(point: Point, samples: Samples, every: bool = False) -> Iterator[MeanCount]:
    """Give what a mean may count, the likeliest first; all that it may for other data too if `every`."""
    loss = point.loss_function
    ignored = int(getattr(loss, "ignore_index", _IGNORED))
    by_class = getattr(loss, "weight", None)
    usual = isinstance(loss, (nn.CrossEntropyLoss, nn.NLLLoss)) and loss.reduction == "mean"
    first: list[MeanCount] = []
    others = [SAMPLES]
    for path, leaf in _leaves(_counted(samples.chunks[0]), ()):
        whole = not leaf.is_floating_point() and leaf.dtype != torch.bool
        known = not path and (usual or loss is None)
        name = ".".join(path) or "targets"
        ragged = every or len({one.shape[1:] for one in _all(samples, path)}) > 1
        if whole and isinstance(by_class, torch.Tensor):
            weighted = _Entries(path, ignored, by_class.detach().cpu())
            (first if known else others).append(
                MeanCount(f"weights of the classes in {name}", known, weighted)
            )
        elif whole and (ragged or any(bool((one == ignored).any()) for one in _all(samples, path))):
            kept = MeanCount(f"{name} that are not {ignored}", known, _Entries(path, ignored, splits=ragged))
            (first if known else others).append(kept)
            if leaf.ndim > 1:
                behind = _Entries(path, ignored, behind=1)
                others.append(MeanCount(f"{name} behind the first that are not {ignored}", False, behind))
        if every or leaf.dtype == torch.bool or bool(((leaf == 0) | (leaf == 1)).all()) or not whole:
            others.append(MeanCount(f"the sum of {name}", False, _Entries(path)))
            if leaf.ndim > 1:
                others.append(
                    MeanCount(f"the sum of {name} behind the first", False, _Entries(path, behind=1))
                )
    yield from first + others


@dataclass(frozen=True)
class _Entries:
    """Counts, or sums, the entries of one tensor of the targets."""

    path: tuple[str, ...]
    ignored: int | None = None
    by_class: torch.Tensor | None = None
    behind: int = 0
    splits: bool = False

    def with_more_ignored(self, chunk: Chunk) -> Chunk | None:
        """Give two samples, with the second half of the first one's entries ignored; None where there are no such."""
        if not self.splits or self.ignored is None or chunk.count < 2:
            return None
        pair = chunk.take(torch.tensor([0, 1]))
        value: Any = _at(_counted(pair), self.path)
        if value.ndim < 2 or value.shape[1] < 4:
            return None
        changed = value.clone()
        changed[0, value.shape[1] // 2 :] = self.ignored
        if pair.targets is None:
            return replace(pair, inputs=_put(pair.inputs, self.path, changed))
        return replace(pair, targets=_put(pair.targets, self.path, changed))

    def __call__(self, chunk: Chunk) -> torch.Tensor:
        entries = _at(_counted(chunk), self.path).detach().cpu()
        entries = entries[:, self.behind :] if self.behind else entries
        if self.ignored is not None:
            kept = entries != self.ignored
            entries = kept if self.by_class is None else self.by_class.double()[entries * kept] * kept
        return entries.double().reshape(chunk.count, -1).sum(dim=1)


def _counted(chunk: Chunk) -> Any:
    return chunk.inputs if chunk.targets is None else chunk.targets


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        if value.ndim and value.numel():
            yield path, value
    elif isinstance(value, (Mapping, tuple)):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, one in pairs:
            yield from _leaves(one, (*path, str(key)))


def _all(samples: Samples, path: tuple[str, ...]) -> Iterator[torch.Tensor]:
    return (_at(_counted(chunk), path) for chunk in samples.chunks)


def _at(value: Any, path: tuple[str, ...]) -> torch.Tensor:
    for key in path:
        value = value[key if isinstance(value, Mapping) else int(key)]
    found: torch.Tensor = value
    return found


def _put(value: Any, path: tuple[str, ...], new: torch.Tensor) -> Any:
    if not path:
        return new
    if isinstance(value, Mapping):
        return {**value, path[0]: _put(value[path[0]], path[1:], new)}
    return tuple(_put(one, path[1:], new) if str(i) == path[0] else one for i, one in enumerate(value))


def _compared(point: Point, samples: Samples, candidates: list[MeanCount]) -> list[float] | None:
    """Give how far losses of samples together are from the means of those apart; None if none can be compared."""
    worst, any_compared = [0.0] * len(candidates), False
    with point.setting(), point.evaluating():
        for chunk in _pieces(samples):
            for part, first in _divisions(point, chunk, candidates):
                parts = (part, part.part(0, first), part.part(first, part.count))
                batches = [one.batch(samples.total, point.dtype, point.device) for one in parts]
                with refusals(point, batches[0]):
                    together, low, high = (float(point.loss(point.values, one).detach()) for one in batches)
                scale = max(abs(together), abs(low), abs(high))
                if not 0.0 < scale < float("inf"):
                    continue
                any_compared = True
                for place, one in enumerate(candidates):
                    each = one.of(part)
                    a, b = float(each[:first].sum()), float(each[first:].sum())
                    mean = (a * low + b * high) / (a + b) if a + b > 0.0 else float("inf")
                    worst[place] = max(worst[place], abs(together - mean) / scale)
    return worst if any_compared else None


def _pieces(samples: Samples) -> Iterator[Chunk]:
    """Give some chunks of several samples; single samples that fit together are put together."""
    several = [chunk for chunk in samples.chunks if chunk.count > 1]
    if several:
        # Those whose samples differ most in what they hold tend to be far apart.
        yield from several[:: max(1, len(several) // _CHUNKS)][:_CHUNKS]
        return
    for one, other in zip(samples.chunks, samples.chunks[1:], strict=False):
        joined = one.joined(other)
        if joined is not None:
            yield joined
            return


def _divisions(point: Point, chunk: Chunk, candidates: list[MeanCount]) -> Iterator[tuple[Chunk, int]]:
    """Give samples and how many of them are the first part: halves, and pairs that are counted most unlike."""
    head = chunk.part(0, min(_HALVES, chunk.count))
    yield head, head.count // 2
    counts = [one.of(chunk) for one in candidates]
    valued = torch.stack([one > 0 for one in counts]).all(dim=0).nonzero().flatten()
    seen = set()
    for each in counts:
        if len(valued) > 1 and float(each[valued].max()) > float(each[valued].min()):
            pair = (int(valued[each[valued].argmax()]), int(valued[each[valued].argmin()]))
            if pair not in seen:
                seen.add(pair)
                yield chunk.take(torch.tensor(pair)), 1
    for one in candidates:
        # A loss of one's own may take any number for a class, which ends the use of a GPU.
        trusted = one.known or point.loss_function is None or point.device.type == "cpu"
        split = one.of.with_more_ignored(chunk) if trusted and isinstance(one.of, _Entries) else None
        if split is not None:
            yield split, 1
