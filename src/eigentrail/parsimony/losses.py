"""Losses of deep linear and ReLU networks with their gradients in closed form, by prefix and suffix products.

With the gradient G of the loss by the product W_(L:1), that by W_l is (W_L ... W_(l+1))^T G (W_(l-1) ... W_1)^T.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eigentrail.errors import OptionError
from eigentrail.parsimony.initial import Matrix, as_matrix


def product(weights: Sequence[Matrix]) -> Matrix:
    """Multiply the layers of a linear network.

    Args:
        weights: W_1, ..., W_L.

    Returns:
        W_L ... W_1, [d_L, d_0].
    """
    return prefixes(weights)[-1]


def prefixes(weights: Sequence[Matrix]) -> list[Matrix]:
    """Multiply the layers of a linear network one by one.

    Args:
        weights: W_1, ..., W_L.

    Returns:
        W_1, W_2 W_1, ..., W_L ... W_1.
    """
    found = [weights[0]]
    for w in weights[1:]:
        found.append(w @ found[-1])
    return found


def chain_gradients(weights: Sequence[Matrix], before: Sequence[Matrix], slope: Any) -> list[Matrix]:
    """Bring the gradient by the product to the layers.

    Args:
        weights: W_1, ..., W_L.
        before: their `prefixes`.
        slope: [d_L, d_0] the gradient by W_L ... W_1; dense, or one of scipy's sparse arrays.

    Returns:
        The gradients by W_1, ..., W_L.
    """
    found: list[Matrix] = []
    back = slope
    for layer in range(len(weights) - 1, 0, -1):
        found.append(back @ before[layer - 1].T)
        # The transpose twice: a sparse matrix stands left of a dense one.
        back = (back.T @ weights[layer]).T
    found.append(back if isinstance(back, np.ndarray) else back.toarray())
    return found[::-1]


class Factorization:
    """1/2 ||W_L ... W_1 - Phi||_F^2: the loss of a linear network on whitened data, but for a constant.

    The layers are multiplied from the side on which the product is shorter: with K outputs a step of square layers
    takes O(L K d^2) in place of O(L d^3).

    Args:
        target: Phi = Y X^T, [d_L, d_0].
    """

    def __init__(self, target: Any) -> None:
        self.target = as_matrix("the target", target)

    def __call__(self, weights: Sequence[Matrix]) -> tuple[float, list[Matrix]]:
        """Give the loss and its gradients.

        Args:
            weights: W_1, ..., W_L.

        Returns:
            The loss, and the gradient by each layer.
        """
        if self.target.shape[0] < self.target.shape[1]:
            loss, found = _from_inputs([w.T for w in reversed(weights)], self.target.T)
            return loss, [slope.T for slope in reversed(found)]
        return _from_inputs(weights, self.target)


def _from_inputs(weights: Sequence[Matrix], target: Matrix) -> tuple[float, list[Matrix]]:
    before = prefixes(weights)
    slope = before[-1] - target
    return 0.5 * float(np.vdot(slope, slope)), chain_gradients(weights, before, slope)


class SquaredError:
    """1/2 ||f(X) - Y||_F^2 of a linear or ReLU network on samples, whitened or not; a sum over samples, as in S3.

    Args:
        inputs: X [d_0, N], a column for each sample.
        targets: Y [d_L, N].
        relu: whether each layer but the last is followed by max(0, .).

    Raises:
        OptionError: X and Y have different numbers of samples.
    """

    def __init__(self, inputs: Any, targets: Any, relu: bool = False) -> None:
        self.inputs, self.targets = as_matrix("the inputs", inputs), as_matrix("the targets", targets)
        self.relu = relu
        if self.inputs.shape[1] != self.targets.shape[1]:
            raise OptionError(
                f"{self.inputs.shape[1]} inputs and {self.targets.shape[1]} targets: samples are the columns of both."
            )

    def features(self, weights: Sequence[Matrix]) -> list[Matrix]:
        """Compute what each layer makes of the samples.

        Args:
            weights: W_1, ..., W_L.

        Returns:
            z^0 = X, z^1, ..., z^L = f(X), each [d_l, N].
        """
        found = [self.inputs]
        for layer, w in enumerate(weights):
            z = w @ found[-1]
            found.append(np.maximum(z, 0.0) if self.relu and layer < len(weights) - 1 else z)
        return found

    def __call__(self, weights: Sequence[Matrix]) -> tuple[float, list[Matrix]]:
        """Give the loss and its gradients.

        Args:
            weights: W_1, ..., W_L.

        Returns:
            The loss, and the gradient by each layer.
        """
        z = self.features(weights)
        back = z[-1] - self.targets
        loss = 0.5 * float(np.vdot(back, back))
        found: list[Matrix] = []
        for layer in range(len(weights) - 1, -1, -1):
            found.append(back @ z[layer].T)
            if layer:
                back = weights[layer].T @ back
                if self.relu:
                    back *= z[layer] > 0.0
        return loss, found[::-1]


def stable_rate(largest: float, depth: int, momentum: float = 0.0) -> float:
    """Give the largest rate at which descent on a factorisation is stable where it has converged.

    At a balanced solution the largest eigenvalue of the Hessian is L sigma_1^(2 - 2/L); the heavy ball is stable
    below 2 (1 + momentum) over that.

    Args:
        largest: sigma_1, the largest singular value of the target.
        depth: L.
        momentum: of the heavy ball.

    Returns:
        The rate; a fifth of it is a good choice.
    """
    return float(2.0 * (1.0 + momentum) / (depth * largest ** (2.0 - 2.0 / depth)))
