"""Principal components of a trajectory against the covariance matrix, and the price of the geodesic null.

Run with OMP_NUM_THREADS=1; prints markdown rows. `--quick` takes n = 2048.
"""

from __future__ import annotations

import argparse

import numpy as np
import scipy.linalg

from eigentrail.trajectories.pca import pca
from sidebyside import HEADER, machine, once, row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    n = 2048 if parser.parse_args().quick else 8192
    rng = np.random.default_rng(0)
    # Weights as in a training: a drift, decaying relaxations, noise of a power-law spectrum.
    noise = rng.standard_normal((2000, n)) * np.arange(1, n + 1) ** -0.75
    x = np.cumsum(noise, axis=0) * 0.1 + np.linspace(0, 100, 2000)[:, None] * rng.standard_normal(n) / n**0.5
    x = x.astype(np.float32)
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        result = pca(x, 20)
        found["ours"], found["directions"] = result.variances, result.basis.directions()

    def theirs() -> None:
        c = np.cov(x.astype(np.float64), rowvar=False, bias=True)
        values, vectors = scipy.linalg.eigh(c, overwrite_a=True)
        found["theirs"], found["vectors"] = values[::-1][:20], vectors[:, ::-1][:, :20].T

    ours()
    one, other = once(ours), once(theirs)
    print(machine())
    print(HEADER)
    print(row(f"leading 20 components, T = 2000, n = {n}", "covariance + eigh", one.cpu, other.cpu, "30x"))
    values = np.abs(found["ours"] / found["theirs"] - 1).max()
    cosines = np.abs(np.einsum("kn,kn->k", found["directions"], found["vectors"]))
    print(f"\nlargest relative difference of variances {values:.1e}, of 1 - |cosine| {1 - cosines.min():.1e}")


if __name__ == "__main__":
    main()
