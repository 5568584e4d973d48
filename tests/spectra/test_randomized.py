from __future__ import annotations

import numpy as np
import pytest

from eigentrail.chance.entries import shuffled, signed
from eigentrail.errors import SpectrumError
from eigentrail.spectra import Spectrum, randomized
from eigentrail.spectra.eigenvalues import checked_stack
from eigentrail.spectra.randomized import shuffled_null, signed_null


@pytest.mark.parametrize("shape", [(80, 60), (400, 200)])
def test_the_shuffle_keeps_the_entries(shape: tuple[int, int]) -> None:
    # The sum of all eigenvalues is the squared Frobenius norm over N, whatever the places.
    w = np.random.default_rng(0).standard_normal(shape)
    null = shuffled_null(checked_stack(w))
    assert null.eigenvalues.sum() * max(shape) == pytest.approx(np.sum(w**2), rel=1e-5)
    assert len(null.eigenvalues) == min(shape)


def test_the_shuffle_destroys_a_spike_of_correlations_and_keeps_one_of_a_huge_entry() -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal((300, 200))
        u, v = rng.standard_normal(300), rng.standard_normal(200)
        correlated = noise + 40 * np.outer(u, v) / np.linalg.norm(u) / np.linalg.norm(v)
        single = noise.copy()
        single[7, 9] = 60.0
        for w, kept in ((correlated, 0), (single, 1)):
            spectrum = Spectrum.from_matrix(w, null=True, seed=seed)
            assert spectrum.marchenko_pastur().spikes == 1
            assert spectrum.null is not None
            assert spectrum.null.marchenko_pastur().spikes == kept


def test_seeded_and_orientation_free() -> None:
    w = np.random.default_rng(1).standard_normal((120, 50))
    one, other = shuffled_null(checked_stack(w), seed=3), shuffled_null(checked_stack(w.T), seed=3)
    np.testing.assert_array_equal(one.eigenvalues, other.eigenvalues)
    assert shuffled_null(checked_stack(w), seed=4).lambda_max != one.lambda_max


def test_the_null_follows_the_scale() -> None:
    w = np.random.default_rng(2).standard_normal((120, 100))
    base = shuffled_null(checked_stack(w))
    for factor in (1e-25, 1e20):
        scaled = shuffled_null(checked_stack(w * factor))
        np.testing.assert_allclose(scaled.eigenvalues / factor**2, base.eigenvalues, rtol=1e-4, atol=1e-6)


def test_random_signs_keep_the_spikes_of_unequal_variances_and_a_shuffle_does_not() -> None:
    """Independent entries whose rows have lognormal(.3) standard deviations have spikes in every draw."""
    for seed in range(3):
        rng = np.random.default_rng([seed, 40])
        w = rng.standard_normal((256, 128)) * np.exp(0.3 * rng.standard_normal(256))[:, None]
        found, kept, mixed = (
            one.marchenko_pastur().spikes
            for one in (Spectrum.from_matrix(w), signed_null(w[None], seed), shuffled_null(w[None], seed))
        )
        assert found >= 2 and kept >= 2 and mixed <= 1


def test_random_signs_destroy_a_planted_direction() -> None:
    left = 0
    for seed in range(3):
        rng = np.random.default_rng([seed, 41])
        along = np.outer(rng.choice([-1.0, 1.0], 256), rng.choice([-1.0, 1.0], 128))
        planted = rng.standard_normal((256, 128)) + 0.375 * along
        assert Spectrum.from_matrix(planted).marchenko_pastur().spikes >= 1
        left += signed_null(planted[None], seed).marchenko_pastur().spikes
    # A spike by chance in 1% of matrices: two in three have probability 3e-4.
    assert left <= 1


@pytest.fixture
def _lanczos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let matrices of a few hundred columns count as large."""
    monkeypatch.setattr(randomized, "LARGE", 256)


@pytest.mark.usefixtures("_lanczos")
@pytest.mark.parametrize("shape", [(256, 256), (900, 300)])
@pytest.mark.parametrize("kind", ["noise", "huge entry", "mean"])
def test_the_upper_end_of_a_large_shuffle_is_that_of_all_eigenvalues(
    shape: tuple[int, int], kind: str
) -> None:
    w = np.random.default_rng([*shape, len(kind)]).standard_normal(shape)
    if kind == "huge entry":
        w[7, 9] = 80.0
    w += 0.4 * (kind == "mean")
    stack = checked_stack(w)
    full, end = shuffled_null(stack, 2), shuffled_null(stack, 2, complete=False)
    assert full.complete and not end.complete
    assert end.lambda_max == pytest.approx(full.lambda_max, rel=1e-3)
    assert end.spikes() == full.spikes() == (kind != "noise")
    values = np.asarray(Spectrum.from_matrix(w).eigenvalues)
    # Its own spectrum lies 1/M from the law, that of another draw as far from all eigenvalues.
    assert end.distance(values) == pytest.approx(full.distance(values), abs=0.02)
    with pytest.raises(SpectrumError, match="largest eigenvalues"):
        end.marchenko_pastur()


@pytest.mark.usefixtures("_lanczos")
def test_entries_with_heavy_tails_are_decomposed_in_full_and_many_spikes_of_signs_are_estimated() -> None:
    heavy = checked_stack(np.random.default_rng(5).standard_t(2.2, (500, 300)))
    assert shuffled_null(heavy, complete=False).complete
    rng = np.random.default_rng(6)
    gains = rng.standard_normal((1, 800, 400)) * np.exp(0.4 * rng.standard_normal((800, 1)))
    full, end = signed_null(gains).spikes(), signed_null(gains, complete=False).spikes()
    assert full > 8 and end == pytest.approx(full, abs=4 * (2 * full) ** 0.5)


def test_entries_of_a_large_transposed_view_are_shuffled_and_signed_as_they_lie() -> None:
    stored = np.random.default_rng(8).standard_normal((64, 132_000), dtype=np.float32)
    for mixed in (shuffled(stored.T, 4), signed(stored.T, 4)):
        assert mixed.shape == (132_000, 64) and mixed.flags.f_contiguous
        assert np.square(mixed, dtype=np.float64).sum() == pytest.approx(
            np.square(stored, dtype=np.float64).sum()
        )
    assert (shuffled(stored.T, 4) != stored.T).mean() > 0.99
    flipped = signed(stored.T, 4)
    np.testing.assert_array_equal(np.abs(flipped), np.abs(stored.T))
    assert (flipped != stored.T).mean() == pytest.approx(0.5, abs=1e-3)
    np.testing.assert_array_equal(flipped.astype(np.float64), signed(stored.T.astype(np.float64), 4))
