"""The covariance of updates with momentum, in closed form against the optimizer's own recursion."""

import itertools

import numpy as np
import pytest

from eigentrail.chance.optimizer_memory import Memory, whitened
from eigentrail.errors import OptionError


@pytest.mark.parametrize(
    "memory", [Memory(0.9), Memory(0.5), Memory(0.9, nesterov=True), Memory(0.99, nesterov=True)]
)
@pytest.mark.parametrize("times", [np.arange(8.0), np.array([0.0, 1, 2, 5, 9, 10, 40])])
def test_the_covariance_is_that_of_the_recursion(memory: Memory, times: np.ndarray) -> None:
    beta, count = memory.momentum, int(times[-1])
    reach = 3000
    kernel = beta ** np.arange(reach)
    if memory.nesterov:
        kernel = np.r_[1 + beta, beta ** np.arange(2, reach + 1)]
    correlation = np.array([kernel[: reach - lag] @ kernel[lag:] for lag in range(count)]) / (kernel @ kernel)
    every = correlation[np.abs(np.subtract.outer(np.arange(count), np.arange(count)))]
    inside = np.array(
        [(np.arange(count) >= a) & (np.arange(count) < b) for a, b in itertools.pairwise(times)]
    )
    colour = memory.colour(times)
    assert colour is not None
    np.testing.assert_allclose(colour @ colour.T, inside @ every @ inside.T, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(whitened(colour @ colour.T, colour), np.eye(len(times) - 1), atol=1e-9)


def test_no_momentum_is_no_memory() -> None:
    assert Memory().colour(np.arange(5.0)) is None
    with pytest.raises(OptionError, match=r"from 0 to below 1, not 1\.0"):
        Memory(1.0)
    with pytest.raises(OptionError, match="momentum"):
        Memory("0.9")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="weight_decay is the share"):
        Memory(weight_decay=1.5)


def test_weight_decay_keeps_a_power_of_its_share() -> None:
    np.testing.assert_allclose(
        Memory(weight_decay=0.1).kept(np.array([0.0, 1, 3, 4])), [0.9, 0.81, 0.9], rtol=1e-15
    )
    assert (Memory().kept(np.arange(3.0)) == 1.0).all()
