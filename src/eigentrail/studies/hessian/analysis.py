"""The analysis `curvature` of a run: the Hessian of its layers and of the whole network at the last step."""

from __future__ import annotations

from typing import Any

import pandas as pd
import xarray as xr

from eigentrail._progress import Progress, shown
from eigentrail.errors import CurvatureError
from eigentrail.runs import Run
from eigentrail.studies.hessian.node import describe_target
from eigentrail.studies.hessian.place import WHOLE, Place, targets_of
from eigentrail.studies.hessian.words import verdict
from eigentrail.studies.layerwise import layer_by_layer

NAME = "curvature"
VERSION = 1
#: The largest number of parameters whose Hessian is written out and diagonalised.
LARGEST_EXACT = 8500

_COLUMNS = (
    "name", "n", "samples", "exact", "loss", "largest", "smallest", "trace", "trace_error", "null", "negative",
    "outliers_in_leading", "bulk_in_leading", "in_leading_chance", "weights_sharpness", "updates_sharpness",
    "sharper_by", "sharper_error", "weights_exponent_all", "updates_exponent_all", "enough_by_value",
    "enough_by_magnitude", "spacing_ratio", "spacing_ratio_error", "spacing_p_wigner", "spacing_p_poisson",
    "products",
)  # fmt: skip
SHOWN = (
    "name",
    "n",
    "exact",
    "largest",
    "smallest",
    "trace",
    "weights_sharpness",
    "updates_sharpness",
    "spacing_ratio",
)


def curvature_analysis(
    run: Run,
    *,
    layers: str | list[str] | None = None,
    jobs: int = 1,
    progress: Progress | bool | None = None,
    samples: int = 10_000,
    largest_exact: int = LARGEST_EXACT,
    initial: bool = True,
    seed: int = 0,
) -> xr.DataTree:
    """Look at the Hessian of the training loss at the last step of a run (S1 chapter 7).

    Args:
        run: the run; it must say how to build its network and what it was trained on.
        layers: globs over parameter names; None or "*" for each weight matrix or kernel and the whole network.
        jobs: not used: the work inside is parallel.
        progress: as everywhere.
        samples: at most how many training samples the loss is the mean over; fewer of large networks where a Hessian
            is not written out, see `Place.affordable`.
        largest_exact: up to how many parameters a Hessian is written out with all its eigenpairs; of larger ones
            the 20 largest eigenpairs, density and trace are computed, and without `layers` only of the whole network.
        initial: whether to look at the first step too, where the Hessian is written out.
        seed: of the choice of samples and of the starting vectors.

    Returns:
        A node per target, see `describe_target`.
    """
    del jobs
    arguments = {"samples": samples, "largest_exact": largest_exact, "initial": initial, "seed": seed}
    place = Place(run, int(run.steps[-1]), samples=samples, seed=seed)
    targets = targets_of(place, layers)
    skipped = []
    if targets[-1] == WHOLE:
        large = [name for name in targets[:-1] if place.size(name) > largest_exact]
        skipped = [
            f"{name}: its Hessian of {place.size(name):,} parameters is not written out; name it with --layers for its "
            "largest eigenpairs"
            for name in large
        ]
        targets = [name for name in targets if name not in large]

    if not callable(progress):
        with shown(NAME, progress) as report:
            return _made(run, place, targets, skipped, arguments, report)
    return _made(run, place, targets, skipped, arguments, progress)


def _made(
    run: Run,
    place: Place,
    targets: list[str],
    skipped: list[str],
    arguments: dict[str, Any],
    report: Progress,
) -> xr.DataTree:
    largest, initial = arguments["largest_exact"], arguments["initial"]

    def one(_: Run, target: str) -> xr.DataTree:
        exact = place.size(target) <= largest
        if place.size(target) < 2:
            raise CurvatureError(f"{target} has a single parameter")
        return describe_target(
            place if exact else place.affordable(),
            target,
            exact=exact,
            initial=initial and exact,
            tell=lambda words: report(f"{target}: {words}", targets.index(target), len(targets)),
        )

    return layer_by_layer(
        run, NAME, one, layers=targets, arguments=arguments, version=VERSION, skipped=skipped, progress=report
    )


def curvature_table(tree: xr.DataTree) -> pd.DataFrame:
    """Sum the analysis up.

    Args:
        tree: from `curvature_analysis`.

    Returns:
        A row per target; None where there is no number; `verdict` in words.
    """
    rows: list[dict[str, Any]] = []
    for node in tree.children.values():
        values = node["spectrum"].to_dataset()["eigenvalue"].values
        known = {
            **node.attrs,
            "largest": float(values[0]),
            "smallest": float(values[-1]) if node.attrs["exact"] else None,
        }
        rows.append({**{c: known.get(c) for c in _COLUMNS}, "verdict": verdict(node)})
    return pd.DataFrame(rows, columns=[*_COLUMNS, "verdict"], dtype=object)
