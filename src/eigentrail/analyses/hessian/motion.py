"""The Hessian's eigenvectors beside the directions in which the weights moved, and beside singular matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int64

from eigentrail._arrays import to_float64
from eigentrail.analyses.hessian.both_ends import KINDS, both_ends
from eigentrail.analyses.hessian.eigen import Eigen
from eigentrail.analyses.hessian.parameter_point import WHOLE, ParameterPoint
from eigentrail.bases import overlap
from eigentrail.curvature import (
    compare_sharpness,
    crossing_curvature,
    diagonal_sharpness,
    singular_overlaps,
    variance_flatness_of,
)
from eigentrail.errors import EigentrailError
from eigentrail.trajectories import pca

#: Principal components that are compared with the eigenvectors.
COMPONENTS = 200
_CELLS = 64
# Directions flatter than this share of the largest curvature relax in no recorded time: they have no law to follow.
_FLAT = 1e-4


def pooled(overlaps: xr.DataArray, chance: float) -> xr.Dataset:
    """Bring an overlap matrix to a size that can be drawn: means over blocks, in multiples of chance.

    Args:
        overlaps: |<a_i, b_j>| [i, j].
        chance: the mean of |<a, b>| for a random direction.

    Returns:
        `multiple` [row, column] with the first index of each block as coordinates `i` and `j` and one past the last
        one of all as the attributes `rows` and `columns`. Blocks grow towards large indices, where little differs.
    """
    values = to_float64(overlaps.values)
    rows, columns = (_edges(size) for size in values.shape)
    means = np.add.reduceat(np.add.reduceat(values, rows[:-1], axis=0), columns[:-1], axis=1)
    means /= np.diff(rows)[:, None] * np.diff(columns)[None, :]
    return xr.Dataset(
        {"multiple": (("row", "column"), means / chance)},
        {"i": ("row", rows[:-1]), "j": ("column", columns[:-1])},
        {"rows": values.shape[0], "columns": values.shape[1], "chance": chance},
    )


def _edges(size: int) -> Int64[np.ndarray, " e"]:
    if size <= _CELLS:
        return np.arange(size + 1)
    # As many single indices as fit, then blocks that grow by one factor.
    grown = np.unique(np.round(np.geomspace(1, size + 1, _CELLS)).astype(np.int64)) - 1
    return np.unique(np.concatenate([grown, [size]]))


def motion_of(
    point: ParameterPoint, target: str, eigen: Eigen
) -> tuple[dict[str, xr.Dataset], dict[str, Any]]:
    """Compare the eigenvectors with the principal components of weights and of updates (S1 7.1, 3.8).

    Args:
        point: the step.
        target: a parameter's name, or `WHOLE`.
        eigen: its eigenpairs.

    Returns:
        Datasets by name: `weights_components` and `updates_components` (see `pooled`), `flatness` with `value`,
        `variance` and `update_variance` of each direction; and facts.
    """
    parts: dict[str, xr.Dataset] = {}
    facts: dict[str, Any] = {}
    try:
        path, facts["path"] = point.path(target)
        count = min(COMPONENTS, len(path) - 2, eigen.basis.n, eigen.basis.k)
        overlaps = {of: overlap(eigen.basis, pca(path, count, of).basis) for of in KINDS}
        for of, found in overlaps.items():
            parts[f"{of}_components"] = pooled(found, float(found.attrs["chance"]))
            sharp = diagonal_sharpness(found)
            facts |= {
                f"{of}_sharpness": sharp.sharpness,
                f"{of}_share": sharp.share,
                f"{of}_share_chance": sharp.chance,
                "band": sharp.band,
            }
        facts |= both_ends(path, eigen)
        if count > 2:
            told = compare_sharpness(overlaps["weights"], overlaps["updates"])
            facts |= {"sharper_by": told.difference, "sharper_error": told.error}
    except EigentrailError as error:
        facts["no_motion"] = str(error)
        return parts, facts
    try:
        values = to_float64(eigen.basis.values)
        steep = max(1, int((values > _FLAT * values[0]).sum()))
        flatness = variance_flatness_of(eigen.basis.leading(steep), path, h_cross=_crossing(point))
        kept = flatness["weights"]
        parts["flatness"] = xr.Dataset(
            {"value": ("k", kept.values), "variance": ("k", kept.variances)},
            attrs={"h_cross": kept.h_cross if kept.h_cross is not None else -1.0},
        )
        if kept.h_cross is not None:
            facts["h_cross"] = kept.h_cross
        for kind, fit in flatness.items():
            for name, line in (("all", fit.all), ("below", fit.below), ("above", fit.above)):
                if line is not None and line.exponent is not None:
                    facts |= {
                        f"{kind}_exponent_{name}": line.exponent,
                        f"{kind}_exponent_{name}_error": line.error,
                    }
    except EigentrailError as error:
        facts["no_flatness"] = str(error)
    return parts, facts


def _crossing(point: ParameterPoint) -> float | None:
    told = point.setting
    if not {"batch_size", "lr"} <= set(told) or point.run.manifest is None:
        return None
    samples = int((point.run.manifest.data or {}).get("train_samples") or 0)
    if samples < int(told["batch_size"]):
        return None
    return crossing_curvature(
        int(told["batch_size"]), float(told["lr"]), samples, float(told.get("momentum") or 0.0)
    )


def singular_of(
    point: ParameterPoint, target: str, eigen: Eigen
) -> tuple[dict[str, xr.Dataset], dict[str, Any]]:
    """Compare the eigenvectors with the singular matrices of a weight (S1 7.3).

    Args:
        point: the step.
        target: a parameter's name; of the whole network its largest hidden weight matrix is taken.
        eigen: its eigenpairs.

    Returns:
        Dataset `singular` (see `pooled`) and facts.
    """
    known = dict(point.model.named_parameters())
    matrices = [name for name in point.names(target) if known[name].ndim >= 2]
    if not matrices:
        return {}, {}
    # Of a whole network the middle one of its matrices: neither the first, which is the largest, nor the last.
    name = matrices[len(matrices) // 2] if target == WHOLE else matrices[0]
    conv = "spatial" if known[name].ndim > 2 else "flatten"
    part = eigen.slices[name] if target == WHOLE else None
    try:
        found = singular_overlaps(eigen.basis, known[name], part=part, conv=conv)
    except EigentrailError as error:
        return {}, {"no_singular": str(error)}
    facts: dict[str, Any] = {
        "singular_of": name,
        "singular_spatial": conv == "spatial",
        "spikes": found.attrs["spikes"],
    }
    if found.attrs["spikes"]:
        outlier = found["outlier"].values
        facts |= {
            **_weights_in_leading(point, target, name, eigen, found),
            "outliers_in_leading": float(found["in_leading"].values[outlier].mean()),
            "bulk_in_leading": float(found["in_leading"].values[~outlier].mean())
            if (~outlier).any()
            else None,
            "in_leading_chance": float(found.attrs["in_leading_chance"]),
            "leading": int(found.attrs["leading"]),
        }
    return {"singular": pooled(found["overlap"], float(found.attrs["overlap_chance"]))}, facts


def _weights_in_leading(
    point: ParameterPoint, target: str, name: str, eigen: Eigen, found: xr.Dataset
) -> dict[str, float]:
    """Give the share of the weights that lies in the leading eigenvectors, and with random signs of singular values."""
    w = point.weights(name)
    if target == WHOLE:
        padded = np.zeros(eigen.basis.n)
        padded[eigen.slices[name]] = w
        w = padded
    along = to_float64(eigen.basis.coordinates(w))[: int(found.attrs["leading"])]
    # w = sum of nu_j s_j; what the signs of the sum add to the shares of its parts is no property of its size.
    strength = to_float64(found["value_j"].values) ** 2
    return {
        "weights_in_leading": float(along @ along / (w @ w)),
        "signs_in_leading": float(strength @ found["in_leading"].values / strength.sum()),
    }


def log_ranks(size: int, count: int = 60) -> Int64[np.ndarray, " c"]:
    """Choose numbers of directions, 0 and all among them, that grow by one factor.

    Args:
        size: how many directions there are.
        count: about how many numbers.

    Returns:
        Ascending numbers from 0 to `size`.
    """
    grown: Float64[np.ndarray, " c"] = np.geomspace(1, size, min(count, size))
    return np.unique(np.concatenate([[0], np.round(grown).astype(np.int64), [size]]))
