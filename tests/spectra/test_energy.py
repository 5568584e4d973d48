from __future__ import annotations

import numpy as np
import pytest

from eigentrail.spectra.energy import (
    directions_for,
    energy_shares,
    noise_energy_shares,
    symmetric_noise_directions,
)
from eigentrail.spectra.ensembles import wigner


def test_shares_of_known_values() -> None:
    assert energy_shares(np.array([1.0, 6.0, 3.0])).tolist() == pytest.approx([0.6, 0.9, 1.0])
    assert [directions_for(energy_shares(np.array([1.0, 6.0, 3.0])), x) for x in (0.5, 0.6, 0.9, 0.91)] == [
        1,
        1,
        2,
        3,
    ]


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_directions_of_symmetric_noise_are_those_of_the_gaussian_ensemble(share: float) -> None:
    levels = np.linalg.eigvalsh(wigner(400, seed=0))
    assert abs(directions_for(energy_shares(levels**2), share) - symmetric_noise_directions(400, share)) <= 8


@pytest.mark.parametrize("rows, cols", [(400, 400), (400, 100), (300, 30)])
def test_noise_shares_are_those_of_gaussian_matrices(rows: int, cols: int) -> None:
    w = np.random.default_rng(0).standard_normal((rows, cols))
    drawn = energy_shares(np.linalg.svd(w, compute_uv=False) ** 2)
    assert np.abs(drawn - noise_energy_shares(rows, cols)).max() < 0.03
