"""Products with the curvature of all samples, batch by batch."""

from __future__ import annotations

import torch

from eigentrail.curvature.graphs import GaussNewtonGraph, HessianGraph
from eigentrail.curvature.point import Point
from eigentrail.curvature.samples import Samples


class Products:
    def __init__(self, point: Point, samples: Samples, kind: str, size: int | None) -> None:
        self._point, self._samples, self._kind, self.size = point, samples, kind, size

    def sum(self, vectors: torch.Tensor) -> torch.Tensor:
        """Sum over the samples of this process, [k, n] -> [k, n]."""
        point = self._point
        total = torch.zeros_like(vectors)
        make = HessianGraph if self._kind == "hessian" else GaussNewtonGraph
        for batch in self._samples.batches(self.size, point.dtype, point.device):
            graph = make(point, batch)
            for place, vector in enumerate(vectors):
                keep = place + 1 < len(vectors)
                found = graph.product(point.chosen.split(vector), keep=keep, many=False)
                total[place] += batch.weight * point.chosen.join(found)
        return total
