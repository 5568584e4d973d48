"""What a page of several runs begins with: how the runs differ and where each ended."""

from __future__ import annotations

from collections.abc import Sequence

from eigentrail._cells import ABSENT
from eigentrail.report.run_story import RunStory, training_facts
from eigentrail.report.sections import Grid, Section

#: What every run tells, however alike the runs are; the first that is known stands for the others of its kind.
_ENDS = ("Final test accuracy", "Final test loss", "Final train loss", "Last batch's loss")
#: What differs from run to run without meaning anything.
_IDLE = {"Recording's share of a step", "Source", "To step"}
# What is drawn at random, and no cause by itself.
_RANDOM = {"seed"}


def runs_section(stories: Sequence[RunStory]) -> Section:
    """Put the runs side by side.

    Args:
        stories: two runs or more, each with its label.

    Returns:
        A table of a row per run: what differs between them and how each ended.
    """
    facts = _facts(stories)
    differ = differing(facts)
    headings = ("run", *differ)
    rows = tuple(
        ((story.label, *(told.get(label, ABSENT) for label in differ)), None)
        for story, told in zip(stories, facts, strict=True)
    )
    lead = "What is the same in all is not listed."
    causes = [cause for cause in _causes(facts) if cause not in _RANDOM]
    if len(causes) > 1:
        lead += (
            f" The runs differ in {', '.join(causes[:-1])} and {causes[-1]} at once: what differs in their results "
            "cannot be put down to one of these."
        )
    return Section("runs", "The runs", (Grid(headings, rows),), lead, nav="Runs")


def title(stories: Sequence[RunStory]) -> str:
    """Say in one line what the runs are and how they ended.

    Args:
        stories: two runs or more.

    Returns:
        "3 trainings compared: test accuracy 93.0% to 97.0%; they differ in seed, learning rate".
    """
    facts = _facts(stories)
    told = f"{len(stories)} trainings compared"
    end = next((label for label in _ENDS if all(label in one for one in facts)), None)
    if end is not None:
        values = sorted((one[end] for one in facts), key=float)
        name = end.removeprefix("Final ")
        name = name[:1].lower() + name[1:]
        first, last = (
            f"{float(value):.1%}" if "accuracy" in name else value for value in (values[0], values[-1])
        )
        told += f": {name} {first}" + (f" to {last}" if first != last else "")
    causes = _causes(facts)
    return f"{told}; they differ in {', '.join(causes)}" if causes else told


def _causes(facts: Sequence[dict[str, str]]) -> list[str]:
    """Name the settings that differ."""
    return [
        label[:1].lower() + label[1:]
        for label in differing(facts)
        if not label.startswith(("Final", "Spikes", "Last")) and label not in {"Status", "Recorded steps"}
    ]


def differing(facts: Sequence[dict[str, str]]) -> list[str]:
    """Name what is not the same in all runs, and how they ended.

    Args:
        facts: of each run, values by label.

    Returns:
        The labels, in the order of the runs' facts.
    """
    labels = dict.fromkeys(label for one in facts for label in one)
    ends = next((label for label in _ENDS if label in labels), None)
    return [
        label
        for label in labels
        if label == ends or (label not in _IDLE and len({one.get(label) for one in facts}) > 1)
    ]


def _facts(stories: Sequence[RunStory]) -> list[dict[str, str]]:
    found = []
    for story in stories:
        told = {fact.label: fact.value for fact in training_facts(story.run)}
        table = story.table
        if len(table):
            told["Spikes at the end"] = str(int(table["spikes_last"].fillna(0).sum()))
        found.append(told)
    return found
