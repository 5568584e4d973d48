"""Symmetric operators with prescribed eigenvalues, which count how often they are applied."""

from __future__ import annotations

import numpy as np
import torch


class Prescribed:
    """H = Q diag(values) Q^T with a random orthogonal Q, as a function of rows."""

    def __init__(self, values, seed=0, dtype=torch.float64):
        self.values = np.asarray(values, dtype=float)
        self.n = len(self.values)
        normal = np.random.default_rng(seed).standard_normal((self.n, self.n))
        self.vectors = np.linalg.qr(normal)[0].T  # row i belongs to values[i]
        self._q = torch.from_numpy(self.vectors).to(dtype)
        self._d = torch.tensor(self.values, dtype=dtype)
        self.dtype = dtype
        self.count = 0

    def __call__(self, rows):
        assert rows.dtype == self.dtype
        self.count += len(rows)
        return ((rows @ self._q.T) * self._d) @ self._q

    def truth(self, k, which="largest"):
        """The k wanted values, largest first."""
        ordered = np.sort(self.values)
        low = {"largest": 0, "smallest": k, "both": k // 2}[which]
        return np.concatenate([ordered[:low], ordered[self.n - (k - low) :]])[::-1]


def hessian_like(n, seed, outliers=(12, 9, 7.5, 6, 5, 4, 3.3, 2.8, 2.4, 2.1)):
    """A few outliers, a shoulder below, a bulk at zero with a small negative part."""
    random = np.random.default_rng(seed)
    shoulder = 1.5 * random.random(30)
    bulk = 0.02 * random.standard_normal(n - len(outliers) - 30) ** 2 - 0.005 * random.random(
        n - len(outliers) - 30
    )
    return np.concatenate([outliers, shoulder, bulk])
