"""Schedules against the lists of steps that they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from eigentrail.errors import OptionError
from eigentrail.runs.schedules import (
    AtSteps,
    EveryEpochs,
    EverySteps,
    LogSpaced,
    Schedule,
    as_schedule,
    epochs,
    log_spaced,
)


def recorded(schedule: Schedule, steps: int) -> list[int]:
    return [0, *(step for step in range(1, steps + 1) if schedule.due(step - 1, step))]


def test_what_every_means() -> None:
    assert as_schedule(10) == EverySteps(every=10)
    assert as_schedule("epoch") == epochs() == EveryEpochs(every=1)
    assert as_schedule([10, 1, 0, 1]) == AtSteps(at=(0, 1, 10))
    assert as_schedule(log_spaced(3)) == LogSpaced(per_decade=3)


@given(st.integers(1, 50), st.integers(0, 400))
def test_every_n_steps(every: int, steps: int) -> None:
    schedule = EverySteps(every=every)
    assert recorded(schedule, steps) == list(range(0, steps + 1, every))
    assert schedule.count(steps) == len(recorded(schedule, steps))


@given(st.integers(1, 60), st.integers(0, 1500))
def test_log_spaced(per_decade: int, steps: int) -> None:
    schedule = log_spaced(per_decade)
    wanted = sorted({0, *(s for j in range(4 * per_decade) if (s := round(10 ** (j / per_decade))) <= steps)})
    assert recorded(schedule, steps) == wanted
    assert schedule.count(steps) == len(wanted)


def test_log_spaced_has_its_steps_in_every_decade() -> None:
    steps = recorded(log_spaced(20), 100_000)
    for decade in (1000, 10_000):
        assert sum(decade <= step < 10 * decade for step in steps) == 20


@given(st.lists(st.integers(0, 300)), st.integers(0, 300))
def test_given_steps(at: list[int], steps: int) -> None:
    schedule = AtSteps(at=tuple(at))
    assert recorded(schedule, steps) == sorted({0, *(step for step in at if step <= steps)})
    assert schedule.count(steps) == len(recorded(schedule, steps))


@given(st.lists(st.integers(1, 40), min_size=1), st.integers(1, 10), st.integers(1, 30))
def test_jumps_never_miss_a_record_for_good(jumps: list[int], every: int, per_decade: int) -> None:
    for schedule in (EverySteps(every=every), LogSpaced(per_decade=per_decade), AtSteps(at=(3, 50, 51))):
        before = 0
        for jump in jumps:
            passed = any(schedule.due(step - 1, step) for step in range(before + 1, before + jump + 1))
            assert schedule.due(before, before + jump) == passed
            before += jump


def test_epochs() -> None:
    schedule = epochs(3)
    assert not schedule.due(0, 100)
    assert [e for e in range(1, 10) if schedule.due_epoch(e - 1, e)] == [3, 6, 9]
    assert schedule.due_epoch(2.9, 3.0)
    assert not schedule.due_epoch(3.0, 5.99)
    assert schedule.count(1000) is None


@pytest.mark.parametrize("bad", [0, -3, True, 1.0, "week", [1, 2.5], [-1], None, {"every": 3}])
def test_what_is_no_schedule(bad: object) -> None:
    with pytest.raises(OptionError, match="is no schedule"):
        as_schedule(bad)  # type: ignore[arg-type]


def test_numbers_that_cannot_be() -> None:
    with pytest.raises(OptionError, match="at least one epoch"):
        epochs(0)
    with pytest.raises(OptionError, match="at least one step per decade"):
        log_spaced(0)


@pytest.mark.parametrize(
    "schedule", [EverySteps(every=3), EveryEpochs(every=2), LogSpaced(per_decade=9), AtSteps(at=(1, 5))]
)
def test_schedules_go_through_json(schedule: Schedule) -> None:
    class Holder(BaseModel):
        schedule: Schedule

    assert Holder.model_validate_json(Holder(schedule=schedule).model_dump_json()).schedule == schedule
    assert str(schedule)
