from __future__ import annotations

import numpy as np
import pytest

from eigentrail.errors import SpectrumError
from eigentrail.spectra import ensembles
from eigentrail.spectra.sketch import Sketch, sketch
from eigentrail.spectra.spectrum import Spectrum


def sketched(w: np.ndarray) -> Sketch:
    found = sketch(w, seed=1)
    assert found is not None
    return found[0]


def test_spikes_are_exact_and_the_bulk_lies_within_its_error() -> None:
    w = ensembles.spiked(640, 400, [6.0, 4.0, 2.0], seed=0)
    exact = np.linalg.svd(w, compute_uv=False)[::-1] ** 2 / 640
    found = sketched(w)
    values = found.eigenvalues()
    assert found.high >= 3 and len(values) == 400
    np.testing.assert_allclose(values[-3:], exact[-3:], rtol=1e-5)
    draws = np.std(list(found.resampled(24)), axis=0)
    inside = np.abs(values - exact)[10:-10] < 3 * draws[10:-10] + 2e-3 * exact[-4]
    assert inside.mean() > 0.95
    # The sums of the eigenvalues and of their squares are those of the matrix.
    assert values.sum() == pytest.approx(exact.sum(), rel=1e-3)
    assert np.square(values).sum() == pytest.approx(np.square(exact).sum(), rel=1e-3)


def test_away_from_square_the_lower_end_is_exact_too() -> None:
    w = ensembles.spiked(1600, 320, [3.0], seed=2)
    exact = np.linalg.svd(w, compute_uv=False)[::-1] ** 2 / 1600
    found = sketched(w)
    assert found.low >= 1 and found.known_below > 0
    np.testing.assert_allclose(found.eigenvalues()[: found.low], exact[: found.low], rtol=1e-3)


def test_leading_vectors_come_with_it() -> None:
    w = ensembles.spiked(600, 320, [8.0, 5.0], seed=3)
    _, vectors = sketch(w, leading=2) or pytest.fail("no sketch")
    u, _, vt = np.linalg.svd(w, full_matrices=False)
    assert np.abs((vectors.short * vt[:2]).sum(axis=1)).min() > 1 - 1e-4
    assert np.abs((vectors.long * u[:, :2].T).sum(axis=1)).min() > 1 - 1e-4


@pytest.mark.parametrize("kind", ["orthogonal", "dead columns", "rank 200"])
def test_what_it_cannot_resolve_it_does_not_guess(kind: str) -> None:
    rng = np.random.default_rng(4)
    w = rng.standard_normal((500, 400))
    if kind == "orthogonal":
        w = np.linalg.qr(w)[0]
    elif kind == "dead columns":
        w[:, :150] = 0.0
    else:
        w = rng.standard_normal((500, 200)) @ rng.standard_normal((200, 400)) + 1e-3 * w
    assert sketch(w) is None


def test_level_statistics_are_refused() -> None:
    spectrum = Spectrum.from_sketch(sketched(ensembles.spiked(500, 320, [3.0], seed=5)))
    with pytest.raises(SpectrumError, match="neighbouring"):
        spectrum.spacings()
