from __future__ import annotations

import numpy as np

from eigentrail.linalg.block_krylov import block_krylov
from prescribed import Prescribed


def gram_with(values, seed):
    q = Prescribed(values, seed).vectors
    return (q.T * np.asarray(values)) @ q


def test_leading_pairs_of_a_planted_spectrum() -> None:
    values = np.r_[30.0, 20.0, 10.0, np.linspace(0.0, 1.0, 200)]
    g = gram_with(values, 1)
    start = np.random.default_rng(0).standard_normal((len(g), 8))
    found = block_krylov(lambda x: g @ x, start, 3, 1e-10)
    np.testing.assert_allclose(found.values, [30.0, 20.0, 10.0], rtol=1e-9)
    left = np.linalg.norm(g @ found.vectors - found.vectors * found.values, axis=0)
    np.testing.assert_allclose(left / found.values, found.errors, atol=1e-13)
    assert not found.unfinished.any() and found.errors.max() <= 1e-10


def test_directions_that_are_not_there_are_zeros_and_not_unfinished() -> None:
    g = gram_with(np.r_[5.0, 4.0, np.zeros(58)], 2)
    start = g @ np.random.default_rng(0).standard_normal((60, 9))
    found = block_krylov(lambda x: g @ x, start, 4, 1e-8)
    np.testing.assert_allclose(found.values[:2], [5.0, 4.0], rtol=1e-12)
    assert not found.unfinished[:2].any() and len(found.values) <= 4


def test_what_did_not_converge_is_told() -> None:
    g = gram_with(np.linspace(1.0, 2.0, 400), 3)  # without a gap
    start = np.random.default_rng(0).standard_normal((400, 4))
    found = block_krylov(lambda x: g @ x, start, 4, 1e-12)
    assert found.unfinished.any() and (found.errors[found.unfinished] > 1e-12).all()
