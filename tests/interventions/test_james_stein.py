"""James-Stein: equal to the published estimator for k = 1; gains where theory says so and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from eigentrail.errors import LayerError, OptionError
from eigentrail.interventions import geodesic_target, james_stein, leading_target, random_target


def goldberg_kercheval(y: np.ndarray) -> np.ndarray:
    """The estimator of PNAS 120 (2023) e2207046120 for the leading eigenvector of Y Y^T / n, Y [p, n]."""
    p, n = y.shape
    values, vectors = np.linalg.eigh(y @ y.T / n)
    h, leading = vectors[:, -1], values[-1]
    mean = h.mean()
    spread = leading * ((h - mean) ** 2).sum() / p
    noise = (values.sum() - leading) / (p * (n - 1))
    shrunk = mean + (1 - noise / spread) * (h - mean)
    return shrunk / np.linalg.norm(shrunk)


def factor_model(p: int, n: int, mean: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Y = beta x^T + noise, and beta at unit length; the entries of beta have this mean and deviation .5."""
    rng = np.random.default_rng(seed)
    beta = mean + 0.5 * rng.normal(size=p)
    y = np.outer(beta, 0.2 * rng.normal(size=n)) + 0.6 * rng.normal(size=(p, n))
    return y, beta / np.linalg.norm(beta)


def degrees(a: np.ndarray, b: np.ndarray) -> float:
    chord = min(np.linalg.norm(a - b), np.linalg.norm(a + b))
    return float(np.degrees(2 * np.arcsin(min(1.0, chord / 2))))


def leading(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.svd(matrix, full_matrices=False)[0][:, 0]


@pytest.mark.parametrize(("p", "n", "seed"), [(500, 40, 0), (300, 25, 1), (120, 80, 2)])
@pytest.mark.parametrize("form", ["full", "vector", "literal"])
def test_one_vector_is_goldberg_and_kercheval(p, n, seed, form) -> None:
    y, _ = factor_model(p, n, 1.0, seed)
    made = james_stein(y, 1, form=form)
    assert degrees(leading(made.matrix), goldberg_kercheval(y)) < 1e-6
    assert made.relative_error == pytest.approx(np.linalg.norm(made.matrix - y) / np.linalg.norm(y))


def test_vectors_with_a_mean_gain_every_time() -> None:
    gains = []
    for seed in range(12):
        y, beta = factor_model(500, 40, 1.0, seed)
        plain, shrunk = leading(y), leading(james_stein(y, 1).matrix)
        gains.append(degrees(plain, beta) - degrees(shrunk, beta))
    assert min(gains) > 0
    assert np.mean(gains) > 2


@pytest.mark.parametrize("target", ["mean", "random"])
def test_vectors_without_a_part_along_the_target_gain_nothing(target) -> None:
    gains = []
    for seed in range(12):
        y, beta = factor_model(500, 40, 0.0, seed)
        towards = "mean" if target == "mean" else random_target(500, seed + 1000)
        gains.append(
            degrees(leading(y), beta) - degrees(leading(james_stein(y, 1, target=towards).matrix), beta)
        )
    assert abs(np.mean(gains)) < 0.5


def test_targets_between_chance_and_truth() -> None:
    """A direction half way to the truth gains, the truth itself most of all."""
    gains: dict[str, list[float]] = {"random": [], "initial": [], "oracle": []}
    for seed in range(8):
        y, beta = factor_model(400, 40, 0.0, seed)
        initial = beta + random_target(400, seed + 1000)
        for name, target in (
            ("random", random_target(400, seed + 2000)),
            ("initial", initial),
            ("oracle", beta),
        ):
            shrunk = leading(james_stein(y, 1, target=target).matrix)
            gains[name].append(degrees(leading(y), beta) - degrees(shrunk, beta))
    chance, initial_gain, oracle = (np.mean(gains[name]) for name in gains)
    assert chance < initial_gain < oracle
    assert oracle > 5


def test_values_of_the_forms() -> None:
    y, _ = factor_model(400, 60, 1.0, 4)
    s = np.linalg.svd(y, compute_uv=False)
    k = 2
    nu2 = (s[k:] ** 2).sum() / 60 / (60 - k)
    assert np.allclose(np.linalg.norm(james_stein(y, k, form="vector").pieces[0][0], axis=0), s[:k])
    literal = np.sqrt(s[:k] ** 2 - 60 * nu2)
    assert np.allclose(np.linalg.norm(james_stein(y, k, form="literal").pieces[0][0], axis=0), literal)


@pytest.mark.parametrize("form", ["full", "vector", "literal"])
def test_the_long_side_is_shrunk_whichever_it_is(form) -> None:
    y, _ = factor_model(90, 30, 1.0, 0)
    np.testing.assert_allclose(
        james_stein(y.T, 2, form=form).matrix, james_stein(y, 2, form=form).matrix.T, atol=1e-9
    )


def test_point_on_a_geodesic() -> None:
    angles = np.linspace(0, 1.2, 9)
    plane = np.linalg.qr(np.random.default_rng(0).normal(size=(50, 2)))[0]
    path = np.cos(angles)[:, None] * plane[:, 0] + np.sin(angles)[:, None] * plane[:, 1]
    assert degrees(geodesic_target(path), path[-1]) < 1e-5
    assert leading_target(np.outer(path[3], np.arange(1.0, 5.0))).shape == (50, 1)


def test_bad_input() -> None:
    y, _ = factor_model(30, 10, 1.0, 0)
    for options, said in (
        ({"form": "half"}, "form is one of"),
        ({"target": "median"}, "mean"),
        ({"target": np.ones(10)}, r"\[30\]"),
        ({"target": np.zeros(30)}, "not zero"),
        ({"k": 0}, "k"),
        ({"k": 11}, "beyond the rank"),
    ):
        with pytest.raises(OptionError, match=said):
            james_stein(y, **options)
    with pytest.raises(LayerError, match="whole rank"):
        james_stein(y, 10)
    with pytest.raises(OptionError, match="geodesic"):
        geodesic_target(np.ones((2, 5)))
