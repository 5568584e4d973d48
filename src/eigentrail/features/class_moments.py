"""Class means and scatters of features that arrive in batches, in float64 and without keeping the features."""

from __future__ import annotations

import torch


class ClassMoments:
    """Counts, means and traces of the within-class scatter of K classes, updated batch by batch.

    Batches are merged by the pairwise update of Chan, Golub and LeVeque (1983): no difference of large numbers is ever
    taken, whatever the features' mean. Memory is K D numbers. Classes take rows in the order in which they are first
    seen.

    Attributes:
        features: D.
        labels: the class number of each row.
        counts: [K] samples of each class, float64.
        means: [K, D], float64.
        scatter: [K] sum over the class's samples of ||h - mu||^2, float64.
        dtype: in which precision the features came.
    """

    def __init__(self, features: int, device: torch.device) -> None:
        self.features = features
        self.labels: list[int] = []
        self.dtype = torch.float64
        self._rows = torch.zeros(0, dtype=torch.int64)
        self.counts = torch.zeros(0, dtype=torch.float64, device=device)
        self.means = torch.zeros(0, features, dtype=torch.float64, device=device)
        self.scatter = torch.zeros(0, dtype=torch.float64, device=device)

    def update(self, features: torch.Tensor, labels: torch.Tensor) -> None:
        """Add samples.

        Args:
            features: [n, D], in any precision.
            labels: [n] class numbers, none negative.
        """
        if not len(labels):
            return
        self.dtype = features.dtype
        values = features.double()
        seen, place = torch.unique(labels, return_inverse=True)
        counts = torch.bincount(place, minlength=len(seen)).to(values)
        means = values.new_zeros(len(seen), self.features).index_add_(0, place, values) / counts[:, None]
        scatter = values.new_zeros(len(seen)).index_add_(0, place, (values - means[place]).square_().sum(1))
        rows = self._rows_of(seen)
        before = self.counts[rows]
        total = before + counts
        apart = means - self.means[rows]
        self.scatter[rows] += scatter + apart.square().sum(1) * (before * counts / total)
        self.means[rows] += apart * (counts / total)[:, None]
        self.counts[rows] = total

    def rows(self, labels: torch.Tensor) -> torch.Tensor:
        """Look up the rows of classes that were seen.

        Args:
            labels: [n] class numbers.

        Returns:
            [n] rows of `means`.
        """
        return self._rows.to(labels.device)[labels]

    def _rows_of(self, seen: torch.Tensor) -> torch.Tensor:
        """Find the rows of classes, giving new ones a row."""
        known = seen.tolist()
        if known[-1] >= len(self._rows):
            grown = torch.full((known[-1] + 1,), -1, dtype=torch.int64)
            grown[: len(self._rows)] = self._rows
            self._rows = grown
        new = [label for label in known if self._rows[label] < 0]
        if new:
            self._rows[torch.tensor(new)] = torch.arange(len(self.labels), len(self.labels) + len(new))
            self.labels += new
            self.counts = _longer(self.counts, len(new))
            self.means = _longer(self.means, len(new))
            self.scatter = _longer(self.scatter, len(new))
        return self.rows(seen)

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return int(self.counts.sum())


def _longer(values: torch.Tensor, more: int) -> torch.Tensor:
    return torch.cat([values, values.new_zeros(more, *values.shape[1:])])
