from __future__ import annotations

import numpy as np
import pytest

from eigentrail.linalg import symmetric
from eigentrail.linalg.leading_of_known import leading_of_known


@pytest.mark.parametrize("spikes", [(), (8.0, 6.0, 5.0), (1e4, 300.0, 10.0)])
def test_the_vectors_are_those_of_a_full_decomposition(spikes: tuple[float, ...]) -> None:
    rng = np.random.default_rng(len(spikes))
    w = rng.standard_normal((500, 400)) / 500**0.5
    for strength in spikes:
        u, v = rng.standard_normal(500), rng.standard_normal(400)
        w += strength * np.outer(u / np.linalg.norm(u), v / np.linalg.norm(v))
    g = w.T @ w
    values, vectors = np.linalg.eigh(g)
    found = leading_of_known(np.asfortranarray(np.tril(g)), values, 6)
    assert np.abs((found * vectors[:, ::-1][:, :6]).sum(axis=0)).min() > 1 - 1e-4
    np.testing.assert_allclose(found.T @ found, np.eye(6), atol=1e-10)


def test_a_large_matrix_is_decomposed_in_two_stages_with_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = np.random.default_rng(1).standard_normal((300, 200))
    g = np.asfortranarray(np.tril(w.T @ w))
    values, vectors = symmetric.symmetric_eigen(g.copy(order="F"), 4)
    monkeypatch.setattr(symmetric, "LARGE", 100)
    again, others = symmetric.symmetric_eigen(g.copy(order="F"), 4)
    np.testing.assert_allclose(again, values, atol=1e-12 * values[-1])
    assert np.abs((vectors * others).sum(axis=0)).min() > 1 - 1e-4


def test_equal_eigenvalues_do_not_stop_it() -> None:
    q = np.linalg.qr(np.random.default_rng(2).standard_normal((150, 150)))[0]
    values = np.concatenate([np.ones(140), np.full(10, 4.0)])
    g = (q * values) @ q.T
    found = leading_of_known(np.asfortranarray(g), values, 4)
    # Any directions of the tenfold value will do.
    np.testing.assert_allclose(np.linalg.norm(q[:, 140:].T @ found, axis=0), 1.0, atol=1e-5)


def test_vectors_of_noise_are_found_at_its_edge() -> None:
    w = np.random.default_rng(3).standard_normal((900, 700)) / 30.0
    g = w.T @ w
    values, vectors = np.linalg.eigh(g)
    found = leading_of_known(np.asfortranarray(np.tril(g)), values, 12)
    assert np.abs((found * vectors[:, ::-1][:, :12]).sum(axis=0)).min() > 1 - 1e-4
