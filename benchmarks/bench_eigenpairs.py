"""Products that leading eigenpairs take, residual checks included, beside ARPACK and LOBPCG of SciPy.

Run with OMP_NUM_THREADS=1; prints markdown rows. The operators are diagonal with spectra like those of networks'
Hessians (the methods do not see the difference), so the seconds are those of the solvers alone. ARPACK starts from the
same vector and has its best subspace size of three; the others' counts include one product for a check, as ours do.
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections.abc import Callable

import numpy as np
import scipy.sparse.linalg
import torch

from eigentrail.linalg.lanczos import lanczos
from sidebyside import alternate, machine

K, TOL = 10, 1e-3


def _spectra(n: int, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)

    def with_bulk(head: np.ndarray) -> np.ndarray:
        rest = n - len(head)
        bulk = 0.02 * random.standard_normal(rest) ** 2 * random.exponential(1, rest) - 0.005 * random.random(
            rest
        )
        return np.concatenate([head, np.minimum(bulk, head.min())])

    return {
        "10 outliers, shoulder": with_bulk(np.r_[np.linspace(12, 2, 10), 1.5 * random.random(80)]),
        "trained network (13 .. 4.7)": with_bulk(
            np.r_[13.1, 10.9, 9.95, 9.55, 7.7, 7.0, 6.5, 5.7, 5.2, 4.7, 4.6 * np.sqrt(random.random(60))]
        ),
        "close outliers": with_bulk(
            np.r_[5, 4.9, 4.8, 3, 2.95, 2.9, 2, 1.98, 1.9, 1.85, 1.8 * random.random(30)]
        ),
        "untrained network (no gaps)": with_bulk(np.r_[0.9 * np.exp(-np.arange(150) / 30)]),
    }


class _Counted:
    """A diagonal operator for numpy columns and for torch rows."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.tensor, self.count = values, torch.from_numpy(values), 0

    def rows(self, x: torch.Tensor) -> torch.Tensor:
        self.count += len(x)
        return x * self.tensor

    def columns(self, x: np.ndarray) -> np.ndarray:
        self.count += 1 if x.ndim == 1 else x.shape[1]
        return self.values * x if x.ndim == 1 else self.values[:, None] * x

    def linear(self) -> scipy.sparse.linalg.LinearOperator:
        n = len(self.values)
        return scipy.sparse.linalg.LinearOperator(
            (n, n), matvec=lambda x: self.columns(x.ravel()), matmat=self.columns, dtype=float
        )


def _spent(operator: _Counted, work: Callable[[], tuple[np.ndarray, np.ndarray] | None]) -> tuple[int, float]:
    operator.count = 0
    found = work()
    products = operator.count
    if found is None:
        return products, 0.0
    values, vectors = found
    away = operator.values[:, None] * vectors - vectors * values
    return products + 1, float((np.linalg.norm(away, axis=0) / np.abs(values)).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(machine())
    print(
        "| spectrum | eigentrail | without search for copies | ARPACK | LOBPCG | residuals | CPU s of solvers |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in _spectra(1000, 0):
        rows: list[tuple[float, ...]] = []
        for seed in range(options.seeds):
            operator = _Counted(_spectra(options.n, seed)[name])
            n, random = options.n, np.random.default_rng(seed)
            start = random.standard_normal(n)
            ours = lanczos(operator.rows, n, K, tol=TOL, seed=seed, start=start)
            bare = lanczos(operator.rows, n, K, tol=TOL, seed=seed, start=start, risk=None)
            arpack = min(
                _spent(
                    operator,
                    lambda o=operator, c=ncv, s=start: scipy.sparse.linalg.eigsh(
                        o.linear(), K, which="LA", tol=TOL, ncv=c, v0=s
                    ),
                )
                for ncv in (20, 30, 40)
            )
            block = random.standard_normal((n, K))
            lobpcg = _spent(
                operator,
                lambda o=operator, x=block: scipy.sparse.linalg.lobpcg(
                    o.linear(), x, tol=TOL * float(np.sort(o.values)[-K]), maxiter=200
                ),
            )
            rows.append(
                (
                    ours.products,
                    bare.products,
                    arpack[0],
                    lobpcg[0],
                    ours.residuals.max(),
                    arpack[1],
                    lobpcg[1],
                )
            )
        medians = [statistics.median(column) for column in zip(*rows, strict=True)]
        mine, theirs = alternate(
            lambda o=operator: lanczos(o.rows, options.n, K, tol=TOL),
            lambda o=operator: scipy.sparse.linalg.eigsh(o.linear(), K, which="LA", tol=TOL, ncv=30),
            3,
        )
        print(
            f"| {name} | **{medians[0]:.0f}** | {medians[1]:.0f} | {medians[2]:.0f} | {medians[3]:.0f} | "
            f"{medians[4]:.0e}, {medians[5]:.0e}, {medians[6]:.0e} | {mine.cpu:.2f}, ARPACK {theirs.cpu:.2f} |"
        )


if __name__ == "__main__":
    main()
