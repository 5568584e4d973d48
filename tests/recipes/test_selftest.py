from __future__ import annotations

import json
import math

import pytest

from eigentrail.cli.app import run
from eigentrail.testing.selftest import Check, selftest


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_everything_planted_is_recovered_here(seed: int) -> None:
    failed = [c for c in selftest(seed) if not c.passed]
    assert not failed


def test_a_check_can_fail() -> None:
    assert Check("", "", 1.0, 1.1, 0.2).passed
    assert not Check("", "", 1.0, 1.3, 0.2).passed
    assert not Check("", "", 1.0, math.nan, 0.2).passed


def test_the_command_prints_true_and_recovered(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = [Check("noise", "sigma", 1.0, 1.01, 0.1), Check("spikes", "count", 6, 5, 0)]
    monkeypatch.setattr("eigentrail.testing.selftest.selftest", lambda seed: iter(checks))
    assert run(["selftest"]) == 1
    assert "FAILED" in capsys.readouterr().out
    assert run(["selftest", "--format", "json"]) == 1
    assert [c["passed"] for c in json.loads(capsys.readouterr().out)] == [True, False]
