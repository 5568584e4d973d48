"""The two passes over samples that all numbers of collapse are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from eigentrail.errors import FeatureError
from eigentrail.features.class_moments import ClassMoments
from eigentrail.features.feature_rows import Reading, classes_last, first_tensor
from eigentrail.features.head import Head
from eigentrail.features.labelled import Labelled, LabelledData
from eigentrail.features.points import Point, reading
from eigentrail.features.tape import Tape
from eigentrail.features.within import WithinClass

Key = tuple[str, int]


@dataclass
class Layer:
    """What the passes gather at one call of one point.

    Attributes:
        moments: of the true labels.
        permuted: of labels that were drawn anew, if any.
        told: how features were made of what is there.
        within: of the second pass, if it was made.
        permuted_within: likewise, of the other labels.
    """

    moments: ClassMoments
    permuted: list[ClassMoments]
    told: str
    within: WithinClass | None = None
    permuted_within: list[WithinClass] = field(default_factory=list)


class Passes:
    """Goes through samples and gathers moments at points of a network.

    Args:
        model: the network.
        data: the samples.
        points: where to look.
        how: how features are made.
        head: the linear head, where there is one.
        distinct: True to look at a tensor that several points share once only.
        tape: keeps what the first pass shows.

    Attributes:
        layers: what was gathered, by point and number of the call, in the order of the first pass.
        shared: points that were left out, with the one that has the same tensor.
        accuracy: the share of labels that are the largest output; None where outputs are no logits of the labels.
    """

    def __init__(
        self,
        model: nn.Module,
        data: LabelledData,
        points: Sequence[Point],
        how: Reading,
        head: Head | None,
        distinct: bool,
        tape: Tape,
    ) -> None:
        self._model, self._data, self._points = model, data, list(points)
        self._how, self._head, self._distinct = how, head, distinct
        first = next((p for p in model.parameters() if p.is_floating_point()), None)
        self._dtype = torch.float32 if first is None else first.dtype
        self._floating = first is not None
        self.device = torch.device("cpu") if first is None else first.device
        self._tape = tape
        self.layers: dict[Key, Layer] = {}
        self.shared: dict[str, str] = {}
        self.accuracy: float | None = None
        self._calls: dict[str, int] | None = None

    def over(self, model: nn.Module, points: Sequence[Point]) -> Passes:
        """Prepare passes of the same samples through another network.

        Args:
            model: the other network.
            points: its points; only those that were not found to be shared are looked at.

        Returns:
            Passes with nothing gathered.
        """
        points = [point for point in points if point.name not in self.shared]
        same = model is self._model
        other = Passes(model, self._data, points, self._how, None, False, self._tape if same else Tape(0))
        other._calls = self._calls if same else None
        return other

    def batches(self) -> Iterator[Labelled]:
        """Give the samples where the network is, in its precision."""
        dtype = self._dtype if self._floating else torch.float64
        return self._data.batches(dtype, self.device)

    def first(self, permuted: Sequence[torch.Tensor] = ()) -> None:
        """Gather class means.

        Args:
            permuted: other labels [n] of all samples that have one, in their order.

        Raises:
            FeatureError: no point was passed, there are no labels or fewer than two classes, or a layer's features
                change their length or are not finite.
        """
        self.layers = {}
        right = judged = 0

        def see(key: Key, rows: torch.Tensor, labels: torch.Tensor, told: str, start: int) -> None:
            layer = self.layers.get(key)
            if layer is None:
                fresh = [ClassMoments(rows.shape[1], rows.device) for _ in range(1 + len(permuted))]
                layer = self.layers[key] = Layer(fresh[0], fresh[1:], told)
            if rows.shape[1] != layer.moments.features:
                raise FeatureError(
                    f"{key[0]} has {layer.moments.features} features in one batch and {rows.shape[1]} in another: pool "
                    'over positions (reduce="pool"), or give samples of one size'
                )
            layer.moments.update(rows, labels)
            for one, other in zip(layer.permuted, permuted, strict=True):
                one.update(rows, other[start : start + len(labels)].to(rows.device))

        def judge(logits: torch.Tensor, labels: torch.Tensor) -> None:
            nonlocal right, judged
            right += int((logits.argmax(1) == labels).sum())
            judged += len(labels)

        self._go(see, judge)
        if not self.layers:
            names = ", ".join(point.name for point in self._points[:3])
            raise FeatureError(
                f"no call of the network passes {names} with a floating tensor: choose modules that it calls"
            )
        self.accuracy = right / judged if judged else None
        for (name, _), layer in self.layers.items():
            if not bool(
                torch.isfinite(layer.moments.means).all() & torch.isfinite(layer.moments.scatter).all()
            ):
                raise FeatureError(f"features of {name} are not finite: check the weights and the samples")
            if len(layer.moments.labels) < 2:
                there = f"class {layer.moments.labels[0]} only" if layer.moments.labels else "no class"
                raise FeatureError(f"the labels are of {there}: collapse is between two classes or more")

    def second(
        self, centre: Callable[[torch.Tensor], torch.Tensor], permuted: Sequence[torch.Tensor] = ()
    ) -> None:
        """Gather the spread along the directions between the class means.

        Args:
            centre: from the counts of classes [K] the weights of their means in the centre.
            permuted: the labels that the first pass was given.
        """
        for layer in self.layers.values():
            layer.within = WithinClass(layer.moments, centre(layer.moments.counts))
            layer.permuted_within = [WithinClass(one, centre(one.counts)) for one in layer.permuted]
        waiting: list[tuple[WithinClass, torch.Tensor, torch.Tensor]] = []
        head = None if self._head is None else self._head.point.name

        def see(key: Key, rows: torch.Tensor, labels: torch.Tensor, told: str, start: int) -> None:
            layer = self.layers[key]
            assert layer.within is not None
            if key[0] == head:
                # Its outputs are not there yet.
                waiting.append((layer.within, rows, labels))
            else:
                layer.within.update(rows, labels)
            for one, other in zip(layer.permuted_within, permuted, strict=True):
                one.update(rows, other[start : start + len(labels)].to(rows.device))

        def judge(logits: torch.Tensor, labels: torch.Tensor) -> None:
            for within, rows, known in waiting:
                fits = len(logits) == len(rows) and max(within.moments.labels) < logits.shape[1]
                within.update(rows, known, logits if fits else None)
            waiting.clear()

        self._go(see, judge, lambda: judge(torch.empty(0, 0), torch.empty(0)))

    def _go(
        self,
        see: Callable[[Key, torch.Tensor, torch.Tensor, str, int], None],
        judge: Callable[[torch.Tensor, torch.Tensor], None],
        after: Callable[[], None] = lambda: None,
    ) -> None:
        labels = torch.zeros(0, dtype=torch.int64)
        held: dict[int, tuple[torch.Tensor, str]] = {}
        start = kept_now = 0

        if self._tape.complete:
            for seen, outputs in self._tape.batches:
                for key, rows, known, told in seen:
                    kept_now = len(known)
                    see(key, rows, known, told, start)
                if outputs is not None:
                    judge(*outputs)
                after()
                start += kept_now
            return

        def at(point: Point, number: int, value: torch.Tensor) -> None:
            nonlocal kept_now
            if point.name in self.shared:
                return
            if self._distinct and self._calls is None:
                other = held.setdefault(_identity(value), (value, point.name))
                if other[1] != point.name:
                    self.shared[point.name] = other[1]
                    return
            rows, known, told = self._how.rows(value, labels, point.module, point.name)
            kept_now = len(known)
            see((point.name, number), rows, known, told, start)
            self._tape.add((point.name, number), rows, known, told, value)

        with reading(self._model, self._points, at) as end:
            for batch in self.batches():
                labels = batch.labels
                outputs = self._logits(first_tensor(batch.call(self._model)), labels)
                if outputs is not None:
                    judge(*outputs)
                after()
                self._tape.end_batch(outputs)
                self._count(end())
                start += kept_now
                held.clear()
        self._tape.end()

    def _logits(
        self, outputs: torch.Tensor | None, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Take the outputs as logits of the labels, where they can be."""
        outputs = None if outputs is None else classes_last(outputs, labels)
        if outputs is None or outputs.shape[:-1] != labels.shape:
            return None
        return self._how.logits(outputs, labels)

    def _count(self, calls: dict[str, int]) -> None:
        if self._calls is None:
            self._calls = calls
        elif calls != self._calls:
            name = next(n for n in {**calls, **self._calls} if calls.get(n) != self._calls.get(n))
            raise FeatureError(
                f"{name} is called {self._calls.get(name, 0)} times for one batch and {calls.get(name, 0)} times for "
                "another: choose layers that every batch passes alike"
            )

    def names(self) -> dict[Key, str]:
        """Name the layers: a module that is called again within a pass has one for each call, "relu#2"."""
        calls = self._calls or {}
        return {key: key[0] if calls.get(key[0], 1) == 1 else f"{key[0]}#{key[1]}" for key in self.layers}

    def never(self) -> list[str]:
        """List the points that no call passed."""
        return [p.name for p in self._points if p.name not in (self._calls or {})]


def _identity(value: torch.Tensor) -> int:
    """Tell tensors apart while all of them are held; views of the same numbers in the same shape are one."""
    return hash((value.data_ptr(), tuple(value.shape), tuple(value.stride()), value._version))
