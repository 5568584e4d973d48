"""D_l from its definition, its decay and its bound."""

from __future__ import annotations

import numpy as np
import pytest

from eigentrail.errors import OptionError
from eigentrail.parsimony import (
    Descent,
    Factorization,
    SquaredError,
    class_separation,
    initial_weights,
    orthogonal_classes,
    run_descent,
    separation_bound,
)


def test_the_definition_on_four_points() -> None:
    z = np.array([[1.0, 3.0, -1.0, -3.0], [0.0, 0.0, 0.0, 0.0]])
    # Means 2 and -2, each sample 1 away: within 1, between 4.
    assert class_separation([z, 2 * z], [0, 0, 1, 1]) == pytest.approx([0.25, 0.25])


def decays_within_its_bound(d: int, depth: int, seed: int) -> None:
    k, scaled = 3, []
    samples = orthogonal_classes(d, k, seed=seed)
    targets = samples.targets / np.sqrt(d / k)
    for eps in (0.2, 0.1) if depth < 5 else (0.3, 0.2):
        start = initial_weights([d] * depth + [k], eps, seed=seed + 1)
        state = run_descent(start, Factorization(targets @ samples.inputs.T), Descent(0.1), 1500)
        assert state.loss < 1e-10
        features = SquaredError(samples.inputs, targets).features(state.weights)[:depth]
        found = class_separation(features, samples.labels)
        ratio = found[1:] / found[:-1]
        assert (ratio <= separation_bound(k, eps)).all() and separation_bound(k, eps) < 1.0
        scaled.append(ratio / eps**2)
    np.testing.assert_allclose(scaled[0][1:], scaled[1][1:], rtol=0.15)


@pytest.mark.parametrize("depth", [3, 4])
def test_the_ratio_stays_below_its_bound_and_goes_with_the_square_of_the_scale(depth: int) -> None:
    decays_within_its_bound(30, depth, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("d", [30, 100, 300])
@pytest.mark.parametrize("depth", [2, 3, 4, 5])
def test_the_ratio_at_all_sizes_and_seeds(d: int, depth: int) -> None:
    for seed in range(3 if d < 300 else 2):
        decays_within_its_bound(d, depth, seed)


def test_bad_classes_are_refused() -> None:
    for features, labels, said in (
        ([np.eye(3)], [0, 0, 0], "two classes"),
        ([np.eye(3)], [0, 1], "fits the labels"),
        ([np.ones((2, 4))], [0, 0, 1, 1], "one mean"),
    ):
        with pytest.raises(OptionError, match=said):
            class_separation(features, labels)
