"""What trajectories cannot be, and what their options cannot be: one sentence, and never a NaN in silence."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from planting_paths import frame, on_circle, weight_walk

import eigentrail as et
from eigentrail.errors import EigentrailError, OptionError, TrajectoryError
from eigentrail.trajectories.segments import walk_counts

T = et.trajectories
W = weight_walk((12, 9), 30, 0.1, 0)
UNIT = on_circle(frame(9, 2, 0), np.linspace(0, 1.5, 30))
OVER_STEPS: dict[str, Callable[[Any], Any]] = {
    "pca": lambda x: T.pca(x, 2),
    "updates": lambda x: T.pca(x, 2, "updates"),
    "randomized": lambda x: T.pca(x, 2, method="randomized"),
    "drift": T.drift,
    "variance_growth": T.variance_growth,
    "geodesic": T.geodesic,
    "segments": T.segments,
    "crossings": lambda x: T.crossings(x, 2),
    "subspaces": lambda x: T.subspaces(x, 2),
}


def refused(call: Callable[[], Any], words: str, kind: type[EigentrailError] = OptionError) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(kind, match=words) as caught:
            call()
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".") and text.count(". ") == 0 and len(text) < 300


@pytest.mark.parametrize("name", list(OVER_STEPS))
def test_the_first_step_with_nan_is_named(name: str) -> None:
    x = W.copy()
    x[5:] = np.nan
    refused(lambda: OVER_STEPS[name](x), "infinity at step 5: select", TrajectoryError)
    if name != "segments":  # which need more than five
        OVER_STEPS[name](x[:5])


def test_the_first_step_with_nan_is_named_as_labelled_also_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eigentrail.trajectories.rows._MEMORY", 8 * 108 * 4)
    x = W.copy()
    x[13, 3, 2] = np.inf
    x[21:] = np.nan
    labelled = xr.DataArray(x, dims=("step", "out", "in"), coords={"step": 10 * np.arange(30)})
    refused(lambda: T.pca(labelled, 2), "infinity at step 130: select", TrajectoryError)
    refused(lambda: T.drift(torch.from_numpy(x)), "infinity at step 13: select", TrajectoryError)


@pytest.mark.parametrize("name", list(OVER_STEPS))
@pytest.mark.parametrize(
    ("x", "words"),
    [
        (None, "not None"),
        (3.0, r"not 3\.0"),
        ("abc", "of shape"),
        (W.astype(complex), "array of complex128"),
        ([[["a", "b"], ["c", "d"]]] * 9, "array of <U1"),
    ],
)
def test_what_is_no_trajectory(name: str, x: Any, words: str) -> None:
    refused(lambda: OVER_STEPS[name](x), words, TrajectoryError)


@pytest.mark.parametrize("scale", [1e160, 1e-200])
@pytest.mark.parametrize("name", ["pca", "updates", "randomized", "drift", "variance_growth"])
def test_squares_that_leave_double_precision_are_not_called_constant(name: str, scale: float) -> None:
    words = "so large numbers leave" if scale > 1 else "so small numbers leave"
    refused(lambda: OVER_STEPS[name](scale * W), words, TrajectoryError)
    narrow = scale * W[:, :2, :2]  # more steps than weights
    refused(lambda: OVER_STEPS[name](narrow), words, TrajectoryError)
    refused(lambda: OVER_STEPS[name](np.repeat(scale * W[:1], 9, axis=0)), "constant", TrajectoryError)


@pytest.mark.parametrize("scale", [1e160, 1e-200])
def test_paths_of_singular_vectors_have_no_scale(scale: float) -> None:
    power = 2.0 ** np.round(np.log2(scale))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        here, there = T.geodesic(W, null=40), T.geodesic(power * W, null=40)
        assert np.array_equal(here.null_scores, there.null_scores) and here.score == there.score
        assert np.array_equal(walk_counts(W, 10)["left"], walk_counts(power * W, 10)["left"])
    refused(lambda: T.geodesic(1e305 * W), "too large for double precision", TrajectoryError)


@pytest.mark.parametrize(
    "null", [None, True, 20.5, "abc", [np.nan] * 200, [[0.5, np.inf]], ["a"], -1, 1 + 1j]
)
def test_a_null_is_a_number_of_draws_or_finite_numbers(null: Any) -> None:
    refused(lambda: T.geodesic(W, null=null), "null is the number of draws")
    refused(lambda: T.segments(W, null=null), "null is the number of draws")


def test_nulls_of_an_earlier_call_are_taken() -> None:
    pool = T.geodesic(W, null=20).null_scores
    for given in (pool, pool.tolist(), torch.from_numpy(pool)):
        assert T.geodesic(W, null=given).percentile == T.geodesic(W, null=20).percentile
    bare = T.geodesic(W, null=[])
    assert bare.percentile is None and "without a null" in bare.verdict
    assert T.segments(W, null=[1.0, 2.0]).null_counts.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: T.geodesic(W, start=[1], null=0), r"start is a step, \"spike\" or None, not \[1\]"),
        (lambda: T.geodesic(W, start="first", null=0), "start is a step"),
        (lambda: T.geodesic(W, start=float("nan"), null=0), "start is a step"),
        (lambda: T.geodesic(W, steps=10.5, null=0), "steps is a whole number, 3 to 100, not 10.5"),
        (lambda: T.geodesic(W, dims=2, steps="a", null=0), "steps is a whole number, 4 to 100"),
        (lambda: T.geodesic(W, dims=[1]), "dims is 1"),
        (lambda: T.geodesic(W, dims=True), "dims is 1"),
        (lambda: T.geodesic(W, side=["left"]), "side is"),
        (lambda: T.geodesic(W, seed=-1), "seed is a whole number"),
        (lambda: T.geodesic(UNIT, null_shape=9), "null_shape is"),
        (lambda: T.geodesic(UNIT, null_shape="ab"), "null_shape is"),
        (lambda: T.geodesic(UNIT, null_shape=(12.5, 9)), "null_shape is"),
        (lambda: T.geodesics([W]), "paths are weights over steps by name"),
        (lambda: T.score_by_start(W, ["spike"]), "each of starts is a finite number, not 'spike'"),
        (lambda: T.score_by_start(W, None), "starts are first steps"),
        (lambda: T.segments(W, most=2.5), "most is a whole number, at least 1, not 2.5"),
        (lambda: T.segments(W, most="a"), "most is a whole number"),
        (lambda: T.segments(W, most="a"), "most is a whole number"),
        (lambda: walk_counts(W, 5, null_model="independent"), "null_model is"),
        (lambda: T.crossings(W, 2, null_model="none"), "null_model is"),
        (lambda: T.segments(W, null=5, seed="x"), "seed is a whole number"),
        (lambda: walk_counts(W, 2.5), "draws is a whole number"),
        (lambda: T.drift(W, steps=0), "steps is a whole number, at least 3, not 0"),
        (lambda: T.drift(W, steps=-5), "steps is a whole number"),
        (lambda: T.drift(W, null=None), "number of draws"),
        (lambda: T.drift(W, seed=-1), "seed is a whole number"),
        (lambda: T.variance_growth(W, points=1), "points is a whole number, at least 2"),
        (lambda: T.variance_growth(W, steps=2), "steps is a whole number, at least 4"),
        (lambda: T.pca(W, 2, of=["weights"]), "of is"),
        (lambda: T.pca(W, 2, tolerance="a"), "tolerance is a finite number"),
        (lambda: T.pca(W, 2, method="randomized", seed=-1), "seed is a whole number"),
        (lambda: T.subspaces(W, 2, reference=1.5), "reference is a whole number, -30 to 29, not 1.5"),
        (lambda: T.subspaces(W, 2, reference="a"), "reference is a whole number"),
        (lambda: T.subspaces(W, 2, gap="a"), "gap is a finite number"),
        (lambda: T.crossings(W, 2, minimum=2), "minimum is an overlap"),
        (lambda: T.crossings(W, 2, minimum="a"), "minimum is a finite number"),
        (lambda: T.quadratic_model({}, [1.0], [1.0], 0.1), "are .k. numbers"),
        (lambda: T.pca(W, 2, of=np.array([1, 2])), "of is"),
        (lambda: T.pca(W, 2, method=[]), "method is"),
        (lambda: T.drift(W, null=2, nesterov=np.array([1, 2])), "nesterov is True or False"),
        (lambda: T.geodesic(W, null=2, nesterov="yes"), "nesterov is True or False"),
        (lambda: T.joined([]), "run is a recorded run"),
        (lambda: T.quadratic_model([np.nan], [1.0], [1.0], 0.1), "are finite"),
        (lambda: T.quadratic_model([1.0], [1.0], [np.inf], 0.1), "are finite"),
        (lambda: T.quadratic_model([1.0], [1.0], [1.0], "a"), "rate is a finite number"),
        (lambda: T.quadratic_model([1.0], [2.0], [1.0], 0.1).covariance(0), "count is a whole number"),
        (lambda: T.quadratic_model([1.0], [2.0], [1.0], 0.1).covariance(2.5), "count is a whole number"),
        (lambda: T.quadratic_model([-1.0], [2.0], [1.0], 0.1).covariance(10**5), "negative curvature grows"),
        (lambda: T.quadratic_model([-1.0], [1.0], [1.0], 0.1).path([10**5]), "negative curvature grows"),
        (lambda: T.quadratic_model([1.0], [2.0], [1.0], 0.1).path([np.nan]), "finite numbers of updates"),
        (
            lambda: T.quadratic_model([1.0], [2.0], [1.0], 0.1).drift_variance([1.0, 2.0], 10),
            r"coordinates are 1 finite numbers.*shape \(2,\)",
        ),
        (
            lambda: T.quadratic_model([1.0], [2.0], [1.0], 0.1).drift_variance([np.nan], 10),
            "coordinates are 1 finite",
        ),
    ],
)
def test_options_are_looked_at(call: Callable[[], Any], words: str) -> None:
    refused(call, words)


@pytest.mark.parametrize("components", [T.pca(W[:, :6], 3), T.pca(W[:20], 3), T.pca(W, 3, "updates"), 3])
def test_components_of_other_weights_are_refused(components: Any) -> None:
    refused(lambda: T.drift(W, components=components), "are not those of these weights", TrajectoryError)


def test_components_of_these_weights_are_taken() -> None:
    assert T.drift(W, components=T.pca(W, 3)).share == T.drift(W, 3).share


def test_the_growth_of_what_does_not_move_is_refused() -> None:
    for x in (np.ones((10, 4, 3)), np.zeros((10, 4, 3)), np.repeat(W[:1], 10, axis=0)):
        refused(lambda x=x: T.variance_growth(x), "constant over all steps", TrajectoryError)
    turned = xr.DataArray(W[:5], dims=("step", "out", "in"), coords={"step": [0, 2, 1, 3, 4]})
    refused(lambda: T.variance_growth(turned), "not ascending", TrajectoryError)


@pytest.mark.parametrize("count", [4, 5, 6, 30])
def test_a_growth_has_an_exponent_from_four_steps_on(count: int) -> None:
    line = np.arange(count)[:, None] * frame(20, 1, 0)
    for found in (
        T.variance_growth(line),
        T.variance_growth(line, points=2),
        T.variance_growth(line, steps=4),
    ):
        assert found.attrs["exponent"] == pytest.approx(2.0) and len(found) >= 2


def test_weights_that_begin_to_move_at_the_end_have_no_exponent() -> None:
    x = np.repeat(W[:1], 30, axis=0)
    x[-1] += 1.0
    found = T.variance_growth(x)
    assert found.attrs["exponent"] is None and float(found[-1]) > 0 and np.isfinite(found).all()
