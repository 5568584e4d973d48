"""Measure the null of the mean spacing ratio: the constants in `eigentrail.spectra.spacings` come from here.

Random-matrix levels are drawn from the tridiagonal forms of the Gaussian and Wishart ensembles (Dumitriu &
Edelman 2002), which have exactly the levels' joint law at O(n^2) cost. Wishart levels enter as singular
values, as they do in `spacings`. Printed: mean and variance of the mean ratio by number of levels, and
least-squares fits of

    mean(n) = GOE_RATIO + shift / n,        variance(n) * (n - 2) = spread + trend / n

Run: python tools/calibrate_spacings.py [draws of n = 16; default 40000]
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal

GOE_RATIO = 0.5307


def goe(n: int, rng: np.random.Generator) -> np.ndarray:
    """Levels of the Gaussian orthogonal ensemble."""
    beside = np.sqrt(rng.chisquare(np.arange(n - 1, 0, -1)))
    return eigvalsh_tridiagonal(rng.normal(size=n) * np.sqrt(2), beside)


def wishart(rows: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Singular values of a Gaussian matrix [rows, n]."""
    diagonal = np.sqrt(rng.chisquare(rows - np.arange(n)))
    below = np.sqrt(rng.chisquare(np.arange(n - 1, 0, -1)))
    main = diagonal**2
    main[1:] += below**2
    return np.sqrt(np.maximum(eigvalsh_tridiagonal(main, diagonal[:-1] * below), 0.0))


def mean_ratio(levels: np.ndarray) -> float:
    """Mean spacing ratio of ascending levels."""
    s = np.diff(levels)
    return float((np.minimum(s[1:], s[:-1]) / np.maximum(s[1:], s[:-1])).mean())


def main() -> None:
    """Draw, print the table and the fits."""
    scale = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    rng = np.random.default_rng(20261121)
    sizes = (10, 16, 24, 32, 64, 128, 256, 512)
    rows = []
    for n in sizes:
        draws = max(200, scale * 16 // n if n <= 64 else scale * 64 // n**2 * 4)
        laws = {
            "goe": lambda n=n: goe(n, rng),
            "q=1": lambda n=n: wishart(n, n, rng),
            "q=.5": lambda n=n: wishart(2 * n, n, rng),
            "q=.1": lambda n=n: wishart(10 * n, n, rng),
        }
        for name, law in laws.items():
            x = np.array([mean_ratio(law()) for _ in range(draws)])
            rows.append((n, draws, x.mean(), x.var() * (n - 2)))
            print(
                f"{n:5d} {name:5s} draws {draws:6d} mean {x.mean():.5f} +- {x.std() / draws**0.5:.5f}"
                f"  variance * (n - 2) {rows[-1][3]:.4f} +- {rows[-1][3] * (2 / draws) ** 0.5:.4f}"
            )
    n, draws, mean, variance = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    weight = draws * n  # inverse variances of the means
    shift = np.sum(weight * (mean - GOE_RATIO) / n) / np.sum(weight / n**2)
    design = np.stack([np.ones_like(n), 1 / n], axis=1) * np.sqrt(draws)[:, None]
    spread, trend = np.linalg.lstsq(design, variance * np.sqrt(draws), rcond=None)[0]
    print(f"shift {shift:.4f}   spread {spread:.4f}   trend {trend:.4f}")
    s = rng.exponential(size=20_000_000)
    r = np.minimum(s[1:], s[:-1]) / np.maximum(s[1:], s[:-1])
    print(f"Poisson: variance {r.var():.5f}   covariance of neighbours {np.cov(r[1:], r[:-1])[0, 1]:.5f}")


if __name__ == "__main__":
    main()
