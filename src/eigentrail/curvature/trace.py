"""The trace of a symmetric operator from products with random vectors, with its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float64
from scipy.special import stdtrit

from eigentrail._numbers import seed_of, whole
from eigentrail.bases import Basis
from eigentrail.curvature.probes import Probe, draw, known_part
from eigentrail.errors import OptionError
from eigentrail.linalg.finite import finite_products
from eigentrail.linalg.krylov_space import Apply
from eigentrail.linalg.lanczos_quadrature import without

Method: TypeAlias = Literal["auto", "hutchinson", "hutch++"]
_FEWEST = 15  # products from which a third of them is well spent on the leading subspace
_TOGETHER = 16  # vectors multiplied at once


@dataclass(frozen=True)
class Trace:
    """A trace with its error.

    Attributes:
        value: the estimate.
        error: its standard error, from the spread over the probes; 0 where the trace is exact.
        products: applications of the operator.
        probes: random vectors that the error was taken from; 0 where the trace is exact.
        method: "hutchinson", "hutch++" or "exact".
    """

    value: float
    error: float
    products: int
    probes: int
    method: str

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Give a confidence interval, by Student's t for the number of probes.

        Args:
            level: its coverage.

        Returns:
            Both ends.
        """
        if self.probes < 2:
            return self.value, self.value
        half = float(stdtrit(self.probes - 1, (1 + level) / 2)) * self.error
        return self.value - half, self.value + half


def stochastic_trace(
    apply: Apply,
    n: int,
    *,
    products: int = 60,
    method: Method = "auto",
    deflate: Basis | None = None,
    probe: Probe = "rademacher",
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Trace:
    """Estimate the trace within a number of products.

    Hutchinson's estimator averages z^T H z. Hutch++ (Meyer, Musco, Musco & Woodruff 2021) spends a third of the
    products on finding the leading subspace and a third on its trace, which is then exact, and estimates the rest: much
    better where a few eigenvalues dominate, as for networks. With n products or more the trace is computed exactly.

    Args:
        apply: the operator, [j, n] -> [j, n], symmetric.
        n: its dimension.
        products: how many products may be taken, at least 2.
        method: "hutchinson", "hutch++", or "auto" for Hutch++ from 15 products on.
        deflate: eigenvectors with their values, for example of `Curvature.top`: they enter exactly, without products.
        probe: "rademacher" or "gaussian".
        seed: of the probes.
        dtype: of the vectors.
        device: where they live.

    Returns:
        The trace with its error.

    Raises:
        OptionError: the method or the number of products does not fit.
        CurvatureError: a product is not finite.
    """
    if method not in {"auto", "hutchinson", "hutch++"}:
        raise OptionError(f'method is "auto", "hutchinson" or "hutch++", not {method!r}.')
    fewest = 5 if method == "hutch++" else 2
    if whole("products", products) < fewest:
        raise OptionError(
            f"{products} products are too few for a trace with an error: give at least {fewest}."
        )
    generator = torch.Generator().manual_seed(seed_of(seed))
    values, known = known_part(deflate, n, dtype, device)
    exact, spent = float(values.sum()), 0
    free = n - len(values)
    if free <= products:
        rest = torch.eye(n, dtype=dtype, device=device)
        if len(values):
            rest = _beside(known, draw(free, n, "gaussian", generator, dtype, device))
        return Trace(exact + float(_forms(apply, rest).sum()), 0.0, free, 0, "exact")
    if method == "auto":
        method = "hutch++" if products >= _FEWEST else "hutchinson"
    if method == "hutch++":
        third = products // 3
        sketch = without(draw(third, n, probe, generator, dtype, device), known)
        images = without(
            torch.cat([finite_products(apply(part)) for part in torch.split(sketch, _TOGETHER)]), known
        )
        leading = _beside(known, images)
        exact += float(_forms(apply, leading).sum())
        known, spent = torch.cat([known, leading]), 2 * third
    count = products - spent
    forms = _forms(apply, without(draw(count, n, probe, generator, dtype, device), known))
    error = float(forms.std(ddof=1) / np.sqrt(count))
    return Trace(exact + float(forms.mean()), error, products, count, method)


def _beside(known: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Orthonormalise rows against known orthonormal ones; always as many as there were."""
    whole: torch.Tensor = torch.linalg.qr(torch.cat([known, rows]).T)[0].T
    return whole[len(known) :].contiguous()


def _forms(apply: Apply, rows: torch.Tensor) -> Float64[np.ndarray, " j"]:
    """Compute z^T H z for each row."""
    parts = [
        (finite_products(apply(part)).double() * part.double()).sum(dim=1)
        for part in torch.split(rows, _TOGETHER)
    ]
    return np.asarray(torch.cat(parts).cpu().numpy())
