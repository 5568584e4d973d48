"""Sizes that two cores carry."""

from __future__ import annotations

from typing import Any

from eigentrail.training.preset import TwoCores


def small(train: int, test: int, *, network: str = "", why: str = "", **parts: Any) -> TwoCores:
    """A size for two cores: so many images, and settings other than the source's.

    Args:
        train: training images.
        test: held-out images.
        network: a smaller network; empty for the source's.
        why: why other settings than the number of epochs differ.
        parts: settings, and `layers`, what is recorded.

    Returns:
        The size.
    """
    layers = {"layers": parts.pop("layers")} if "layers" in parts else {}
    return TwoCores(
        why=why, network=network, train_samples=train, test_samples=test, settings=parts, **layers
    )
