"""A page of several runs begins with what differs between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from eigentrail.report.run_story import RunStory, labelled
from eigentrail.report.runs_compared import differing, runs_section, title
from eigentrail.runs import Recorder, open_run


def story(path: Path, accuracy: float | None, seed: int, rate: float, epochs: int = 2) -> RunStory:
    model = nn.Linear(6, 4)
    about: dict[str, Any] = {"training": {"lr": rate, "epochs": epochs}}
    with Recorder(model, path, report=None, seed=seed, notes=about) as recorder:
        with torch.no_grad():
            model.weight += 0.1
        recorder.step(loss=0.5, **({} if accuracy is None else {"test_accuracy": accuracy}))
    return RunStory(open_run(path), {})


def test_the_table_holds_what_differs_and_how_the_runs_ended(tmp_path: Path) -> None:
    ends = ((0.9, 0, 0.1), (0.97, 1, 0.1), (0.91, 2, 0.2))
    stories = labelled([story(tmp_path / f"run{n}", *end) for n, end in enumerate(ends)])
    (grid,) = runs_section(stories).items
    assert grid.headings == ("run", "Learning rate", "Seed", "Final test accuracy")
    assert [cells for cells, _ in grid.rows] == [
        ("run0", "0.100", "0", "0.900"),
        ("run1", "0.100", "1", "0.970"),
        ("run2", "0.200", "2", "0.910"),
    ]
    assert title(stories) == (
        "3 trainings compared: test accuracy 90.0% to 97.0%; they differ in learning rate, seed"
    )


def test_two_causes_at_once_are_told_apart_from_one(tmp_path: Path) -> None:
    one = labelled([story(tmp_path / f"one{n}", 0.9, n, rate) for n, rate in enumerate((0.1, 0.2))])
    assert "at once" not in (runs_section(one).lead or "")
    two = labelled([story(tmp_path / "a", 0.9, 0, 0.1), story(tmp_path / "b", 0.9, 0, 0.2, epochs=3)])
    lead = runs_section(two).lead or ""
    assert "learning rate and epochs at once" in lead or "epochs and learning rate at once" in lead


def test_what_a_run_lacks_is_no_value_of_another(tmp_path: Path) -> None:
    stories = labelled([story(tmp_path / "a", 0.9, 0, 0.1), story(tmp_path / "b", None, 0, 0.1)])
    (grid,) = runs_section(stories).items
    assert grid.headings == ("run", "Final test accuracy")
    assert [cells[1] for cells, _ in grid.rows] == ["0.900", "—"]
    # The loss is what both have.
    assert title(stories) == "2 trainings compared: last batch's loss 0.500"


@pytest.mark.parametrize("facts", [[{"Status": "finished"}] * 2, [{}, {}]])
def test_equal_runs_have_nothing_that_differs(facts: list[dict[str, str]]) -> None:
    assert differing(facts) == []
