"""The analysis `drift`: do the weights drift, walk or return? For each layer and all together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eigentrail._progress import Progress
from eigentrail.runs import Run
from eigentrail.studies.layerwise import layer_by_layer
from eigentrail.studies.motion import WALK_STEPS, motion_names, open_motion
from eigentrail.studies.principal import components_from, stored_components
from eigentrail.trajectories.drift import Drift, drift, variance_growth

NAME = "drift"
VERSION = 2
DRIFT_SHOWN = (
    *("name", "share", "share_linear", "slope", "slope_error", "straightness", "straightness_percentile"),
    *("others_percentile", "norm_first", "norm_last", "weight_overlap", "chance_overlap"),
)


def drifting(
    run: Run,
    *,
    layers: str | list[str] | None = None,
    jobs: int = 1,
    progress: Progress | bool | None = None,
    share: float | None = None,
) -> xr.DataTree:
    """Describe the motion of each layer along its first component, beside random walks.

    Args:
        run: the run.
        layers: globs over parameter names; None for all weights with two or more dimensions and the whole network.
        jobs: one process does the work, whatever this is.
        progress: True to show it, False for silence, a callable to report to, None for a bar on terminals.
        share: a number to leave out what does not take seconds, 1, or that share of them; None for all.

    Returns:
        A node per layer, and "(whole network)": `theta` and `norm` [step]; `straightness_null`, `share_null` and
        `others_null` [draw]; `cosine` [component]; `growth_variance` [duration], see
        `et.trajectories.variance_growth`. Attributes: the numbers of `et.trajectories.Drift`, None for what is not
        known; `verdict`, `growth`, `noise`, `curved`.
    """
    del jobs
    names, skipped = motion_names(run, layers, NAME, VERSION, share=share)
    return layer_by_layer(run, NAME, _one, layers=names, version=VERSION, skipped=skipped, progress=progress)


def _one(run: Run, name: str) -> xr.Dataset:
    node = stored_components(run, name)
    motion = open_motion(run, name)
    found = drift(
        motion.weights,
        steps=WALK_STEPS,
        components=components_from(node),
        momentum=motion.memory.momentum,
        nesterov=motion.memory.nesterov,
    )
    growth = variance_growth(motion.weights, steps=WALK_STEPS)
    walk, line, bend = found.walk, found.linear, found.exponential
    numbers: dict[str, float | None] = {
        "share": found.share,
        "share_linear": found.share_linear,
        "variance": found.variance,
        "variance_predicted": found.variance_predicted,
        "slope": line.slope,
        "slope_error": line.slope_error,
        "intercept": line.intercept,
        "intercept_error": line.intercept_error,
        "r2": line.r2,
        "rate": bend.rate,
        "rate_error": bend.rate_error,
        "limit": bend.limit,
        "limit_error": bend.limit_error,
        "amplitude": bend.amplitude,
        "amplitude_error": bend.amplitude_error,
        "exponential_r2": bend.r2,
        "norm_slope": found.norm_fit.slope,
        "norm_slope_error": found.norm_fit.slope_error,
        "weight_overlap": found.weight_overlap,
        "chance_overlap": found.chance_overlap,
        "straightness": walk.straightness,
        "straightness_expected": walk.expected,
        "straightness_percentile": walk.percentile,
        "straightness_p": walk.p_value,
        "others_straightness": walk.others_straightness,
        "others_percentile": walk.others_percentile,
        "persistence": walk.persistence,
        "persistence_percentile": walk.persistence_percentile,
        "displacement_exponent": walk.exponent,
        "variance_exponent": growth.attrs["exponent"],
    }
    data = xr.Dataset(
        {
            "theta": found.theta,
            "norm": found.norms,
            "cosine": ("component", found.cosines),
            "straightness_null": ("draw", walk.null),
            "share_null": ("draw", walk.share_null),
            "others_null": ("draw", walk.others_null),
            "persistence_null": ("draw", walk.persistence_null),
            "growth_variance": ("duration", growth.values),
            "duration": growth["duration"].values,
        }
    )
    data["theta"].attrs = {}
    data.attrs = {
        **{key: None if value is None or not np.isfinite(value) else value for key, value in numbers.items()},
        "verdict": _sentence(found),
        "growth": found.growth,
        "noise": line.noise,
        "curved": int(bend.curved),
        "n": motion.n,
        "walk_steps": min(WALK_STEPS, motion.weights.sizes["step"]),
        "stride": motion.stride,
        "notes": list(motion.notes),
    }
    return data


def _sentence(found: Drift) -> str:
    walk = found.walk
    beside = abs(found.weight_overlap) / found.chance_overlap
    grown = {
        "grows": "The norm grows",
        "shrinks": "The norm shrinks",
        "stays": "The norm has no trend beyond its error",
    }[found.growth]
    said = [
        found.verdict,
        f"{grown} ({found.norms.values[0]:.3g} to {found.norms.values[-1]:.3g}); the overlap of the direction with the "
        f"last weights is {found.weight_overlap:+.2f}, {beside:.1f} times chance.",
    ]
    if found.exponential.curved:
        bend = found.exponential
        kind = "slows down" if bend.rate > 0 else "becomes faster"
        said.append(
            f"The motion {kind}: an exponential of rate {bend.rate:.2g} ± {bend.rate_error:.1g} per step explains "
            f"{bend.r2:.0%} of the variance along it, the straight line {found.linear.r2:.0%}."
        )
    if walk.others_percentile is not None and np.isfinite(walk.others_straightness):
        inside = 2.5 <= walk.others_percentile <= 97.5
        said.append(
            "What the first component leaves "
            + ("cannot be told from a random walk" if inside else "is no random walk either")
            + f" (percentile {walk.others_percentile:.3g})."
        )
    if walk.persistence_percentile is not None and not 2.5 <= walk.persistence_percentile <= 97.5:
        said.append(
            f"Updates {'go on as' if walk.persistence_percentile > 50 else 'turn against'} the ones before them "
            f"(normalised inner product {walk.persistence:+.2g} at the walks' steps, percentile "
            f"{walk.persistence_percentile:.3g} of the same updates in random order)."
        )
    return " ".join(said)


def drift_table(tree: xr.DataTree) -> pd.DataFrame:
    """Sum up the drift of all layers.

    Args:
        tree: what `drifting` made.

    Returns:
        A row per layer: `name`, `share` and `share_linear` of the variance, `slope` and `rate` with their errors,
        `curved`, `variance_ratio` (variance along the direction over that of the straight line), `straightness` with
        its `straightness_percentile` and `straightness_p` among random walks, `others_percentile`, `persistence` of
        consecutive updates with its `persistence_percentile` among the same ones in random order, `growth` of the
        norm, `norm_first`, `norm_last`, `norm_slope` with its error, `weight_overlap`, `chance_overlap`, `cosine_2`
        (share of the second component that is the cosine of a random walk), `displacement_exponent`,
        `variance_exponent`, `noise`; `notes`; `verdict`.
    """
    return pd.DataFrame([_row(node) for node in tree.children.values()])


def _row(node: xr.DataTree) -> dict[str, Any]:
    data, about = node.to_dataset(), node.attrs

    def numbers(*keys: str) -> dict[str, float | None]:
        return {key: about[key] for key in keys}

    predicted = about["variance_predicted"]
    cosine = data["cosine"].values
    return {
        "name": about["name"],
        **numbers("share", "share_linear", "slope", "slope_error", "rate", "rate_error"),
        "curved": bool(about["curved"]),
        "variance_ratio": about["variance"] / predicted if predicted else None,
        **numbers("straightness", "straightness_percentile", "straightness_p", "others_percentile"),
        **numbers("persistence", "persistence_percentile"),
        "growth": about["growth"],
        "norm_first": float(data["norm"][0]),
        "norm_last": float(data["norm"][-1]),
        **numbers("norm_slope", "norm_slope_error", "weight_overlap", "chance_overlap"),
        "cosine_2": float(cosine[1]) if len(cosine) > 1 else None,
        **numbers("displacement_exponent", "variance_exponent"),
        "noise": about["noise"],
        "notes": list(about["notes"]),
        "verdict": about["verdict"],
    }
