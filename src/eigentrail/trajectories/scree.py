"""The shares of principal components that a motion without direction has: the null of a scree."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from eigentrail.chance.flipped_updates import flipped_updates
from eigentrail.chance.optimizer_memory import NO_MEMORY, Memory
from eigentrail.spectra import marchenko_pastur
from eigentrail.trajectories.gram import double_centred


def walk_shares(count: int, k: int) -> Float64[np.ndarray, " k"]:
    """Give the shares of a random walk in high dimension.

    The j-th component has 6 / (T^2 - 1) / (4 sin^2(pi j / 2 T)) of the variance, 6 / (pi j)^2 for many steps: the
    eigenvalues of the centred covariance of independent steps, whatever their size.

    Args:
        count: T >= 2, the number of steps, the first one included.
        k: how many components, at most T - 1.

    Returns:
        [k], falling.
    """
    j = np.arange(1, k + 1)
    return np.asarray(6.0 / (count**2 - 1) / (4.0 * np.sin(np.pi * j / (2 * count)) ** 2))


def noise_shares(count: int, n: int, k: int) -> Float64[np.ndarray, " k"]:
    """Give the shares of independent vectors of the same size in every direction, the null of updates.

    Args:
        count: how many vectors.
        n: their dimension.
        k: how many components.

    Returns:
        [k], falling: quantiles of the Marchenko-Pastur law of their covariance.
    """
    rows, cols = max(count, n), min(count, n)
    j = np.arange(1, k + 1)
    found = np.zeros(k)
    inside = j <= cols
    found[inside] = marchenko_pastur.quantile(1.0 - (j[inside] - 0.5) / cols, cols / rows, 1.0) / cols
    return found


def flipped_shares(
    g: Float64[np.ndarray, "t t"],
    k: int,
    draws: int,
    seed: int,
    times: Float64[np.ndarray, " t"] | None = None,
    memory: Memory = NO_MEMORY,
) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, "draws k"]]:
    """Give the shares of walks with the observed updates and random signs.

    These keep the sizes of the updates and the directions that the noise prefers, which the law of `walk_shares` does
    not know of.

    Args:
        g: [T, T] Gram matrix of the weights, from an origin as of `flipped_updates`.
        k: how many components, at most T - 1.
        draws: how many walks.
        seed: seed of the signs.
        times: [T] when the steps are; needed with a memory.
        memory: what momentum and weight decay do to a walk.

    Returns:
        The observed shares of these steps [k], and those of the walks [draws, k].
    """

    def shares(one: Float64[np.ndarray, "t t"]) -> Float64[np.ndarray, " k"]:
        centred = double_centred(one)
        return np.asarray(np.linalg.eigvalsh(centred)[::-1][:k] / np.trace(centred))

    drawn = [shares(walk) for walk in flipped_updates(g, times, memory).grams(draws, seed)]
    return shares(g), np.array(drawn).reshape(draws, k)
