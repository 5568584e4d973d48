"""What a pass over samples showed, kept for the next pass as long as that takes little memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass
class Tape:
    """Feature vectors and outputs of a pass, batch by batch.

    Attributes:
        limit: bytes that it may hold; beyond, all of it is dropped and the next pass calls the network again.
        batches: for each batch the feature vectors (key, rows, labels, told) and the outputs (logits, labels) or None.
        complete: whether a whole pass is on it.
    """

    limit: int
    batches: list[tuple[list[tuple[Any, torch.Tensor, torch.Tensor, str]], Any]] = field(default_factory=list)
    complete: bool = False
    _held: int = 0
    _full: bool = False
    _begun: list[tuple[Any, torch.Tensor, torch.Tensor, str]] = field(default_factory=list)

    def add(
        self, key: Any, rows: torch.Tensor, labels: torch.Tensor, told: str, source: torch.Tensor
    ) -> None:
        """Keep feature vectors.

        Args:
            key: what they are of.
            rows: [n, D].
            labels: [n].
            told: how they were made.
            source: what they were made of; rows that share its memory are copied, for the network may go on in place.
        """
        if self._full or self.complete:
            return
        shares = rows.untyped_storage().data_ptr() == source.untyped_storage().data_ptr()
        if self._takes(rows, labels):
            self._begun.append((key, rows.clone() if shares else rows, labels, told))

    def end_batch(self, outputs: tuple[torch.Tensor, torch.Tensor] | None) -> None:
        """Keep the outputs of a batch.

        Args:
            outputs: logits and labels, if they belong together.
        """
        if not (self._full or self.complete) and self._takes(*(outputs or ())):
            self.batches.append((self._begun, outputs))
        self._begun = []

    def end(self) -> None:
        """Say that all batches were kept."""
        self.complete = not self._full

    def _takes(self, *tensors: torch.Tensor) -> bool:
        self._held += sum(one.numel() * one.element_size() for one in tensors)
        if self._held > self.limit:
            self._full = True
            self.batches, self._begun = [], []
        return not self._full
