from __future__ import annotations

import numpy as np
import pytest
import torch

from eigentrail.errors import LayerError, SpectrumError
from eigentrail.spectra import Spectrum, ensembles


def test_eigenvalues_in_any_order_and_orientation() -> None:
    values = np.random.default_rng(0).random(20)
    one, other = Spectrum(values, rows=50, cols=20), Spectrum(values[::-1], rows=20, cols=50)
    np.testing.assert_array_equal(one.eigenvalues, np.sort(values))
    np.testing.assert_array_equal(one.eigenvalues, other.eigenvalues)
    assert (one.rows, one.cols, one.q) == (other.rows, other.cols, other.q) == (50, 20, 0.4)


def test_from_matrix_and_from_eigenvalues_agree() -> None:
    w = ensembles.spiked(400, 200, strengths=[3.0, 2.0], seed=1)
    whole = Spectrum.from_matrix(w)
    bare = Spectrum(whole.eigenvalues, rows=400, cols=200)
    assert whole.marchenko_pastur().spikes == bare.marchenko_pastur().spikes == 2
    assert whole.power_law().alpha == bare.power_law().alpha
    assert whole.ranks() == bare.ranks()
    assert whole.spacings().ratio_mean == bare.spacings().ratio_mean


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["noise", "spiked", "heavy", "low-rank"])
def test_alpha_spikes_and_phase_know_neither_orientation_nor_scale(kind: str, seed: int) -> None:
    w = {
        "noise": lambda: ensembles.gaussian(300, 200, seed=seed),
        "spiked": lambda: ensembles.spiked(300, 200, strengths=[4.0, 2.5], seed=seed),
        "heavy": lambda: ensembles.heavy_tailed(300, 200, mu=1.2, seed=seed),
        "low-rank": lambda: ensembles.low_rank(300, 200, rank=20, noise=1e-3, seed=seed),
    }[kind]()
    base = Spectrum.from_matrix(w)
    for other in (w.T, 1e-6 * w, 1e8 * w, torch.from_numpy(w)):
        changed = Spectrum.from_matrix(other)
        assert changed.power_law().alpha == pytest.approx(base.power_law().alpha, rel=1e-9)
        assert changed.marchenko_pastur().spikes == base.marchenko_pastur().spikes
        assert changed.phase().label == base.phase().label


def test_torch_in_torch_out() -> None:
    w = torch.from_numpy(ensembles.spiked(300, 200, strengths=[4.0], seed=0))
    spectrum = Spectrum.from_matrix(w)
    assert isinstance(spectrum.eigenvalues, torch.Tensor)
    assert isinstance(spectrum.marchenko_pastur().spike_values, torch.Tensor)
    assert spectrum.phase().label
    assert isinstance(Spectrum.from_matrix(w.numpy()).marchenko_pastur().spike_values, np.ndarray)


def test_a_hessian_may_be_indefinite_and_refuses_what_needs_a_shape() -> None:
    a = np.random.default_rng(3).standard_normal((100, 100))
    spectrum = Spectrum.from_symmetric(a + a.T)
    np.testing.assert_allclose(spectrum.eigenvalues, np.linalg.eigvalsh(a + a.T))
    assert spectrum.spacings().ratio_mean == pytest.approx(0.53, abs=0.08)
    for ask in (spectrum.marchenko_pastur, spectrum.ranks, spectrum.phase):
        with pytest.raises(SpectrumError, match="rows= and cols="):
            ask()


def test_a_pool_is_taken_by_matrix() -> None:
    pool = np.random.default_rng(4).standard_normal((9, 64, 32))
    spectrum = Spectrum.from_matrix(pool)
    assert spectrum.matrices == 9 and len(spectrum) == 9 * 32
    # Mixed up, 9 independent spectra look like independent levels (0.386); apart they repel (0.531).
    assert spectrum.spacings().ratio_mean == pytest.approx(0.531, abs=0.06)
    flat = Spectrum(spectrum.eigenvalues, rows=64, cols=32, matrices=9)
    assert flat.marchenko_pastur().sigma == spectrum.marchenko_pastur().sigma
    with pytest.raises(SpectrumError, match="by matrix"):
        flat.spacings()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([],), "at least one"),
        (([1.0, np.nan],), "1 of 2 eigenvalues are NaN"),
        (([1.0, 2.0], 3), "belong together"),
        (([1.0, 2.0], 30, 20), "have 20 eigenvalues"),
        (([1.0, 2.0], 3, 2, 0), "at least 1"),
    ],
)
def test_bad_input_is_one_sentence(arguments: tuple[object, ...], said: str) -> None:
    with pytest.raises(SpectrumError, match=said):
        Spectrum(*arguments)  # type: ignore[arg-type]


def test_negative_eigenvalues_are_no_weight_matrix() -> None:
    with pytest.raises(SpectrumError, match="cannot be negative"):
        Spectrum(np.linspace(-1, 1, 20), rows=40, cols=20).marchenko_pastur()


def test_a_matrix_that_is_not_symmetric_is_refused() -> None:
    with pytest.raises(LayerError, match="not symmetric"):
        Spectrum.from_symmetric(np.triu(np.ones((3, 3))))
    with pytest.raises(LayerError, match="shape"):
        Spectrum.from_symmetric(np.ones((3, 2)))


@pytest.mark.parametrize("values", [["a", "b"], [1 + 1j, 2]])
def test_what_is_no_real_number_is_refused(values: list[object]) -> None:
    with pytest.raises(SpectrumError, match="real numbers"):
        Spectrum(values)


def test_a_sparse_tensor_is_refused_with_the_mend() -> None:
    with pytest.raises(LayerError, match="to_dense"):
        Spectrum.from_matrix(torch.eye(20).to_sparse())


def test_a_notebook_shows_its_main_numbers() -> None:
    values = np.random.default_rng(0).standard_normal((100, 50))
    spectrum = Spectrum.from_matrix(values)
    shown = spectrum._repr_html_()
    assert f"<td>stable rank</td><td>{spectrum.ranks().stable:.4g}</td>" in shown
    # Of a Hessian's what can be said.
    assert "Spectrum(3 eigenvalues in [-1, 2])" in Spectrum(np.array([-1.0, 1.0, 2.0]))._repr_html_()
