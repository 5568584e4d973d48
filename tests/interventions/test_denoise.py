"""Denoising planted matrices: nearer to the signal than the best cut, and the strengths come back."""

from __future__ import annotations

import numpy as np
import pytest
from test_truncate import noise, planted

from eigentrail.errors import LayerError, OptionError
from eigentrail.interventions import denoise, truncate


@pytest.mark.parametrize(("rows", "cols"), [(240, 120), (160, 160), (300, 60)])
def test_denoised_is_nearer_to_the_signal_than_the_best_cut(rows, cols) -> None:
    strengths = [2.5 * (cols / rows) ** 0.25, 1.8 * (cols / rows) ** 0.25]
    errors: dict[str, list[float]] = {"cut": [], "inverse-bbp": [], "gavish-donoho": []}
    for seed in range(10):
        w, signal = planted(rows, cols, strengths, seed)
        errors["cut"].append(min(float(np.linalg.norm(truncate(w, k).matrix - signal)) for k in (1, 2, 3)))
        for how in ("inverse-bbp", "gavish-donoho"):
            errors[how].append(float(np.linalg.norm(denoise(w, how).matrix - signal)))
    cut, bbp, optimal = (np.mean(errors[name]) for name in errors)
    assert optimal < bbp < cut


@pytest.mark.parametrize("turned", [False, True])
def test_values_are_the_planted_ones(turned) -> None:
    w, _ = planted(600, 200, [3.0, 2.0], seed=3)
    made = denoise(w.T if turned else w)
    values = np.linalg.svd(made.matrix, compute_uv=False)[:2] / 600**0.5
    np.testing.assert_allclose(values, [3.0, 2.0], rtol=0.03)
    measured = np.linalg.norm(made.matrix - (w.T if turned else w)) / np.linalg.norm(w)
    assert made.relative_error == pytest.approx(measured)
    assert made.spikes == 2


def test_noise_alone_and_unknown_ways_are_refused() -> None:
    with pytest.raises(LayerError, match="nothing stands out"):
        denoise(noise(200, 100))
    with pytest.raises(OptionError, match="gavish-donoho"):
        denoise(noise(6, 4), "magic")
