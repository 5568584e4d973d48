from __future__ import annotations

import json
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import pytest

from eigentrail.errors import RunError
from eigentrail.sweeps import ledger
from eigentrail.sweeps.ledger import claim, held, is_done, mark_done, read_done

# Forked: what is tested is what several processes do, not how they start.
FORK = multiprocessing.get_context("fork")


def _claims(folder: Path, won: Path, together: Any) -> None:
    together.wait()
    if claim(folder, "1") is not None:
        (won / str(os.getpid())).touch()
    # Whoever has it lives until all have tried.
    together.wait()


def test_of_many_that_claim_at_once_one_wins_and_again_after_its_death(tmp_path: Path) -> None:
    folder = tmp_path / "unit"
    for turn in range(1, 4):
        won = tmp_path / f"won{turn}"
        won.mkdir()
        together = FORK.Barrier(6)
        racing = [FORK.Process(target=_claims, args=(folder, won, together)) for _ in range(6)]
        for process in racing:
            process.start()
        for process in racing:
            process.join()
        # Each turn begins with the claim of a process that has ended without releasing it.
        assert len(list(won.iterdir())) == 1
        assert len(list(folder.glob("claim.*"))) == turn


def test_a_claim_holds_until_it_is_released(tmp_path: Path) -> None:
    mine = claim(tmp_path, "1")
    assert mine is not None and mine.holds
    assert claim(tmp_path, "1") is None
    with held(mine):
        assert claim(tmp_path, "1") is None
    again = claim(tmp_path, "1")
    assert again is not None and not mine.holds
    assert not mark_done(mine, {"by": "the first"}) and not is_done(tmp_path)
    assert mark_done(again, {"by": "the second"}) and read_done(tmp_path) == {"by": "the second"}


def test_another_version_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with held(claim(tmp_path, "1") or pytest.fail("not claimed")):
        pass
    before = sorted(tmp_path.iterdir())
    with pytest.raises(RunError, match="was begun by eigentrail 1, and this is 2"):
        claim(tmp_path, "2")
    assert sorted(tmp_path.iterdir()) == before


def test_a_holder_elsewhere_is_lost_when_it_is_silent(tmp_path: Path) -> None:
    path = tmp_path / "claim.1"
    path.write_text(json.dumps({"pid": 1, "host": "elsewhere", "start": 5, "version": "1"}))
    assert claim(tmp_path, "1") is None
    old = time.time() - ledger.LOST_SECONDS - 5
    os.utime(path, (old, old))
    assert claim(tmp_path, "1") is not None


def test_a_damaged_mark_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "done.json").write_text("{")
    with pytest.raises(RunError, match="remove it"):
        read_done(tmp_path)
