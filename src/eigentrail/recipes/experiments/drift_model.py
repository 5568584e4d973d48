"""S1's model of the drift: gradient descent in a quadratic well, and the variances that it predicts (S1 6.4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail.curvature import Curvature
from eigentrail.evaluation.of_run import samples_of
from eigentrail.linalg.krylov_space import Apply
from eigentrail.linalg.lanczos_quadrature import tridiagonals
from eigentrail.runs import Run
from eigentrail.trajectories import QuadraticModel, quadratic_model
from eigentrail.trajectories.rows import open_rows

# Directions of the model, products with the Hessian; and samples of the mean loss.
_DIRECTIONS, _SAMPLES = 48, 10_000
# What is left of a vector when nothing but rounding is.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Well:
    """The quadratic approximation of the loss at one step, along the directions in which it makes the weights move.

    The directions are Ritz vectors of the Krylov space that the Hessian makes of the gradient: the only part of
    parameter space in which the model moves at all. The steep ones are eigenvectors; many flat ones, which decay alike,
    are one.

    Attributes:
        directions: [k, n] orthonormal.
        curvatures: [k] d^T H d of each, steepest first.
        residuals: [k] ||H d - h d|| / |h|; 0 for an eigenvector.
        start: [k] coordinates of the weights.
        gradient: [k] coordinates of the gradient, without weight decay.
        decay: lambda of lambda ||w||^2.
    """

    directions: Float64[np.ndarray, "k n"]
    curvatures: Float64[np.ndarray, " k"]
    residuals: Float64[np.ndarray, " k"]
    start: Float64[np.ndarray, " k"]
    gradient: Float64[np.ndarray, " k"]
    decay: float

    def model(self, rate: float, momentum: float) -> QuadraticModel:
        """Set the model up for a learning rate.

        Args:
            rate: the learning rate.
            momentum: of the optimizer.

        Returns:
            The model, its minimum where the gradient says.
        """
        minimum = self.start - self.gradient / self.curvatures
        return quadratic_model(self.curvatures, self.start, minimum, rate, self.decay, momentum)

    def straight(
        self, direction: Float64[np.ndarray, " n"], rate: float, momentum: float, count: int
    ) -> float:
        """Give the variance along a direction if nothing were curved: the first gradient for all steps.

        Args:
            direction: [n] a unit vector.
            rate: the learning rate.
            momentum: of the optimizer.
            count: T consecutive steps.

        Returns:
            a^2 (T^2 - 1) / 12 with a = eta |d . (g + 2 lambda w)| / (1 - beta).
        """
        total = self.gradient + 2.0 * self.decay * self.start
        slope = rate / (1.0 - momentum) * float((self.directions @ direction) @ total)
        return slope**2 * (count**2 - 1.0) / 12.0


def well_at(run: Run, layer: str, weight_decay: float, directions: int = _DIRECTIONS) -> Well:
    """Approximate the loss around the first step of a run, as a function of one layer.

    Args:
        run: the run, with all layers at its first step.
        layer: the layer's name.
        weight_decay: that of the training, 2 lambda.
        directions: at most how many directions.

    Returns:
        The well.
    """
    step = int(run.steps[0])
    model = run.model(step).eval()
    curvature = Curvature(model, None, samples_of(run, count=_SAMPLES), [layer], dtype=torch.float64)
    weights = to_float64(dict(model.named_parameters())[layer]).ravel()
    gradient = to_float64(curvature.gradient()).ravel()

    values, vectors, residuals = krylov(curvature.apply, gradient + weight_decay * weights, directions)
    # Exactly flat directions have no minimum; along them there is no gradient either but rounding.
    steep = np.abs(values) > _ROUNDING * np.abs(values).max()
    values, vectors, residuals = values[steep], vectors[steep], residuals[steep]
    return Well(
        vectors,
        values,
        residuals / np.abs(values),
        vectors @ weights,
        vectors @ gradient,
        weight_decay / 2.0,
    )


def krylov(
    apply: Apply, start: Float64[np.ndarray, " n"], count: int
) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, "k n"], Float64[np.ndarray, " k"]]:
    """Find the directions into which a symmetric operator leads from a vector.

    Args:
        apply: the operator, [j, n] -> [j, n] in float64.
        start: [n] the vector, not zero.
        count: at most how many products.

    Returns:
        Ritz values, largest first, Ritz vectors [k, n], and the residual of each, ||A v - value v||.
    """
    row = torch.from_numpy(np.ascontiguousarray(start))[None]
    [space] = tridiagonals(apply, row, min(count, len(start)), row[:0], keep=True)
    small = np.diag(space.diagonal) + np.diag(space.off, 1) + np.diag(space.off, -1)
    values, turn = np.linalg.eigh(small)
    values, turn = values[::-1], turn[:, ::-1]
    return values, turn.T @ to_float64(space.vectors), np.abs(space.left * turn[-1])


def model_row(
    well: Well, direction: Float64[np.ndarray, " n"], rate: float, momentum: float, count: int
) -> dict[str, float]:
    """Predict the variance along the drift.

    Args:
        well: the quadratic approximation at the first step.
        direction: [n] the first component of the weights, p_1.
        rate: the learning rate.
        momentum: of the optimizer.
        count: T consecutive steps.

    Returns:
        `model_variance`, d^T Cov d; `model_sum`, S1's sum of d_i^2 sigma_i^2 (6.13); `model_line`, what the first
        gradient gives if nothing is curved.
    """
    model = well.model(rate, momentum)
    along = well.directions @ direction
    return {
        "model_variance": model.drift_variance(along, count),
        "model_sum": float(along**2 @ np.diag(model.covariance(count))),
        "model_line": well.straight(direction, rate, momentum, count),
    }


def variances(x: xr.DataArray, well: Well, rate: float, momentum: float) -> xr.Dataset:
    """Set the predicted variance along each direction of the well beside the measured one.

    Args:
        x: [T, ...] weights at consecutive steps, the first where the well is.
        well: the quadratic approximation there.
        rate: the learning rate.
        momentum: of the optimizer.

    Returns:
        Over [direction]: `curvature`, `predicted`, `measured` and `residual`.
    """
    rows = open_rows(x)
    coordinates = np.concatenate([np.asarray(b, np.float64) @ well.directions.T for _, _, b in rows.blocks()])
    predicted = np.diag(well.model(rate, momentum).covariance(len(coordinates)))
    return xr.Dataset(
        {
            "curvature": ("direction", well.curvatures),
            "predicted": ("direction", np.maximum(predicted, 0.0)),
            "measured": ("direction", coordinates.var(axis=0)),
            "residual": ("direction", well.residuals),
        }
    )
