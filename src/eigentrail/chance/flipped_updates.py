"""Walks of the observed updates with random signs, by their inner products alone.

A walk of independent symmetric updates goes as far with flipped signs as without, whatever the directions that the
noise prefers: the anisotropy of the observed updates stays, their common direction goes. Where updates remember each
other, the signs are those of what is new in each of them; where weights decay, of what a step adds to the decayed
weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float64

from eigentrail.chance.optimizer_memory import NO_MEMORY, Memory, whitened
from eigentrail.errors import TrajectoryError


@dataclass(frozen=True)
class FlippedUpdates:
    """What is new in each update of a motion, by inner products, and how a walk is made of it again.

    Attributes:
        products: [U + 1, U + 1] inner products of the first weights and of what is new in each update.
        carry: [U + 1, U + 1] lower triangular: the weights at each step as a sum of those.
    """

    products: Float64[np.ndarray, "t t"]
    carry: Float64[np.ndarray, "t t"]

    def signs(self, draws: int, seed: int) -> Float64[np.ndarray, "d t"]:
        """Draw signs; that of the first weights stays.

        Args:
            draws: how many walks.
            seed: seed of the signs.

        Returns:
            [draws, U + 1].
        """
        rng = np.random.default_rng([seed, draws, 1])
        signs = rng.choice([-1.0, 1.0], size=(draws, len(self.products) - 1))
        return np.pad(signs, ((0, 0), (1, 0)), constant_values=1.0)

    def grams(self, draws: int, seed: int) -> Iterator[Float64[np.ndarray, "t t"]]:
        """Give the Gram matrices of walks with random signs.

        Args:
            draws: how many walks.
            seed: seed of the signs.

        Yields:
            [U + 1, U + 1] inner products of the walk's steps.
        """
        for signs in self.signs(draws, seed):
            walk = self.carry * signs
            yield walk @ self.products @ walk.T

    def displacements(self, draws: int, seed: int) -> Float64[np.ndarray, " d"]:
        """Give the squared distances between the ends of walks with random signs.

        Args:
            draws: how many walks.
            seed: seed of the signs.

        Returns:
            [draws].
        """
        reach = self.signs(draws, seed) * (self.carry[-1] - self.carry[0])
        return np.asarray(np.einsum("du,du->d", reach @ self.products, reach))

    @property
    def expected_displacement(self) -> float:
        """The mean of `displacements` over all signs: the sum of the squared updates where these are independent."""
        reach = self.carry[-1] - self.carry[0]
        own = reach**2 * np.diag(self.products)
        return float(own.sum())


def flipped_updates(
    g: Float64[np.ndarray, "t t"],
    times: Float64[np.ndarray, " t"] | None = None,
    memory: Memory = NO_MEMORY,
) -> FlippedUpdates:
    """Take a motion apart into what is new in each update.

    Args:
        g: [T, T] Gram matrix of the weights: from any origin without weight decay, from the origin that they decay to
            (zero) with it.
        times: [T] when the steps are; needed where the optimizer has momentum or weight decay.
        memory: how updates remember each other and how weights decay without any drift.

    Returns:
        The walk's ingredients.

    Raises:
        TrajectoryError: the times are needed and not given, or not ascending.
    """
    count = len(g)
    if times is None and (memory.momentum or memory.weight_decay):
        raise TrajectoryError(
            "walks with momentum or weight decay need to know when the steps are: give the times."
        )
    kept = np.ones(count - 1) if times is None else memory.kept(times)
    colour = None if times is None else memory.colour_of(times)
    # [w_0, e_1 .. e_U], with w_t = kept_t w_(t - 1) + e_t.
    apart = np.eye(count)
    apart[np.arange(1, count), np.arange(count - 1)] = -kept
    products = apart @ g @ apart.T
    together = np.asarray(scipy.linalg.solve_triangular(apart, np.eye(count), lower=True, unit_diagonal=True))
    if colour is not None:
        whole = np.eye(count)
        whole[1:, 1:] = colour
        products = whitened(products, whole)
        together = together @ whole
    return FlippedUpdates((products + products.T) / 2.0, together)
