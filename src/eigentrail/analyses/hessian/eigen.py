"""The eigenpairs of a target: all of them where the matrix is small enough, else the largest ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
import xarray as xr
from torch import nn

from eigentrail._arrays import to_float64
from eigentrail.analyses.hessian.parameter_point import WHOLE, ParameterPoint
from eigentrail.bases import Basis
from eigentrail.curvature import Curvature
from eigentrail.curvature.density import exact_density

#: How many of the largest eigenpairs are found where the whole matrix is too large.
LEADING = 20
_PROBES, _DEPTH = 4, 60

#: What long work is told of: what it begins, in words.
Tell: TypeAlias = Callable[[str], None]


@dataclass(frozen=True)
class Eigen:
    """Eigenpairs of the Hessian of a target.

    Attributes:
        basis: the eigenvectors, largest eigenvalue first.
        exact: whether these are all.
        slices: where each parameter lies in a direction, by name.
        gradient: of the mean loss [n], for the slopes of landscapes.
        loss: the mean loss.
        density: `density` and `error` over `eigenvalue`.
        facts: how it was computed and what it cost, as plain values.
    """

    basis: Basis
    exact: bool
    slices: dict[str, slice]
    gradient: np.ndarray[Any, Any]
    loss: float
    density: xr.Dataset
    facts: dict[str, Any]


def eigen_of(
    point: ParameterPoint, target: str, *, exact: bool, tell: Tell, model: nn.Module | None = None
) -> Eigen:
    """Find the eigenpairs of the Hessian of the mean loss in a target's parameters.

    Args:
        point: the step.
        target: a parameter's name, or `WHOLE`.
        exact: True for the whole matrix in float64 and all its eigenpairs.
        tell: told what begins.
        model: the network; None for this step's.

    Returns:
        The eigenpairs.
    """
    network = point.model if model is None else model
    layers = None if target == WHOLE else point.names(target)
    curvature = Curvature(network, point.loss, point.train, layers, dtype=torch.float64 if exact else None)
    facts: dict[str, Any] = {"samples": len(point.train[0]), "exact": exact, "seed": point.seed}
    if exact:
        tell(f"the Hessian of {curvature.n:,} parameters")
        matrix = to_float64(curvature.matrix())
        trace = float(np.trace(matrix))
        tell(f"its {curvature.n:,} eigenvectors")
        values, vectors = np.linalg.eigh(matrix)
        del matrix
        basis = Basis(vectors.T, values)
        del vectors
        density = exact_density(values).to_dataset()
        facts |= {"trace": trace, "trace_error": 0.0}
        if curvature.check is not None:
            facts |= {"method": curvature.check.method, "spot_check_error": float(curvature.check.error)}
    else:
        tell(f"its {LEADING} largest of {curvature.n:,} eigenpairs")
        found = curvature.top(min(LEADING, curvature.n - 1), "largest", 1e-3, seed=point.seed)
        basis = found
        tell(f"the density of its eigenvalues from {_PROBES * _DEPTH} products")
        density = curvature.density(probes=_PROBES, depth=_DEPTH, seed=point.seed).to_dataset()
        tell("its trace")
        trace_found = curvature.trace(seed=point.seed)
        facts |= {
            "trace": float(trace_found.value),
            "trace_error": float(trace_found.error),
            "method": "thick-restart Lanczos",
            "largest_residual": float(to_float64(found.residuals).max()),
        }
    facts["products"] = int(curvature.products)
    return Eigen(
        basis,
        exact,
        dict(curvature.slices),
        to_float64(curvature.gradient()),
        float(curvature.loss_value()),
        density,
        facts,
    )
