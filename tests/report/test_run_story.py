"""What is told of several runs on one page."""

from __future__ import annotations

from pathlib import Path

import eigentrail as et
from eigentrail import data
from eigentrail.report.run_story import RunStory, about_items, labelled, training_facts
from eigentrail.report.sections import Prose


def told(story: RunStory) -> str:
    return " ".join(
        text for item in about_items(story) if isinstance(item, Prose) for text in item.paragraphs
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


def test_changed_data_and_unusual_settings_are_told(tmp_path: Path) -> None:
    changed = data.label_noise(data.select_classes(data.take(data.load("digits"), 400), [0, 1, 2, 3, 4]), 0.5)
    run = et.train(
        "lenet", changed, tmp_path / "run", epochs=2, drop_last=True, schedule="cosine", frozen=["fc3.*"],
        augmentation=data.Augmentation(crop=1, rotation="steps"), every="epoch", progress=False,
        phases=[et.training.ClassPhase(start=1, classes=[0, 2])],
    )  # fmt: skip
    facts = {fact.label: fact.value for fact in training_facts(run)}
    assert facts["Changed data"] == (
        "a random 400 training samples (seed 0); only the classes 0, 1, 2, 3, 4; 50% wrong labels (seed 0)"
    )
    assert facts["Training samples"] == str(len(changed.train_targets))
    assert facts["Images changed anew"] == (
        "turned by a multiple of 15°, cropped with an edge of 1 px, mirrored by chance"
    )
    assert facts["Rate over the epochs"] == "half a cosine down to 0 of the first"
    assert facts["Classes"] == "from epoch 1 only 0, 2"
    assert facts["Not trained"] == "fc3.*"
    assert facts["Last batch of an epoch"] == "left out where it is not full"
    plain = {
        fact.label
        for fact in training_facts(et.train("mlp50", "digits", tmp_path / "b", epochs=1, progress=False))
    }
    assert not plain & {
        "Changed data",
        "Images changed anew",
        "Rate over the epochs",
        "Classes",
        "Not trained",
    }
