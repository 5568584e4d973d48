"""Sums over the processes of torch.distributed, where that is initialised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import distributed

from eigentrail.errors import EigentrailError


class Ranks:
    """The processes that each hold a share of the samples; a single process otherwise."""

    def __init__(self) -> None:
        ready = distributed.is_available() and distributed.is_initialized()
        self.size = distributed.get_world_size() if ready else 1

    def add(self, value: torch.Tensor) -> torch.Tensor:
        """Sum a tensor over the processes, in place."""
        if self.size > 1:
            distributed.all_reduce(value)
        return value

    def same(self, value: torch.Tensor) -> torch.Tensor:
        """Give every process the tensor of the first one."""
        if self.size > 1:
            value = value.contiguous().clone()
            distributed.broadcast(value, src=0)
        return value

    def gather(self, value: Any) -> list[Any]:
        """Collect a small object of every process."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, value)
        return found

    @contextmanager
    def together(self) -> Iterator[None]:
        """Raise an error of one process in all of them, for the others would wait for it forever.

        Yields:
            Nothing.

        Raises:
            EigentrailError: what another process failed of.
            Exception: the error of this process.
        """
        failed: Exception | None = None
        try:
            yield
        except Exception as error:  # passed on below, by all processes
            failed = error
        if self.size > 1:
            told = self.gather(None if failed is None else str(failed))
            first = next((place for place, text in enumerate(told) if text is not None), None)
            if failed is None and first is not None:
                raise EigentrailError(f"process {first} failed: {told[first]}")
        if failed is not None:
            raise failed
