"""Where the chance in a training comes from."""

from __future__ import annotations

import numpy as np
import torch

_ORDER, _NETWORK, _IMAGES = 1, 2, 3


def batch_order(seed: int, epoch: int, samples: int) -> torch.Tensor:
    """Shuffle the training samples for an epoch.

    The order is a function of these three numbers alone: a training that is resumed in mid-epoch needs no memory of it.

    Args:
        seed: the training's seed.
        epoch: the epoch, counted from 0.
        samples: the number of training samples.

    Returns:
        A permutation of 0 .. samples - 1.
    """
    generator = torch.Generator().manual_seed(_stream(seed, _ORDER, epoch))
    return torch.randperm(samples, generator=generator)


def network_seed(seed: int) -> int:
    """Give the seed of what the network draws while it trains (dropout).

    Args:
        seed: the training's seed.

    Returns:
        A seed that is independent of the weights' and the order's.
    """
    return _stream(seed, _NETWORK)


def image_generator(seed: int, step: int) -> torch.Generator:
    """Make the source of chance for what is done to the images of a step.

    Like the order of the samples it is a function of these numbers alone.

    Args:
        seed: the training's seed.
        step: how many steps are made.

    Returns:
        A generator.
    """
    return torch.Generator().manual_seed(_stream(seed, _IMAGES, step))


def _stream(*key: int) -> int:
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))
