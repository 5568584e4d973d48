"""Loss and accuracy along a direction, or over a plane of two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64
from torch import nn

from eigentrail._arrays import to_float64
from eigentrail.bases import Basis
from eigentrail.errors import BasisError, OptionError
from eigentrail.evaluation.candidates import Candidates, Loss
from eigentrail.runs import Run


def landscape(
    model: nn.Module,
    loss: Loss | None,
    data: Any,
    directions: Any,
    layers: str | Sequence[str] | None = None,
    *,
    offsets: Any = None,
    curvatures: Any = None,
    slopes: Any = None,
    path: Any = None,
) -> xr.Dataset:
    """Evaluate L(w + x d_1) or L(w + x d_1 + y d_2) around the weights of the network.

    Args:
        model: the network with the weights w.
        loss: loss(outputs, targets), a mean over samples; None for the cross-entropy.
        data: (inputs, targets), or a torch Dataset or DataLoader of such pairs, which is read once.
        directions: one or two directions, [n], [k, n] or a basis; normalised here.
        layers: globs over the parameters that they are directions of; None for the whole network.
        offsets: distances from w, the same for either direction; None for 41 from -1 to 1 times a tenth of ||w||.
        curvatures: one number for each direction (d^T H d), for a quadratic prediction.
        slopes: one number for each direction (the gradient along it), 0 if not given.
        path: where the training came from: a recorded run, or weights [step, n] of these layers; None for none.

    Returns:
        `loss` and `accuracy` over [x] or [x, y]; `quadratic`, the prediction L(w) + g x + c x^2 / 2 (cross terms
        left out), where curvatures are given; with a path `path_x` and `path_y` over [step], the nearest points of the
        line or plane, and `path_distance`, how far from it the weights are. Attribute `coordinates`: w . d_i, so that
        x + w . d_1 is the weight along d_1.

    Raises:
        BasisError: there are other than one or two directions, or they do not fit the layers.
        DataError: the data are no pairs of as many inputs and targets, the network does not take the inputs, or the
            loss not its outputs and the targets.
        OptionError: offsets are not finite, there is not one finite curvature and slope for each direction, or the path
            is none of these layers.
    """
    candidates = Candidates(model, data, layers, loss)
    found = to_float64(directions.directions() if isinstance(directions, Basis) else directions)
    rows = found[None] if found.ndim == 1 else found
    if rows.ndim != 2 or len(rows) not in {1, 2} or rows.shape[1] != candidates.n:
        raise BasisError(
            f"a landscape needs one or two directions of {candidates.n} parameters, not of shape {found.shape}."
        )
    norms = np.linalg.norm(rows, axis=1)
    if not (np.isfinite(norms) & (norms > 0.0)).all():
        raise BasisError("a direction of the landscape is zero or not finite.")
    rows = rows / norms[:, None]
    w = candidates.weights
    reach = 0.1 * max(float(np.linalg.norm(w)), 1e-12)
    x = np.linspace(-reach, reach, 41) if offsets is None else to_float64(offsets)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise OptionError("offsets are finite distances [x] along the directions.")
    dims = ("x", "y")[: len(rows)]
    grid = np.stack(np.meshgrid(*([x] * len(rows)), indexing="ij"), axis=-1).reshape(-1, len(rows))

    def points() -> Iterator[Float64[np.ndarray, " n"]]:
        for point in grid:
            yield w + point @ rows

    shape = (len(x),) * len(rows)
    losses, accuracies = candidates.evaluate(points())
    data_vars = {"loss": (dims, losses.reshape(shape)), "accuracy": (dims, accuracies.reshape(shape))}
    if curvatures is not None:
        bends = np.atleast_1d(to_float64(curvatures))
        tilts = np.zeros(len(rows)) if slopes is None else np.atleast_1d(to_float64(slopes))
        if not all(one.shape == (len(rows),) and np.isfinite(one).all() for one in (bends, tilts)):
            raise OptionError(
                f"curvatures and slopes are {len(rows)} finite numbers, one for each direction."
            )
        center = float(candidates.evaluate([w])[0][0])
        predicted = center + grid @ tilts + grid**2 @ bends / 2.0
        data_vars["quadratic"] = (dims, predicted.reshape(shape))
    coords: dict[str, Any] = dict.fromkeys(dims, x)
    if path is not None:
        steps, along, distances = _projected(path, candidates, rows)
        coords["step"] = steps
        for name, values in zip(dims, along.T, strict=True):
            data_vars[f"path_{name}"] = (("step",), values)
        data_vars["path_distance"] = (("step",), distances)
    return xr.Dataset(data_vars, coords=coords, attrs={"coordinates": (rows @ w).tolist()})


def _projected(
    path: Any, candidates: Candidates, rows: Float64[np.ndarray, "k n"]
) -> tuple[np.ndarray[Any, Any], Float64[np.ndarray, "t k"], Float64[np.ndarray, " t"]]:
    """Find the points of the line or plane nearest to the weights of each step, layer by layer."""
    steps, parts = _parts_of(path, candidates)
    weights = candidates.weights
    products = np.zeros((len(steps), len(rows)))
    squares = np.zeros(len(steps))
    start = 0
    for part in parts:
        stop = start + part.shape[1]
        moved = part - weights[start:stop]
        products += moved @ rows[:, start:stop].T
        squares += (moved**2).sum(axis=1)
        start = stop
    # Directions need not be orthogonal.
    along = np.linalg.lstsq(rows @ rows.T, products.T, rcond=None)[0].T
    return steps, along, np.sqrt(np.maximum(squares - (along * products).sum(axis=1), 0.0))


def _parts_of(
    path: Any, candidates: Candidates
) -> tuple[np.ndarray[Any, Any], Iterator[Float64[np.ndarray, "t p"]]]:
    if isinstance(path, Run):
        layers = [path[name] for name in candidates.names]
        steps = reduce(np.intersect1d, [one["step"].values for one in layers])
        if not len(steps):
            raise OptionError(
                f"{path.path} has no step at which all of {', '.join(candidates.names[:4])} are recorded"
            )
        return steps, (to_float64(one.sel(step=steps).values).reshape(len(steps), -1) for one in layers)
    found = to_float64(getattr(path, "values", path))
    if found.ndim != 2 or found.shape[1] != candidates.n or not np.isfinite(found).all():
        raise OptionError(
            f"a path is a run, or finite weights [step, {candidates.n}], not of shape {found.shape}."
        )
    known = getattr(path, "coords", {})
    steps = np.asarray(known["step"]) if "step" in known else np.arange(len(found))
    return steps, iter([found])
