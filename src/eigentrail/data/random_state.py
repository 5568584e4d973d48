"""Random numbers that are the same every time, and leave those of the caller as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def chance_kept() -> Iterator[None]:
    """Put the states of torch's, numpy's and Python's generators back afterwards.

    Yields:
        Nothing.
    """
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 (the state that transforms draw from)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002


def seed_all(*key: int) -> None:
    """Seed torch's, numpy's and Python's generators.

    Args:
        key: whole numbers that say which draw this is, none of them negative.
    """
    words = np.random.SeedSequence(key).generate_state(2)
    torch.manual_seed(int(words[0]))
    np.random.seed(int(words[1]))  # noqa: NPY002
    random.seed(int(words[0]))
