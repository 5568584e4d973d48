"""What the parts of the page have in common that tell of trajectories: which are shown first, and the list in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import xarray as xr

from eigentrail._cells import is_absent
from eigentrail.report.inspection import number_fact
from eigentrail.report.run_story import RunStory
from eigentrail.report.sections import Facts, Listing
from eigentrail.studies.motion import WHOLE

#: Runs of which a figure each is shown.
MOST_RUNS = 4
_LISTED = 40


def motion_nodes(stories: Sequence[RunStory], analysis: str) -> list[tuple[RunStory, xr.DataTree]]:
    """Collect what was analysed.

    Args:
        stories: runs that have the analysis.
        analysis: its name.

    Returns:
        Each run and node, in their order, whole networks first.
    """
    found = [(story, node) for story in stories for node in story.results[analysis].children.values()]
    return sorted(found, key=lambda pair: pair[1].attrs["name"] != WHOLE)


def main_nodes(stories: Sequence[RunStory], analysis: str) -> list[tuple[RunStory, xr.DataTree]]:
    """Choose the one trajectory of each run that is shown first.

    Args:
        stories: runs that have the analysis.
        analysis: its name.

    Returns:
        The whole network, or the largest layer where there is none; runs without any are left out.
    """
    chosen = []
    for story in stories:
        nodes = [node for of, node in motion_nodes([story], analysis) if of is story]
        if nodes:
            chosen.append(
                (story, max(nodes, key=lambda node: (node.attrs["name"] == WHOLE, node.attrs["n"])))
            )
    return chosen


def listing(
    stories: Sequence[RunStory],
    analysis: str,
    tabulate: Callable[[xr.DataTree], pd.DataFrame],
    headings: tuple[str, str],
) -> Listing:
    """List what was found in words.

    Args:
        stories: runs that have the analysis.
        analysis: its name.
        tabulate: sums its result up, with a column `verdict`.
        headings: of the two columns.

    Returns:
        A row per layer and run, whole networks first, at most 40; where there are more, the heading says so.
    """
    rows: list[tuple[str, str, int | None]] = []
    for story in stories:
        table = tabulate(story.results[analysis])
        if len(table):
            named = zip(table["name"], table["verdict"], table["notes"], strict=True)
            told = [(str(n), " ".join([str(v), *(f"({note}.)" for note in notes)])) for n, v, notes in named]
            told.sort(key=lambda pair: pair[0] != WHOLE)
            rows += [(story.named(name), text, None) for name, text in told]
    more = f" (the first {_LISTED} of {len(rows)})" if len(rows) > _LISTED else ""
    return Listing((f"{headings[0]}{more}", headings[1]), tuple(rows[:_LISTED]))


def layer_facts(
    story: RunStory,
    analysis: str,
    tabulate: Callable[[xr.DataTree], pd.DataFrame],
    layer: str,
    title: str,
    columns: Sequence[str],
) -> Facts:
    """Show numbers of one layer.

    Args:
        story: a run that has the analysis.
        analysis: its name.
        tabulate: sums its result up.
        layer: the layer's name.
        title: heading of the block.
        columns: which numbers; those that it does not have are left out.

    Returns:
        The block.
    """
    table = tabulate(story.results[analysis])
    records = [{str(k): v for k, v in row.items()} for row in table.to_dict(orient="records")]
    row = next(row for row in records if row["name"] == layer)
    return Facts(title, tuple(number_fact(row, column) for column in columns if not is_absent(row[column])))
