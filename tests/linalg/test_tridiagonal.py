import threading

import numpy as np
import pytest

from eigentrail.linalg import tridiagonal as module
from eigentrail.linalg.tridiagonal import tridiagonal, tridiagonal_eigenvalues


def symmetric(m, seed):
    a = np.random.default_rng(seed).standard_normal((m, m))
    return np.asfortranarray(a + a.T)


@pytest.fixture(params=["without the lock", "scipy's wrappers"])
def way(request, monkeypatch):
    if request.param == "scipy's wrappers":
        monkeypatch.setattr(module, "_routine", lambda name, signature: None)
    return request.param


@pytest.mark.parametrize("m", [2, 3, 97, 300])
def test_same_eigenvalues_as_numpy(way, m):
    g = symmetric(m, m)
    expected = np.linalg.eigvalsh(g)
    c, d, e, tau, info = tridiagonal(g.copy(order="F"))
    values, failed = tridiagonal_eigenvalues(d, e)
    assert info == 0 and failed == 0
    assert c.shape == (m, m) and tau.shape == (m - 1,)
    np.testing.assert_allclose(values, expected, atol=1e-12 * np.abs(expected).max())
    # The trace and the norm are kept by the reduction itself.
    np.testing.assert_allclose(d.sum(), np.trace(g), atol=1e-10 * m)
    np.testing.assert_allclose((d**2).sum() + 2 * (e**2).sum(), (g**2).sum(), rtol=1e-12)


def test_both_ways_give_the_same_bits(monkeypatch):
    g = symmetric(150, 1)
    free = tridiagonal(g.copy(order="F"))
    values = tridiagonal_eigenvalues(free[1], free[2])[0]
    monkeypatch.setattr(module, "_routine", lambda name, signature: None)
    held = tridiagonal(g.copy(order="F"))
    for one, other in zip(free[1:4], held[1:4], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(values, tridiagonal_eigenvalues(held[1], held[2])[0])


def test_the_inputs_of_the_eigenvalues_stay():
    d, e = np.arange(5.0), np.ones(4)
    tridiagonal_eigenvalues(d, e)
    np.testing.assert_array_equal(d, np.arange(5.0))
    np.testing.assert_array_equal(e, np.ones(4))


def test_a_routine_of_another_form_is_not_taken():
    assert module._routine("dsterf", "id") is None
    assert module._routine("no_such_routine", "id") is None


def test_other_threads_work_meanwhile():
    # With the lock held for the whole reduction, the other thread could not count between its start and its end.
    if module._routine("dsytrd", module._DSYTRD) is None:
        pytest.skip("this scipy offers LAPACK in another form: there is no way without the lock")
    g = symmetric(1200, 2)
    started, done, counted = threading.Event(), threading.Event(), []

    def count():
        started.set()
        while not done.is_set():
            counted.append(1)
            done.wait(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    started.wait()
    before = len(counted)
    tridiagonal(g)
    during = len(counted) - before
    done.set()
    thread.join()
    assert during >= 5
