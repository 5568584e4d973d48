"""Crossings, segments and starts beside random walks of the weights, also of walks that remember."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from planting_paths import frame, on_circle, spiked, weight_walk
from scipy.stats import binom, kstest

from eigentrail.chance import requested
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.chance.weight_walks import weight_walks
from eigentrail.errors import EigentrailError, OptionError, TrajectoryError
from eigentrail.linalg.singular_triples import leading_triples
from eigentrail.trajectories.crossing_null import count_crossings, walk_crossings
from eigentrail.trajectories.crossings import crossings
from eigentrail.trajectories.directions import Directions
from eigentrail.trajectories.following import MINIMUM_OVERLAP, follow, follow_ranks
from eigentrail.trajectories.geodesic import geodesic, score_by_start
from eigentrail.trajectories.geodesic_null import path_scores
from eigentrail.trajectories.path_walks import GaussianWalks
from eigentrail.trajectories.segments import segments, walk_counts

SHAPE, STEPS, SIZE = (10, 7), 30, 0.1


def ranked(observed: float, drawn: np.ndarray, rng: np.random.Generator) -> float:
    """Give a uniform number where `observed` has the law of `drawn`: ties are broken at random."""
    less, equal = (drawn < observed).sum(), (drawn == observed).sum()
    return float((less + rng.random() * (equal + 1)) / (len(drawn) + 1))


def pool_of(draws: int, seed: int, steps: int = STEPS) -> np.ndarray:
    start = float(np.sqrt(np.prod(SHAPE)))
    walks = GaussianWalks(SHAPE, start, np.full(steps - 1, SIZE * start), seed)
    return walk_crossings(walks, 3, draws, MINIMUM_OVERLAP)


def check_uniform(count: int, draws: int, steps: int) -> None:
    walks = pool_of(draws, 0, steps)
    assert walks.std(axis=1).min() > 0.5
    rng = np.random.default_rng(0)
    places, more = [], 0
    for seed in range(count):
        chance = crossings(weight_walk(SHAPE, steps, SIZE, seed), 3, null=walks).chance
        places.append(
            [ranked(chance.exchanges, walks[0], rng), ranked(chance.leading_changes, walks[1], rng)]
        )
        more += chance.exchanges_p is not None and chance.exchanges_p[0] <= 0.05
    for column in np.array(places).T:
        assert kstest(column, "uniform").pvalue > 1e-3
    # Ties stand above: no more than one walk in twenty crosses more often than chance gives.
    assert binom.sf(more - 1, count, 0.05) > 1e-3


def test_walks_cross_as_often_as_walks() -> None:
    check_uniform(60, 200, STEPS)


@pytest.mark.slow
def test_the_places_of_many_walks_are_uniform() -> None:
    check_uniform(300, 2000, 100)


@pytest.mark.parametrize("seed", range(2))
def test_planted_crossings_are_more_than_chance(seed: int) -> None:
    # Two values that stand out by far pass each other at every fourth step.
    u, v = frame(20, 2, seed), frame(15, 2, seed + 10)
    t = np.arange(56)
    away = 0.05 * np.cos(np.pi * (t + 0.37) / 4)
    w = sum(
        (9 + sign * away)[:, None, None] * np.outer(u[i], v[i]) for i, sign in enumerate((1, -1))
    ) + 1e-4 * np.random.default_rng(seed).standard_normal((56, 20, 15))
    found = crossings(w, 2, null=60)
    assert found.chance.leading_changes == len(found.leading_changes) == 14
    assert found.chance.exchanges == len(found.table) == 14
    assert found.chance.leading_p is not None and found.chance.leading_p[0] <= 0.05
    # Gaussian walks with such tiny steps do nothing; those of the same updates go along the same two directions.
    gaussian = crossings(w, 2, null=60, null_model="walks").chance
    assert gaussian.leading_percentile == gaussian.exchanges_percentile == 100.0
    assert found.chance.leading_null.mean() > gaussian.leading_null.mean()


def test_directions_that_stand_out_cross_less_than_those_of_walks() -> None:
    w = spiked(on_circle(frame(16, 2, 0), np.linspace(0, 1.5, 50)), 20, 0.6, 0)
    w = w + 6 * np.outer(frame(20, 3, 5)[1], frame(16, 3, 6)[2])
    found = crossings(w, 1, null=100, null_model="walks")
    assert found.chance.leading_changes == 0 and found.chance.leading_null.mean() > 1
    assert "changes never, less often than chance gives" in found.verdict
    assert found.chance.leading_p is not None and found.chance.leading_p[1] < 0.05


def test_the_walks_are_followed_as_the_weights_are() -> None:
    w = weight_walk((12, 9), 40, 0.05, 2)
    u, s, v = leading_triples(w, 6)
    found = [
        Directions(s[t], np.zeros(6, dtype=np.int64), u[t].astype(np.float32), v[t].astype(np.float32))
        for t in range(40)
    ]
    tracks = follow(found)
    ranks = follow_ranks(u[None].astype(np.float32), v[None].astype(np.float32))[0]
    assert np.array_equal(ranks, tracks.ranks)
    events = [event for event in tracks.events if event.kind == "crossing"]
    among = [event for event in events if tracks.ranks[event.place, event.track] < 3]
    assert count_crossings(ranks, 3) == (
        len(among),
        int((np.diff((ranks == 0).argmax(axis=1)) != 0).sum()),
    )
    assert 0 < len(among) <= len(events)


def test_many_walks_are_followed_as_each_by_itself() -> None:
    walks = np.stack(
        [weight_walk((12, 9), 30, step, seed) for seed, step in enumerate((0.02, 0.1, 0.5, 2.0))]
    )
    u, _, v = leading_triples(walks.reshape(-1, 12, 9), 5)
    left = u.reshape(4, 30, 5, 12).astype(np.float32)
    right = v.reshape(4, 30, 5, 9).astype(np.float32)
    together = follow_ranks(left, right)
    assert len({ranks.shape for ranks in together}) > 1
    for one, ranks in enumerate(together):
        assert np.array_equal(ranks, follow_ranks(left[one : one + 1], right[one : one + 1])[0])


def test_observed_path_and_walks_are_compared_at_the_same_steps() -> None:
    w = weight_walk(SHAPE, 150, 0.05, 1)
    found = crossings(w, 3, null=20)
    assert found.values.sizes["step"] == 150 and found.chance.steps == 100
    places = np.unique(np.round(np.linspace(0, 149, 100)).astype(int))
    same = crossings(w[places], 3, null=20)
    assert found.chance.exchanges == same.chance.exchanges
    assert found.chance.walks.tolist() == same.chance.walks.tolist()
    again = crossings(w, 3, null=found.chance.walks)
    assert again.verdict == found.verdict
    assert crossings(w, 3, null=20, seed=1).chance.walks.tolist() != found.chance.walks.tolist()


def test_without_walks_nothing_is_said() -> None:
    found = crossings(weight_walk(SHAPE, 20, 0.1, 0), 2, null=0)
    assert found.chance.leading_percentile is None and found.chance.exchanges_p is None
    assert "says nothing without a null" in found.verdict


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"null": -1}, "number of draws"),
        ({"null": True}, "number of draws"),
        ({"null": []}, r"counts \[2, draws\]"),
        ({"null": np.zeros((3, 4))}, r"counts \[2, draws\]"),
        ({"null": [[np.nan], [1.0]]}, r"counts \[2, draws\]"),
        ({"steps": 2}, "steps is"),
        ({"steps": 101}, "steps is"),
        ({"momentum": 1.0}, "momentum is"),
        ({"seed": "a"}, "seed"),
        ({"k": []}, "k is a number"),
    ],
)
def test_odd_options_are_one_sentence(options: dict[str, object], words: str) -> None:
    with pytest.raises(OptionError, match=words) as error:
        crossings(weight_walk(SHAPE, 6, 0.1, 0), **options)
    assert str(error.value).count(". ") == 0


# Walks that remember


def remembering(shape: tuple[int, int], steps: int, beta: float, seed: int) -> np.ndarray:
    """Let an optimizer with momentum walk on noise alone."""
    rng = np.random.default_rng([seed, 3])
    w, velocity = [rng.standard_normal(shape)], np.zeros(shape)
    for _ in range(200):
        velocity = beta * velocity + rng.standard_normal(shape)
    for _ in range(steps - 1):
        velocity = beta * velocity + rng.standard_normal(shape)
        w.append(w[-1] + 0.05 * np.sqrt(1 - beta**2) * velocity)
    return np.array(w)


@pytest.mark.parametrize("times", [np.arange(12.0), np.array([0.0, 1, 4, 5, 30, 31, 32, 90, 91, 400, 401])])
def test_steps_of_walks_have_the_covariance_of_the_optimizer(times: np.ndarray) -> None:
    colour = Memory(0.9).colour(times)
    assert colour is not None
    norms = np.linspace(1.0, 2.0, len(times) - 1)
    walk = np.array([w.copy() for w in weight_walks((150, 140), 3.0, norms, [0, 1], 0, colour)])
    steps = np.diff(walk, axis=0).reshape(len(norms), 2, -1)
    sizes = np.linalg.norm(steps, axis=2)
    np.testing.assert_allclose(sizes, np.repeat(norms[:, None], 2, axis=1), rtol=1e-4)
    covariance = colour @ colour.T
    known = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    found = np.einsum("abn,cbn->bac", steps / sizes[:, :, None], steps / sizes[:, :, None])
    # The inner product of random directions of 21,000 entries is .007.
    np.testing.assert_allclose(found, np.repeat(known[None], 2, axis=0), atol=0.035)


def test_momentum_passes_for_a_geodesic_unless_the_walks_have_it_too() -> None:
    count, steps = 30, 20
    bare, told = [], []
    norms = np.full(steps - 1, 0.05 * np.sqrt(14 * 10))
    pools = [
        path_scores(
            GaussianWalks((14, 10), float(np.sqrt(140)), norms, 0, Memory(beta).colour_of(range(steps))), 400
        ).scores[0, 0, 0]
        for beta in (0.0, 0.9)
    ]
    for seed in range(count):
        w = remembering((14, 10), steps, 0.9, seed)
        bare.append(geodesic(w, null=pools[0]).percentile)
        told.append(geodesic(w, null=pools[1]).percentile)
    assert kstest(np.array(told) / 100, "uniform").pvalue > 1e-3
    assert np.mean(bare) > 65 and kstest(np.array(bare) / 100, "uniform").pvalue < 1e-3
    found = geodesic(w, null=30, momentum=0.9)
    assert found.null_scores.tolist() != geodesic(w, null=30).null_scores.tolist()


def test_momentum_is_refused_where_it_makes_no_sense() -> None:
    w = weight_walk(SHAPE, 16, 0.1, 0)
    for call in (geodesic, segments, crossings):
        with pytest.raises(OptionError, match="momentum is the optimizer's"):
            call(w, momentum=-0.1)
    turned = xr.DataArray(w, dims=("step", "out", "in"), coords={"step": np.arange(16)[::-1]})
    with pytest.raises(EigentrailError, match="ascending"):
        geodesic(turned, momentum=0.9)


# Defaults


def test_nulls_are_drawn_unless_they_are_switched_off() -> None:
    w = weight_walk(SHAPE, 24, 0.1, 0)
    table = score_by_start(w, [0, 8])
    assert np.isfinite(table["percentile"]).all() and table["null_scores"].shape == (2, requested.ENOUGH)
    assert table["null_median"].values.tolist() == np.median(table["null_scores"].values, axis=1).tolist()
    assert float(table["percentile"][1]) == geodesic(w, start=8).percentile
    none = score_by_start(w, [0, 8], null=0)
    assert np.isnan(none["percentile"]).all() and none["null_scores"].shape == (2, 0)
    assert score_by_start(w, [], null=5)["score"].shape == (0,)
    assert len(crossings(w, 2).chance.leading_null) == requested.ENOUGH
    found = segments(w)
    assert len(found.null_counts) == requested.ENOUGH and found.percentile is not None
    assert found.compared is not None and found.compared.draws == requested.ENOUGH
    bare = segments(w, null=0)
    assert bare.count == found.count and bare.compared is None and not bare.claimed


def test_segments_of_unit_vectors_have_walks_of_the_shape_that_is_given() -> None:
    vectors = geodesic(weight_walk((14, 10), 40, 0.1, 0), null=0).vectors
    bare = segments(vectors)
    assert bare.percentile is None and "null_shape" in bare.note
    found = segments(vectors, null=8, null_shape=(14, 10))
    assert found.percentile is not None and len(found.null_counts) == 8 and found.note == ""
    assert np.array_equal(found.null_counts, walk_counts(vectors, 8, null_shape=(14, 10))["right"])
    with pytest.raises(OptionError, match="null_shape"):
        segments(vectors, null_shape=(10, 14))


@pytest.mark.parametrize("call", [geodesic, segments])
def test_the_shape_of_weights_is_not_overruled(call: object) -> None:
    w = weight_walk(SHAPE, 16, 0.1, 0)
    assert callable(call)
    with pytest.raises(OptionError, match="null_shape is for unit vectors"):
        call(w, null=0, null_shape=(30, 7))
    assert call(w, null=5, null_shape=SHAPE).percentile is not None


def test_zero_weights_are_refused_where_only_walks_look_at_them() -> None:
    w = weight_walk(SHAPE, 16, 0.1, 0)
    w[5] = 0.0
    with pytest.raises(TrajectoryError, match="zero at step 5"):
        walk_counts(w, 5)
