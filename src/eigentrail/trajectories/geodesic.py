"""Does a singular vector move along a great circle, and more so than in a random walk of the weights?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float64, Int64

from eigentrail._numbers import real, seed_of, whole, written
from eigentrail.chance import LEVEL, Compared, compare_drawn, p_of, percentile_of, requested
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.spectra import Spectrum
from eigentrail.trajectories.geodesic_null import independent_scores, matched_step, path_scores
from eigentrail.trajectories.great_circle import align_signs, fit_great_circles
from eigentrail.trajectories.leading_vectors import (
    FOLLOWED,
    SIDES,
    Follow,
    FollowedVectors,
    Side,
    follow_vector,
)
from eigentrail.trajectories.path_walks import NULL_MODELS, GaussianWalks, NullModel, observed_motion
from eigentrail.trajectories.rows import Rows, open_rows

#: Null models in words.
NULLS_IN_WORDS = {
    "signs": "walks of the same updates with random signs",
    "walks": "Gaussian walks with the same steps",
    "independent": "independent unit vectors",
}
#: The most straight lines that are drawn of each kind.
MOST_LINES = 100
#: Steps that a path is thinned to, like the walks that it is compared with.
MOST_STEPS = 100
_UNIT = 1e-3
_STILL = 1e-7
# The largest matrix entries of which singular vectors can be found.
_LARGEST = 1e300


@dataclass(frozen=True)
class Geodesic:
    """The great circle or great 2-sphere through the path of a unit vector, beside what chance gives.

    Attributes:
        dims: 1 for a great circle, 2 for a great 2-sphere.
        rss: sum of the squared angles between the vectors and the circle.
        score: 1 - rss / (rss + sum of squared angles between the projected vectors and the Frechet mean); 1 is
            exactly on the circle. It means nothing without its null.
        null_scores: [draws] the scores of what the null model makes; empty without a null.
        null_rss: [draws] their sums of squared angles, as `rss`; empty without a null, and for scores that were given.
        null_model: "signs" (walks of the observed updates with random signs), "walks" (Gaussian walks with the observed
            norms), "independent" (unit vectors, S0's own); "given" for scores that were given.
        line_scores: [2, draws] the scores of straight lines in random directions of weight space with the observed
            progress: alone, and with what the updates have beside their line walked on top. Empty where none are drawn.
        plane: [dims + 1, n] orthonormal rows; the first points to the middle of the path, the second along its motion.
        mean: [n] the Frechet mean of the path.
        path: projected path in the plane's coordinates, [step, axis], on S^1 or S^2.
        angles: [T] angle along the circle, unwrapped, 0 at the middle (dims = 1: along the circle; dims = 2: the same
            for the first two axes).
        residuals: angle between each vector and the circle [step].
        vectors: the vectors themselves [step, entry], aligned in sign.
        ranks: [T] rank of the followed vector among the singular values; empty for given vectors.
        overlaps: [T] overlap with the step before.
        note: what should be known, in words; "" if nothing.
    """

    dims: int
    rss: float
    score: float
    null_scores: Float64[np.ndarray, " d"]
    null_rss: Float64[np.ndarray, " d"]
    null_model: str
    line_scores: Float64[np.ndarray, "2 l"]
    plane: Float64[np.ndarray, "d n"]
    mean: Float64[np.ndarray, " n"]
    path: xr.DataArray
    angles: Float64[np.ndarray, " t"]
    residuals: xr.DataArray
    vectors: xr.DataArray
    ranks: Int64[np.ndarray, " t"]
    overlaps: Float64[np.ndarray, " t"]
    note: str

    @property
    def compared(self) -> Compared | None:
        """The score beside the walks'; None without a null."""
        return compare_drawn(self.score, self.null_scores)

    @property
    def percentile(self) -> float | None:
        """Where the score lies among the walks', 0 to 100; None without a null."""
        return percentile_of(self.compared)

    @property
    def p_value(self) -> float | None:
        """Probability of so large a score by chance; None without a null."""
        return p_of(self.compared)

    @property
    def rss_compared(self) -> Compared | None:
        """The RSS beside that of the null model, against so small ones; None where none is known."""
        return compare_drawn(self.rss, self.null_rss, "less")

    @property
    def lines_compared(self) -> Compared | None:
        """The score beside that of straight lines with a walk on top; None where none were drawn."""
        return compare_drawn(self.score, self.line_scores[1])

    @property
    def bare_lines_compared(self) -> Compared | None:
        """The score beside that of straight lines alone; None where none were drawn."""
        return compare_drawn(self.score, self.line_scores[0])

    @property
    def p_beyond_all(self) -> float | None:
        """The larger p-value of those against walks and against lines with a walk on top; None without a null."""
        found = [one.p for one in (self.compared, self.lines_compared) if one is not None]
        return max(found) if self.compared is not None else None

    @property
    def claimed(self) -> bool:
        """Whether the path is a geodesic beyond the null model and beyond straight lines."""
        p = self.p_beyond_all
        return p is not None and p <= LEVEL

    @property
    def explained_by(self) -> str:
        """What scores as high without any geodesic: the null model or a straight line, in words; "" for neither."""
        if self.compared is None or self.claimed:
            return ""
        if not self.compared.beyond:
            return NULLS_IN_WORDS.get(self.null_model, "walks")
        return "straight lines in random directions with the same progress"

    @property
    def arc(self) -> float:
        """Angle between the ends of the path along the circle, in radians."""
        return float(np.ptp(self.angles))

    @property
    def length(self) -> float:
        """Sum of the angles from step to step, in radians."""
        x = self.vectors.values
        return float(
            2.0 * np.arcsin(np.clip(np.linalg.norm(np.diff(x, axis=0), axis=1) / 2.0, 0.0, 1.0)).sum()
        )

    @property
    def verdict(self) -> str:
        """Whether the path is a geodesic beyond walks and beyond straight lines, in one sentence."""
        kind = "great circle" if self.dims == 1 else "great 2-sphere"
        compared, below = self.compared, compare_drawn(self.score, self.null_scores, "less")
        if compared is None or below is None:
            return (
                f"The path fits a {kind} with a score of {self.score:.3f}, which says nothing without a null."
            )
        beside = (
            f"its score is {self.score:.3f}; half of {compared.draws} "
            f"{NULLS_IN_WORDS.get(self.null_model, 'walks')} score above {compared.median:.3f}, {compared.above} above "
            "this path"
        )
        lines = self.lines_compared
        if compared.beyond and lines is not None and not lines.beyond:
            return (
                f"The path is closer to a {kind} than walks, and no closer than a straight line would be: {beside}; of "
                f"{lines.draws} straight lines in random directions with the same progress {lines.above} do."
            )
        if compared.beyond:
            return f"The path is closer to a {kind} than chance gives: {beside}."
        if below.beyond:
            return f"The path is less of a {kind} than a random walk: {beside}."
        return f"The path is no more of a {kind} than chance gives: {beside}."


def geodesic(
    x: Any,
    dims: Literal[1, 2] = 1,
    which: int = 0,
    side: Side = "right",
    null: int | NullModel | Any = requested.ENOUGH,
    seed: int = 0,
    null_shape: tuple[int, int] | None = None,
    *,
    null_model: NullModel = "signs",
    lines: bool = True,
    follow: Follow = "overlap",
    start: int | Literal["spike"] | None = None,
    steps: int = MOST_STEPS,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> Geodesic:
    """Fit a great circle to the path of a singular vector, beside walks and straight lines in weight space.

    The path is thinned to `steps` steps. The null model's walks begin where the weights began and make the observed
    updates with random signs: sizes and directions that the noise prefers stay, what the updates have in common goes. A
    straight line in weight space is no walk either, and its singular vectors follow a great circle closely: a geodesic
    is claimed only beyond lines in random directions too, with the observed progress along them and the rest of the
    updates walked on top.

    Args:
        x: weights [T, out, in] (convolutions [T, out, in, kh, kw] are flattened to [out, in * kh * kw]), or unit
            vectors [T, n].
        dims: 1 for a great circle, 2 for a great 2-sphere.
        which: rank of the followed singular vector at the start, 0 the leading one.
        side: "right" for v [in], "left" for u [out].
        null: number of draws of the null model, 0 for none; or the scores of an earlier call (`null_scores`), for
            walks of the same shape and norms; no scores are no null. The name of a null model stands for 200 draws of
            it.
        seed: seed of the draws.
        null_shape: for unit vectors: (out, in) of the weights whose singular vectors they are. Their steps in weight
            space are not known: walks of constant steps are matched to the length of the path. Of weights the shape
            is known, and another one is refused.
        null_model: "signs"; "walks" for Gaussian matrices that walk with the norms of the observed start and steps,
            which knows nothing of the directions that noise prefers (the only walks for unit vectors, whose weights
            are not known); "independent" for unit vectors without any memory, S0's own null.
        lines: whether straight lines are drawn too, at most 100 of each kind.
        follow: "overlap" for the vector of the largest overlap from step to step, "rank" for that of rank `which` at
            every step, as S0 has it, which jumps where singular values cross. Unit vectors are taken as they are.
        start: first step to use, as labelled in `x`; "spike" for the first step with a Marchenko-Pastur spike; None
            for the first step.
        steps: how many steps the path and the walks are thinned to, at most 100.
        momentum: of the optimizer (Adam's beta_1), per unit of the steps' labels; 0 to below 1. The steps of the walks
            remember each other as it makes them: without it momentum passes for a geodesic.
        nesterov: whether it is Nesterov's.
        weight_decay: the share of themselves that weights lose at each step, see `Memory`. Its walks decay.

    Returns:
        The fit.

    Raises:
        OptionError: an argument is outside what it may be.
        TrajectoryError: there are too few steps, the vector does not move, a vector is zero, two consecutive ones are
            antipodal, or weights are zero, not finite or far too large.
    """
    check_circle(dims, side)
    if isinstance(null, str) and null in NULL_MODELS:
        null_model, null = null, requested.ENOUGH  # type: ignore[assignment]
    if null_model not in NULL_MODELS:
        raise OptionError(f"null_model is one of {', '.join(NULL_MODELS)}, not {written(null_model)}.")
    if follow not in FOLLOWED:
        raise OptionError(f'follow is "overlap" or "rank", not {written(follow)}.')
    draws, pool = requested.given(null, "scores")
    seed = seed_of(seed)
    memory = Memory(momentum, nesterov, weight_decay)
    rows = open_rows(x, fewest=dims + 2)
    places = choose_places(rows, start, dims, steps)
    colour = memory.colour_of(rows.steps[places]) if draws and pool is None else None
    kept = memory.kept(rows.steps[places])
    labels = {
        name: value[places] if name == "step" else (value[0], value[1][places])
        for name, value in rows.coordinates.items()
    }
    notes = []
    if len(rows.shape) == 1:
        vectors, ranks, overlaps = _given_vectors(rows, places)
        shape: tuple[int, int] | None = None
        if null_shape is not None:
            shape = _checked_shape(null_shape, rows.n, side)
        elif draws and pool is None:
            notes.append("no null: the shape of the weights is not known; give null_shape=(out, in)")
        check_path(vectors, dims)
        norms, model = np.zeros(0), "walks" if null_model == "signs" else str(null_model)
        if null_model == "independent":
            shape, notes = shape or (rows.n, rows.n), []
        elif shape is not None and pool is None and draws:
            length = float(_steps(vectors).sum())
            norms, matched = matched_step(shape, len(places), length, which, side, seed, colour, kept)
            notes.append(
                "the walks have constant steps with the length of the observed path"
                if matched
                else "the path is longer than that of any random walk of constant steps"
            )
        first = 1.0
    else:
        followed, first, norms, shape = follow_rows(rows, places, which, kept, follow)
        model = str(null_model)
        _check_known_shape(null_shape, shape)
        vectors, ranks, overlaps = followed.side(side)[0], followed.ranks[0], followed.overlaps[0]
        check_path(vectors, dims)
    drawn, drawn_rss, line_scores = np.zeros(0), np.zeros(0), np.zeros((2, 0))
    if pool is not None:
        drawn, model = pool, "given"
    elif shape is not None and draws:
        at = SIDES.index(side), dims - 1, 0
        motion = observed_motion(rows, places, seed, colour, kept) if len(rows.shape) > 1 else None
        if model == "signs" and motion is None:
            notes.append("the updates take too much memory for walks of their own: the walks are Gaussian")
            model = "walks"
        if model == "independent":
            found = independent_scores(shape, len(places), draws, seed)
        elif model == "signs" and motion is not None:
            found = path_scores(motion, draws, which, follow=follow)
        else:
            walks = GaussianWalks(shape, first, norms, seed, colour, kept)
            found = path_scores(walks, draws, which, follow=follow)
        drawn, drawn_rss = found.scores[at], found.rss[at]
        if lines and motion is not None and model != "independent":
            both = [motion.lines(walk) for walk in (False, True)]
            line_scores = np.array(
                [
                    path_scores(one, min(draws, MOST_LINES), which, follow=follow).scores[at]
                    for one in both
                    if one is not None
                ]
            ).reshape(2, -1)
    fit = fit_great_circles(vectors[None], dims)
    score = float(fit.score[0])
    if 0 < len(drawn) < requested.ENOUGH:
        notes.append(f"only {len(drawn)} draws of the null: the percentile is coarse")
    path = fit.path[0]
    return Geodesic(
        dims=dims,
        rss=float(fit.rss[0]),
        score=score,
        null_scores=drawn,
        null_rss=drawn_rss,
        null_model=model,
        line_scores=line_scores,
        plane=fit.planes[0],
        mean=fit.mean[0],
        path=xr.DataArray(path, dims=("step", "axis"), coords=labels, name="path"),
        angles=np.unwrap(np.arctan2(path[:, 1], path[:, 0])),
        residuals=xr.DataArray(fit.residuals[0], dims="step", coords=labels, name="residuals"),
        vectors=xr.DataArray(vectors, dims=("step", "entry"), coords=labels, name="vectors"),
        ranks=ranks,
        overlaps=overlaps,
        note="; ".join(notes),
    )


def check_circle(dims: Any, side: Any) -> None:
    """Refuse what is neither a circle nor a 2-sphere of one side.

    Args:
        dims: as of `geodesic`.
        side: as of `geodesic`.

    Raises:
        OptionError: one of them is outside what it may be.
    """
    if isinstance(dims, bool) or not isinstance(dims, (int, np.integer)) or dims not in {1, 2}:
        raise OptionError(f"dims is 1 (great circle) or 2 (great 2-sphere), not {written(dims)}.")
    if not isinstance(side, str) or side not in SIDES:
        raise OptionError(f'side is "left" or "right", not {written(side)}.')


def geodesics(paths: Mapping[str, Any], **options: Any) -> pd.DataFrame:
    """Fit the paths of several trainings, for example of many seeds.

    Args:
        paths: weights over steps by name.
        **options: as of `geodesic`.

    Returns:
        A row for each: score, rss, arc, length, percentile, p_value, null_median, null_rss_median, line_percentile
        (among straight lines with a walk on top), claimed (beyond both), rank_changes, note.

    Raises:
        OptionError: `paths` have no names, or an option is outside what it may be.
        TrajectoryError: as of `geodesic`.
    """
    if not isinstance(paths, Mapping):
        raise OptionError('paths are weights over steps by name: give {"seed 0": run["fc1.weight"], ...}.')
    table = []
    for name, x in paths.items():
        found = geodesic(x, **options)
        table.append(
            {
                "name": name,
                "score": found.score,
                "rss": found.rss,
                "arc": found.arc,
                "length": found.length,
                "percentile": found.percentile,
                "p_value": found.p_value,
                "null_median": float(np.median(found.null_scores)) if len(found.null_scores) else None,
                "null_rss_median": float(np.median(found.null_rss)) if len(found.null_rss) else None,
                "line_percentile": percentile_of(found.lines_compared),
                "claimed": found.claimed,
                "rank_changes": int((np.diff(found.ranks) != 0).sum()),
                "note": found.note,
            }
        )
    return pd.DataFrame(table).set_index("name") if table else pd.DataFrame()


def score_by_start(x: Any, starts: Any, **options: Any) -> xr.Dataset:
    """Fit the path from several first steps on: what the choice of the start does to the score.

    Args:
        x: as of `geodesic`.
        starts: first steps.
        **options: as of `geodesic`. From each start on there are walks of their own: 200, unless `null` says otherwise.

    Returns:
        `score`, `rss`, `percentile` and `null_median` (NaN without a null) over [start], and `null_scores`
        [start, draw].

    Raises:
        OptionError: `starts` are no steps, or an option is outside what it may be.
        TrajectoryError: as of `geodesic`.
    """
    try:
        firsts = list(starts)
    except TypeError:
        raise OptionError(f"starts are first steps, [k] numbers, not {written(starts)}.") from None
    found = [geodesic(x, start=int(real("each of starts", one)), **options) for one in firsts]
    return xr.Dataset(
        {
            "score": ("start", np.array([one.score for one in found])),
            "rss": ("start", np.array([one.rss for one in found])),
            "percentile": (
                "start",
                np.array([np.nan if one.percentile is None else one.percentile for one in found]),
            ),
            "null_median": (
                "start",
                np.array([np.median(one.null_scores) if len(one.null_scores) else np.nan for one in found]),
            ),
            "null_scores": (
                ("start", "draw"),
                np.array([one.null_scores for one in found]).reshape(
                    len(found), len(found[0].null_scores) if found else 0
                ),
            ),
        },
        coords={"start": np.asarray(firsts)},
    )


def thinned(count: int, most: int = MOST_STEPS) -> Int64[np.ndarray, " t"]:
    """Choose steps evenly, the first and the last among them.

    Args:
        count: how many there are.
        most: how many to keep.

    Returns:
        Their numbers, ascending.
    """
    return np.unique(np.round(np.linspace(0, count - 1, min(count, most))).astype(np.int64))


def as_matrices(block: Any, shape: tuple[int, ...]) -> Float64[np.ndarray, "b out rest"]:
    """See rows of numbers as matrices [out, everything else].

    Args:
        block: [b, n].
        shape: the shape of the weights.

    Returns:
        [b, out, n / out] in float64.
    """
    return np.asarray(block, dtype=np.float64).reshape(len(block), shape[0], -1)


def choose_places(rows: Rows, start: int | str | None, dims: int, most: int) -> Int64[np.ndarray, " t"]:
    """Choose the steps of a path.

    Args:
        rows: the trajectory.
        start: as of `geodesic`.
        dims: 1 for a great circle, 2 for a great 2-sphere.
        most: how many steps to keep.

    Returns:
        Their numbers, ascending.

    Raises:
        OptionError: `start` or `most` is outside what it may be.
        TrajectoryError: too few steps are left.
    """
    most = whole("steps", most, dims + 2, MOST_STEPS)
    first = 0
    if isinstance(start, str) and start == "spike":
        first = first_spike(rows)
    elif start is not None:
        try:
            first = int(np.searchsorted(rows.steps, real("start", start)))
        except OptionError:
            raise OptionError(f'start is a step, "spike" or None, not {written(start)}.') from None
    if len(rows) - first < dims + 2:
        raise TrajectoryError(
            f"{len(rows) - first} steps are left from step {start} on and {dims + 2} are needed: start earlier."
        )
    return first + thinned(len(rows) - first, most)


def first_spike(rows: Rows) -> int:
    """Find the first step whose spectrum has a Marchenko-Pastur spike.

    Args:
        rows: weights that are matrices.

    Returns:
        Its number.

    Raises:
        TrajectoryError: the weights are vectors, or no step has a spike.
    """
    if len(rows.shape) < 2:
        raise TrajectoryError("only weights that are matrices have spikes: give the start as a step.")
    # The first steps as a rule: not much is read ahead.
    for place, step in enumerate(rows.one_by_one(memory=2**20)):
        w = as_matrices(step[None], rows.shape)[0]
        if w.any() and Spectrum.from_matrix(w).marchenko_pastur().spikes:
            return place
    raise TrajectoryError("no step has a Marchenko-Pastur spike: give the start as a step.")


def _given_vectors(
    rows: Rows, places: Int64[np.ndarray, " t"]
) -> tuple[Float64[np.ndarray, "t n"], Int64[np.ndarray, " z"], Float64[np.ndarray, " t"]]:
    x = rows.at(places).astype(np.float64)
    norms = np.linalg.norm(x, axis=1)
    for place, norm in zip(places, norms, strict=True):
        if abs(norm - 1.0) > _UNIT:
            what = "is zero and has no direction" if norm == 0.0 else f"has length {norm:.4g}"
            raise TrajectoryError(
                f"the vector at step {rows.steps[place]} {what}: give unit vectors [T, n] or weights [T, out, in]."
            )
    x /= norms[:, None]
    cosines = np.einsum("tn,tn->t", x[1:], x[:-1])
    opposite = np.flatnonzero(cosines < -1.0 + 1e-12)
    if len(opposite):
        a, b = rows.steps[places[opposite[0]]], rows.steps[places[opposite[0] + 1]]
        raise TrajectoryError(
            f"the vectors at steps {a} and {b} are antipodal and no shortest way joins them: "
            "align their signs or leave one out."
        )
    aligned, _ = align_signs(x)
    return aligned, np.zeros(0, dtype=np.int64), np.concatenate([[1.0], np.abs(cosines)])


def follow_rows(
    rows: Rows,
    places: Int64[np.ndarray, " t"],
    which: int,
    kept: Float64[np.ndarray, " s"] | None = None,
    follow: Follow = "overlap",
) -> tuple[FollowedVectors, float, Float64[np.ndarray, " s"], tuple[int, int]]:
    """Follow the singular vectors of weights over some of their steps.

    Args:
        rows: weights that are matrices.
        places: numbers of the steps.
        which: rank at the first of them, 0 the largest singular value.
        kept: [T - 1] what weight decay leaves of the weights from step to step; None for all.
        follow: as of `follow_vector`.

    Returns:
        The vectors (b = 1), the norm of the first matrix, those of what each step adds to the decayed weights, and
        rows and columns.

    Raises:
        OptionError: there is no singular value of that rank.
        TrajectoryError: the weights are zero, not finite or far too large at one of the steps.
    """
    shape = (rows.shape[0], rows.n // rows.shape[0])
    _check_rank(which, shape)
    norms: list[float] = []
    found = follow_vector(_matrices(rows, places, norms, kept), int(which), follow=follow)
    return found, norms[0], np.array(norms[1:]), shape


def step_norms(
    rows: Rows, places: Int64[np.ndarray, " t"], kept: Float64[np.ndarray, " s"] | None = None
) -> tuple[float, Float64[np.ndarray, " s"], tuple[int, int]]:
    """Measure how far weights go from step to step.

    Args:
        rows: weights that are matrices.
        places: numbers of the steps.
        kept: [T - 1] what weight decay leaves of the weights from step to step; None for all.

    Returns:
        The norm of the first matrix, those of what each step adds to the decayed weights, and rows and columns.

    Raises:
        TrajectoryError: the weights are zero, not finite or far too large at one of the steps.
    """
    norms: list[float] = []
    for _ in _matrices(rows, places, norms, kept):
        pass
    return norms[0], np.array(norms[1:]), (rows.shape[0], rows.n // rows.shape[0])


def _matrices(
    rows: Rows,
    places: Int64[np.ndarray, " t"],
    norms: list[float],
    kept: Float64[np.ndarray, " s"] | None = None,
) -> Iterator[Float64[np.ndarray, "b n m"]]:
    """Read the weights; the norms of the first ones and of each step are noted in `norms`."""
    last: Float64[np.ndarray, "b n m"] | None = None
    for place, step in zip(places, rows.one_by_one(places), strict=True):
        w = as_matrices(step[None], rows.shape)
        if not w.any():
            raise TrajectoryError(
                f"the weights are zero at step {rows.steps[place]} and have no singular vectors: "
                "start at a later step."
            )
        norms.append(_distance(w, np.zeros_like(w) if last is None else last))
        if not max(norms[-1], float(np.abs(w).max())) < _LARGEST:
            raise TrajectoryError(
                f"the weights at step {rows.steps[place]} are too large for double precision: divide those of all "
                "steps by one number."
            )
        last = w if kept is None or len(norms) > len(kept) else kept[len(norms) - 1] * w
        yield w


def _distance(a: Float64[np.ndarray, "..."], b: Float64[np.ndarray, "..."]) -> float:
    # A power of two for both: squares cannot over- or underflow, and no digit is lost.
    exponent = int(np.frexp(max(float(np.abs(a).max()), float(np.abs(b).max())))[1])
    scaled = float(np.linalg.norm(np.ldexp(a, -exponent) - np.ldexp(b, -exponent)))
    return float(np.ldexp(scaled, exponent))


def _steps(x: Float64[np.ndarray, "t n"]) -> Float64[np.ndarray, " s"]:
    return np.asarray(2.0 * np.arcsin(np.clip(np.linalg.norm(np.diff(x, axis=0), axis=1) / 2.0, 0.0, 1.0)))


def check_path(x: Float64[np.ndarray, "t n"], dims: int) -> None:
    """Refuse paths that have no circle, or that every circle fits.

    Args:
        x: [T, n] unit vectors.
        dims: 1 for a great circle, 2 for a great 2-sphere.

    Raises:
        TrajectoryError: the vectors do not move, or have too few entries.
    """
    if x.shape[1] <= dims + 1:
        raise TrajectoryError(
            f"vectors of {x.shape[1]} entries always lie on a great {dims}-sphere: take a larger side of the layer."
        )
    if not (_steps(x) > _STILL).any():
        raise TrajectoryError(
            "the direction does not move over these steps and has no great circle: choose a layer that is trained."
        )


def _check_known_shape(null_shape: Any, shape: tuple[int, int]) -> None:
    same = isinstance(null_shape, (tuple, list)) and tuple(null_shape) == shape
    if null_shape is not None and not same:
        raise OptionError(
            f"null_shape is for unit vectors: the walks of these weights have their own shape, {shape}, leave it out "
            f"instead of giving {written(null_shape)}."
        )


def walk_norms(
    rows: Rows,
    places: Int64[np.ndarray, " t"],
    which: int,
    side: Side,
    null_shape: tuple[int, int] | None,
    seed: int,
    colour: Float64[np.ndarray, "s s"] | None = None,
    kept: Float64[np.ndarray, " s"] | None = None,
) -> tuple[float, Float64[np.ndarray, " s"], tuple[int, int]]:
    """Find the step norms of the walks that a path is compared with.

    Args:
        rows: weights that are matrices, or unit vectors.
        places: numbers of the steps.
        which: rank of the followed vector at the first of them.
        side: its side.
        null_shape: as of `geodesic`; needed for unit vectors.
        seed: of the walks that are tried for unit vectors.
        colour: L of the covariance L L^T of the steps, see `Memory.colour`; None for independent ones.
        kept: [T - 1] what weight decay leaves of the weights from step to step; None for all.

    Returns:
        The norm of the first matrix, those of the steps, and rows and columns.

    Raises:
        OptionError: `null_shape` or `which` does not fit.
        TrajectoryError: the weights are zero, not finite or far too large at one of the steps, or vectors are no unit
            vectors.
    """
    if len(rows.shape) > 1:
        start, norms, shape = step_norms(rows, places, kept)
        _check_known_shape(null_shape, shape)
        _check_rank(which, shape)
        return start, norms, shape
    vectors, _, _ = _given_vectors(rows, places)
    shape = _checked_shape(null_shape, rows.n, side)
    length = float(_steps(vectors).sum())
    return 1.0, matched_step(shape, len(places), length, which, side, seed, colour, kept)[0], shape


def _check_rank(which: Any, shape: tuple[int, int]) -> None:
    smaller = min(shape)
    if isinstance(which, bool) or not isinstance(which, (int, np.integer)) or not 0 <= which < smaller:
        raise OptionError(f"which is the rank of a singular vector, 0 to {smaller - 1} here, not {which!r}.")


def _checked_shape(shape: Any, n: int, side: Side) -> tuple[int, int]:
    try:
        numbers = tuple(whole("null_shape", size, 1) for size in shape)
    except (TypeError, OptionError):
        numbers = ()
    if len(numbers) != 2 or numbers[1 if side == "right" else 0] != n:
        raise OptionError(
            f"null_shape is (out, in) of the weights, whose {side} singular vectors have {n} entries here, not "
            f"{written(shape)}."
        )
    return numbers[0], numbers[1]
