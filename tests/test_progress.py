"""What is told of long work, and how often."""

from __future__ import annotations

import pytest

from eigentrail._progress import Throttle


def test_a_throttle_lets_one_report_through_in_each_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 1.0, 2.5, 3.0, 4.5, 10.0, 11.0, 12.5])
    monkeypatch.setattr("eigentrail._progress.time.monotonic", lambda: next(moments))
    throttle = Throttle(2.0)
    assert [throttle.due() for _ in range(5)] == [True, False, True, False, True]
    later = Throttle(2.0, first=False)
    assert [later.due() for _ in range(2)] == [False, True]
