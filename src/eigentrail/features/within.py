"""The second pass over features: how they spread around their class means along the directions between the classes."""

from __future__ import annotations

import torch

from eigentrail.features.class_moments import ClassMoments


class WithinClass:
    """Within-class second moments along the right singular vectors of the centred class means, batch by batch.

    M_c = U S V^T, [K, D], holds the class means minus their centre. S_B = V S^2 V^T / K, so that tr(S_W pinv(S_B)) is
    K sum_j (v_j^T S_W v_j) / s_j^2: neither S_W nor S_B, [D, D], is ever made, and no small eigenvalue is found as the
    difference of large ones.

    Attributes:
        centre: [D] what was taken off the class means.
        singular: [r] s_j, those above the rounding of the features.
        along: [K, r] for each class the sum over its samples of (v_j^T (h - mu))^2.
        nearest: how many samples lie nearest to the mean of the class that the head chooses.
        judged: how many samples a head judged.
    """

    def __init__(self, moments: ClassMoments, weights: torch.Tensor) -> None:
        """Decompose the class means.

        Args:
            moments: of the first pass over the same features.
            weights: [K] of the class means in their centre; they sum to 1.
        """
        self.moments = moments
        self.centre = weights @ moments.means
        _, singular, right = torch.linalg.svd(moments.means - self.centre, full_matrices=False)
        typical = float(moments.counts.median())
        rounding = max(
            torch.finfo(moments.dtype).eps / typical**0.5,
            max(moments.means.shape) * torch.finfo(torch.float64).eps,
        )
        # What is rounded are the features, with all that the classes have in common.
        size = float(moments.means.square().sum(1).max().sqrt())
        floor = rounding * max(float(singular[0]), size) if len(singular) else 0.0
        kept = singular > floor
        self.singular, self._right = singular[kept], right[kept].T.contiguous()
        self.along = moments.means.new_zeros(len(moments.counts), len(self.singular))
        self.nearest = self.judged = 0

    def update(
        self, features: torch.Tensor, labels: torch.Tensor, logits: torch.Tensor | None = None
    ) -> None:
        """Add samples of the second pass.

        Args:
            features: [n, D].
            labels: [n] class numbers.
            logits: [n, outputs] of the linear head that these features enter; None where there is none.
        """
        if not len(labels):
            return
        rows = self.moments.rows(labels)
        values = features.double()
        if self._right.shape[1]:
            along = (values - self.moments.means[rows]) @ self._right
            self.along.index_add_(0, rows, along.square_())
        if logits is not None:
            means = self.moments.means - self.centre
            distance = 0.5 * means.square().sum(1) - (values - self.centre) @ means.T
            known = torch.tensor(self.moments.labels, device=logits.device)
            self.nearest += int((distance.argmin(1) == logits[:, known].argmax(1)).sum())
            self.judged += len(labels)
