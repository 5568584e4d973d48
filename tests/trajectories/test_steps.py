import numpy as np
import pytest

from eigentrail.trajectories.steps import nested_log_steps


@pytest.mark.parametrize("points", [3, 10, 50, 200, 1000])
@pytest.mark.parametrize("stride", [1, 7])
def test_first_and_last_are_chosen_and_no_more_than_asked(points: int, stride: int) -> None:
    for count in (1, 2, 3, 17, 200, 201, 1351, 40_000):
        steps = 500 + stride * np.arange(count)
        rows = nested_log_steps(steps, points)
        assert rows[0] == 0 and rows[-1] == count - 1
        assert len(rows) <= points
        assert (np.diff(rows) > 0).all()


def test_few_steps_are_all_chosen() -> None:
    assert nested_log_steps(np.array([3, 9, 10]), 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize("points", [20, 200])
def test_a_longer_run_chooses_no_early_step_anew(points: int) -> None:
    # What a grown run chooses among its old steps was chosen before.
    steps = np.arange(20_001)
    before, last = set(range(150)), 0
    for length in (150, 500, 1351, 5000, 20_001):
        now = nested_log_steps(steps[:length], points)
        assert {int(r) for r in now if r < last} <= before
        before, last = {int(r) for r in now}, length


def test_steps_are_log_spaced() -> None:
    rows = nested_log_steps(np.arange(100_001), 100)
    late = rows[rows > 100]
    ratios = late[1:-1] / late[:-2]
    assert np.ptp(ratios) < 0.02  # equal ratios up to rounding
