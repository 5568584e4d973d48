"""What S0 claims about the paths of leading singular vectors, and what a study of many seeds measures of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from eigentrail.chance import percentile_text, requested
from eigentrail.findings import equals, greater_than_chance, greater_than_rival, less_than_chance
from eigentrail.recipes.framework.observation import Observation, observe

#: S0's score of a random walk.
WALK = 0.55
_LEARNED = 0.999
#: What the columns of paths that begin at the first spike have before their names.
SPIKE = "spike_"
_SINCE = {"": "from the first step on", SPIKE: "from its first spike on"}


def geodesic_claims(
    table: pd.DataFrame,
    first: Mapping[str, xr.Dataset],
    starts: Mapping[str, Sequence[xr.DataArray]],
    usual: str,
    beside: Sequence[str] = (),
) -> Iterator[Observation]:
    """Measure what each claim is about.

    Args:
        table: a row for each training.
        first: the path of the first seed at each rate, with its walks.
        starts: the scores by the chosen start, of all seeds at each rate.
        usual: the trial at the study's own rate.
        beside: other layers whose right vectors are asked the same, by the columns that begin with their names.

    Yields:
        An observation of all seeds for each claim, in the order of the slides.
    """
    rows = table[table["trial"] == usual]
    rows = rows[rows["status"] != "diverged"]
    for begins, since in _SINCE.items():
        for side, dims in (("right", 1), ("right", 2), ("left", 1), ("left", 2)):
            yield from _follows(rows, begins, side, dims, "", since)
    for layer in beside:
        for begins, since in _SINCE.items():
            for dims in (1, 2):
                of = f" of {layer}"
                yield from _follows(rows, f"{layer_prefix(layer)}{begins}", "right", dims, of, since)
    yield _walk(rows)
    yield from _residuals(rows)
    yield from _start(first, starts, usual)
    yield from _rates(table)


def layer_prefix(layer: str) -> str:
    """Give what the columns of another layer's path begin with.

    Args:
        layer: its weight's name.

    Returns:
        The name of its module and an underscore.
    """
    return f"{layer.removesuffix('.weight')}_"


def _follows(
    rows: pd.DataFrame, begins: str, side: str, dims: int, of: str, since: str
) -> Iterator[Observation]:
    name = f"{begins}{side}_{dims}"
    if f"{name}_score" not in rows or not rows[f"{name}_score"].notna().any():
        return
    percentiles = rows[f"{name}_percentile"].dropna()
    lines = rows.get(f"{name}_line", rows[f"{name}_null"])
    yield observe(
        f"s0-geodesic-{name}".replace("_", "-"),
        "S0 slides 20-27",
        f"The leading {side} singular vector{of} tends to follow a great {'circle' if dims == 1 else '2-sphere'}, "
        f"{since}.",
        greater_than_chance(),
        "score of the path, against the median of random walks with the same steps or that of straight lines "
        "with the same progress, whichever is larger",
        rows[f"{name}_score"],
        np.fmax(rows[f"{name}_null"], lines),
        f"scores {_range(rows[f'{name}_score'])}, walks {rows[f'{name}_null'].median():.3f}, straight lines "
        f"{lines.median():.3f}; percentiles among walks "
        f"{', '.join(percentile_text(one, requested.ENOUGH) for one in percentiles)}",
    )


def _residuals(rows: pd.DataFrame) -> Iterator[Observation]:
    # S0's walks have an RSS of about 200, its paths one of about 3; the former is that of independent unit vectors.
    if "right_2_rss_null" not in rows:
        return
    yield observe(
        "s0-geodesic-rss",
        "S0 slides 23-25",
        "The RSS of a path is smaller than that of a random walk.",
        less_than_chance(),
        "RSS of the path beside its great 2-sphere in radians^2, against the median of random walks with the same "
        "steps",
        rows["right_2_rss"],
        rows["right_2_rss_null"],
        f"RSS {rows['right_2_rss'].min():.3g} to {rows['right_2_rss'].max():.3g}, walks "
        f"{rows['right_2_rss_null'].median():.3g}, independent unit vectors "
        f"{rows['right_2_rss_independent'].median():.3g}",
    )


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
        greater_than_chance(),
        "gain of the score on the great 2-sphere from starting at the third of the starts, against that of walks",
        gain,
        drawn,
        f"starting at step {int(labels[place])} instead of {int(labels[0])} changes the score by {gain.min():+.3f} to "
        f"{gain.max():+.3f}, that of the walks by {drawn:+.3f}",
    )


def _rates(table: pd.DataFrame) -> Iterator[Observation]:
    rows = table[table["status"] != "diverged"]
    yield _slow(rows)
    large = rows[rows["lr"] == rows["lr"].max()]
    if rows["lr"].nunique() > 1:
        yield _largest(
            rows, "s0-geodesic-several", "segments", "S0 slides 29-31",
            "At large rates a path follows several geodesics.",
            "geodesics in a path",
        )  # fmt: skip
        yield _largest(
            rows, "s0-geodesic-crossings", "leading_changes", "S0 slides 31-32",
            "At large rates the leading singular values cross.",
            "changes of the leading direction",
        )  # fmt: skip
    yield from _beside_walks(large)
    yield _changes(rows)


def _slow(rows: pd.DataFrame) -> Observation:
    said = []
    for rate, part in rows.groupby("lr"):
        learned = int((part["train_accuracy"] >= _LEARNED).sum())
        said.append(
            f"rate {rate:g}: {learned} of {len(part)} learned all samples (median training loss "
            f"{part['train_loss'].median():.3g}), median percentile "
            f"{percentile_text(part['right_2_percentile'].median(), requested.ENOUGH)}"
        )
    rates = sorted(rows["lr"].unique())
    slowest = rows[rows["lr"] == rates[0]]
    # Both begin at the first step, and a seed's trainings have the same first weights and order of samples.
    slow = bool(len(rates) > 1 and (slowest["train_accuracy"] < _LEARNED).all())
    # What hardly moves goes straight, and a straight line scores more than walks do.
    lines = slowest.get("right_2_line", slowest["right_2_null"])
    said.append(
        f"at the smallest, scores {_range(slowest['right_2_score'])}, straight lines {lines.median():.4f}, walks "
        f"{slowest['right_2_null'].median():.4f}"
    )
    return observe(
        "s0-geodesic-slow",
        "S0 slide 20",
        "Leading vectors follow geodesics where the rate is so small that the weights do not converge within the run.",
        greater_than_chance(),
        "score of the path on the great 2-sphere at the smallest rate, where no training has learned all samples, "
        "against the median of random walks with the same steps or that of straight lines with the same progress, "
        "whichever is larger",
        slowest["right_2_score"] if slow else None,
        np.fmax(slowest["right_2_null"], lines) if slow else None,
        "; ".join(said),
    )


def _by_seed(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Set the trainings at each rate beside each other, those of one seed in a row."""
    numbered = rows if "seed" in rows else rows.assign(seed=rows.groupby("lr").cumcount())
    return numbered.pivot(index="seed", columns="lr", values=column)


def _largest(rows: pd.DataFrame, key: str, column: str, source: str, claim: str, what: str) -> Observation:
    both = _by_seed(rows, column)
    # The rate that comes nearest: at large rates means at these more than at all others.
    largest, near_by = both.columns[-1], both.iloc[:, :-1].mean().idxmax()
    means = ", ".join(f"{rate:g}: {both[rate].mean():.1f}" for rate in both)
    return observe(
        key,
        source,
        claim,
        greater_than_rival(f"the same seeds at the rate {near_by:g}, which has most of the others"),
        f"{what} at the largest rate",
        both[largest],
        both[near_by],
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
    known = rows[(rows["jumps"] > 0) & rows["jumps_at_crossings"].notna()]
    told = (
        f"{known['jumps_at_crossings'].sum():.0f} of {known['jumps'].sum()} turns of more than 30 degrees come where "
        f"another direction takes the lead, {known['jumps_chance'].sum():.1f} would if both were independent"
        if len(known)
        else "not measured: no turn of more than 30 degrees, or points too far apart to find directions again"
    )
    return observe(
        "s0-geodesic-why",
        "S0 slide 31",
        "A path goes over to another geodesic because leading singular values cross.",
        greater_than_chance(),
        "share of the leading rank's turns of more than 30 degrees, from point to point, that are crossings",
        known["jumps_at_crossings"] / known["jumps"] if len(known) else None,
        known["jumps_chance"] / known["jumps"] if len(known) else None,
        told,
    )
