"""What S0 claims about the paths of leading singular vectors, confronted with a study's measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float64
from scipy.stats import binom

from eigentrail.recipes.framework.claims import Claim, decide

_ABOVE, _CHANCE = 95.0, 0.05
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
) -> Iterator[Claim]:
    """Confront each claim with what was measured.

    Args:
        table: a row for each training.
        first: the path of the first seed at each rate, with its walks.
        starts: the scores by the chosen start, of all seeds at each rate.
        usual: the trial at the study's own rate.

    Yields:
        The claims, in the order of the slides.
    """
    rows = table[table["trial"] == usual]
    rows = rows[rows["status"] != "diverged"]
    for begins, since in (("", "from the first step on"), (SPIKE, "from its first spike on")):
        for side, dims in (("right", 1), ("right", 2), ("left", 1), ("left", 2)):
            name = f"{begins}{side}_{dims}"
            if f"{name}_score" not in rows or not rows[f"{name}_score"].notna().any():
                continue
            yield above_chance(
                rows[f"{name}_percentile"].to_numpy(dtype=np.float64),
                "S0 slides 20-27",
                f"The leading {side} singular vector tends to follow a great {'circle' if dims == 1 else '2-sphere'}, "
                f"{since}.",
                f"scores {_range(rows[f'{name}_score'])} over {int(rows[f'{name}_score'].notna().sum())} seeds, where "
                f"random walks of the weights with the same steps reach {rows[f'{name}_null'].median():.3f}",
            )
    yield _walk(rows)
    yield from _start(first, starts, usual)
    yield from _rates(table)


def above_chance(percentiles: Float64[np.ndarray, " s"], source: str, claim: str, about: str) -> Claim:
    """Ask whether more seeds lie above the 95th percentile of the null than chance puts there.

    Args:
        percentiles: of each seed; NaN for none.
        source: where the claim is made.
        claim: the claim.
        about: what was found, in words.

    Returns:
        The claim: it holds where at least half of the seeds lie there and so many are no chance (1%); it does not hold
        where so many are what chance gives (5%).
    """
    known = percentiles[np.isfinite(percentiles)]
    many = int((known > _ABOVE).sum())
    p = float(binom.sf(many - 1, len(known), _CHANCE)) if len(known) else 1.0
    holds = True if p < 0.01 and many * 2 >= len(known) else (False if p >= 0.05 else None)
    return Claim(
        source,
        claim,
        decide(holds if len(known) else None),
        "share of the seeds above the 95th percentile of the walks",
        many / len(known) if len(known) else None,
        _CHANCE,
        f"{about}; {many} of {len(known)} lie above the 95th percentile of the walks (percentiles "
        f"{', '.join(f'{one:.0f}' for one in known)})",
    )


def _strict(p_values: pd.Series) -> Float64[np.ndarray, " s"]:
    # Many walks have the very same count: equal ones stand above, so that no more than 5% come to lie above the 95th.
    return np.asarray(100.0 * (1.0 - p_values.to_numpy(dtype=np.float64)))


def _range(values: pd.Series) -> str:
    return f"{values.min():.3f} to {values.max():.3f}"


def _counts(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f"{low}" if low == high else f"{low} to {high}"


def _walk(rows: pd.DataFrame) -> Claim:
    circle, sphere = float(rows["right_1_null"].median()), float(rows["right_2_null"].median())
    return Claim(
        "S0 slide 25",
        "A random walk scores about 0.55, so a score of 0.87 shows a geodesic.",
        decide(abs(sphere - WALK) < 0.05),
        "median score of walks on the great 2-sphere",
        sphere,
        WALK,
        f"random walks of the weights with these steps score {sphere:.3f} on the great 2-sphere and {circle:.3f} "
        "on the great circle: a high score alone shows nothing",
    )


def _start(
    first: Mapping[str, xr.Dataset], starts: Mapping[str, Sequence[xr.DataArray]], usual: str
) -> Iterator[Claim]:
    if usual not in first:
        return
    of = {"side": "right", "dims": 2}
    scores = np.stack([np.asarray(one.sel(of).values) for one in starts[usual]])
    walks = first[usual]["null_from"].sel(of).sel(quantile=50.0).values
    labels = first[usual]["start"].values
    place = min(2, len(labels) - 1)
    gain = scores[:, place] - scores[:, 0]
    drawn = float(walks[place] - walks[0])
    yield Claim(
        "S0 slides 22-24",
        "Leaving out the first steps gives a higher score.",
        decide(bool(np.all(gain > 0)) or (None if np.any(gain > 0) else False)),
        f"gain of the score from starting at step {int(labels[place])}",
        float(gain.mean()),
        drawn,
        f"starting at step {int(labels[place])} instead of {int(labels[0])} changes the score on the great 2-sphere by "
        f"{gain.min():+.3f} to {gain.max():+.3f}, that of the walks by {drawn:+.3f}; what exceeds the walks is "
        f"{gain.mean() - drawn:+.3f} on average",
    )


def _rates(table: pd.DataFrame) -> Iterator[Claim]:
    rows = table[table["status"] != "diverged"]
    yield _slow(rows)
    large = rows[rows["lr"] == rows["lr"].max()]
    lower = [part for _, part in rows[rows["lr"] < rows["lr"].max()].groupby("lr")]
    if lower:
        yield _largest(
            large, lower, "segments", "S0 slides 29-31", "At large rates a path follows several geodesics.",
            "geodesics in a path",
        )  # fmt: skip
        yield _largest(
            large, lower, "leading_changes", "S0 slides 31-32", "At large rates the leading singular values cross.",
            "changes of the leading direction",
        )  # fmt: skip
    yield from _beside_walks(large)
    yield _changes(rows)


def _slow(rows: pd.DataFrame) -> Claim:
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
            f"{part['train_loss'].median():.3g}), median percentile {known.median():.0f}"
        )
    slow = fitted[rows["train_accuracy"] < _LEARNED].dropna()
    done = fitted[rows["train_accuracy"] >= _LEARNED].dropna()
    shares = [float((part > _ABOVE).mean()) if len(part) else None for part in (slow, done)]
    a, b = shares
    return Claim(
        "S0 slide 20",
        "Leading vectors follow geodesics where the rate is so small that the weights do not converge within the run.",
        decide(None if a is None or b is None else a > b + 0.25),
        "share above the 95th percentile among trainings that have not learned all samples",
        a,
        b,
        f"{'; '.join(said)}; the chance column is the share among trainings that have learned all",
    )


def _largest(
    large: pd.DataFrame, lower: Sequence[pd.DataFrame], column: str, source: str, claim: str, what: str
) -> Claim:
    mean = float(large[column].mean())
    # The one that comes nearest: at large rates means at these more than at all others.
    near_by = max(lower, key=lambda part: float(part[column].mean()))
    other = float(near_by[column].mean())
    error = float(
        np.sqrt(sum(part[column].var(ddof=1) / len(part) for part in (large, near_by) if len(part) > 1))
    )
    means = ", ".join(f"{part['lr'].iloc[0]:g}: {part[column].mean():.1f}" for part in (*lower, large))
    return Claim(
        source,
        claim,
        decide(mean > other if abs(mean - other) > 2.0 * error else None),
        f"mean number of {what} at the largest rate",
        mean,
        other,
        f"the mean numbers of {what} by rate are {means}; the error of the difference between the largest rate and "
        f"the one with most of the others is {error:.1f}",
    )


def _beside_walks(large: pd.DataFrame) -> Iterator[Claim]:
    if "segments_p" in large and large["segments_p"].notna().any():
        yield above_chance(
            _strict(large["segments_p"]),
            "S0 slides 29-31",
            "Such a path consists of more geodesics than that of a random walk.",
            f"at the largest rate the paths are cut into {_counts(large['segments'])} great circles, random walks with "
            f"the same steps into {large['segments_null'].median():g}",
        )
    if "leading_p" in large and large["leading_p"].notna().any():
        yield above_chance(
            _strict(large["leading_p"]),
            "S0 slides 31-32",
            "Leading singular values cross more often than those of a random walk.",
            f"at the largest rate the changes of the leading direction are {_counts(large['leading_changes'])}, those "
            f"of random walks with the same steps {large['leading_null'].mean():.3g} on average",
        )


def _changes(rows: pd.DataFrame) -> Claim:
    changes = int((rows["segments"] - 1).sum())
    near = int(rows["changes_at_crossings"].sum())
    by_chance = float(rows["changes_chance"].sum())
    return Claim(
        "S0 slide 31",
        "A path goes over to another geodesic because leading singular values cross.",
        decide(None if changes < 5 else near > 0.5 * changes),
        "share of the changes that have a crossing next to them",
        near / changes if changes else None,
        by_chance / changes if changes else None,
        f"{near} of {changes} changes between geodesics have a change of the leading direction within their interval, "
        f"{by_chance:.1f} would if the leading direction changed as often at any other time",
    )
