"""The density of eigenvalues, smoothed by a Gaussian: by stochastic Lanczos quadrature, or from all eigenvalues.

The quadrature (Lin, Saad & Yang 2016; Ghorbani, Krishnan & Xiao 2019) needs products with random vectors only. Its
error has two parts that are both stated: the spread over the random vectors, and what a run of finite depth leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail._numbers import real, seed_of, whole
from eigentrail.bases import Basis
from eigentrail.curvature.probes import Probe, draw, known_part
from eigentrail.errors import CurvatureError, OptionError, SpectrumError
from eigentrail.linalg.krylov_space import Apply
from eigentrail.linalg.lanczos_quadrature import Tridiagonal, tridiagonals
from eigentrail.linalg.memory import allowance

_FINEST = 50_000  # points of a grid that is made here
_MARGIN = 5.0  # widths beside the outermost values
_BLOCK = 2**22  # kernel values at a time


@dataclass(frozen=True, eq=False)
class Density:
    """A smoothed density of eigenvalues.

    Attributes:
        grid: [g] eigenvalues, ascending.
        density: [g] per unit of eigenvalue; all n eigenvalues together have mass 1.
        error: [g] standard error: spread over the probes and truncation together; 0 for the exact density. At an
            isolated eigenvalue few probes tell little about their spread: deflate it.
        truncation: [g] part of it from the finite depth: the change when a quarter of the depth is left out.
        width: standard deviation of the Gaussian kernel.
        mass: integral over the grid, 1 unless the grid is cut short.
        n: number of eigenvalues.
        probes: random vectors; 0 for the exact density.
        depth: Lanczos steps from each.
        products: applications of the operator.
        deflated: eigenvalues that entered exactly.
    """

    grid: Float64[np.ndarray, " g"]
    density: Float64[np.ndarray, " g"]
    error: Float64[np.ndarray, " g"]
    truncation: Float64[np.ndarray, " g"]
    width: float
    mass: float
    n: int
    probes: int = 0
    depth: int = 0
    products: int = 0
    deflated: int = 0

    def to_dataset(self) -> xr.Dataset:
        """Give the density as labelled data.

        Returns:
            `density`, `error` and `truncation` over `eigenvalue`; the numbers as attributes.
        """
        arrays = {name: ("eigenvalue", getattr(self, name)) for name in ("density", "error", "truncation")}
        numbers = ("width", "mass", "n", "probes", "depth", "products", "deflated")
        return xr.Dataset(arrays, {"eigenvalue": self.grid}, {name: getattr(self, name) for name in numbers})

    def log10(self, floor: float | None = None) -> Float64[np.ndarray, " g"]:
        """Give log10 of the density for a logarithmic axis.

        Args:
            floor: least density shown; by default that of a hundredth of one eigenvalue at its kernel's top.

        Returns:
            [g], finite everywhere.
        """
        least = 0.01 / (self.n * self.width * np.sqrt(2 * np.pi)) if floor is None else floor
        found: Float64[np.ndarray, " g"] = np.log10(np.maximum(self.density, least))
        return found


def exact_density(eigenvalues: Any, *, width: float | None = None, grid: Any = None) -> Density:
    """Smooth known eigenvalues.

    Args:
        eigenvalues: [n] in any order.
        width: standard deviation of the Gaussian; by default a hundredth of the range.
        grid: [g] where to evaluate; by default fine enough for the width.

    Returns:
        The density, without error.

    Raises:
        SpectrumError: there are no eigenvalues, or some are not finite.
        OptionError: width or grid do not fit.
    """
    values = to_float64(eigenvalues).ravel()
    if not values.size or not np.isfinite(values).all():
        raise SpectrumError("a density needs at least one eigenvalue and all of them finite.")
    chosen = _width(width, values)
    points = _grid(grid, values, chosen)
    found = smoothed(points, values, np.full(len(values), 1.0 / len(values)), chosen)
    zero = np.zeros(len(points))
    return Density(points, found, zero, zero, chosen, float(np.trapezoid(found, points)), len(values))


def stochastic_density(
    apply: Apply,
    n: int,
    *,
    probes: int = 10,
    depth: int = 60,
    width: float | None = None,
    grid: Any = None,
    deflate: Basis | None = None,
    probe: Probe = "rademacher",
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    memory_limit: int | None = None,
) -> Density:
    """Estimate the density of eigenvalues of an operator.

    Args:
        apply: the operator, [j, n] -> [j, n], symmetric.
        n: its dimension.
        probes: random vectors, at least 2.
        depth: Lanczos steps from each. Features of width w in a spectrum of range R need about R / w of them.
        width: standard deviation of the Gaussian; by default a hundredth of the range.
        grid: [g] where to evaluate; by default fine enough for the width.
        deflate: eigenvectors with their values, for example of `Curvature.top`: these eigenvalues enter exactly and the
            probes see the rest only.
        probe: "rademacher" or "gaussian".
        seed: of the probes.
        dtype: of the vectors.
        device: where they live.
        memory_limit: bytes of Lanczos vectors at a time; None for 2 GiB, or for one run within half of what is
            available.

    Returns:
        The density with its error.

    Raises:
        OptionError: probes, depth, width or grid do not fit.
        CurvatureError: one run does not fit the memory limit, or a product is not finite.
    """
    # Of one probe alone no spread, and so no error, is known.
    probes, depth = whole("probes", probes, 2), whole("depth", depth, 1)
    if width is not None:
        _width(width, np.zeros(1))
    values, known = known_part(deflate, n, dtype, device)
    free = n - len(values)
    if free == 0:
        return exact_density(values, width=width, grid=grid)
    depth = min(depth, free)
    run = n * depth * dtype.itemsize
    allowed = allowance(run, torch.device(device)) if memory_limit is None else memory_limit
    together = allowed // run
    if together < 1:
        raise CurvatureError(
            f"a run of depth {depth} in {n} parameters needs {run / 2**30:.2g} GiB and the "
            f"limit is {allowed / 2**30:.2g} GiB: lower depth or raise memory_limit."
        )
    generator = torch.Generator().manual_seed(seed_of(seed))
    counted = _Counted(apply)
    runs: list[Tridiagonal] = []
    while len(runs) < probes:
        starts = draw(min(together, probes - len(runs)), n, probe, generator, dtype, device)
        runs += tridiagonals(counted, starts, depth, known)

    rules = [run.rule(depth) for run in runs]
    ends = np.concatenate([values, *[nodes for nodes, _ in rules]])
    chosen = _width(width, ends)
    points = _grid(grid, ends, chosen)
    share = free / n
    outliers = smoothed(points, values, np.full(len(values), 1.0 / n), chosen)
    each = share * np.stack([smoothed(points, nodes, weights, chosen) for nodes, weights in rules])
    short = (3 * depth + 3) // 4
    shorter = share * np.mean([smoothed(points, *run.rule(short), chosen) for run in runs], axis=0)
    bulk = each.mean(axis=0)
    spread = each.std(axis=0, ddof=1) / np.sqrt(probes)
    truncation = np.abs(bulk - shorter)
    found = outliers + bulk
    return Density(
        grid=points,
        density=found,
        error=np.hypot(spread, truncation),
        truncation=truncation,
        width=chosen,
        mass=float(np.trapezoid(found, points)),
        n=n,
        probes=probes,
        depth=depth,
        products=counted.products,
        deflated=len(values),
    )


def smoothed(
    grid: Float64[np.ndarray, " g"],
    nodes: Float64[np.ndarray, " j"],
    weights: Float64[np.ndarray, " j"],
    width: float,
) -> Float64[np.ndarray, " g"]:
    """Sum Gaussians.

    Args:
        grid: [g] where.
        nodes: [j] their centres.
        weights: [j] their masses.
        width: their standard deviation.

    Returns:
        [g].
    """
    found = np.zeros(len(grid))
    step = max(1, _BLOCK // max(1, len(grid)))
    for start in range(0, len(nodes), step):
        part = slice(start, start + step)
        z = (grid[:, None] - nodes[None, part]) / width
        found += np.exp(-0.5 * z * z) @ weights[part]
    found /= width * np.sqrt(2 * np.pi)
    return found


class _Counted:
    """An operator that counts."""

    def __init__(self, apply: Apply) -> None:
        self._apply, self.products = apply, 0

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        self.products += len(rows)
        return self._apply(rows)


def _width(width: float | None, values: Float64[np.ndarray, " j"]) -> float:
    if width is None:
        size = float(values.max() - values.min()) or float(np.abs(values).max()) or 1.0
        return size / 100
    if not real("width", width) > 0:
        raise OptionError(f"the width of the Gaussian is a positive number, not {width}.")
    return float(width)


def _grid(grid: Any, values: Float64[np.ndarray, " j"], width: float) -> Float64[np.ndarray, " g"]:
    if grid is not None:
        points = to_float64(grid)
        if (
            points.ndim != 1
            or len(points) < 2
            or not np.isfinite(points).all()
            or (np.diff(points) <= 0).any()
        ):
            raise OptionError("the grid is at least two finite eigenvalues in ascending order.")
        return points
    low, high = values.min() - _MARGIN * width, values.max() + _MARGIN * width
    count = int(np.ceil(4 * (high - low) / width)) + 1
    if count > _FINEST:
        raise OptionError(
            f"a width of {width:.3g} needs {count} points from {low:.3g} to {high:.3g}: take a larger width, or give a "
            "grid for the part of interest."
        )
    return np.linspace(low, high, max(count, 1001))
