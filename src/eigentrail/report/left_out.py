"""What the analyses of runs leave out, each tensor once with the analyses and their reasons."""

from __future__ import annotations

from collections.abc import Sequence

from eigentrail.analyses.framework.subjects import WHOLE
from eigentrail.findings import Skipped
from eigentrail.report.inspection import skipped_section
from eigentrail.report.run_story import EVOLUTION, RunStory
from eigentrail.report.sections import Section


def left_out_section(stories: Sequence[RunStory]) -> Section:
    """List what the analyses leave out, and say how much of it no analysis contains.

    Args:
        stories: the runs.

    Returns:
        A section; each tensor has one row.
    """
    listed: list[Skipped] = []
    never: set[str] = set()
    within: set[str] = set()
    partly: set[str] = set()
    whole = False
    for story in stories:
        known = {
            name: [str(node.attrs["name"]) for node in found.tree.children.values()]
            for name, found in story.found.items()
        }
        alone = {layer for layers in known.values() for layer in layers}
        wholes = [name for name, layers in known.items() if WHOLE in layers]
        for tensor, reasons in _reasons(story).items():
            told = "; ".join(
                why if analyses == [EVOLUTION] else f"{', '.join(analyses)}: {why}"
                for why, analyses in reasons.items()
            )
            if tensor == WHOLE:
                whole = True
            elif tensor in alone:
                partly.add(story.named(tensor))
            elif wholes and tensor in story.run.layers:
                within.add(story.named(tensor))
                told += f" (contained in the whole network: {', '.join(wholes)})"
            else:
                never.add(story.named(tensor))
            listed.append(Skipped(story.named(tensor), told))
    lead = (
        _told(never, "is in no analysis", "are in no analysis"),
        _told(
            within,
            "has no analysis of its own; those of the whole network contain it",
            "have no analysis of their own; those of the whole network contain them",
        ),
        _told(partly, "is left out of some analyses or steps", "are left out of some analyses or steps"),
        "The whole network is left out of some analyses or steps." if whole else "",
    )
    return skipped_section(listed, " ".join(one for one in lead if one))


def _reasons(story: RunStory) -> dict[str, dict[str, list[str]]]:
    """Collect the analyses that leave something out by reason, by what they leave out."""
    found: dict[str, dict[str, list[str]]] = {}
    for analysis, result in story.found.items():
        for one in dict.fromkeys(result.skipped):
            found.setdefault(one.name, {}).setdefault(one.reason, []).append(analysis)
    for one in story.left_out:
        found.setdefault(one.name, {}).setdefault(one.reason, []).append(EVOLUTION)
    return found


def _told(names: set[str], one: str, many: str) -> str:
    if not names:
        return ""
    if len(names) == 1:
        [name] = names
        return f"{name} {one}."
    return f"{len(names)} tensors {many}."
