from __future__ import annotations

import numpy as np
import pytest
import torch

from eigentrail.chance.entries import shuffled, signed
from eigentrail.linalg import singular_values, symmetric
from eigentrail.linalg.halves import Halves
from eigentrail.metrics import DiagnosisOptions, diagnose
from eigentrail.spectra import eigenvalues, ensembles
from eigentrail.spectra.entry_statistics import entry_statistics

KINDS = [torch.bfloat16, torch.float16]


def tensor(shape: tuple[int, ...], kind: torch.dtype = torch.bfloat16) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_it_gives_what_numpy_gives_of_the_same_numbers(kind: torch.dtype) -> None:
    t = tensor((2, 50, 30), kind)
    x, found = t.float().numpy(), Halves(t)
    assert (found.shape, found.size, found.ndim, len(found)) == (x.shape, x.size, 3, 2)
    assert found.dtype == found[0][3:5].dtype == np.float32
    for a, b in [(found, x), (found.swapaxes(1, 2), x.swapaxes(1, 2))]:
        np.testing.assert_array_equal(np.asarray(a), b)
        np.testing.assert_array_equal(a[1][4:9], b[1][4:9])
        np.testing.assert_array_equal(a.ravelled()[7:1900:5], x.ravel()[7:1900:5])
        np.testing.assert_array_equal(
            a[0][np.ix_(np.array([3, 1]), np.array([2, 9]))], b[0][[3, 1]][:, [2, 9]]
        )
        np.testing.assert_array_equal(a.scaled(0.25)[0][:6], b[0][:6] / 4)
        assert (a.min(), a.max(), a[1].min()) == (b.min(), b.max(), b[1].min())
    assert len(list(found)) == 2 and found.astype(np.float64).dtype == np.float64


@pytest.mark.parametrize("size", [None, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_shuffles_and_signs_are_those_of_float32(kind: torch.dtype, size: int | None, monkeypatch) -> None:
    if size is not None:
        monkeypatch.setattr("eigentrail.chance.entries._SHARED", size)
    t = tensor((1, 40, 60), kind).transpose(1, 2)
    x, halves = t.float().numpy(), Halves(t)
    np.testing.assert_array_equal(np.asarray(shuffled(halves, 3)), shuffled(x, 3))
    np.testing.assert_array_equal(np.asarray(signed(halves, 3)), signed(x, 3))
    np.testing.assert_array_equal(np.asarray(halves), x)


def test_statistics_of_the_entries_are_the_same() -> None:
    t = tensor((1, 300, 200)) + 0.5
    assert entry_statistics(Halves(t)) == entry_statistics(t.float().numpy())


@pytest.mark.parametrize(("shape", "converted"), [((400, 160), 0), ((160, 400), 0), ((400, 160), 2**26)])
@pytest.mark.parametrize("heavy", [False, True])
def test_the_diagnosis_is_that_of_float32(
    shape: tuple[int, int], converted: int, heavy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shuffle that is drawn and random signs included, which Lanczos steps decompose, converted once or each time."""
    monkeypatch.setattr("eigentrail.spectra.randomized._CONVERTED", converted)
    monkeypatch.setattr("eigentrail.spectra.randomized.LARGE", 100)
    monkeypatch.setattr("eigentrail.metrics.framework.diagnose.ORDER", 100)
    w = ensembles.spiked(*shape, [4.0, 3.0], seed=1)
    if heavy:
        w[5, 7] = 40.0
    t = torch.from_numpy(w).bfloat16()
    plain = diagnose(t.float(), DiagnosisOptions()).row
    monkeypatch.setattr(eigenvalues, "_SIDE_OF_HALVES", 100)
    monkeypatch.setattr(eigenvalues, "_SIZE_OF_HALVES", 100)
    assert isinstance(eigenvalues.checked_stack(t), Halves)
    found = diagnose(t, DiagnosisOptions()).row
    assert plain.keys() == found.keys() and plain["spikes"] >= 2
    for name, value in plain.items():
        assert found[name] == (pytest.approx(value, rel=1e-4) if isinstance(value, float) else value), name


@pytest.mark.parametrize(("spike", "apart"), [(1.0, True), (4.0, True), (40.0, False)])
def test_square_matrices_keep_their_smallest_eigenvalues(
    spike: float, apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most come from float32, to 1e-6 of the largest, and what that would lose from inverse iteration in float64.

    Below a very large eigenvalue too many would be lost: all of them come from float64.
    """
    for module in (singular_values, symmetric):
        monkeypatch.setattr(module, "LARGE", 256)
    monkeypatch.setattr(singular_values, "_HALVES", 256)
    found_low: list[int] = []
    inverse = singular_values.smallest_eigenvalues
    monkeypatch.setattr(
        singular_values, "smallest_eigenvalues", lambda g, k: found_low.append(k) or inverse(g, k)
    )
    w = tensor((400, 400)).float()
    w[:, 0] *= spike
    w = w.bfloat16().float().numpy()
    found, vectors = singular_values.squared_singular_values(w, 1.0, 3)
    gram = w.T.astype(np.float64) @ w
    exact = np.linalg.eigvalsh(gram)
    assert bool(found_low) == apart
    low = found_low[0] if apart else 400
    assert low >= 1
    np.testing.assert_allclose(found[:low], exact[:low], rtol=1e-4)
    np.testing.assert_allclose(found, exact, rtol=1e-2, atol=1e-6 * exact[-1])
    np.testing.assert_allclose(gram @ vectors, vectors * exact[::-1][:3], atol=1e-3 * exact[-1])
