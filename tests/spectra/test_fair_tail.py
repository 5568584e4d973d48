from __future__ import annotations

import numpy as np
import pytest

from eigentrail.errors import SpectrumError
from eigentrail.spectra.fair_tail import fair_tail
from eigentrail.spectra.power_law import fit_power_law


def _draw(kind: str, rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, rows])
    if kind == "student":
        return rng.standard_t(2.5, (rows, 256))
    return rng.standard_normal((rows, 256)) * (1 + rng.pareto(2.5, (rows, 1)))


@pytest.mark.parametrize("kind", ["student", "gains"])
def test_the_fair_exponent_does_not_move_with_the_shape(kind: str) -> None:
    """One law of the entries in two shapes, q = 1 and 1/8: the plain exponent moves, the fair one stays."""
    fair, plain = {}, {}
    for rows in (256, 2048):
        draws = [_draw(kind, rows, seed) for seed in range(4)]
        fair[rows] = np.mean([fair_tail(w[None], 1).alpha for w in draws])
        plain[rows] = np.mean(
            [fit_power_law(np.linalg.eigvalsh(w.T @ w), alternatives=False).alpha for w in draws]
        )
    assert plain[2048] - plain[256] > 0.25
    assert abs(fair[2048] - fair[256]) < 0.6 * (plain[2048] - plain[256])


def test_its_error_is_the_spread_over_draws_within_a_factor() -> None:
    found = [fair_tail(_draw("gains", 512, seed)[None], seed) for seed in range(12)]
    spread = np.std([one.alpha for one in found])
    assert spread / 3 < np.median([one.error for one in found]) < 3 * spread


def test_it_is_seeded_and_free_of_scale_and_refuses_what_is_too_narrow() -> None:
    w = np.random.default_rng(0).standard_t(3, (1, 90, 60))
    assert fair_tail(w, 3) == fair_tail(w, 3) and fair_tail(w, 3).side == 60
    assert fair_tail(w * 2.0**-60, 3).alpha == pytest.approx(fair_tail(w, 3).alpha, rel=1e-9)
    assert fair_tail(w, 4).alpha != fair_tail(w, 3).alpha
    with pytest.raises(SpectrumError, match="8 are needed"):
        fair_tail(w[:, :, :6])
