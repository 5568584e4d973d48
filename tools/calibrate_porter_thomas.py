"""Simulate the null of the Porter-Thomas test: the table in `eigentrail.spectra.vectors` comes from here.

A random unit vector has entries g / |g|: a sample of known mean whose variance is fixed by the vector itself.
The Kolmogorov-Smirnov distance D from N(0, 1/n) is then smaller than for n independent normal numbers.
Printed: -ln p at fixed values of K = D (sqrt n + 0.12 + 0.11 / sqrt n) (Stephens' form) for several n, to see
    that one table does for all.

Run: python tools/calibrate_porter_thomas.py [draws; default 400000]
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.special import ndtr

GRID = np.arange(0.30, 2.01, 0.05)


def distances(n: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Scaled distances of random unit vectors of length n."""
    found = []
    block = max(1, 200_000 // n)
    for start in range(0, draws, block):
        x = rng.normal(size=(min(block, draws - start), n))
        x *= np.sqrt(n / (x**2).sum(axis=1, keepdims=True))
        x.sort(axis=1)
        law = ndtr(x)
        step = np.arange(n) / n
        d = np.maximum((law - step).max(axis=1), (step + 1 / n - law).max(axis=1))
        found.append(d * (np.sqrt(n) + 0.12 + 0.11 / np.sqrt(n)))
    return np.concatenate(found)


def main() -> None:
    """Simulate and print."""
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 400_000
    rng = np.random.default_rng(20261121)
    columns = {}
    for n, share in ((8, 2.0), (16, 2.0), (64, 4.0), (256, 2.0), (1024, 0.5), (4096, 0.1)):
        k = np.sort(distances(n, int(draws * share), rng))
        with np.errstate(divide="ignore"):
            columns[n] = -np.log(1 - np.searchsorted(k, GRID, side="left") / k.size)
    print("   K  " + "".join(f"{n:>9d}" for n in columns))
    for i, value in enumerate(GRID):
        print(f"{value:6.2f}" + "".join(f"{column[i]:9.4f}" for column in columns.values()))


if __name__ == "__main__":
    main()
