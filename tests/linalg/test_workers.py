from __future__ import annotations

import os

import pytest

from eigentrail.errors import EigentrailError, OptionError
from eigentrail.linalg import workers
from eigentrail.linalg.workers import in_parallel, most_workers


def place(number: int) -> tuple[int, int, int]:
    import torch

    return number, os.getpid(), torch.get_num_threads()


def test_results_come_in_order_from_processes_with_one_thread() -> None:
    found = list(in_parallel(place, [(i,) for i in range(6)], jobs=2))
    assert [number for number, _, _ in found] == list(range(6))
    assert os.getpid() not in {process for _, process, _ in found}
    assert {count for _, _, count in found} == {1}


@pytest.mark.parametrize(
    ("jobs", "count", "seconds"), [(1, 4, 100.0), (2, 1, 100.0), (2, 4, 1.0), (2, 0, None)]
)
def test_no_process_is_started_where_that_does_not_pay(jobs: int, count: int, seconds: float | None) -> None:
    found = list(in_parallel(place, [(i,) for i in range(count)], jobs=jobs, seconds=seconds))
    assert {process for _, process, _ in found} <= {os.getpid()} and len(found) == count


def test_the_default_is_one_worker_a_core_within_what_the_user_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "usable_cores", lambda: 8)
    monkeypatch.setattr(workers, "allowed_cores", lambda: 2)
    assert [most_workers(jobs) for jobs in (None, -1, 1, 5)] == [2, 8, 1, 5]


@pytest.mark.parametrize("jobs", [0, -2, 1.5, "2", True])
def test_jobs_that_are_no_number_of_processes(jobs: object) -> None:
    with pytest.raises(OptionError, match="jobs"):
        most_workers(jobs)  # type: ignore[arg-type]


def refuse(number: int) -> None:
    raise OptionError(f"{number} will not do")


@pytest.mark.parametrize("jobs", [1, 2])
def test_errors_come_through(jobs: int) -> None:
    # Of two that fail at the same time either may be the first.
    with pytest.raises(EigentrailError, match=r"^[01] will not do"):
        list(in_parallel(refuse, [(0,), (1,)], jobs=jobs))
