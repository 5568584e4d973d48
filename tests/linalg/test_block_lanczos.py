from __future__ import annotations

import numpy as np
import pytest

from eigentrail.linalg.block_lanczos import BlockRule, block_lanczos


def rule(values: np.ndarray, p: int, depth: int, seed: int = 0) -> tuple[BlockRule, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.standard_normal((len(values), len(values))))[0]
    a = ((q * values) @ q.T).astype(np.float32)
    start = rng.standard_normal((len(values), p), dtype=np.float32)
    return block_lanczos(lambda x: a @ x, start, depth, 3), a.astype(np.float64), start.astype(np.float64)


def test_both_ends_are_eigenvalues_and_none_is_left_out() -> None:
    values = np.concatenate([[0.02, 0.05], np.linspace(0.5, 1.5, 290), [2.0, 2.2, 4.0, 9.0]])
    found, a, _ = rule(values, 6, 14)
    assert found.low >= 2 and found.high >= 4
    np.testing.assert_allclose(found.values[: found.low], values[: found.low], atol=2e-5)
    np.testing.assert_allclose(found.values[-found.high :], values[-found.high :], atol=2e-5)
    np.testing.assert_allclose(a @ found.vectors, found.vectors * values[::-1][:3], atol=1e-4)


@pytest.mark.parametrize("power", [0, 1, 2, 5, 9])
def test_the_rule_of_each_start_vector_is_gauss(power: int) -> None:
    found, a, start = rule(np.linspace(0.1, 2.0, 200), 4, 6)
    exact = (start * (np.linalg.matrix_power(a, power) @ start)).sum(axis=0)
    np.testing.assert_allclose(found.weights @ found.values**power, exact, rtol=2e-4)


def test_strong_outliers_do_not_disturb_the_bulk() -> None:
    values = np.concatenate([np.linspace(1.0, 2.0, 250), [300.0, 500.0, 1000.0]])
    found, _, _ = rule(values, 5, 12)
    assert found.high >= 3
    np.testing.assert_allclose(found.values[-3:], values[-3:], rtol=1e-5)
    assert 0.99 < found.values[0] < 1.05 and found.values[-4] < 2.01


def test_an_invariant_space_ends_it() -> None:
    found, _, _ = rule(np.repeat([1.0, 3.0], [60, 40]), 4, 20)
    assert len(found.values) <= 12
    np.testing.assert_allclose(np.unique(found.values.round(3)), [1.0, 3.0])
