"""What S0 claims about the paths of leading singular vectors, and what a study of many seeds measures of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from eigentrail.chance import percentile_text, requested
from eigentrail.findings import equals, greater_than, greater_than_chance
from eigentrail.recipes.framework.observation import Observation, observe

#: S0's score of a random walk.
WALK = 0.55
_LEARNED = 0.999
#: What the columns of paths that begin at the first spike have before their names.
SPIKE = "spike_"


def geodesic_claims(
    table: pd.DataFrame,
    first: Mapping[str, xr.Dataset],
    starts: Mapping[str, Sequence[xr.DataArray]],
    usual: str,
) -> Iterator[Observation]:
    """Measure what each claim is about.

    Args:
        table: a row for each training.
        first: the path of the first seed at each rate, with its walks.
        starts: the scores by the chosen start, of all seeds at each rate.
        usual: the trial at the study's own rate.

    Yields:
        An observation of all seeds for each claim, in the order of the slides.
    """
    rows = table[table["trial"] == usual]
    rows = rows[rows["status"] != "diverged"]
    for begins, since in (("", "from the first step on"), (SPIKE, "from its first spike on")):
        for side, dims in (("right", 1), ("right", 2), ("left", 1), ("left", 2)):
            name = f"{begins}{side}_{dims}"
            if f"{name}_score" not in rows or not rows[f"{name}_score"].notna().any():
                continue
            percentiles = rows[f"{name}_percentile"].dropna()
            yield observe(
                f"s0-geodesic-{name}".replace("_", "-"),
                "S0 slides 20-27",
                f"The leading {side} singular vector tends to follow a great {'circle' if dims == 1 else '2-sphere'}, "
                f"{since}.",
                greater_than_chance(),
                "score of the path, against the median of random walks of the weights with the same steps",
                rows[f"{name}_score"],
                rows[f"{name}_null"],
                f"scores {_range(rows[f'{name}_score'])}, walks {rows[f'{name}_null'].median():.3f}, percentiles "
                f"{', '.join(percentile_text(one, requested.ENOUGH) for one in percentiles)}",
            )
    yield _walk(rows)
    yield from _start(first, starts, usual)
    yield from _rates(table)


def _range(values: pd.Series) -> str:
    return f"{values.min():.3f} to {values.max():.3f}"


def _counts(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f"{low}" if low == high else f"{low} to {high}"


def _walk(rows: pd.DataFrame) -> Observation:
    circle, sphere = float(rows["right_1_null"].median()), float(rows["right_2_null"].median())
    return observe(
        "s0-geodesic-walk",
        "S0 slide 25",
        "A random walk scores about 0.55, so a score of 0.87 shows a geodesic.",
        equals(WALK, within=0.05),
        "median score of walks on the great 2-sphere",
        rows["right_2_null"],
        None,
        f"random walks of the weights with these steps score {sphere:.3f} on the great 2-sphere and {circle:.3f} "
        "on the great circle: a high score alone shows nothing",
    )


def _start(
    first: Mapping[str, xr.Dataset], starts: Mapping[str, Sequence[xr.DataArray]], usual: str
) -> Iterator[Observation]:
    if usual not in first:
        return
    of = {"side": "right", "dims": 2}
    scores = np.stack([np.asarray(one.sel(of).values) for one in starts[usual]])
    walks = first[usual]["null_from"].sel(of).sel(quantile=50.0).values
    labels = first[usual]["start"].values
    place = min(2, len(labels) - 1)
    gain = scores[:, place] - scores[:, 0]
    drawn = float(walks[place] - walks[0])
    yield observe(
        "s0-geodesic-start",
        "S0 slides 22-24",
        "Leaving out the first steps gives a higher score.",
        greater_than(0.0),
        "gain of the score on the great 2-sphere from starting at the third of the starts",
        gain,
        drawn,
        f"starting at step {int(labels[place])} instead of {int(labels[0])} changes the score by {gain.min():+.3f} to "
        f"{gain.max():+.3f}, that of the walks by {drawn:+.3f}",
    )


def _rates(table: pd.DataFrame) -> Iterator[Observation]:
    rows = table[table["status"] != "diverged"]
    yield _slow(rows)
    large = rows[rows["lr"] == rows["lr"].max()]
    lower = [part for _, part in rows[rows["lr"] < rows["lr"].max()].groupby("lr")]
    if lower:
        yield _largest(
            "s0-geodesic-several", large, lower, "segments", "S0 slides 29-31",
            "At large rates a path follows several geodesics.",
            "geodesics in a path",
        )  # fmt: skip
        yield _largest(
            "s0-geodesic-crossings", large, lower, "leading_changes", "S0 slides 31-32",
            "At large rates the leading singular values cross.",
            "changes of the leading direction",
        )  # fmt: skip
    yield from _beside_walks(large)
    yield _changes(rows)


def _slow(rows: pd.DataFrame) -> Observation:
    said = []
    # S0's paths begin at the first spike; where there is none, at the first step.
    fitted = rows["right_2_percentile"]
    if (spiked := f"{SPIKE}right_2_percentile") in rows:
        fitted = rows[spiked].fillna(fitted)
    for _, part in rows.groupby("lr"):
        known = fitted[part.index].dropna()
        learned = int((part["train_accuracy"] >= _LEARNED).sum())
        said.append(
            f"rate {part['lr'].iloc[0]:g}: {learned} of {len(part)} learned all samples (median training loss "
            f"{part['train_loss'].median():.3g}), median percentile {percentile_text(known.median(), requested.ENOUGH)}"
        )
    slow = fitted[rows["train_accuracy"] < _LEARNED].dropna()
    done = fitted[rows["train_accuracy"] >= _LEARNED].dropna()
    both = len(slow) > 0 and len(done) > 0
    return observe(
        "s0-geodesic-slow",
        "S0 slide 20",
        "Leading vectors follow geodesics where the rate is so small that the weights do not converge within the run.",
        greater_than_chance(),
        "percentile of the score among walks, of trainings that have not learned all samples, against those that have",
        slow if both else None,
        float(done.mean()) if both else None,
        "; ".join(said),
    )


def _largest(
    key: str,
    large: pd.DataFrame,
    lower: Sequence[pd.DataFrame],
    column: str,
    source: str,
    claim: str,
    what: str,
) -> Observation:
    # The one that comes nearest: at large rates means at these more than at all others.
    near_by = max(lower, key=lambda part: float(part[column].mean()))
    other = float(near_by[column].mean())
    means = ", ".join(f"{part['lr'].iloc[0]:g}: {part[column].mean():.1f}" for part in (*lower, large))
    return observe(
        key,
        source,
        claim,
        greater_than_chance(),
        f"{what} at the largest rate, against the mean at the one with most of the others",
        large[column],
        other,
        f"the mean numbers of {what} by rate are {means}",
    )


def _beside_walks(large: pd.DataFrame) -> Iterator[Observation]:
    if "segments_p" in large and large["segments_p"].notna().any():
        yield observe(
            "s0-geodesic-segments-walks",
            "S0 slides 29-31",
            "Such a path consists of more geodesics than that of a random walk.",
            greater_than_chance(),
            "great circles in a path at the largest rate, against the median of random walks with the same steps",
            large["segments"],
            large["segments_null"],
            f"the paths are cut into {_counts(large['segments'])} great circles, random walks with the same steps into "
            f"{large['segments_null'].median():g}",
        )
    if "leading_p" in large and large["leading_p"].notna().any():
        yield observe(
            "s0-geodesic-crossings-walks",
            "S0 slides 31-32",
            "Leading singular values cross more often than those of a random walk.",
            greater_than_chance(),
            "changes of the leading direction at the largest rate, against the mean of random walks",
            large["leading_changes"],
            large["leading_null"],
            f"the changes of the leading direction are {_counts(large['leading_changes'])}, those of random walks with "
            f"the same steps {large['leading_null'].mean():.3g} on average",
        )


def _changes(rows: pd.DataFrame) -> Observation:
    changes = int((rows["segments"] - 1).sum())
    near = int(rows["changes_at_crossings"].sum())
    by_chance = float(rows["changes_chance"].sum())
    known = rows[rows["segments"] > 1]
    counted = known["segments"] - 1
    return observe(
        "s0-geodesic-why",
        "S0 slide 31",
        "A path goes over to another geodesic because leading singular values cross.",
        greater_than(0.5),
        "share of a path's changes that have a crossing next to them",
        known["changes_at_crossings"] / counted if changes else None,
        known["changes_chance"] / counted if changes else None,
        f"{near} of {changes} changes between geodesics have a change of the leading direction within their interval, "
        f"{by_chance:.1f} would if the leading direction changed as often at any other time",
    )
