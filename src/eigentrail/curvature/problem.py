"""The mean loss over samples at one point of parameter space: what an operator differentiates, and in which batches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, NoReturn

import torch

from eigentrail.curvature.calling import first_call, refusals
from eigentrail.curvature.determinism import check_loss, check_mean, not_finite
from eigentrail.curvature.distributed import Ranks
from eigentrail.curvature.mean_counts import SAMPLES, MeanCount, Weights, count_named, mean_count
from eigentrail.curvature.point import Point
from eigentrail.curvature.products import GRAPHS, Products, Way
from eigentrail.curvature.second_derivative import check_second_derivative
from eigentrail.data.samples import Batch, Samples
from eigentrail.errors import CurvatureError, DataError
from eigentrail.linalg.memory import ENOUGH

# Samples that the loss is computed for twice, to find what is random.
_CHECKED = 512


class Problem:
    """The mean loss over all samples of all processes, at one point.

    Args:
        point: the network with the chosen parameters at their values, and the loss.
        samples: those of this process; what they count in the mean is found before the first product.
        ranks: the processes that share the samples.
        kind: "hessian" or "gauss-newton".
        limit: bytes that graphs and batches may take; None for 2 GiB, and for what one sample needs beyond that within
            half of what is available.
        weights: what each sample counts in the mean, see `Curvature`.
        expected: how many products are to come, where the user said so.
        way: how products are computed, where the user said so.
        batch_size: the most samples of a batch; None to choose.

    Attributes:
        point: as given.
        chosen: the chosen parameters.
        samples: as given, weighed by what counts in the mean once that is known.
        ranks: as given.
    """

    def __init__(
        self,
        point: Point,
        samples: Samples,
        ranks: Ranks,
        kind: Literal["hessian", "gauss-newton"],
        limit: int | None,
        weights: Weights,
        expected: int | None,
        way: Way | None,
        batch_size: int | None,
    ) -> None:
        self.point, self.chosen = point, point.chosen
        self.samples, self.ranks, self.kind = samples, ranks, kind
        self._limit, self._weights, self._batch_size = limit, weights, batch_size
        self._expected, self._way = expected, way
        self._made: Products | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Give what is copied and pickled: all but graphs, which the next product makes again."""
        return {**self.__dict__, "_made": None}

    def release(self) -> None:
        """Give back the memory of kept graphs; the next product makes them again."""
        if self._made is not None:
            self._made.release()

    def ready(self) -> Products:
        """Give the products, made and checked at the first call.

        Returns:
            The products over the samples of this process.
        """
        if self._made is None:
            with self.ranks.together():
                self._check_same_point()
                found = self._find_count()
            found = self._agreed(found)
            with self.ranks.together():
                made = Products(
                    self.point,
                    self.samples,
                    self.kind,
                    self._limit,
                    self._batch_size,
                    whole=found is None,
                )
                made.expect(self._expected, self._way)
                if self.samples.count:
                    self._check_loss(made.size, found)
            self._made = made
        return self._made

    def expect(self, count: int) -> None:
        """Say how many products are to come, unless the user did."""
        self.ready().expect(count if self._expected is None else self._expected, self._way)

    def _find_count(self) -> MeanCount | None:
        """Find what the mean counts, from the samples of this process."""
        point, samples = self.point, self.samples
        if not samples.count:
            return SAMPLES
        first_call(point, samples)
        # What is random differs for few samples as well.
        check_loss(
            point,
            samples.head(min(_CHECKED, self._batch_size or _CHECKED), self.point.dtype, self.point.device),
        )
        return mean_count(point, samples, self._weights)

    def _agreed(self, found: MeanCount | None) -> MeanCount | None:
        """Let all processes count alike, also those whose own samples do not show what is counted."""
        samples = self.samples
        names = [name for name in self.ranks.gather(found and found.name) if name != SAMPLES.name]
        if found is None or None in names:
            return None
        if names and found is SAMPLES and samples.count:
            found = count_named(self.point, samples, str(names[0]))
        counts = [found.of(chunk) for chunk in samples.chunks]
        each = {value for one in counts for value in one.tolist()}
        values = set().union(*self.ranks.gather(each))
        if values == {0.0}:
            raise DataError("no target counts in the loss: all are ignored.")
        if len(values) > 1:
            counted = sum(self.ranks.gather(float(sum(one.sum() for one in counts))))
            self.samples = samples.by_count(counts, counted)
        return found

    def _check_loss(self, size: int | None, counts: MeanCount | None) -> None:
        point, samples = self.point, self.samples
        first = next(samples.batches(size, self.point.dtype, self.point.device))
        alone = len(samples.sizes(size)) == 1
        count = min(_CHECKED, first.count) if alone else first.count
        if count > 1 and (self._weights is None or callable(self._weights)):
            low, high = samples.halves(count, count // 2, self.point.dtype, self.point.device)
            whole = samples.head(count, self.point.dtype, self.point.device)
            check_mean(point, whole, low, high, alone=alone)
        elif counts is None and not alone and self._weights is None:
            raise CurvatureError(
                'the loss is no mean over samples: give weights= for what it counts, or weights="batches" for the mean '
                "over the batches of the data."
            )
        self._check_every_loss(size)
        limit = ENOUGH if self._limit is None else self._limit
        check_second_derivative(point, samples, self.kind, GRAPHS[self.kind], limit)

    def _check_every_loss(self, size: int | None) -> None:
        """Refuse a loss that is not finite: a derivative may well be, as that of a mean square without its targets."""
        start = 0
        with self.point.setting(), self.point.evaluating():
            for batch in self.samples.batches(size, self.point.dtype, self.point.device):
                with refusals(self.point, batch):
                    outputs = self.point.outputs(self.point.values, batch)
                    loss = float(self.point.loss_of(outputs, batch).detach())
                if not math.isfinite(loss):
                    where = f" (samples {start} to {start + batch.count - 1})"
                    raise CurvatureError(not_finite(loss, outputs).removesuffix(".") + where + ".")
                start += batch.count

    def _check_same_point(self) -> None:
        if self.ranks.size > 1:
            sums = [[float(value.double().sum()) for value in self.point.values], self.chosen.n, self.kind]
            if any(other != sums for other in self.ranks.gather(sums)):
                raise CurvatureError(
                    "the processes hold different networks: load the same weights in all, and choose the same layers."
                )

    def explain(self) -> NoReturn:
        """Say why a result is not finite."""
        self._check_every_loss(self.ready().size)
        raise CurvatureError(
            "a derivative of the loss is not finite though the loss is: look for a square root or a norm at zero, or "
            f"for overflow in {self.point.dtype} (dtype=torch.float64)."
        )

    def batches(self) -> Iterator[Batch]:
        """Give the samples in the same batches every time, on the device and in the precision of the products."""
        yield from self.samples.batches(self.ready().size, self.point.dtype, self.point.device)

    def loss_of(self, parameters: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """Compute the mean loss of a batch at other values of the chosen parameters, within `point.setting()`."""
        values = dict(zip(self.chosen.names, self.point.values, strict=True)) | parameters
        return self.point.loss(tuple(values[name] for name in self.chosen.names), batch)
