"""Random orthonormal directions: what chance gives."""

from __future__ import annotations

import numpy as np

from eigentrail._numbers import seed_of, whole
from eigentrail.bases.basis import Basis, check_count


def random(n: int, k: int, seed: int = 0) -> Basis:
    """Draw k orthonormal directions of n dimensions, uniformly over all such sets.

    Args:
        n: dimension of the space.
        k: how many, at most n.
        seed: seed of the draw.

    Returns:
        The basis; every value is 1.

    Raises:
        OptionError: `n`, `k` or `seed` is no whole number that fits.
    """
    n = whole("n", n, 1)
    k = check_count(k, n)
    rng = np.random.default_rng([seed_of(seed), n, k])
    q, r = np.linalg.qr(rng.standard_normal((n, k)))
    return Basis(np.ascontiguousarray((q * np.where(np.diag(r) < 0.0, -1.0, 1.0)).T))
