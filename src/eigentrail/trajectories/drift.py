"""The drift mode: the first principal component of the weights, its fits, and whether chance would give it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64

from eigentrail._numbers import seed_of, whole
from eigentrail.chance import LEVEL, requested
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.errors import TrajectoryError
from eigentrail.trajectories.fits import ExponentialFit, LinearFit, fit_exponential, fit_line
from eigentrail.trajectories.gram import from_zero, gram, walk_origin
from eigentrail.trajectories.overlap_nulls import OverlapNull, end_null, norm_null
from eigentrail.trajectories.pca import PrincipalComponents, components_of, weights_gram
from eigentrail.trajectories.random_walk import WalkTest, walk_test
from eigentrail.trajectories.rows import Rows, open_rows

#: Steps that the random-walk test looks at.
MOST_STEPS = 100
_FEWEST = 4
_KEPT = 10
_FEWEST_WALKED = 3
_SHORTEST = 5
# Below this share of the largest variance there is nothing but rounding.
_STILL = 1e-12


@dataclass(frozen=True)
class Drift:
    """Motion of weights along their first principal component (S1 6.3).

    Attributes:
        theta: w(t) . p_1 [step]; p_1 points along the motion, so that theta rises.
        linear: its fit a (t - t0) + b, per unit of the step's label.
        exponential: its fit by an exponential approach.
        variance: variance of theta.
        variance_predicted: variance of the linear fit alone, a^2 var(t): a^2 (T^2 - 1) / 12 for T consecutive steps.
        share: share of p_1 in the total variance of the weights.
        share_linear: share of the linear motion along p_1 in it.
        norms: ||w(t)|| [step].
        norm_fit: the linear fit of the norms.
        norm_walks: the slope of ||w|| at the steps of the walks, beside that of the walks, which grow too.
        weight_overlap: p_1 . w(T) / ||w(T)||; positive where the drift makes the weights grow.
        chance_overlap: mean |overlap| of a random direction, sqrt(2 / (pi n)); no null for a motion, of which any walk
            has more: see `end_overlap`.
        end_overlap: p_1 . w(T) / ||w(T)|| at the steps of the walks, beside that of the walks.
        walk: the test against random walks, of the whole motion and of what p_1 leaves.
        components: the leading principal components.
        cosines: [k] share of each component's variance that is the cosine which a random walk has there (1 for a
            walk in high dimension).
    """

    theta: xr.DataArray
    linear: LinearFit
    exponential: ExponentialFit
    variance: float
    variance_predicted: float
    share: float
    share_linear: float
    norms: xr.DataArray
    norm_fit: LinearFit
    norm_walks: OverlapNull
    weight_overlap: float
    chance_overlap: float
    end_overlap: OverlapNull
    walk: WalkTest
    components: PrincipalComponents
    cosines: Float64[np.ndarray, " k"]

    @property
    def growth(self) -> str:
        """What the norm of the weights does: "grows", "shrinks", or "stays" within two errors."""
        fit = self.norm_fit
        if abs(fit.slope) <= 2.0 * fit.slope_error:
            return "stays"
        return "grows" if fit.slope > 0.0 else "shrinks"

    @property
    def verdict(self) -> str:
        """Whether the weights drift, in one sentence."""
        walk = self.walk
        about = (
            f"{self.share:.0%} of the motion is along one direction, {self.share_linear:.0%} linear in time"
        )
        compared = walk.compared
        if compared is None:
            return f"{about}; without a null it is not known what chance would give."
        told = float(np.quantile(walk.null, 1.0 - 0.5 * LEVEL)) / walk.expected
        # Of so few walks not even the farthest is rare.
        few = 2.0 / (compared.draws + 1) > LEVEL
        beside = (
            f"its squared displacement is {walk.times:.2g} times that of a random walk; {compared.above} of "
            f"{compared.draws} walks get farther, "
            + ("which are too few to tell" if few else f"and {told:.2g} times would be told")
        )
        if compared.beyond and walk.times > 1.0:
            return f"The weights drift: {about} ({beside})."
        if compared.beyond:
            return f"The weights return rather than walk: {about} ({beside})."
        return f"The motion cannot be told from a random walk: {about} ({beside})."


def drift(
    x: Any,
    k: int | None = None,
    *,
    null: int = requested.ENOUGH,
    seed: int = 0,
    steps: int = MOST_STEPS,
    components: PrincipalComponents | None = None,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> Drift:
    """Describe the drift of weights, and test it against random walks.

    The random walks are the observed updates with random signs, which keeps their sizes and the directions that the
    noise prefers. For them the trajectory is thinned to `steps` steps. Updates of an optimizer with momentum remember
    each other, so that its walks get farther, and weight decay pulls walks inwards: say its momentum and weight decay,
    or each of them is taken for a drift.

    Args:
        x: [T, ...] weights over steps, T >= 4.
        k: how many principal components to keep; None for 10 or as many as there are.
        null: number of draws, 0 for none.
        seed: seed of the draws.
        steps: how many steps the random-walk test looks at.
        components: principal components of the weights `x`, where they are known already; in place of `k`.
        momentum: of the optimizer (Adam's beta_1), per unit of the steps' labels; 0 to below 1.
        nesterov: whether it is Nesterov's.
        weight_decay: the share of themselves that weights lose at each step, see `Memory`: the walks decay too.

    Returns:
        The drift.

    Raises:
        OptionError: an argument is outside what it may be.
        TrajectoryError: there are too few steps, the weights are constant, not finite, or far too large or small for
            double precision, or `components` are those of others.
    """
    rows = open_rows(x, fewest=_FEWEST)
    draws, seed = requested.check_draws(null), seed_of(seed)
    steps = whole("steps", steps, _FEWEST_WALKED)
    if components is None:
        components = _first(components_of(rows, k, "weights"), _KEPT if k is None else k)
    elif not _made_of(rows, components):
        raise TrajectoryError(
            "the given components are not those of these weights: leave them out to compute them."
        )
    times = _ascending(rows)
    p1 = np.asarray(components.basis.directions())[0]
    offset = float(p1 @ components.mean.ravel())
    theta = components.scores.isel(component=0, drop=True) + offset
    norms = np.concatenate(
        [np.sqrt(np.einsum("bn,bn->b", b, b, dtype=np.float64)) for _, _, b in rows.blocks()]
    )
    last = np.asarray(rows.read(len(rows) - 1, len(rows))[0], dtype=np.float64)
    y = theta.values.astype(np.float64)
    linear = fit_line(times, y)
    predicted = linear.slope**2 * float(times.var())
    total = components.total
    walk, end_overlap, norm_walks = _walks(
        rows, times, draws, seed, steps, Memory(momentum, nesterov, weight_decay)
    )
    return Drift(
        theta=theta.rename("theta"),
        linear=linear,
        exponential=fit_exponential(times, y, linear.inflation),
        variance=float(components.variances[0]),
        variance_predicted=predicted,
        share=float(components.variances[0]) / total,
        share_linear=predicted / total,
        norms=xr.DataArray(norms, dims="step", coords=rows.coordinates, name="norms"),
        norm_fit=fit_line(times, norms),
        norm_walks=norm_walks,
        weight_overlap=float(p1 @ last) / float(norms[-1]) if norms[-1] > 0.0 else 0.0,
        chance_overlap=float(np.sqrt(2.0 / (np.pi * rows.n))),
        end_overlap=end_overlap,
        walk=walk,
        components=components,
        cosines=_cosine_content(components.scores.values),
    )


def _made_of(rows: Rows, components: Any) -> bool:
    return (
        isinstance(components, PrincipalComponents)
        and components.of == "weights"
        and components.scores.sizes["step"] == len(rows)
        and components.basis.n == rows.n
    )


def _ascending(rows: Rows) -> Float64[np.ndarray, " t"]:
    times = np.asarray(rows.steps, dtype=np.float64)
    if not (np.diff(times) > 0).all():
        raise TrajectoryError("the steps are not ascending: sort the trajectory by its steps.")
    return times


def _first(found: PrincipalComponents, k: int) -> PrincipalComponents:
    count = min(k, len(found.variances))
    return replace(
        found,
        basis=found.basis.leading(count),
        variances=found.variances[:count],
        scores=found.scores.isel(component=slice(count)),
        errors=found.errors[:count],
    )


def _walks(
    rows: Rows, times: Float64[np.ndarray, " t"], draws: int, seed: int, most: int, memory: Memory
) -> tuple[WalkTest, OverlapNull, OverlapNull]:
    places = np.unique(np.round(np.linspace(0, len(rows) - 1, min(len(rows), most))).astype(np.int64))
    chosen, origin = rows.select(places), walk_origin(rows, memory)
    g = gram(chosen, origin)
    whole = g if memory.weight_decay else from_zero(g, chosen, origin)
    return (
        walk_test(g, times[places], draws, seed, memory),
        end_null(whole, draws, seed, times[places], memory),
        norm_null(whole, times[places], draws, seed, memory),
    )


def _cosine_content(scores: Float64[np.ndarray, "t k"]) -> Float64[np.ndarray, " k"]:
    """Share of cos(pi j (t + 1/2) / T) in the j-th component (Hess 2002)."""
    count, k = scores.shape
    waves = np.cos(np.pi * np.outer(np.arange(count) + 0.5, np.arange(1, k + 1)) / count)
    inner = np.einsum("tk,tk->k", waves, scores)
    power = np.einsum("tk,tk->k", waves, waves) * np.einsum("tk,tk->k", scores, scores)
    return np.asarray(inner**2 / power)


def variance_growth(x: Any, points: int = 8, steps: int = MOST_STEPS) -> xr.DataArray:
    """Compute how the variance of the first component grows with the length of the observation.

    A drift has variance proportional to T^2, a random walk to T (S1 6.3).

    Args:
        x: [T, ...] weights over steps.
        points: how many lengths, log-spaced, 2 or more.
        steps: how many steps to look at, 4 or more.

    Returns:
        Variance over [duration], sqrt(T^2 - 1) for T consecutive steps, in units of the step's label; attribute
        `exponent` of its growth, None where the weights stand still in all but the longest of these durations.

    Raises:
        OptionError: `points` or `steps` is outside what it may be.
        TrajectoryError: there are fewer than 4 steps, they are not ascending, or the weights are constant, not finite,
            or far too large or small for double precision.
    """
    points, steps = whole("points", points, 2), whole("steps", steps, _FEWEST)
    rows = open_rows(x, fewest=_FEWEST)
    places = np.unique(np.round(np.linspace(0, len(rows) - 1, min(len(rows), steps))).astype(np.int64))
    times = _ascending(rows)[places]
    g, _ = weights_gram(rows.select(places))
    # Two lengths at least, of which a growth can be told.
    shortest = min(_SHORTEST, len(g) - 1)
    lengths = np.unique(np.round(np.geomspace(shortest, len(g), points)).astype(int))
    found = []
    for length in lengths:
        part = g[:length, :length]
        part = part - part.mean(axis=0) - part.mean(axis=1)[:, None] + part.mean()
        found.append(float(np.linalg.eigvalsh(part)[-1]) / length)
    # sqrt(T^2 - 1) for consecutive steps: what the variance of a straight line is the square of.
    durations = np.array([np.sqrt(12.0) * times[:length].std() for length in lengths])
    good = np.array(found) > _STILL * max(found)
    exponent = None
    if good.sum() > 1:
        exponent = float(np.polyfit(np.log(durations[good]), np.log(np.array(found)[good]), 1)[0])
    return xr.DataArray(
        found, dims="duration", coords={"duration": durations}, name="variance", attrs={"exponent": exponent}
    )
