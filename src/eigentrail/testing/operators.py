"""A conformance suite for a symmetric operator on a parameter space, such as a Hessian."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from eigentrail._arrays import to_float64


def check_operator(operator: Any, exact: Any = None, *, tolerance: float = 1e-6, seed: int = 0) -> None:
    """Check that an operator is linear, symmetric and the same at every call, and finds its own eigenpairs.

    Args:
        operator: it has `n`, `apply([k, n]) -> [k, n]`, `@`, `matrix()` and `top(k, which, tol)`, as
            `curvature.Curvature` has; of a few hundred parameters at most.
        exact: [n, n] its matrix by another way; None where there is none.
        tolerance: of all comparisons, in units of the largest eigenvalue.
        seed: of the vectors.

    Raises:
        AssertionError: one of these does not hold; the message says which.
    """
    n = operator.n
    rng = np.random.default_rng(seed)
    rows = torch.from_numpy(rng.standard_normal((3, n))).to(operator.dtype)

    def applied(vectors: torch.Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.asarray(to_float64(operator.apply(vectors)))

    matrix = np.asarray(to_float64(operator.matrix()))
    scale = max(float(np.abs(np.linalg.eigvalsh((matrix + matrix.T) / 2)).max()), 1e-30)

    def same(a: Any, b: Any, what: str) -> None:
        size = scale * max(1.0, float(np.abs(to_float64(rows)).max()))
        worst = float(np.abs(np.asarray(a) - np.asarray(b)).max()) / size
        assert worst <= tolerance, f"{what}: off by {worst:.2g} of the largest eigenvalue"

    assert matrix.shape == (n, n), f"the matrix has shape {matrix.shape} for {n} parameters"
    same(matrix, matrix.T, "the matrix is not symmetric")
    products = applied(rows)
    assert products.shape == (3, n), f"a block of 3 vectors gives {products.shape}"
    assert np.array_equal(products, applied(rows)), "a second call gives other numbers"
    same(products, to_float64(rows) @ matrix, "products are not those of the matrix")
    same(
        applied(2.0 * rows[:1] - 3.0 * rows[1:2]),
        2.0 * products[:1] - 3.0 * products[1:2],
        "it is not linear",
    )
    same(products[0] @ to_float64(rows)[1], products[1] @ to_float64(rows)[0], "it is not symmetric")
    same(np.asarray(to_float64(operator @ rows[0])), products[0], "`@` is not `apply`")
    if exact is not None:
        same(matrix, to_float64(exact), "it is not the matrix that it should be")
    pairs = operator.top(min(3, n - 1), "largest", 1e-6)
    wanted = np.linalg.eigvalsh(matrix)[::-1][: len(pairs.values)]
    same(np.asarray(to_float64(pairs.values)), wanted, "its largest eigenvalues are not those of the matrix")
    directions = np.asarray(to_float64(pairs.directions()))
    same(directions @ matrix, wanted[:, None] * directions, "its leading vectors are no eigenvectors")
