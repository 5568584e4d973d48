"""How many operations a stack launches: on a GPU, for networks as small as these, that is what takes the time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from bench_ensemble import launches
from eigentrail.data import Data


@pytest.mark.parametrize(
    "network",
    [
        "mlp50",
        pytest.param("mlp-bn-2-40", marks=pytest.mark.slow),
        pytest.param("res-bn-2-40", marks=pytest.mark.slow),
    ],
)
def test_twenty_members_launch_at_most_a_tenth_of_twenty_trainings(network: str, digits: Data) -> None:
    single, many = launches(network, digits, 20)
    assert single > 45 * 20
    assert many <= 0.1 * 20 * single


def test_a_single_member_launches_about_as_much_as_a_training(digits: Data) -> None:
    single, many = launches("mlp50", digits, 1)
    assert 0.8 * single <= many <= 1.3 * single
