"""Work is shared by threads, in the order of the tasks, nested too; errors and interruptions end it."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import pytest

from eigentrail.errors import OptionError
from eigentrail.linalg.sharing import shared, sharing

SETTING: ContextVar[int] = ContextVar("setting", default=0)


def ours() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith("eigentrail worker")]


def meeting(workers: int):
    """A function that returns only once so many threads call it."""
    barrier = threading.Barrier(workers, timeout=60)

    def meet(number: int) -> tuple[int, int]:
        barrier.wait()
        return number, threading.get_ident()

    return meet


def test_results_come_in_order_from_all_threads() -> None:
    with sharing(3):
        found = shared(meeting(3), [(i,) for i in range(6)])
        assert len(ours()) == 2
    assert [number for number, _ in found] == list(range(6))
    assert len({thread for _, thread in found}) == 3
    assert threading.get_ident() in {thread for _, thread in found} and not ours()


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_work_shared_inside_shared_work(workers: int) -> None:
    def outer(a: int) -> list[int]:
        return shared(lambda b: 10 * a + b, [(b,) for b in range(4)])

    with sharing(workers):
        assert shared(outer, [(a,) for a in range(5)]) == [[10 * a + b for b in range(4)] for a in range(5)]


def test_who_waits_helps_with_the_blocks_of_others() -> None:
    meet = meeting(2)

    def outer(number: int) -> list[int]:
        # The second task ends at once; its thread must come and help the first.
        return [one for one, _ in shared(meet, [(0,), (1,)])] if number == 0 else []

    with sharing(2):
        assert shared(outer, [(0,), (1,)]) == [[0, 1], []]


def test_settings_of_who_shares_the_work_hold_in_it() -> None:
    SETTING.set(7)
    with sharing(2):
        assert shared(lambda _: SETTING.get(), [(i,) for i in range(4)]) == [7] * 4


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("error", [OptionError("2 will not do"), KeyboardInterrupt()])
def test_the_first_error_comes_through_and_nothing_is_begun_after_it(
    workers: int, error: BaseException
) -> None:
    begun = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise error
        return number

    with pytest.raises(type(error)), sharing(workers):
        shared(work, [(i,) for i in range(200)])
    assert len(begun) < 200 and not ours()


def test_an_error_inside_shared_work_ends_the_work_around_it() -> None:
    def inner(number: int) -> int:
        if number == 3:
            raise OptionError("3 will not do")
        return number

    with pytest.raises(OptionError, match="3 will not do"), sharing(2):
        shared(lambda _: shared(inner, [(i,) for i in range(5)]), [(0,), (1,)])
    assert not ours()
