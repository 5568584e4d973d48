"""Eigenvectors of a curvature as a basis."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from eigentrail._arrays import like, to_float64
from eigentrail.bases import Basis
from eigentrail.errors import BasisError
from eigentrail.linalg.lanczos import EigenPairs


class CurvatureBasis(Basis):
    """Eigenvectors of a curvature, largest eigenvalue first, with the residual of each and what they cost.

    Args:
        directions: [k, n] unit rows.
        values: [k] eigenvalues.
        residuals: [k] ||H v - l v|| / |l| by direction, in the order of `values`.
        products: applications of the curvature in all, residual checks included.
        risk: bound on the probability that a pair which belongs to these was missed.
        kind: an array or tensor of the kind, device included, in which results come out; None for that of `directions`.

    Raises:
        BasisError: the shapes do not fit, or a number is not finite.
    """

    def __init__(
        self,
        directions: Any,
        values: Any,
        residuals: Any,
        products: int,
        *,
        risk: float = 1.0,
        kind: Any = None,
    ) -> None:
        super().__init__(directions, values, kind=kind)
        given = to_float64(values)
        found = to_float64(residuals)
        if found.shape != given.shape or not np.isfinite(found).all():
            raise BasisError(
                f"a basis of {self.k} eigenvectors needs {self.k} finite residuals, got shape {found.shape}."
            )
        order = np.argsort(-given, kind="stable")
        self._residuals: Float64[np.ndarray, " k"] = found[order]
        self.products = products
        self.risk = risk

    @classmethod
    def of_pairs(cls, pairs: EigenPairs) -> CurvatureBasis:
        """Make a basis of what `lanczos` returned.

        Args:
            pairs: the eigenpairs.

        Returns:
            The basis.
        """
        # Lengths of a million float32 entries are off by more than a basis allows.
        vectors = pairs.vectors.double()
        vectors /= vectors.norm(dim=1, keepdim=True)
        return cls(vectors, pairs.values, pairs.residuals, pairs.products, risk=pairs.risk)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: {self.k} eigenvectors of {self.n} parameters, residuals up to "
            f"{self._residuals.max():.1e}, {self.products} products>"
        )

    @property
    def residuals(self) -> Any:
        """The residual ||H v - l v|| / |l| of each direction [k], from products; see `Curvature.top`."""
        return like(self._residuals, self._kind)

    def _taken(self, places: Int64[np.ndarray, " j"]) -> CurvatureBasis:
        return CurvatureBasis(
            self._rows[places],
            self._values[places],
            self._residuals[places],
            self.products,
            risk=self.risk,
            kind=self._kind,
        )
