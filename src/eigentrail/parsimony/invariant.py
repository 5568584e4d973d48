"""The invariant subspace in which a deep linear network learns (Yaras et al. 2023, the theorem of S3, part 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigentrail._numbers import whole
from eigentrail.errors import OptionError
from eigentrail.parsimony.initial import Matrix, as_matrix
from eigentrail.parsimony.losses import product
from eigentrail.spectra import principal_angles

# Relative to the largest singular value; of exact data the others are 1e-15 of it.
_ZERO = 1e-9


@dataclass(frozen=True)
class InvariantSubspace:
    """Orthogonal bases in which W_l(t) = U_l1 Wt_l(t) V_l1^T + rho(t) U_l2 V_l2^T for l = 1, ..., L.

    In case 1 of the theorem (d_y = r) that holds for l up to L - 1, and W_L(t) V_L2 = 0.

    Attributes:
        case: 1 for d_y = r, 2 for d_y = d_x.
        scale: epsilon.
        rank: r.
        width: k, the dimension in which learning takes place, 2 r or more.
        right: V_1, ..., V_L, each [d, d]; the first k columns are V_l1. V_(l+1) = U_l.
        left: U_1, ..., U_L as `right`; L - 1 of them in case 1.
    """

    case: int
    scale: float
    rank: int
    width: int
    right: tuple[Matrix, ...]
    left: tuple[Matrix, ...]

    def leak(self, weights: Sequence[Any], rho: float) -> NDArray[np.float64]:
        """Measure how far each layer is from the theorem's form.

        Args:
            weights: W_1(t), ..., W_L(t).
            rho: what the theorem gives for the values that follow the recursion, `rho_recursion`.

        Returns:
            [L] the largest of ||W V_2 - rho U_2||_2 and ||U_2^T W - rho V_2^T||_2; in case 1 ||W_L V_L2||_2 for the
            last layer.
        """
        k = self.width
        found = []
        for layer, (w, v) in enumerate(zip(weights, self.right, strict=True)):
            v2 = v[:, k:]
            if layer >= len(self.left):
                found.append(_norm(w @ v2))
                continue
            u2 = self.left[layer][:, k:]
            found.append(max(_norm(w @ v2 - rho * u2), _norm(u2.T @ w - rho * v2.T)))
        return np.array(found)

    def angle(self, weights: Sequence[Any]) -> NDArray[np.float64]:
        """Measure how far the directions that should stay have turned.

        Args:
            weights: W_1(t), ..., W_L(t).

        Returns:
            [L], or [L - 1] in case 1: the largest principal angle between the span of W_l(t) V_l2 and that of U_l2,
            in degrees.
        """
        k, found = self.width, []
        for w, v, u in zip(weights, self.right, self.left, strict=False):
            q, _ = np.linalg.qr(w @ v[:, k:])
            found.append(float(np.degrees(principal_angles(q.T, u[:, k:].T).max())))
        return np.array(found)


def _norm(x: Matrix) -> float:
    return float(np.linalg.norm(x, 2))


def invariant_subspace(weights: Sequence[Any], target: Any, rank: int | None = None) -> InvariantSubspace:
    """Find the invariant subspace from the initial weights and the target.

    V_12 is the null space of [Phi; Phi^T W_(L:1)(0) / eps^L], U_l = W_l(0) V_l / eps and V_(l+1) = U_l.

    Args:
        weights: W_1(0), ..., W_L(0), orthogonal at one scale; all square, or all but the last.
        target: Phi = Y X^T, [d_y, d].
        rank: an overestimate of r, which makes the subspace wider, 2 rank in place of 2 r; None for the rank of Phi.

    Returns:
        The bases.

    Raises:
        OptionError: the theorem does not hold for these sizes or these weights.
    """
    phi = as_matrix("the target", target)
    start = [as_matrix(f"the weights of layer {number}", w) for number, w in enumerate(weights, start=1)]
    d = start[0].shape[1]
    if any(w.shape != (d, d) for w in start[:-1]) or start[-1].shape[1] != d:
        raise OptionError(
            f"the theorem needs square layers of one width but for the last, not {[w.shape for w in start]}."
        )
    if phi.shape != (start[-1].shape[0], d):
        raise OptionError(f"the target has shape {phi.shape}, the network gives {(start[-1].shape[0], d)}.")
    scale = float(np.linalg.norm(start[0], 2))
    for number, w in enumerate(start, start=1):
        gram = w @ w.T if w.shape[0] < d else w.T @ w
        if np.abs(gram - scale**2 * np.eye(len(gram))).max() > 1e-6 * scale**2:
            raise OptionError(
                f"layer {number} is not orthogonal at the scale {scale:.4g}: the theorem needs W^T W = scale^2 I."
            )
    values = np.linalg.svd(phi, compute_uv=False)
    r = int((values > _ZERO * values[0]).sum())
    case = 2 if phi.shape[0] == d else 1
    if case == 1 and r != phi.shape[0]:
        raise OptionError(
            f"the target is {phi.shape[0]} x {d} of rank {r}: the theorem needs as many outputs as the rank, or as "
            "many as inputs."
        )
    width = 2 * (r if rank is None else whole("rank", rank, r))
    if width >= d:
        raise OptionError(
            f"a subspace of 2 x {width // 2} dimensions fills the {d} of the layers: take a rank below {d / 2:g}."
        )
    stack = np.vstack([phi, phi.T @ product([w / scale for w in start])])
    right = [np.linalg.svd(stack, full_matrices=True)[2].T]
    left = []
    for w in start[: len(start) - (case == 1)]:
        left.append(w @ right[-1] / scale)
        right.append(left[-1])
    return InvariantSubspace(case, scale, r, width, tuple(right[: len(start)]), tuple(left))


def rho_recursion(
    scale: float,
    depth: int,
    rate: float,
    steps: int,
    decay: float = 0.0,
    momentum: float = 0.0,
    case: int = 2,
) -> NDArray[np.float64]:
    """Compute the singular value of the directions that do not learn, at every step.

    rho <- rho (1 - eta lambda) in case 1, rho <- rho (1 - eta lambda) - eta rho^(2L - 1) in case 2; under momentum
    the same numbers drive a heavy ball. S3 leaves rho open.

    Args:
        scale: epsilon = rho(0).
        depth: L.
        rate: eta.
        steps: how many.
        decay: lambda.
        momentum: of the heavy ball.
        case: of the theorem, 1 or 2.

    Returns:
        [steps + 1] rho(0), rho(1), ...

    Raises:
        OptionError: `case` is neither 1 nor 2, or `steps` is no number of steps.
    """
    if case not in {1, 2}:
        raise OptionError(f"case is 1 (as many outputs as the rank) or 2 (as many as inputs), not {case!r}.")
    rho = np.empty(whole("steps", steps) + 1)
    rho[0], velocity = scale, 0.0
    for step in range(1, len(rho)):
        before = rho[step - 1]
        pull = before ** (2 * depth - 1) if case == 2 else 0.0
        velocity = momentum * velocity + pull + decay * before
        rho[step] = before - rate * velocity
    return rho


def balancedness(weights: Sequence[Any]) -> NDArray[np.float64]:
    """Measure how far neighbouring layers are from balanced.

    Zero along gradient flow but for the last pair, which keeps ||.||_F <= eps^2 sqrt(d - K) in case 1; descent keeps
    the others to first order in the rate.

    Args:
        weights: W_1, ..., W_L.

    Returns:
        [L - 1] ||W_(l+1)^T W_(l+1) - W_l W_l^T||_F.
    """
    return np.array([float(np.linalg.norm(b.T @ b - a @ a.T)) for a, b in pairwise(weights)])


def moving_values(weights: Sequence[Any], rho: float, tolerance: float = 1e-6) -> NDArray[np.int64]:
    """Count the singular values that have left the recursion.

    Args:
        weights: W_1(t), ..., W_L(t).
        rho: what the recursion gives.
        tolerance: how close to it counts as equal, as a share of it.

    Returns:
        [L] how many singular values of each layer differ from rho.
    """
    return np.array(
        [int((np.abs(np.linalg.svd(w, compute_uv=False) - rho) > tolerance * rho).sum()) for w in weights]
    )
