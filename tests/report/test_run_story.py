"""What is told of several runs on one page."""

from __future__ import annotations

from pathlib import Path

import eigentrail as et
from eigentrail.report.run_story import RunStory, labelled, story_items
from eigentrail.report.sections import Prose


def told(story: RunStory) -> str:
    return " ".join(
        text for item in story_items(story, {}) if isinstance(item, Prose) for text in item.paragraphs
    )


def test_what_was_chosen_for_all_runs_is_told_once(tmp_path: Path) -> None:
    stories = []
    for name, chosen in (("a", ["shared", "own of a"]), ("b", ["shared", "own of b"]), ("c", ["shared"])):
        run = et.train(
            "mlp50",
            "digits",
            tmp_path / name,
            epochs=1,
            every="epoch",
            notes={"chosen": chosen},
            progress=False,
        )
        stories.append(RunStory(run, {}))
    first, second, third = (told(story) for story in labelled(stories))
    assert "Chosen where the source leaves it open or is too large: shared; own of a." in first
    assert "As above, and chosen where the source leaves it open or is too large: own of b." in second
    assert "hosen" not in third
    assert "shared; own of b" in told(labelled(stories[1:2])[0])
