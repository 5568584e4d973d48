from __future__ import annotations

import numpy as np
import pytest

from eigentrail.errors import OptionError
from eigentrail.metrics.framework.diagnose import diagnose
from eigentrail.spectra.lower_edge import lower_threshold


@pytest.mark.parametrize(("surplus", "level"), [(0, 0.01), (0, 0.05), (1, 0.05), (8, 0.05), (30, 0.01)])
def test_the_smallest_eigenvalue_of_noise_falls_below_it_as_often_as_the_level_says(
    surplus: int, level: float
) -> None:
    rng, cols, draws = np.random.default_rng(surplus), 30, 3000
    w = rng.standard_normal((draws, cols + surplus, cols))
    smallest = np.linalg.eigvalsh(w.swapaxes(1, 2) @ w)[:, 0] / (cols + surplus)
    rate = (smallest < lower_threshold(cols + surplus, cols, 1.0, level)).mean()
    assert abs(rate - level) < 0.3 * level + 3 * (level / draws) ** 0.5


def test_between_the_two_laws_noise_falls_below_more_seldom() -> None:
    w = np.random.default_rng(1).standard_normal((2000, 34, 30))
    smallest = np.linalg.eigvalsh(w.swapaxes(1, 2) @ w)[:, 0] / 34
    assert (smallest < lower_threshold(34, 30, 1.0, 0.05)).mean() < 0.05


def test_it_follows_scale_and_pool_and_refuses_what_is_no_level() -> None:
    assert lower_threshold(80, 40, 3.0) == pytest.approx(9 * lower_threshold(80, 40))
    assert lower_threshold(80, 40, matrices=10) < lower_threshold(80, 40)
    with pytest.raises(OptionError, match="between 0 and 1"):
        lower_threshold(80, 40, level=1.0)


@pytest.mark.parametrize("shape", [(300, 150), (150, 150)])
def test_directions_that_are_emptied_are_counted_and_noise_has_none(shape: tuple[int, int]) -> None:
    """Two right directions scaled to a hundredth; spikes above change nothing; exact zeros are no spikes."""
    rng = np.random.default_rng(7)
    noise = rng.standard_normal(shape)
    q = np.linalg.qr(rng.standard_normal((shape[1], 4)))[0]
    emptied = noise - (1 - 1e-4) * (noise @ q[:, :2]) @ q[:, :2].T
    above = emptied + 60 * np.outer(rng.standard_normal(shape[0]) / shape[0] ** 0.5, q[:, 2])
    zeros = noise - (noise @ q) @ q.T
    found = [diagnose(w).row["spikes_low"] for w in (noise, emptied, above, zeros)]
    assert found == [0, 2, 2, 0]
    assert diagnose(above).row["spikes"] == 1
