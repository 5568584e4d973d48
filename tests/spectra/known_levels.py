"""Levels with known statistics, from tridiagonal matrices that have exactly the ensembles' joint law."""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dsterf


def _levels(main, off):
    # LAPACK itself: what scipy does around it takes longer than the eigenvalues of a small matrix.
    values, failed = dsterf(main, off)
    assert failed == 0
    return values


def goe(n, rng):
    return _levels(rng.normal(size=n) * 2**0.5, np.sqrt(rng.chisquare(np.arange(n - 1, 0, -1))))


def wishart(rows, n, rng):
    diagonal = np.sqrt(rng.chisquare(rows - np.arange(n)))
    below = np.sqrt(rng.chisquare(np.arange(n - 1, 0, -1)))
    main = diagonal**2
    main[1:] += below**2
    return _levels(main, diagonal[:-1] * below) / rows


def poisson_levels(n, rng):
    return np.sort(rng.uniform(size=n))
