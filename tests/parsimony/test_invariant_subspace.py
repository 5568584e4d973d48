"""The law of parsimony: FORMULAS of the theorem to the last digits, and where the theorem does not hold."""

from __future__ import annotations

import numpy as np
import pytest

from eigentrail.errors import OptionError
from eigentrail.parsimony import (
    Descent,
    Factorization,
    SquaredError,
    balancedness,
    descend,
    initial_weights,
    invariant_subspace,
    moving_values,
    orthogonal_classes,
    rho_recursion,
    run_descent,
)

RANK = 3


def problem(d: int, depth: int, case: int, seed: int, law: str = "orthogonal", **data):
    eps = 0.1 if depth < 4 else 0.3
    samples = orthogonal_classes(d, RANK, RANK if case == 1 else d, seed=seed, **data)
    targets = samples.targets / np.sqrt(d / RANK)  # singular values near 1
    start = initial_weights([d] * depth + [len(targets)], eps, law, seed=seed + 100)
    return eps, samples.inputs, targets, start


def holds(d: int, depth: int, case: int, seed: int, decay: float = 1e-3, momentum: float = 0.0) -> None:
    eps, x, y, start = problem(d, depth, case, seed)
    # On orthonormal samples the same descent (see the test of descents) in less time.
    loss = SquaredError(x, y) if d == 30 else Factorization(y @ x.T)
    steps, rate = (1000, 0.05 * (1.0 - momentum)) if d == 30 else (400, 0.1)
    subspace = invariant_subspace(start, y @ x.T)
    assert (subspace.case, subspace.rank, subspace.width) == (case, RANK, 2 * RANK)
    for right, left in zip(subspace.right[1:], subspace.left, strict=False):
        assert np.array_equal(right, left)  # V_(l+1) = U_l
    rho = rho_recursion(eps, depth, rate, steps, decay, momentum, case)
    for state in descend(start, loss, Descent(rate, decay, momentum), steps):
        if state.step in (0, 100, 400, steps):
            assert subspace.leak(state.weights, rho[state.step]).max() < 1e-12
            assert subspace.angle(state.weights).max() < 1e-6
    assert state.loss < 0.5  # it has learned (1.5 at the start)
    inner = state.weights[: len(subspace.left)]
    assert (moving_values(inner, rho[-1], 1e-10) == 2 * RANK).all()
    for w in inner:
        near = np.sort(np.abs(np.linalg.svd(w, compute_uv=False) - rho[-1]))
        assert near[d - 2 * RANK - 1] < 1e-10


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
@pytest.mark.parametrize("case", [1, 2])
def test_learning_stays_in_the_invariant_subspace(depth: int, case: int) -> None:
    holds(30, depth, case, seed=depth)


@pytest.mark.slow
@pytest.mark.parametrize("d", [30, 100, 300])
@pytest.mark.parametrize("depth", [2, 3, 4, 5])
@pytest.mark.parametrize("case", [1, 2])
def test_the_theorem_at_all_sizes_and_seeds(d: int, depth: int, case: int) -> None:
    for seed in range(3 if d < 300 else 2):
        holds(d, depth, case, seed)


def test_momentum_keeps_the_subspace_with_its_own_recursion() -> None:
    holds(30, 3, 2, seed=7, momentum=0.9)


CONTROLS = ("not whitened", "relu", "normal")


def turns(control: str, d: int, depth: int, seed: int) -> None:
    eps, x, y, start = problem(
        d,
        depth,
        2,
        seed,
        "normal" if control == "normal" else "orthogonal",
        whitened=control != "not whitened",
    )
    reference = start if control != "normal" else initial_weights([d] * (depth + 1), eps, seed=seed + 100)
    subspace = invariant_subspace(reference, y @ x.T)
    state = run_descent(start, SquaredError(x, y, relu=control == "relu"), Descent(0.05), 600)
    assert subspace.angle(state.weights).max() > 1.0


@pytest.mark.parametrize("control", CONTROLS)
def test_without_the_assumptions_the_directions_turn(control: str) -> None:
    """The negative control: 60 degrees and more where the theorem's angle is 1e-12."""
    turns(control, 30, 3, seed=5)


@pytest.mark.slow
@pytest.mark.parametrize("d", [100, 300])
@pytest.mark.parametrize("control", CONTROLS)
def test_the_controls_at_all_sizes(control: str, d: int) -> None:
    for depth in (2, 3, 4, 5) if d == 100 else (3,):
        turns(control, d, depth, seed=depth)


def test_the_recursion_of_s3s_figure() -> None:
    rho = rho_recursion(0.1, 3, 0.01, 2000)
    assert rho[0] == 0.1
    # d rho / dt = -rho^5 has rho(t) = (rho(0)^-4 + 4 t)^(-1/4).
    assert rho[-1] == pytest.approx((1e4 + 4 * 20.0) ** -0.25, rel=1e-8)
    decayed = rho_recursion(0.1, 3, 0.01, 50, decay=0.5, case=1)
    np.testing.assert_allclose(decayed, 0.1 * 0.995 ** np.arange(51), rtol=1e-13)


def stays_balanced(d: int, depth: int, seed: int) -> None:
    k, eps = 3, 0.2
    samples = orthogonal_classes(d, k, seed=seed)
    loss = Factorization(samples.targets @ samples.inputs.T / np.sqrt(d / k))
    start = initial_weights([d] * depth + [k], eps, seed=seed + 1)
    fine, coarse = (run_descent(start, loss, Descent(rate), round(160 / rate)) for rate in (0.05, 0.1))
    assert fine.loss < 1e-10
    gaps = balancedness(fine.weights)
    # Of first order in the rate.
    assert (gaps[:-1] < 0.05).all()
    assert balancedness(coarse.weights)[:-1] == pytest.approx(2 * gaps[:-1], rel=0.15)
    assert 0.5 * eps**2 * np.sqrt(d - k) < gaps[-1] <= eps**2 * np.sqrt(d - k)
    for w in fine.weights[:-1]:
        equal = np.abs(np.linalg.svd(w, compute_uv=False) - eps) < 1e-12
        assert equal.sum() == d - 2 * k


@pytest.mark.parametrize("depth", [3, 4])
def test_balancedness_at_the_optimum_and_the_unchanged_spectrum(depth: int) -> None:
    stays_balanced(30, depth, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("d", [30, 100, 300])
@pytest.mark.parametrize("depth", [2, 3, 4, 5])
def test_balancedness_at_all_sizes_and_seeds(d: int, depth: int) -> None:
    for seed in range(3 if d < 300 else 2):
        stays_balanced(d, depth, seed)


def test_what_the_theorem_does_not_cover_is_refused() -> None:
    rng = np.random.default_rng(0)
    start = initial_weights([10] * 4, 0.1)
    flat = rng.standard_normal((10, 2)) @ rng.standard_normal((2, 10))
    for arguments, said in (
        ((start, rng.standard_normal((10, 10))), "fills the 10"),
        ((start, flat, 5), "fills the 10"),
        ((start, flat, 1), "at least 2"),
        ((start, flat[:, :9]), "shape"),
        ((start, np.full((10, 10), np.nan)), "holds nan"),
        ((initial_weights([10, 8, 10], 0.1), flat), "square layers"),
        ((initial_weights([10] * 4, 0.1, "normal"), flat), "not orthogonal"),
        ((initial_weights([10, 10, 4], 0.1), flat[:4]), "as many outputs as the rank"),
    ):
        with pytest.raises(OptionError, match=said):
            invariant_subspace(*arguments)
    with pytest.raises(OptionError, match="case is 1"):
        rho_recursion(0.1, 3, 0.01, 5, case=3)
