"""Rotating subspaces and crossing singular values."""

from __future__ import annotations

import numpy as np
import pytest
from planting_paths import frame, on_circle
from scipy.stats import kstest

from eigentrail.errors import EigentrailError, OptionError
from eigentrail.trajectories.crossings import crossings
from eigentrail.trajectories.subspaces import subspaces


def rotating(steps: int = 11, turn: float = 1e-9) -> np.ndarray:
    """The leading right vector turns out of its subspace by known angles; the left ones stay."""
    u, v = frame(8, 4, 0), frame(6, 5, 1)
    out = []
    for t in range(steps):
        first = on_circle(np.stack([v[0], v[4]]), np.array([turn * t]))[0]
        out.append(
            5 * np.outer(u[0], first)
            + 4 * np.outer(u[1], v[1])
            + 2 * np.outer(u[2], v[2])
            + np.outer(u[3], v[3])
        )
    return np.array(out)


@pytest.mark.parametrize("turn", [1e-9, 1e-4, 0.1])
def test_known_angles_are_found_also_tiny_ones(turn: float) -> None:
    found = subspaces(rotating(turn=turn), 2)
    known = turn * np.arange(11)
    np.testing.assert_allclose(found["leading_right"][:, 1], known, rtol=1e-5, atol=3e-15)
    np.testing.assert_allclose(found["leading_right"][:, 0], 0, atol=1e-14)
    np.testing.assert_allclose(found["leading_left"], 0, atol=1e-14)
    np.testing.assert_allclose(found["vector_right"][:, 0], known, rtol=1e-5, atol=3e-15)
    np.testing.assert_allclose(found["singular_values"][5], [5, 4, 2, 1, 0, 0], atol=1e-12)
    last = subspaces(rotating(turn=turn), 2, reference=-1)
    np.testing.assert_allclose(last["leading_right"][:, 1], known[::-1], rtol=1e-5, atol=3e-15)
    assert last.attrs["reference"] == 10
    assert found.attrs["chance_right"] == pytest.approx(np.arccos(np.sqrt(2 / 6)))


def test_turning_inside_a_degenerate_block_is_no_angle() -> None:
    u, v = frame(7, 3, 0), frame(5, 3, 1)
    out = []
    for angle in np.linspace(0, 1.5, 6):
        w = 1e-9 * np.outer(
            np.cos(angle) * u[0] + np.sin(angle) * u[1], np.cos(angle) * v[0] + np.sin(angle) * v[1]
        )
        out.append(3 * (np.outer(u[0], v[0]) + np.outer(u[1], v[1])) + w + np.outer(u[2], v[2]))
    found = subspaces(np.array(out), 2)
    assert found["block"].values.tolist()[:3] == [0, 0, 1]
    assert float(found["vector_right"][:, :3].max()) < 1e-8
    assert float(found["leading_right"].max()) < 1e-8
    single = subspaces(np.array(out), 1, gap=0.0)
    assert float(single["vector_right"].max()) > 0.5


def test_random_subspaces_are_at_the_chance_angle() -> None:
    rng = np.random.default_rng(0)
    found = subspaces(rng.standard_normal((40, 60, 30)), 5)
    cos2 = float((np.cos(found["leading_left"][1:]) ** 2).mean())
    assert np.arccos(np.sqrt(cos2)) == pytest.approx(found.attrs["chance_left"], abs=0.03)


def test_a_planted_crossing_is_found_at_its_step() -> None:
    u, v = frame(20, 3, 0), frame(15, 3, 1)
    t = np.linspace(0, 1, 41)
    noise = 0.01 * np.random.default_rng(0).standard_normal((41, 20, 15))
    w = noise + sum(
        value[:, None, None] * np.outer(u[i], v[i])
        for i, value in enumerate((9 - 4 * t, 6 + 3 * t, 3 + 0 * t))
    )
    found = crossings(w, 3, null=0)
    cross = int(np.ceil(40 * 3 / 7))
    assert found.table[["up", "down", "rank"]].values.tolist() == [[1, 0, 0]]
    assert abs(found.table["step"][0] - cross) <= 1
    assert abs(found.leading_changes - cross).max() <= 1
    np.testing.assert_allclose(found.values[:, 0], 9 - 4 * t, atol=0.2)
    assert found.ranks.values[0, :3].tolist() == [0, 1, 2] and found.ranks.values[-1, :3].tolist() == [
        1,
        0,
        2,
    ]


def test_without_a_crossing_there_is_none() -> None:
    found = crossings(rotating(turn=0.05), 4, null=0)
    assert not len(found.table) and not len(found.leading_changes)


def test_bad_input_is_one_sentence() -> None:
    w = rotating()
    zero = w.copy()
    zero[3] = 0
    for call, words in (
        (lambda: subspaces(w[:2], 1), "at least 3"),
        (lambda: subspaces(zero, 1), "zero at step 3"),
        (lambda: crossings(zero), "zero at step 3"),
        (lambda: subspaces(w[:, 0], 1), "one dimension"),
        (lambda: crossings(w[:, 0]), "one dimension"),
    ):
        with pytest.raises(EigentrailError, match=words):
            call()
    for call in (
        lambda: subspaces(w, 7),
        lambda: subspaces(w, 1, reference=20),
        lambda: subspaces(w, 1, gap=2),
        lambda: crossings(w, 0),
    ):
        with pytest.raises(OptionError):
            call()


@pytest.mark.parametrize("reference", [0, -1])
def test_what_is_kept_stands_beside_random_displacements(reference: int) -> None:
    percentiles = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        start = rng.standard_normal((12, 9)) + 8 * np.outer(np.ones(12), np.ones(9)) / np.sqrt(108)
        walk = start + np.concatenate(
            [np.zeros((1, 12, 9)), np.cumsum(0.2 * rng.standard_normal((5, 12, 9)), axis=0)]
        )
        found = subspaces(walk, 2, reference=reference, null=40, seed=seed)
        percentiles.append(found["kept_percentile"].values.ravel())
        last, first = found.isel(step=-1), found.isel(step=0)
        angles = (last if reference == 0 else first)["leading_right"].values
        assert float(found["kept"].sel(end="leading", side="right")) == pytest.approx(
            (np.cos(angles) ** 2).mean()
        )
    if reference == 0:
        for column in np.array(percentiles).T:
            assert kstest(column / 100, "uniform").pvalue > 1e-3
    # Weights that grow in place keep all, where random motion as large does not.
    grown = subspaces(start * np.linspace(1, 3, 6)[:, None, None], 2, null=40)
    np.testing.assert_allclose(grown["kept"], 1.0, atol=1e-12)
    assert (grown["kept_percentile"].values > 97.5).all()
    none = subspaces(walk, 2, null=0)
    assert none["kept_null"].sizes["draw"] == 0 and np.isnan(none["kept_percentile"]).all()


def test_each_vector_against_a_given_subspace() -> None:
    # In the plane of e1, e2 the right vectors of diag(2, 1) turn; their angle to e1 is the turn and its complement.
    turns = np.linspace(0.0, 1.0, 5)
    w = np.array([np.diag([2.0, 1.0]) @ [[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]] for a in turns])
    found = subspaces(w, 1, null=0, against=(np.eye(2)[:1], np.eye(2)[:1]))
    np.testing.assert_allclose(found["against_right"][:, 0], turns, atol=1e-14)
    np.testing.assert_allclose(found["against_right"][:, 1], np.pi / 2 - turns, atol=1e-14)
    np.testing.assert_allclose(found["against_left"][:, 0], 0.0, atol=1e-14)
    for wrong, said in (
        (np.eye(2), "a pair"),
        ((np.eye(2), np.ones((1, 2))), "right subspace are not orthonormal"),
        ((np.eye(3), np.eye(2)), "rows of 2 numbers"),
    ):
        with pytest.raises(OptionError, match=said):
            subspaces(w, 1, null=0, against=wrong)
