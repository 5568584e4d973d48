"""The ring never gives out memory that is still waiting."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from eigentrail.runs.ring import Ring


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(1, 700), st.booleans()), max_size=60))
def test_pieces_do_not_overlap(requests: list[tuple[int, bool]]) -> None:
    ring = Ring(1500)
    waiting: list[tuple[int, int, int, int]] = []
    for number, (nbytes, write_first) in enumerate(requests):
        if write_first and waiting:
            begin, size, head, value = waiting.pop(0)
            assert set(ring.bytes(begin, size)) == {value}
            ring.release(head)
        begin = ring.try_take(nbytes)
        if begin is None:
            # Whatever fits into the empty ring is given once it is empty.
            assert waiting
            continue
        value = number % 251
        ring.bytes(begin, nbytes)[:] = bytes([value]) * nbytes
        waiting.append((begin, nbytes, ring.head, value))
        assert ring.used <= ring.size
    for begin, size, head, value in waiting:
        assert set(ring.bytes(begin, size)) == {value}
        ring.release(head)
    assert ring.used == 0
    assert ring.try_take(ring.size) is not None


def test_copies() -> None:
    ring = Ring(4096)
    for tensor, dtype in (
        (torch.randn(5, 7), torch.float32),
        (torch.randn(7, 5).t(), torch.float32),
        (nn.Parameter(torch.randn(6, 6).t()), torch.float32),
        (nn.Parameter(torch.randn(6, 6)), torch.float32),
        (torch.randn(3, 2).bfloat16(), torch.float32),
        (torch.tensor(3.0), torch.float32),
        (torch.randn(4, requires_grad=True), torch.float32),
        (torch.randn(2, 3, dtype=torch.float64), torch.float64),
    ):
        nbytes = tensor.numel() * dtype.itemsize
        begin = ring.try_take(nbytes)
        assert begin is not None
        ring.copy(begin, tensor, dtype)
        got = np.frombuffer(ring.bytes(begin, nbytes), str(dtype).removeprefix("torch.")).reshape(
            tensor.shape
        )
        assert np.array_equal(got, tensor.detach().to(dtype).numpy())


def test_many_small_ones_are_found_where_they_are_now() -> None:
    ring = Ring(4096)
    tensors = [nn.Parameter(torch.randn(4, 4)) for _ in range(5)]

    def copied() -> np.ndarray:
        begin = ring.try_take(5 * 64)
        assert begin is not None
        ring.copy_all(begin, tensors, 5 * 64, "pack")
        got = np.frombuffer(ring.bytes(begin, 5 * 64), "float32").reshape(5, 4, 4).copy()
        ring.release(ring.head)
        return got

    def now() -> np.ndarray:
        return np.stack([tensor.detach().numpy() for tensor in tensors])

    assert np.array_equal(copied(), now())
    with torch.no_grad():
        tensors[0].add_(1)
    assert np.array_equal(copied(), now())
    tensors[1].data = torch.randn(4, 4)
    assert np.array_equal(copied(), now())
    # In the same memory, turned.
    tensors[2].data = tensors[2].data.t()
    assert np.array_equal(copied(), now())
    tensors[3] = nn.Parameter(torch.randn(4, 4))
    assert np.array_equal(copied(), now())


def test_an_empty_ring_begins_at_its_start() -> None:
    # The same memory again, which is in the processor's caches.
    ring = Ring(4096)
    assert ring.try_take(640) == 0
    ring.release(ring.head)
    assert ring.try_take(640) == 0
    assert ring.try_take(640) == 640
