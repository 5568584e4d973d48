"""Great circles with a planted plane, and their null."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from planting_paths import frame, on_circle, plane_error, spiked, weight_walk
from scipy.optimize import minimize
from scipy.stats import ks_2samp, kstest

from eigentrail.chance.unit_vectors import independent_vectors
from eigentrail.chance.weight_walks import weight_walks
from eigentrail.errors import EigentrailError, OptionError, TrajectoryError
from eigentrail.linalg.subspace_iteration import SubspaceIteration
from eigentrail.trajectories.geodesic import geodesic, geodesics, score_by_start, thinned
from eigentrail.trajectories.geodesic_null import path_scores
from eigentrail.trajectories.great_circle import fit_great_circles, frechet_mean, score_paths
from eigentrail.trajectories.leading_vectors import SIDES, follow_vector
from eigentrail.trajectories.path_walks import GaussianWalks


@pytest.mark.parametrize("arc", [0.5, 1.0, 2.0, 3.0, 4.0, 5.0])
@pytest.mark.parametrize("dims", [1, 2])
def test_planted_circles_are_found_also_beyond_pi(arc: float, dims: int) -> None:
    for seed in range(4):
        plane = frame(60, 2, seed)
        w = spiked(on_circle(plane, np.linspace(0, arc, 80)), 40, 0.02, seed)
        found = geodesic(w, dims=dims, null=0)
        assert found.plane.shape == (dims + 1, 60)
        assert plane_error(found.plane, plane) < 1.0
        assert found.score > 0.98
        assert found.arc == pytest.approx(arc, abs=0.06)
        assert found.percentile is None and not len(found.null_scores)


def test_exact_circles_have_score_one_and_the_path_of_their_angles() -> None:
    plane, angles = frame(30, 2, 0), np.linspace(0, 2, 25)
    found = geodesic(on_circle(plane, angles), null=0)
    assert found.score == pytest.approx(1.0, abs=1e-14) and found.rss < 1e-25
    np.testing.assert_allclose(found.angles, angles - 1.0, atol=1e-7)
    np.testing.assert_allclose(found.mean, on_circle(plane, np.array([1.0]))[0], atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(found.path, axis=1), 1.0, atol=1e-14)
    np.testing.assert_allclose(found.path.values @ found.plane, on_circle(plane, angles), atol=1e-12)
    np.testing.assert_allclose(found.plane @ found.plane.T, np.eye(2), atol=1e-13)
    assert found.length == pytest.approx(2.0)


def test_rss_score_and_mean_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(3)
    x = on_circle(frame(7, 2, 1), np.linspace(0, 1.5, 20)) + 0.1 * rng.standard_normal((20, 7))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    a = np.linalg.svd(x, full_matrices=False)[2][:2].T
    projected = x @ (a @ np.linalg.inv(a.T @ a) @ a.T)
    projected /= np.linalg.norm(projected, axis=1, keepdims=True)

    def squared(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return (2 * np.arcsin(np.linalg.norm(p - q, axis=-1) / 2)) ** 2

    best = minimize(lambda m: squared(x, m / np.linalg.norm(m)).sum(), x.mean(axis=0), tol=1e-14).x
    best /= np.linalg.norm(best)
    rss = squared(x, projected).sum()
    found = geodesic(x, null=0)
    assert found.rss == pytest.approx(rss, rel=1e-10)
    assert found.score == pytest.approx(1 - rss / (rss + squared(projected, best).sum()), rel=1e-8)
    np.testing.assert_allclose(found.mean, best, atol=1e-5)
    np.testing.assert_allclose(found.residuals**2, squared(x, projected), atol=1e-12)


def test_the_frechet_mean_of_a_long_arc_is_its_middle() -> None:
    z = on_circle(np.eye(2, 5), np.linspace(-2.2, 2.2, 41))[None]
    np.testing.assert_allclose(frechet_mean(z)[0], np.eye(1, 5)[0], atol=1e-10)


@pytest.mark.parametrize("side", ["left", "right"])
def test_either_side_and_any_kind_of_array(side: str) -> None:
    plane = frame(30, 2, 0)
    w = spiked(on_circle(plane, np.linspace(0, 1.5, 40)), 24, 0.02, 0)
    if side == "left":
        w = w.swapaxes(1, 2)
    found = geodesic(torch.from_numpy(w).float(), side=side, null=0)
    assert plane_error(found.plane, plane) < 1.0
    kernels = w.reshape(40, w.shape[1], -1, 2, 1)
    assert geodesic(kernels, side=side, null=0).score == pytest.approx(found.score, abs=1e-5)


def test_a_crossing_is_followed_and_is_no_kink() -> None:
    plane, other, left = frame(40, 3, 0)[:2], frame(40, 3, 0)[2], frame(30, 2, 1)
    t = np.linspace(0, 1, 60)
    v = on_circle(plane, 1.5 * t)
    rng = np.random.default_rng(0)
    w = (
        (10 - 4 * t)[:, None, None] * left[0][None, :, None] * v[:, None, :]
        + (6 + 4 * t)[:, None, None] * (left[1][:, None] * other)[None]
        + 0.01 * rng.standard_normal((60, 30, 40))
    )
    found = geodesic(w, null=0)
    assert found.ranks[0] == 0 and found.ranks[-1] == 1 and (np.diff(found.ranks) != 0).sum() == 1
    assert plane_error(found.plane, plane) < 1.0 and found.score > 0.999
    assert found.overlaps.min() > 0.9
    second = geodesic(w, which=1, null=0, start=0)
    assert second.ranks[0] == 1 and second.ranks[-1] == 0


def test_signs_of_given_vectors_do_not_matter() -> None:
    x = on_circle(frame(12, 2, 2), np.linspace(0, 4, 50))
    flipped = x * np.random.default_rng(0).choice([-1, 1], 50)[:, None]
    assert geodesic(flipped, null=0).score == pytest.approx(1.0)
    assert geodesic(flipped, null=0).arc == pytest.approx(4.0)


def test_a_planted_circle_is_more_than_chance_and_a_walk_is_not() -> None:
    w = spiked(on_circle(frame(16, 2, 0), np.linspace(0, 1.5, 50)), 20, 0.05, 0)
    found = geodesic(w, null=200)
    assert found.percentile == 100.0 and found.p_value == pytest.approx(1 / 201)
    assert found.claimed and found.p_beyond_all == pytest.approx(1 / 101) and not found.explained_by
    assert "closer to a great circle than chance" in found.verdict
    assert len(found.null_scores) == 200 and 0.4 < np.median(found.null_scores) < 0.99
    assert found.null_model == "signs" and found.line_scores.shape == (2, 100)
    again = geodesic(w, null=200)
    assert (again.null_scores == found.null_scores).all()
    assert (geodesic(w, null=200, seed=1).null_scores != found.null_scores).all()
    for seed in range(3):
        assert geodesic(weight_walk((20, 16), 50, 0.1, seed), null=100, lines=False).p_value > 0.005


def line(seed: int, walk: float, shape: tuple[int, int] = (24, 18), steps: int = 40) -> np.ndarray:
    """Gaussian weights on a straight line in a random direction, with a walk on top."""
    rng = np.random.default_rng([seed, 8])
    start, away = rng.standard_normal((2, *shape))
    along = start + 1.5 * np.linspace(0, 1, steps)[:, None, None] * away
    return along + np.cumsum(walk * rng.standard_normal((steps, *shape)), axis=0)


def test_a_straight_line_is_no_geodesic_though_gaussian_walks_say_so() -> None:
    found = [geodesic(line(seed, 0.02), null=40, seed=seed) for seed in range(8)]
    assert sum(one.claimed for one in found) <= 2  # 5% of 8: more than 2 has probability .006
    blind = [geodesic(line(seed, 0.02), null=40, null_model="walks", lines=False) for seed in range(8)]
    assert np.mean([one.percentile for one in blind]) > 75
    explained = [one for one in found if one.compared.beyond and not one.claimed]
    assert all(
        "straight lines" in one.explained_by and "no closer than a straight" in one.verdict
        for one in explained
    )
    assert all("walks" in one.explained_by for one in found if not one.compared.beyond)


def test_noise_that_prefers_directions_is_a_geodesic_by_chance_only() -> None:
    """Steps with standard deviations ~ i^-1.5 per side: 16 to 20% at 5% beside Gaussian walks."""
    shape = (24, 18)
    profile = np.outer(np.arange(1, 25) ** -1.5, np.arange(1, 19) ** -1.5)
    above = []
    for seed in range(24):
        rng = np.random.default_rng([seed, 9])
        start = rng.standard_normal(shape)
        step = 0.15 * np.linalg.norm(start) / np.linalg.norm(profile) * profile
        w = start + np.cumsum(step * rng.standard_normal((40, *shape)), axis=0)
        above.append(geodesic(w, null=39, seed=seed, lines=False).compared.beyond)
    assert sum(above) <= 4  # 5% of 24: more than 4 has probability .005


def test_s0_s_null_is_of_independent_vectors() -> None:
    """S0's "random walk" with RSS about 200 and score about .55 for 98 points in 4096 dimensions."""
    x = independent_vectors(98, 4096, [7], 1)[0]
    found = geodesic(x, null_model="independent", null=100, null_shape=(3, 4096))
    assert found.null_model == "independent" and len(found.null_scores) == 100
    assert np.median(found.null_scores) == pytest.approx(0.54, abs=0.01) and 1 < found.percentile < 99
    assert np.median(found.null_rss) == pytest.approx(199.0, abs=1.0) and not found.rss_compared.beyond
    with pytest.raises(OptionError, match="null_model is one of"):
        geodesic(x, null_model="shuffle")


def test_by_rank_the_path_jumps_where_values_cross() -> None:
    rng = np.random.default_rng(0)
    u, v = frame(14, 2, 0), frame(12, 2, 1)
    sizes = np.stack([np.linspace(12, 8, 30), np.linspace(8, 12, 30)])
    w = np.einsum("kt,kn,km->tnm", sizes, u, v) + 0.01 * rng.standard_normal((30, 14, 12))
    turns = [
        np.abs(np.einsum("tn,tn->t", x[1:], x[:-1])).min()
        for x in (geodesic(w, null=0, follow=follow).vectors.values for follow in ("overlap", "rank"))
    ]
    assert turns[0] > 0.99 and turns[1] < 0.1


def walk_scores(shape: tuple[int, int], steps: int, count: int, dims: int, side: str) -> np.ndarray:
    return np.array(
        [
            geodesic(weight_walk(shape, steps, 0.1, seed), dims=dims, side=side, null=0).score
            for seed in range(count)
        ]
    )


@pytest.mark.parametrize(("dims", "side"), [(1, "right"), (2, "left")])
def test_the_null_has_the_law_of_observed_walks(dims: int, side: str) -> None:
    shape, steps = (10, 7), 30
    observed = walk_scores(shape, steps, 80, dims, side)
    norms = np.full(steps - 1, 0.1 * np.sqrt(70))
    walks = GaussianWalks(shape, np.sqrt(70.0), norms, 0)
    pool = path_scores(walks, 400).scores[SIDES.index(side), dims - 1, 0]
    assert ks_2samp(observed, pool).pvalue > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dims", "side", "shape"), [(1, "right", (30, 20)), (2, "right", (16, 24)), (1, "left", (20, 20))]
)
def test_percentiles_of_walks_are_uniform(dims: int, side: str, shape: tuple[int, int]) -> None:
    steps = 100
    norms = np.full(steps - 1, 0.1 * np.sqrt(np.prod(shape)))
    walks = GaussianWalks(shape, float(np.sqrt(np.prod(shape))), norms, 0)
    pool = path_scores(walks, 3000).scores[SIDES.index(side), dims - 1, 0]
    found = [
        geodesic(weight_walk(shape, steps, 0.1, seed), dims=dims, side=side, null=pool).percentile
        for seed in range(300)
    ]
    assert kstest(np.array(found) / 100, "uniform").pvalue > 1e-3


@pytest.mark.slow
def test_percentiles_of_the_vectors_of_walks_are_uniform() -> None:
    # Unit vectors of constant walks: the matched step is the walk's own.
    found = []
    for seed in range(60):
        vectors = geodesic(weight_walk((14, 10), 60, 0.1, seed), null=0).vectors.values
        found.append(geodesic(vectors, null=200, null_shape=(14, 10), seed=seed).percentile)
    assert kstest(np.array(found) / 100, "uniform").pvalue > 1e-3


def test_unit_vectors_need_the_shape_of_their_weights_for_a_null() -> None:
    vectors = geodesic(weight_walk((14, 10), 40, 0.1, 0), null=0).vectors
    bare = geodesic(vectors)
    assert bare.percentile is None and "null_shape" in bare.note
    found = geodesic(vectors, null=100, null_shape=(14, 10))
    assert found.percentile is not None and found.score == bare.score
    assert "coarse" in found.note and "constant steps" in found.note
    with pytest.raises(OptionError, match="null_shape"):
        geodesic(vectors, null_shape=(10, 14))


def test_path_and_null_are_thinned_alike() -> None:
    w = weight_walk((8, 6), 350, 0.1, 0)
    assert len(geodesic(w, null=0).path) == 100
    assert (
        geodesic(w[thinned(350)], null=50).null_scores.tolist() == geodesic(w, null=50).null_scores.tolist()
    )
    assert len(geodesic(w, null=0, steps=40).path) == 40
    assert thinned(5).tolist() == [0, 1, 2, 3, 4]


def test_the_start_is_a_step_or_the_first_spike() -> None:
    rng = np.random.default_rng(0)
    grown = np.clip(np.arange(40) - 14, 0, None)[:, None, None] * 2.0
    v = on_circle(frame(30, 2, 0), np.linspace(0, 1, 40))
    w = grown * frame(60, 1, 1)[0][None, :, None] * v[:, None, :] + rng.standard_normal((60, 30))
    found = geodesic(w, start="spike", null=0)
    assert 15 <= int(found.path["step"][0]) <= 24
    assert int(geodesic(w, start=7, null=0).path["step"][0]) == 7
    table = score_by_start(w, [0, 10, 25], null=0)
    assert table["score"][2] > table["score"][0] and np.isnan(table["percentile"]).all()
    with pytest.raises(TrajectoryError, match="no step has"):
        geodesic(np.stack([rng.standard_normal((60, 30))] * 4), start="spike")


def test_many_trainings_in_one_call() -> None:
    table = geodesics({f"s{seed}": weight_walk((10, 8), 20, 0.1, seed) for seed in range(3)}, null=40)
    assert table.index.tolist() == ["s0", "s1", "s2"]
    assert table["percentile"].between(0, 100).all() and (table["score"] < 1).all()


def unit(*rows: list[float]) -> np.ndarray:
    x = np.array(rows, dtype=float)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300)


STEADY = weight_walk((6, 5), 9, 0.1, 0)


def spoiled(value: float) -> np.ndarray:
    w = STEADY.copy()
    w[4] = value
    return w


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (STEADY[:2], "at least 3"),
        (np.stack([STEADY[0]] * 5), "does not move"),
        (spoiled(np.nan), "step 4"),
        (spoiled(0.0), "zero at step 4"),
        (unit([1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]), "is zero"),
        (unit([1, 0, 0, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]), "antipodal"),
        (2 * unit([1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0]), "has length 2"),
        (unit([1, 0, 0], [1, 1, 0], [0, 1, 0])[:, :2], "always lie"),
        ([np.ones((3, 2)), np.ones((2, 3)), np.ones((2, 3))], "different shapes"),
    ],
)
def test_bad_input_is_one_sentence(x: object, words: str) -> None:
    with pytest.raises(EigentrailError, match=words) as error:
        geodesic(x, null=10)
    assert str(error.value).count(". ") == 0


@pytest.mark.parametrize(
    "options",
    [
        {"dims": 3},
        {"side": "top"},
        {"which": 5},
        {"which": -1},
        {"null": -1},
        {"start": "end"},
        {"steps": 200},
    ],
)
def test_unknown_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        geodesic(STEADY, **{"null": 0, **options})
    with pytest.raises(TrajectoryError, match="start earlier"):
        geodesic(STEADY, start=8)


def test_paths_that_do_not_move_have_no_score() -> None:
    still = np.repeat(np.eye(1, 6)[None], 5, axis=1)
    assert np.isnan(fit_great_circles(still, 1).score[0])


@pytest.mark.parametrize("shape", [(50, 40), (40, 64)])
def test_walks_are_followed_as_full_decompositions_would(shape: tuple[int, int]) -> None:
    norms = np.full(39, 0.1 * np.sqrt(np.prod(shape)))
    solver = SubspaceIteration()
    exact, fast = (
        follow_vector(weight_walks(shape, float(np.sqrt(np.prod(shape))), norms, range(24), 3), 0, given)
        for given in (None, solver)
    )
    # Full decompositions at the first step only.
    assert solver.exact == 24
    same = (exact.ranks == fast.ranks).all(axis=1)
    assert same.mean() > 0.9
    for side in ("left", "right"):
        cosines = np.abs(np.einsum("btn,btn->bt", exact.side(side), fast.side(side)))[same]
        assert np.quantile(cosines, 0.02) > 1 - 1e-5
    assert np.allclose(exact.values[same], fast.values[same], rtol=1e-5)


def test_the_iteration_finds_eigenvectors_also_where_it_starts_wrong() -> None:
    rng = np.random.default_rng(0)
    solver = SubspaceIteration()
    for _ in range(3):  # independent matrices: the last step's vectors are of no use
        w = rng.standard_normal((5, 90, 60)).astype(np.float32)
        grams = w.swapaxes(1, 2) @ w
        found = solver(grams, 6)
        true = np.linalg.eigh(grams.astype(np.float64))[1][:, :, ::-1][:, :, :6]
        np.testing.assert_allclose(np.abs(np.einsum("bkm,bmk->bk", found, true)), 1.0, atol=1e-4)


def test_one_null_serves_both_sides_both_circles_and_later_starts() -> None:
    shape, norms = (14, 10), np.full(39, 0.1 * np.sqrt(140.0))
    told: list[tuple[str, int, int]] = []
    walks = GaussianWalks(shape, np.sqrt(140.0), norms, 0)
    found = path_scores(walks, 60, 0, (0, 20), lambda *report: told.append(report))
    assert found.scores.shape == (2, 2, 2, 60) and np.isfinite(found.scores).all() and told
    np.testing.assert_allclose(found.scores[:, :, :1], path_scores(walks, 60).scores)
    assert (found.scores[:, 1] > found.scores[:, 0]).mean() > 0.9  # a sphere holds more than a circle


def test_scores_of_many_paths_are_those_of_their_circles() -> None:
    paths = np.stack([geodesic(weight_walk((9, 12), 30, 0.2, seed), null=0).vectors for seed in range(4)])
    scores = score_paths(paths, (0, 8), (1, 2), tolerance=1e-12)
    few = score_paths(paths[:, :7], (0,), (1, 2), tolerance=1e-12)  # fewer vectors than entries
    for dims in (1, 2):
        for place, first in enumerate((0, 8)):
            true = fit_great_circles(paths[:, first:], dims)
            np.testing.assert_allclose(scores.score[dims - 1, place], true.score, atol=1e-9)
            np.testing.assert_allclose(scores.rss[dims - 1, place], true.rss, atol=1e-9)
        few_true = fit_great_circles(paths[:, :7], dims).score
        np.testing.assert_allclose(few.score[dims - 1, 0], few_true, atol=1e-9)
    still = np.repeat(paths[:, :1], 30, axis=1)
    assert np.isnan(score_paths(still, (0,), (1, 2)).score).all()
