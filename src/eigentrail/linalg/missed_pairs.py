"""How likely an eigenpair was missed, from a short Lanczos run that starts in a random direction.

A Krylov space from one vector holds one direction of each eigenspace only: further copies of a degenerate eigenvalue,
and eigenvectors that the start vector happens not to meet, stay out of it. A second run from a random vector z that is
orthogonal to the space sees them. Its residual vectors are v_(j+1) = p_j(H) v_1 with unit length, so an eigenvector of
eigenvalue t has |<w, z>| <= 1 / |p_j(t)|; a random z in n dimensions comes that close to being orthogonal to w with
probability sqrt(2 n / pi) / |p_j(t)| at most. This is the argument behind the probabilistic bounds of van Dorsselaer,
Hochstenbruck & van der Vorst (2000).
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64


def risk_of_missing(
    small: Float64[np.ndarray, "j j"], rest: float, n: int, value: float, *, above: bool
) -> float:
    """Bound the probability that an eigenvalue beyond a value was missed, given a run from a random vector.

    Args:
        small: the projection of the operator on the j vectors of the run.
        rest: the length of what the last product left over, beta_j; 0 where the run ended by itself.
        n: the dimension.
        value: the last of the values that were found.
        above: whether the eigenvalues above it are asked for, else those below.

    Returns:
        A probability; 1 where nothing can be said yet.
    """
    ends = np.linalg.eigvalsh(small)
    distances = value - ends if above else ends - value
    if distances.min() <= 0.0:
        return 0.0 if rest == 0.0 else 1.0
    if rest == 0.0:
        return 0.0
    steps = np.append(np.abs(np.diagonal(small, 1)), rest)
    growth = float(np.log(distances).sum() - np.log(np.maximum(steps, 1e-300)).sum())
    return min(1.0, math.exp(min(0.0, 0.5 * math.log(2 * n / math.pi) - growth)))
