"""Levels with known statistics, from tridiagonal matrices that have exactly the ensembles' joint law."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal


def goe(n, rng):
    return eigvalsh_tridiagonal(rng.normal(size=n) * 2**0.5, np.sqrt(rng.chisquare(np.arange(n - 1, 0, -1))))


def wishart(rows, n, rng):
    diagonal = np.sqrt(rng.chisquare(rows - np.arange(n)))
    below = np.sqrt(rng.chisquare(np.arange(n - 1, 0, -1)))
    main = diagonal**2
    main[1:] += below**2
    return eigvalsh_tridiagonal(main, diagonal[:-1] * below) / rows


def poisson_levels(n, rng):
    return np.sort(rng.uniform(size=n))
